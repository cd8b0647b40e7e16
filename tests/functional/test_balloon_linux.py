# SPDX-License-Identifier: GPL-2.0-or-later
"""The balloon under Debian's unmodified driver and under our own: inflate, deflate, statistics, reporting, over every
interface there is, and over a migration."""
import time

import ferry
from ferry import case, migrate, require, slow_case, wait_status
from linux import Linux, check_data

MIB = 1 << 20
RAM = 512 * MIB
BALLOON = '/machine/peripheral/bal0'


def wait_for(what, condition, timeout=20):
    end = time.time() + timeout * ferry.PATIENCE
    while not condition():
        if time.time() > end:
            raise ferry.Failure('not within %d s: %s' % (timeout, what))
        time.sleep(0.05)


def resize(vm, size):
    vm.qmp.command('balloon', value=size)
    wait_for('balloon of %d MiB, is %s' % (size / MIB, vm.qmp.command('query-balloon')),
             lambda: vm.qmp.command('query-balloon')['actual'] == size)


def statistics(vm):
    """New figures, asked for now."""
    last = vm.qmp.command('qom-get', path=BALLOON, property='guest-stats')['last-update']
    vm.qmp.command('qom-set', path=BALLOON, property='guest-stats-polling-interval', value=1)
    wait_for('statistics',
             lambda: vm.qmp.command('qom-get', path=BALLOON, property='guest-stats')['last-update'] > last)
    return vm.qmp.command('qom-get', path=BALLOON, property='guest-stats')['stats']


def free_memory(vm):
    return int(vm.shell('grep MemFree /proc/meminfo').split('MemFree:')[1].split()[0]) * 1024


def use_balloon(vm):
    """Takes memory away and gives it back; the host's memory shrinks with the guest's."""
    vm.shell('guest-tool hog 300')
    before = vm.rss()
    resize(vm, RAM - 256 * MIB)
    require(vm.rss() < before - 128 * MIB, 'resident before %d MiB, after %d' % (before / MIB, vm.rss() / MIB))
    require(any(e['event'] == 'BALLOON_CHANGE' for e in vm.qmp.events), 'no BALLOON_CHANGE')
    small = free_memory(vm)
    resize(vm, RAM)
    require(free_memory(vm) > small + 200 * MIB, 'the guest has not got its memory back')
    vm.shell('guest-tool hog 300')
    check_data(vm)


def check_statistics(vm):
    stats = statistics(vm)
    require(300 * MIB < stats['stat-total-memory'] < RAM, str(stats))
    require(0 < stats['stat-free-memory'] < stats['stat-total-memory'], str(stats))


def run(**kwargs):
    vm = Linux(**kwargs).boot()
    use_balloon(vm)
    check_statistics(vm)
    target = Linux(incoming='defer', name='target', **kwargs).take_over(vm)
    migrate(vm, target)
    wait_status(target, 'running')
    vm.close()
    use_balloon(target)
    check_statistics(target)
    return target


@case
def transitional():
    run()


@case
def our_driver():
    vm = run(ours=True)
    require('inflated_trips' in vm.shell('cat /sys/kernel/debug/ferry_balloon-*/balloon'),
            'the guest runs another driver')


@case
def our_driver_legacy_only():
    run(ours=True, balloon=',disable-modern=on')


@case
def our_driver_on_a_device_without_bitmaps():
    run(ours=True, offer=False, hints=True)


@slow_case
def modern_only():
    run(balloon=',disable-legacy=on')


@case
def legacy_only():
    run(balloon=',disable-modern=on')


@case
def msix_and_two_vcpus():
    vm = run(balloon=',vectors=5', smp=2)
    lines = [line.split() for line in vm.shell('cat /proc/interrupts').splitlines()
             if 'PCI-MSI' in line and 'inflate' in line]
    require(lines and int(lines[0][1]) + int(lines[0][2]) > 0, 'no inflate interrupts: %s' % lines)


@case
def iothread_and_hints():
    run(hints=True, balloon=',iothread=io0', args=['-object', 'iothread,id=io0'])


def restart(driver, **kwargs):
    vm = Linux(**kwargs).boot()
    resize(vm, RAM - 64 * MIB)
    vm.shell('rmmod ' + driver)
    require(vm.qmp.command('query-balloon')['actual'] == RAM, 'the driver went and kept its balloon')
    vm.shell("insmod $(find / -xdev -name '%s.ko*' | head -n1)" % driver)
    wait_for('balloon of the new driver', lambda: vm.qmp.command('query-balloon')['actual'] == RAM - 64 * MIB)
    start = len(vm.log)
    vm.qmp.command('system_reset')
    vm.expect(rb'GUEST-READY', 60, start)
    wait_for('balloon after the restart', lambda: vm.qmp.command('query-balloon')['actual'] == RAM - 64 * MIB)


@case
def reset_and_reload():
    """A guest that restarts, and a driver that goes and comes back."""
    restart('virtio_balloon')


@case
def reset_and_reload_our_driver():
    restart('ferry_balloon', ours=True)


def report(**kwargs):
    vm = Linux(balloon=',free-page-reporting=on', **kwargs).boot()
    vm.shell('guest-tool hog 300')
    wait_for('reports to shrink the process from %d MiB' % (vm.rss() / MIB), lambda: vm.rss() < 250 * MIB, 60)
    vm.shell('guest-tool hog 300')
    check_data(vm)


@case
def reporting():
    report()


@case
def reporting_by_our_driver():
    report(ours=True)


@case
def our_driver_gives_back_on_oom():
    """A process that needs what is in the balloon gets it, and is not killed."""
    vm = Linux(ours=True, balloon=',deflate-on-oom=on').boot()
    resize(vm, RAM - 350 * MIB)
    vm.shell('guest-tool hog 200', 120)
    require(vm.qmp.command('query-balloon')['actual'] > RAM - 350 * MIB, 'nothing came out of the balloon')
    check_data(vm)


ferry.main()
