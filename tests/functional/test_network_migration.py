#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian guest on a bridge of the host, in a network namespace of the test's own: a TCP connection with the host
that lives through migrations there and back, announcements, links, checksums and segmentation left to the kernel,
entropy."""
import ctypes
import json
import os
import socket
import struct
import subprocess
import threading
import time

import ferry
from ferry import Skip, migrate, require
from linux import Linux, check_data

CLONE_NEWNET = 0x40000000
ETH_P_RARP = 0x8035
MAC = '52:54:00:0a:0b:0c'
GUEST, HOST = '10.9.0.2', '10.9.0.1'


def ip(line):
    subprocess.run(['ip'] + line.split(), check=True)


def make_bridge(taps):
    """br0 with HOST's address and the taps on it."""
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        raise Skip('taps need root and /dev/net/tun')
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise Skip('no network namespace of our own')
    ip('link set lo up')
    ip('link add br0 type bridge forward_delay 0')
    ip('addr add %s/24 dev br0' % HOST)
    ip('link set br0 up')
    for tap in taps:
        ip('tuntap add %s mode tap vnet_hdr' % tap)
        ip('link set %s master br0 up' % tap)


def machine(tap, **kwargs):
    return Linux(args=['-netdev', 'tap,id=n0,ifname=%s,script=no,downscript=no' % tap,
                       '-device', 'virtio-net-pci,netdev=n0,id=net0,mac=' + MAC,
                       '-object', 'rng-random,id=r0,filename=/dev/urandom',
                       '-device', 'virtio-rng-pci,rng=r0'], name=tap, memory='256M', **kwargs)


class Echo(threading.Thread):
    """Sends numbers to the guest's echo and checks that they come back in order, each once, until told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping, self.checked, self.error = False, 0, None
        self.sock = socket.create_connection((GUEST, 99), timeout=60 * ferry.PATIENCE)
        self.start()

    def run(self):
        try:
            sent, pending = 0, b''
            while not self.stopping or self.checked < sent:
                if not self.stopping and sent - self.checked < 20000:
                    self.sock.sendall(b''.join(struct.pack('>I', n) for n in range(sent, sent + 1000)))
                    sent += 1000
                data = self.sock.recv(65536)
                require(data, 'the connection ended')
                pending += data
                whole = len(pending) // 4
                expected = struct.pack('>%dI' % whole, *range(self.checked, self.checked + whole))
                require(pending[:4 * whole] == expected, 'wrong data behind number %d' % self.checked)
                self.checked, pending = self.checked + whole, pending[4 * whole:]
        except Exception as e:  # told by stop() in the test's own thread
            self.error = e

    def progress(self, what):
        before, end = self.checked, time.time() + 60 * ferry.PATIENCE
        while self.checked < before + 5000:
            require(not self.error, '%s: %r' % (what, self.error))
            require(time.time() < end, what + ': the connection stands still')
            time.sleep(0.05)

    def stop(self):
        self.stopping = True
        self.join(60 * ferry.PATIENCE)
        require(not self.error and not self.is_alive(), 'the connection: %r' % self.error)


def announcements(sock):
    """How many RARP requests for the guest's address have been on the bridge."""
    count, own = 0, bytes.fromhex(MAC.replace(':', ''))
    sock.setblocking(False)
    while True:
        try:
            frame = sock.recv(2048)
        except BlockingIOError:
            return count
        count += frame[6:12] == own and frame[20:22] == b'\0\3' and frame[22:28] == own


def set_link(vm, up):
    """Its argument has the name of Qmp.command()'s own."""
    request = {'execute': 'set_link', 'arguments': {'name': 'net0', 'up': up}}
    vm.qmp.sock.sendall(json.dumps(request).encode() + b'\n')
    vm.qmp.reply('set_link')
    carrier = vm.shell('sleep 1; cat /sys/class/net/eth0/carrier').strip()
    require(carrier == str(int(up)), 'carrier is %s' % carrier)


@ferry.case
def connection_survives():
    """There and back under a running TCP connection; the guest announces itself by RARP each time."""
    make_bridge(['t0', 't1'])
    vm = machine('t0').boot(120)
    vm.shell('ip addr add %s/24 dev eth0; ip link set eth0 up' % GUEST)
    vm.shell('{ nc -l -p 99 -e cat >/dev/null 2>&1 & }; sleep 1')
    first, second = (vm.shell('dd if=/dev/hwrng bs=16 count=1 2>/dev/null | hexdump -C | head -1') for _ in range(2))
    require(first != second and 'virtio' in vm.shell('cat /sys/class/misc/hw_random/rng_current'), 'entropy')
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_RARP))
    sniffer.bind(('br0', ETH_P_RARP))
    echo = Echo()
    echo.progress('before')
    for tap in ('t1', 't0'):
        target = machine(tap, incoming='defer')
        target.qmp.command('migrate-set-parameters', announce_rounds=3, announce_initial=10, announce_step=10)
        info = migrate(vm, target, timeout=180)
        require(info['status'] == 'completed', repr(info))
        vm.qmp.command('quit')
        vm.wait_exit()
        vm = target.take_over(vm)
        echo.progress('after the migration to ' + tap)
        end, heard = time.time() + 20 * ferry.PATIENCE, 0
        while heard < 3:
            heard += announcements(sniffer)
            require(time.time() < end, '%d of 3 announcements' % heard)
            time.sleep(0.05)
    set_link(vm, False)
    set_link(vm, True)
    echo.progress('after the link came back')
    echo.stop()
    vm.qmp.command('announce-self', initial=10, max=100, rounds=2, step=10)
    check_data(vm)


if __name__ == '__main__':
    ferry.main()
