# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that lets go of a device while its other processors are at the device's registers."""
import os

import ferry
from ferry import SLOW, Vm, case, require


def race(rounds, **properties):
    vm = Vm(smp=4, args=['-object', 'iothread,id=io0'])
    vm.expect(rb'guest ready\n')
    vm.guest('smp 4')
    start = len(vm.log)
    vm.send('hotplug 5 %d\n' % rounds)
    for _ in range(rounds):
        vm.qmp.command('device_add', driver='virtio-balloon-pci', id='bal0', addr='5', **properties)
        vm.qmp.wait_event('DEVICE_DELETED')
        vm.qmp.wait_event('DEVICE_DELETED')
    vm.expect(rb'(?m)^ok', start=start)
    vm.guest('ping')


@case
def ejected_while_in_use():
    race(2000 if SLOW else 200)


@case
def ejected_while_in_use_with_vectors():
    race(2000 if SLOW else 100, vectors=5, iothread='io0', **{'free-page-hint': True})


def held(vm):
    """Open descriptors and resident bytes."""
    with open('/proc/%d/statm' % vm.process.pid, encoding='ascii') as f:
        return len(os.listdir('/proc/%d/fd' % vm.process.pid)), int(f.read().split()[1]) * 4096


@case
def nothing_is_left_of_a_disk_and_a_card():
    """A reset is the guest's answer here; backends outlive their devices."""
    vm = Vm(args=['-S', '-object', 'iothread,id=io0', '-blockdev', 'null-co,node-name=n,size=1M', '-netdev', 'user,id=u'])
    rounds = 2000 if SLOW else 100
    for i in range(rounds):
        vm.qmp.command('device_add', driver='virtio-blk-pci', id='d', addr='5', drive='n',
                       **({'iothread': 'io0'} if i % 2 else {}))
        vm.qmp.command('device_add', driver='virtio-net-pci', id='c', addr='6', netdev='u')
        for device in 'd', 'c':
            vm.qmp.command('device_del', id=device)
        vm.qmp.command('system_reset')
        for _ in range(4):
            vm.qmp.wait_event('DEVICE_DELETED')
        if i == 9:
            before = held(vm)
    after = held(vm)
    require(after[0] == before[0], 'descriptors: %d, then %d' % (before[0], after[0]))
    require(after[1] - before[1] < (2 << 20) + 1024 * rounds, 'memory: %d, then %d' % (before[1], after[1]))
    vm.qmp.command('blockdev-del', node_name='n')
    vm.qmp.command('netdev_del', id='u')


ferry.main()
