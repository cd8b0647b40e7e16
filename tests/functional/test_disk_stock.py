#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian guest of ours with a disk and a network goes to stock QEMU while it writes: its data is there, on the disk
and past it, its rings go on, and what it hears and says on the network. (The other way stock's firmware is a RAM block
that we do not have; tests/qtest/ shows that its devices' sections are ours, byte for byte.)"""
import json
import os
import re
import shutil
import socket
import tempfile

import ferry
from ferry import Skip, migrate, require, slow_case, wait_status, wait_until
from linux import Linux, check_data

STOCK = os.environ.get('STOCK_QEMU', '/usr/bin/qemu-system-x86_64')
BOARD = ['-machine', 'pc-i440fx-7.2,hpet=off,i8042=off,vmport=off']
ROM = '/usr/lib/ipxe/qemu/efi-virtio.rom'
MIB = 1 << 20

# Writes and reads again, past the cache, for ever; says how often.
LOAD = '''cat >/tmp/load.sh <<'EOF'
round=0
while [ ! -e /tmp/stop ]; do
    round=$((round + 1))
    yes "round $round" | head -c 1048576 >/tmp/block
    dd if=/tmp/block of=/dev/vda bs=256k seek=80 conv=notrunc,fsync 2>/dev/null || echo GUEST-CORRUPT write
    echo 3 >/proc/sys/vm/drop_caches
    dd if=/dev/vda bs=256k skip=80 count=4 2>/dev/null | cmp - /tmp/block || echo GUEST-CORRUPT $round
    echo $round >/tmp/rounds
done
echo done >/tmp/stopped
EOF
(sh /tmp/load.sh >/dev/ttyS0 2>&1 &)'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def devices(image, port, disk='', net=''):
    return BOARD + ['-blockdev', json.dumps({'driver': 'file', 'filename': image, 'node-name': 'storage',
                                             'discard': 'unmap'}),
                    '-blockdev', json.dumps({'driver': 'raw', 'file': 'storage', 'node-name': 'format',
                                             'discard': 'unmap'}),
                    '-device', 'virtio-blk-pci,drive=format,id=disk0,addr=6' + disk,
                    '-netdev', 'user,id=n0,hostfwd=tcp:127.0.0.1:%d-:99' % port,
                    '-device', 'virtio-net-pci,netdev=n0,id=net0,addr=7' + net]


def echo(port, text):
    """What the guest's `cat` makes of it."""
    with socket.create_connection(('127.0.0.1', port), timeout=30 * ferry.PATIENCE) as s:
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        got = b''
        while len(got) < len(text):
            data = s.recv(65536)
            if not data:
                break
            got += data
        return got


def rounds(vm):
    return int(re.findall(r'\d+', vm.shell('cat /tmp/rounds 2>/dev/null || echo 0'))[-1])


def md5(vm):
    text = vm.shell('echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M count=8 2>/dev/null | md5sum', 120)
    return text.split()[-2]


def goes_to_stock(disk='', extra=(), net='', stock_net=',romfile='):
    if not shutil.which(STOCK):
        raise Skip('no stock QEMU: install qemu-system-x86')
    with tempfile.TemporaryDirectory(prefix='ferry-disk-') as folder:
        image, text = folder + '/disk.raw', os.urandom(100000)
        with open(image, 'wb') as f:
            f.truncate(64 * MIB)
        before, after = free_port(), free_port()
        vm = Linux(args=list(extra) + devices(image, before, disk, net)).boot(120)
        vm.shell('ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up; { nc -ll -p 99 -e cat >/dev/null 2>&1 & }')
        wait_until(lambda: echo(before, text) == text, 'an answer from the guest', 60)
        vm.shell('dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=notrunc,fsync 2>/dev/null', 120)
        digest = md5(vm)
        vm.shell(LOAD)
        wait_until(lambda: rounds(vm) > 1, 'the load to begin', 120)
        target = Linux(args=list(extra) + devices(image, after, disk, stock_net), binary=STOCK, incoming='defer',
                       name='stock')
        migrate(vm, target, timeout=180)
        vm.close()
        target.take_over(vm)
        wait_status(target, 'running')
        count = rounds(target)
        wait_until(lambda: rounds(target) > count + 1, 'the load to go on', 120)
        require(md5(target) == digest, 'the guest reads other data')
        require(echo(after, text) == text, 'the guest answers otherwise')
        target.shell('touch /tmp/stop')
        wait_until(lambda: 'done' in target.shell('cat /tmp/stopped 2>/dev/null || true'), 'the load to end', 120)
        target.shell('echo end | dd of=/dev/vda bs=512 seek=131071 conv=notrunc,fsync 2>/dev/null')
        check_data(target)
        target.close()
        with open(image, 'rb') as f:
            f.seek(64 * MIB - 512)
            require(f.read(4) == b'end\n', 'the last sector')


@slow_case
def disk_and_network_go_to_stock():
    goes_to_stock()


@slow_case
def queues_in_an_iothread_go_to_stock():
    """And the network device has stock's own ROM, which stock then need not be told to leave out."""
    if not os.path.exists(ROM):
        raise Skip('no ROM: install ipxe-qemu')
    goes_to_stock(',iothread=io0,num-queues=2,queue-size=128', ['-object', 'iothread,id=io0'], ',romfile=' + ROM, '')


if __name__ == '__main__':
    ferry.main()
