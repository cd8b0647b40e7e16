# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that lets go of a device while its other processors are at the device's registers."""
import ferry
from ferry import SLOW, Vm, case


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


ferry.main()
