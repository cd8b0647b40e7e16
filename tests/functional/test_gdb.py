# SPDX-License-Identifier: GPL-2.0-or-later
"""The gdb stub, by its protocol: registers, memory, breakpoints, steps, threads, and packets that make no sense."""
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
import time

import ferry
from ferry import Failure, Vm, case, require


class Gdb:
    def __init__(self, vm, path):
        self.vm, self.data = vm, b''
        self.sock = socket.socket(socket.AF_UNIX)
        end = time.time() + 10 * ferry.PATIENCE
        while True:
            try:
                self.sock.connect(path)
                break
            except OSError:
                if time.time() > end:
                    raise Failure('no gdb socket')
                time.sleep(0.02)
        self.sock.settimeout(20 * ferry.PATIENCE)

    def send(self, text):
        data = text.encode()
        self.sock.sendall(b'$%s#%02x' % (data, sum(data) & 255))

    def reply(self):
        while True:
            start = self.data.find(b'$')
            end = self.data.find(b'#', start) if start >= 0 else -1
            if end >= 0 and len(self.data) >= end + 3:
                text = self.data[start + 1:end]
                require(int(self.data[end + 1:end + 3], 16) == sum(text) & 255, 'bad checksum')
                self.data = self.data[end + 3:]
                self.sock.sendall(b'+')
                return text.decode()
            more = self.sock.recv(4096)
            if not more:
                raise Failure('the stub hung up')
            self.data += more

    def ask(self, text):
        self.send(text)
        return self.reply()

    def register(self, number):
        return struct.unpack('<Q', bytes.fromhex(self.ask('p%x' % number)))[0]


F_OFD_SETLK = 37
RAX, RIP = 0, 16


def symbol(name):
    for line in subprocess.check_output(['nm', ferry.GUEST], text=True).splitlines():
        fields = line.split()
        if fields[-1] == name:
            return int(fields[0], 16)
    raise Failure('no symbol ' + name)


def start(args=(), **kwargs):
    directory = tempfile.TemporaryDirectory(prefix='ferry-gdb-')
    path = directory.name + '/socket'
    vm = Vm(args=['-S', '-gdb', 'unix:' + path, *args], **kwargs)
    gdb = Gdb(vm, path)
    gdb.directory = directory # as long as the connection
    return vm, gdb


@case
def breakpoint_and_step():
    vm, gdb = start(smp=2)
    main = symbol('guest_main')
    require('PacketSize' in gdb.ask('qSupported:swbreak+'), 'qSupported')
    require(gdb.ask('?').startswith('T05thread:1'), 'stop reason')
    require(gdb.ask('Z0,%x,1' % main) == 'OK', 'Z0')
    stop = gdb.ask('c')
    require(stop.startswith('T05thread:1'), 'stopped with %s' % stop)
    require(gdb.register(RIP) == main, 'stopped at %#x' % gdb.register(RIP))
    code = bytes.fromhex(gdb.ask('m%x,2' % main))
    require(len(code) == 2, 'memory')
    require(gdb.ask('vCont;s:1').startswith('T05'), 'step')
    after = gdb.register(RIP)
    require(main < after <= main + 15, 'stepped to %#x' % after)
    require(gdb.ask('z0,%x,1' % main) == 'OK', 'z0')
    require(gdb.ask('P%x=%s' % (RAX, '8877665544332211')) == 'OK', 'P')
    require(gdb.register(RAX) == 0x1122334455667788, 'rax')
    require(gdb.ask('D') == 'OK', 'detach')
    vm.expect(rb'guest ready\n', 20)


@case
def interrupt_and_threads():
    vm, gdb = start(smp=3)
    gdb.send('c')
    vm.expect(rb'guest ready\n', 20)
    gdb.sock.sendall(b'\x03')
    require(gdb.reply().startswith('T02'), 'Ctrl-C')
    threads = [gdb.ask('qfThreadInfo')]
    while threads[-1] != 'l':
        threads.append(gdb.ask('qsThreadInfo'))
    require(threads == ['m1', 'm2', 'm3', 'l'], 'threads %s' % threads)
    require(gdb.ask('T3') == 'OK' and gdb.ask('T4') == 'E22', 'alive')
    require(gdb.ask('Hg3') == 'OK', 'Hg')
    require(gdb.register(RIP) == 0xfff0 + 0xffff0000, 'an AP waits at the reset vector')
    require(len(gdb.ask('g')) > 2 * 17 * 8, 'g')
    vm.qmp.command('cont') # a monitor may resume as well
    require('pong' in vm.guest('ping'), 'no pong')


def locked(path):
    """Whether somebody writes to the image, by the locks that QEMU's processes take."""
    with open(path, 'rb+') as file:
        lock = struct.pack('hhqqi4x', fcntl.F_WRLCK, os.SEEK_SET, 101, 1, 0)
        try:
            fcntl.fcntl(file, F_OFD_SETLK, lock)
        except BlockingIOError:
            return True
    return False


@case
@ferry.spawns()
def continues_as_a_monitor_does():
    """After a migration the images are the other's: `c` takes them back, and where the guest may not run it says so."""
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(1 << 20)
        vm, gdb = start(args=['-no-shutdown', '-blockdev', 'file,node-name=d,filename=' + image.name,
                              '-device', 'virtio-blk-pci,drive=d'])
        gdb.send('c')
        vm.expect(rb'guest ready\n', 20)
        require(locked(image.name), 'no lock on a disk in use')
        vm.qmp.command('migrate', uri='exec:cat > /dev/null')
        while vm.qmp.command('query-status')['status'] != 'postmigrate':
            time.sleep(0.02)
        require(gdb.reply().startswith('T02'), 'stopped by the switchover')
        require(not locked(image.name), 'locked although the other has it')
        gdb.send('c')
        require('pong' in vm.guest('ping') and locked(image.name), 'continued without its image')
        vm.send('poweroff\n')
        require(gdb.reply().startswith('T02'), 'stopped by its power-off')
        require('reset' in bytes.fromhex(gdb.ask('c')[1:]).decode().lower(), 'no word of the reset that it takes')
        require(gdb.reply().startswith('T05'), 'stopped again')
        require(gdb.ask('D') == 'OK' and vm.qmp.command('query-status')['status'] == 'shutdown', 'detached')


@case
def nonsense():
    vm, gdb = start()
    for packet in ['', 'X', 'm', 'm,', 'Mzz', 'p', 'pffff', 'Pff', 'G', 'Z', 'Z9,0,1', 'z0,1234,1', 'vCont;q', 'H',
                   'T', 'qXfer:features:read:target.xml:ffffffff,fff', 'qXfer', 'q', 'Q', 'vCont;s:77', 'T-',
                   'x' * 4000]:
        gdb.ask(packet)
    gdb.sock.sendall(b'$' + b'm' * 10000 + b'#00') # longer than allowed: dropped
    gdb.sock.sendall(b'$g#00')                     # wrong checksum: refused
    require(gdb.ask('?').startswith('T05'), 'alive')
    xml = gdb.ask('qXfer:features:read:target.xml:0,1000')
    require(xml.startswith(('m<?xml', 'l<?xml')), 'target.xml')
    gdb.send('c')
    vm.expect(rb'guest ready\n', 20)
    gdb.sock.sendall(b'\x03')
    require(gdb.reply().startswith('T02'), 'Ctrl-C')
    gdb.sock.close()
    require('pong' in vm.guest('ping'), 'hanging up lets it run on')


ferry.main()
