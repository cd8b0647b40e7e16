#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian guest's disk: what is written is there, through migrations under load, resizes and errors of the host."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time

import ferry
from ferry import Failure, case, require
from linux import Linux, check_data

MIB = 1 << 20


class Disk:
    """An image in a folder of its own."""

    def __init__(self, size=64 * MIB):
        self.dir = tempfile.mkdtemp(prefix='ferry-disk-')
        self.path = self.dir + '/disk.raw'
        with open(self.path, 'wb') as f:
            f.truncate(size)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        shutil.rmtree(self.dir, ignore_errors=True)

    def used(self):
        return os.stat(self.path).st_blocks * 512

    def args(self, device='', node='', extra=()):
        return list(extra) + ['-blockdev', json.dumps({'driver': 'file', 'filename': self.path, 'node-name': 'storage',
                                                       'auto-read-only': True, 'discard': 'unmap'}),
                '-blockdev', node or json.dumps({'driver': 'raw', 'node-name': 'format', 'read-only': False,
                                                 'file': 'storage', 'discard': 'unmap'}),
                '-device', 'virtio-blk-pci,drive=format,id=disk0,serial=FERRY-1,addr=6' + device]

    def digest(self, length):
        with open(self.path, 'rb') as f:
            return hashlib.md5(f.read(length)).hexdigest()


# Writes blocks whose first line says which they are, flushes, reads them again past the cache; for ever.
LOAD = '''cat >/tmp/load.sh <<'EOF'
round=0
while [ ! -e /tmp/stop ]; do
    round=$((round + 1))
    i=0
    while [ $i -lt 8 ]; do
        yes "round $round block $i" | head -c 262144 >/tmp/block.$i
        dd if=/tmp/block.$i of=/dev/vda bs=256k seek=$((160 + i)) conv=notrunc,fsync 2>/dev/null || echo GUEST-CORRUPT write
        i=$((i + 1))
    done
    echo 3 >/proc/sys/vm/drop_caches
    i=0
    while [ $i -lt 8 ]; do
        dd if=/dev/vda bs=256k skip=$((160 + i)) count=1 2>/dev/null | cmp - /tmp/block.$i || echo GUEST-CORRUPT $round $i
        i=$((i + 1))
    done
    echo $round >/tmp/rounds
done
echo done >/tmp/stopped
EOF
(sh /tmp/load.sh >/dev/ttyS0 2>&1 &)'''


def rounds(vm):
    return int(vm.shell('cat /tmp/rounds 2>/dev/null || echo 0').strip().split('\n')[-1])


def fill(vm, mib):
    """Random data at the disk's start; its MD5, as the guest reads it back past its cache."""
    vm.shell('dd if=/dev/urandom of=/dev/vda bs=1M count=%d conv=notrunc,fsync 2>/dev/null' % mib, 120)
    return read_back(vm, mib)


def read_back(vm, mib):
    text = vm.shell('echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M count=%d 2>/dev/null | md5sum' % mib, 120)
    return text.split()[-2]


def move(source, disk, device, extra=()):
    target = Linux(incoming='defer', args=disk.args(device, extra=extra), name='moved')
    ferry.migrate(source, target, timeout=120)
    ferry.wait_status(target, 'running')
    target.take_over(source)
    return target


def there_and_back(device, times, extra=()):
    with Disk() as disk:
        vm = Linux(args=disk.args(device, extra=extra)).boot()
        require('FERRY-1' in vm.shell('cat /sys/block/vda/serial'), 'no serial number')
        digest = fill(vm, 16)
        require(digest == disk.digest(16 * MIB), 'the image does not hold what the guest reads')
        vm.shell(LOAD)
        for n in range(times):
            before = rounds(vm)
            source, vm = vm, move(vm, disk, device, extra)
            source.close()
            ferry.wait_until(lambda vm=vm, before=before: rounds(vm) > before + 1, 'the load to go on', 60)
            require(read_back(vm, 16) == digest, 'migration %d: other data' % n)
        vm.shell('touch /tmp/stop')
        ferry.wait_until(lambda: 'done' in vm.shell('cat /tmp/stopped 2>/dev/null || true'), 'the load to end', 60)
        check_data(vm)
        stats = vm.qmp.command('query-blockstats')[0]
        require(stats['stats']['flush_operations'] > 0 and stats['stats']['failed_wr_operations'] == 0,
                'statistics: %s' % stats)
        vm.close()


@case
def migrations_under_load():
    there_and_back('', 4 if ferry.SLOW else 2)


@case
def migrations_with_iothread():
    there_and_back(',iothread=io0,num-queues=2', 4 if ferry.SLOW else 2, ['-object', 'iothread,id=io0'])


@case
def resize_and_discard():
    with Disk() as disk:
        vm = Linux(args=disk.args()).boot()
        fill(vm, 32)
        before = disk.used()
        require(before >= 32 * MIB, 'only %d bytes are used' % before)
        vm.shell('blkdiscard -o 0 -l 16777216 /dev/vda')
        require(before - disk.used() == 16 * MIB, 'a discard of 16 MiB gave %d bytes back' % (before - disk.used()))
        require(disk.digest(16 * MIB) == hashlib.md5(bytes(16 * MIB)).hexdigest(), 'discarded sectors are not zeros')
        vm.qmp.command('block_resize', node_name='format', size=96 * MIB)
        ferry.wait_until(lambda: vm.shell('cat /sys/block/vda/size').strip().endswith(str(96 * MIB // 512)), 'the guest')
        require(os.path.getsize(disk.path) == 96 * MIB, 'the image has another length')
        vm.shell('echo end | dd of=/dev/vda bs=512 seek=%d conv=notrunc,fsync 2>/dev/null' % (96 * MIB // 512 - 1))
        with open(disk.path, 'rb') as f:
            f.seek(96 * MIB - 512)
            require(f.read(4) == b'end\n', 'the last sector')
        vm.close()


def failing(error):
    return json.dumps({'driver': 'raw', 'node-name': 'format', 'file': {
        'driver': 'blkdebug', 'node-name': 'debug', 'image': 'storage',
        'inject-error': [{'event': 'none', 'iotype': 'write', 'errno': error, 'once': True}]}})


@case
def stopped_by_an_error():
    """werror=stop: the VM stops, the request goes with the migration and is done at the other end."""
    with Disk() as disk:
        vm = Linux(args=disk.args(',werror=stop', failing(5))).boot()
        vm.send('echo kept | dd of=/dev/vda bs=512 seek=9 conv=notrunc,fsync 2>/dev/null; echo "WRITE-EN""DED $?"\n')
        event = vm.qmp.wait_event('BLOCK_IO_ERROR')['data']
        require(event['action'] == 'stop' and event['operation'] == 'write' and event['node-name'] == 'format',
                'event %s' % event)
        ferry.wait_status(vm, 'io-error')
        require(vm.qmp.command('query-block')[0]['io-status'] == 'failed', 'io-status')
        target = Linux(incoming='defer', args=disk.args(',werror=stop'), name='target')
        ferry.migrate(vm, target)
        vm.close()
        target.take_over(vm)
        ferry.wait_status(target, 'io-error') # as it was at the source; `cont` before its end would be forgotten
        target.qmp.command('cont')
        target.expect(rb'WRITE-ENDED 0', 30)
        with open(disk.path, 'rb') as f:
            f.seek(9 * 512)
            require(f.read(5) == b'kept\n', 'the write was lost')
        target.close()


@case
def reported_and_retried():
    with Disk() as disk:
        vm = Linux(args=disk.args(',werror=stop', failing(28))).boot()
        vm.send('echo kept | dd of=/dev/vda bs=512 seek=9 conv=notrunc,fsync 2>/dev/null; echo "WRITE-EN""DED $?"\n')
        require(vm.qmp.wait_event('BLOCK_IO_ERROR')['data']['nospace'], 'nospace')
        ferry.wait_status(vm, 'io-error')
        vm.qmp.command('cont')
        vm.expect(rb'WRITE-ENDED 0', 30)
        require(vm.qmp.command('query-block')[0]['io-status'] == 'ok', 'io-status')
        vm.close()
        vm = Linux(args=disk.args(',werror=report', failing(28))).boot()
        vm.send('echo lost | dd of=/dev/vda bs=512 seek=9 conv=notrunc,fsync 2>/dev/null; echo "WRITE-EN""DED $?"\n')
        require(vm.qmp.wait_event('BLOCK_IO_ERROR')['data']['action'] == 'report', 'action')
        vm.expect(rb'WRITE-ENDED 1', 30)
        vm.close()


@case
def one_user_at_a_time():
    with Disk() as disk:
        vm = ferry.Vm(args=disk.args())
        try:
            ferry.Vm(args=disk.args(), name='second')
            raise Failure('a second machine has the image, too')
        except Failure as e:
            require('"write" lock' in str(e), str(e))
        vm.close()


if __name__ == '__main__':
    ferry.main()
