# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that come and go under Debian's kernel: its ACPI hot plug driver finds them, its drivers use them and let
them go."""
import os
import tempfile
import time

import ferry
from ferry import QmpError, SLOW, Skip, case, migrate, require, wait_migration, wait_status, wait_until
from linux import Linux, check_data

MIB = 1 << 20
RAM = 512 * MIB
DEVICES = '/sys/bus/pci/devices/0000:00:%02x.0'
STOCK = os.environ.get('STOCK_QEMU', '/usr/bin/qemu-system-x86_64')
BOARD = ['-machine', 'pc-i440fx-7.2,hpet=off,i8042=off,vmport=off']


def add(vm, driver, device, slot, **properties):
    vm.qmp.command('device_add', driver=driver, id=device, bus='pci.0', addr='0x%x' % slot, **properties)
    wait_until(lambda: 'yes' in vm.shell('[ -e %s/virtio*/driver ] && echo yes || true' % (DEVICES % slot)),
               'the driver of slot %d' % slot)


def add_balloon(vm, slot, **properties):
    add(vm, 'virtio-balloon-pci', 'bal0', slot, **properties)


def wait_deleted(vm, device):
    """The events of one device's end."""
    path = '/machine/peripheral/' + device
    first, second = vm.qmp.wait_event('DEVICE_DELETED'), vm.qmp.wait_event('DEVICE_DELETED')
    require(first['data'] == {'path': path + '/virtio-backend'}, str(first))
    require(second['data'] == {'device': device, 'path': path}, str(second))


def delete(vm, device, slot):
    vm.qmp.command('device_del', id=device)
    wait_deleted(vm, device)
    require('gone' in vm.shell('[ -e %s ] || echo gone' % (DEVICES % slot)), 'the guest still has slot %d' % slot)


def use_balloon(vm):
    for size in (RAM - 64 * MIB, RAM):
        vm.qmp.command('balloon', value=size)
        wait_until(lambda: vm.qmp.command('query-balloon')['actual'] == size, 'a balloon of %d MiB' % (size / MIB))


def refused(vm, command, text, **arguments):
    try:
        vm.qmp.command(command, **arguments)
    except QmpError as e:
        require(text in e.error['desc'], e.error['desc'])
    else:
        raise ferry.Failure('%s %s was not refused' % (command, arguments))


@case
def balloon_comes_and_goes():
    """The one of the command line too; into the same slot again and again, over every kind of interrupt."""
    vm = Linux(balloon=',addr=5').boot()
    use_balloon(vm)
    delete(vm, 'bal0', 5)
    refused(vm, 'query-balloon', 'No balloon device')
    rounds = 50 if SLOW else 6
    for i in range(rounds):
        add_balloon(vm, 5, vectors=i % 2 * 4)
        if i % 5 == 0:
            use_balloon(vm)
        delete(vm, 'bal0', 5)
    add_balloon(vm, 0x1f)
    use_balloon(vm)
    check_data(vm)


@case
def several_vcpus_and_an_iothread():
    vm = Linux(balloon=',addr=5', smp=4, args=['-object', 'iothread,id=io0']).boot()
    delete(vm, 'bal0', 5)
    for _ in range(20 if SLOW else 3):
        add_balloon(vm, 6, vectors=5, iothread='io0', **{'free-page-hint': True})
        use_balloon(vm)
        delete(vm, 'bal0', 6)
    check_data(vm)


@case
def network_card_comes_and_goes():
    vm = Linux().boot()
    for i in range(50 if SLOW else 3):
        vm.qmp.command('netdev_add', type='user', id='net0')
        add(vm, 'virtio-net-pci', 'nic0', 6, netdev='net0', mac='52:54:00:12:34:%02x' % i)
        vm.shell('ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ping -c 1 -W 20 10.0.2.2')
        require('34:%02x' % i in vm.shell('cat /sys/class/net/eth0/address'), 'another card')
        delete(vm, 'nic0', 6)
        vm.qmp.command('netdev_del', id='net0')
    check_data(vm)


@case
def disk_comes_and_goes():
    """What was written before is there in the next round, and the image is nobody's between them."""
    with tempfile.NamedTemporaryFile() as image:
        image.truncate(MIB)
        vm = Linux().boot()
        for i in range(50 if SLOW else 3):
            vm.qmp.command('blockdev-add', driver='file', node_name='disk', filename=image.name)
            add(vm, 'virtio-blk-pci', 'disk0', 6, drive='disk')
            wait_until(lambda: 'yes' in vm.shell('[ -b /dev/vda ] && echo yes || true'), 'the disk')
            text = vm.shell('dd if=/dev/vda bs=512 skip=%d count=1 2>/dev/null && echo round-%d- | dd of=/dev/vda bs=512 '
                            'seek=%d conv=sync,fsync 2>/dev/null' % (i, i + 1, i + 1))
            require(i == 0 or 'round-%d-' % i in text, 'round %d reads %r' % (i, text))
            delete(vm, 'disk0', 6)
            vm.qmp.command('blockdev-del', node_name='disk')
        with open(image.name, 'rb') as file:
            require(file.read()[512 * (i + 1):].startswith(b'round-%d-' % (i + 1)), 'the image')
        check_data(vm)


@case
def guest_lets_go_by_itself():
    vm = Linux(balloon=',addr=5').boot()
    vm.shell('echo 0 > /sys/bus/pci/slots/5/power')
    wait_deleted(vm, 'bal0')
    add_balloon(vm, 5)
    use_balloon(vm)
    check_data(vm)


@case
def asked_before_the_guest_listens():
    """The request waits for whoever boots; and a reset is an answer."""
    vm = Linux(balloon=',addr=5', args=['-S'])
    vm.qmp.command('device_del', id='bal0')
    refused(vm, 'device_del', 'already in the process of unplug', id='bal0')
    vm.qmp.command('system_reset')
    wait_deleted(vm, 'bal0')
    vm.qmp.command('device_add', driver='virtio-balloon-pci', id='bal0', addr='7')
    vm.qmp.command('cont')
    vm.boot()
    use_balloon(vm)
    delete(vm, 'bal0', 7)


@case
def plugged_and_moved():
    """A destination is started with what was plugged at the source, and lets it go as well."""
    vm = Linux(balloon=',addr=5').boot()
    delete(vm, 'bal0', 5)
    add_balloon(vm, 9, vectors=5)
    target = Linux(balloon=',addr=9,vectors=5', incoming='defer', name='target').take_over(vm)
    vm.qmp.command('migrate-set-parameters', max_bandwidth=1 << 20)
    target.qmp.command('migrate-incoming', uri='unix:%s/mig' % target.dir)
    vm.qmp.command('migrate', uri='unix:%s/mig' % target.dir)
    wait_until(lambda: vm.qmp.command('query-migrate').get('status') == 'active', 'the migration')
    refused(vm, 'device_del', 'device_del not allowed while migrating', id='bal0')
    refused(vm, 'device_add', 'device_add not allowed while migrating', driver='virtio-balloon-pci', id='b')
    vm.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    wait_migration(vm)
    wait_status(target, 'running')
    vm.close()
    use_balloon(target)
    delete(target, 'bal0', 9)
    add_balloon(target, 9, vectors=5)
    use_balloon(target)
    check_data(target)


@case
def asked_at_the_source_and_gone_at_the_destination():
    vm = Linux(balloon=',addr=5').boot()
    vm.qmp.command('stop')
    vm.qmp.command('device_del', id='bal0')
    target = Linux(balloon=',addr=5', incoming='defer', name='target').take_over(vm)
    migrate(vm, target)
    wait_status(target, 'paused')
    target.qmp.command('cont')
    wait_deleted(target, 'bal0')
    add_balloon(target, 5)
    check_data(target)


@case
def plugged_and_moved_to_stock():
    if not os.path.exists(STOCK):
        raise Skip('no stock QEMU: install qemu-system-x86')
    vm = Linux(balloon=',addr=5', args=BOARD).boot()
    delete(vm, 'bal0', 5)
    add_balloon(vm, 9)
    target = Linux(balloon=',addr=9', args=BOARD, binary=STOCK, incoming='defer', name='target')
    target.take_over(vm)
    migrate(vm, target)
    wait_status(target, 'running')
    use_balloon(target)
    delete(target, 'bal0', 9)
    target.qmp.command('device_add', driver='virtio-balloon-pci', id='bal0', addr='9')
    time.sleep(0.5)
    use_balloon(target)
    check_data(target)


ferry.main()
