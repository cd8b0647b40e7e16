# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupt controllers, timers and kvmclock in the kernel (-accel kvm), and Linux guests that migrate between them and
the software chips. Where /dev/kvm can run Linux guests; else skipped."""
import os
import time

import ferry
from ferry import Skip, case, migrate, require, wait_status
from linux import Linux, nmi_from_outside

# What the software CPU has not got: x2APIC and KVM's own interface.
COMMON = ['-cpu', 'qemu64,kvm=off,-x2apic,-kvmclock,-kvmclock-stable-bit,-kvm-nopiodelay,-kvm-asyncpf,-kvm-steal-time,'
                  '-kvm-pv-eoi,-kvm-asyncpf-int']
ferry.SPAWN = 'allow'  # states are saved through commands
ACCELS = {'on': 'kvm', 'off': 'kvm,kernel-irqchip=off', 'tcg': 'tcg'}


def need_kvm():
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        raise Skip('no access to /dev/kvm')


def timers_run(vm):
    """Sleeps take their time and no more, interrupts come: the timer's on each vCPU, the serial port's."""
    count = "awk '/LOC:/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) print $i }' /proc/interrupts"
    before = vm.shell(count).split()
    start = time.time()
    vm.shell('sleep 2', 120)
    took = time.time() - start
    after = vm.shell(count).split()
    require(took > 1.5, 'sleep 2 took %.1f s' % took)
    numbers = [(int(a), int(b)) for a, b in zip(before, after) if a.isdigit() and b.isdigit()]
    require(numbers and numbers[0][1] > numbers[0][0], 'no timer interrupts: %s' % numbers)


def hop(source, kind, **kwargs):
    target = Linux(accel=ACCELS[kind], name=kind, incoming='defer', args=COMMON, **kwargs).take_over(source)
    source.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    migrate(source, target, timeout=120)
    wait_status(target, 'running')
    source.close()
    timers_run(target)
    return target


def round_trip(kinds, **kwargs):
    need_kvm()
    vm = Linux(accel=ACCELS[kinds[0]], name=kinds[0], args=COMMON, **kwargs).boot(120)
    timers_run(vm)
    for kind in kinds[1:]:
        vm = hop(vm, kind, **kwargs)
    vm.send('poweroff -f\n')
    require(vm.wait_exit(60) == 0, 'exit code %d' % vm.process.returncode)


@case
def kernel_to_software_cpu_and_back():
    round_trip(('on', 'tcg', 'on'))


@case
def kernel_to_own_chips_and_back():
    round_trip(('on', 'off', 'on'))


@case
def two_vcpus_from_the_software_cpu():
    round_trip(('tcg', 'on', 'tcg'), smp=2)


@case
def two_vcpus_in_the_kernel():
    round_trip(('on', 'on'), smp=2)


@case
def chips_are_shown():
    need_kvm()
    vm = Linux(accel='kvm').boot(120)
    text = vm.hmp('info pic')
    require('ver=0x11' in text, text)
    require('vec=0 ' in text and text.count('masked') < 24, 'no pin of the IOAPIC is in use: ' + text)
    require('APIC enabled' in vm.hmp('info lapic'), vm.hmp('info lapic'))
    require('kvm-pit' in vm.hmp('info qtree'), vm.hmp('info qtree'))


@case
def nmi_arrives():
    need_kvm()
    for kind in ('on', 'off'):
        vm = Linux(accel=ACCELS[kind], smp=2).boot(120)
        nmi_from_outside(vm)
        vm.close()


@case
def four_vcpus():
    round_trip(('on', 'on'), smp=4)


def saved(vm, path):
    vm.qmp.command('stop')
    vm.qmp.command('migrate', uri='exec:cat > ' + path)
    ferry.wait_until(lambda: vm.qmp.command('query-migrate')['status'] == 'completed', 'the state to be saved')
    with open(path, 'rb') as stream:
        return stream.read()


@case
def kvmclock_goes_along_where_the_guest_has_it():
    need_kvm()
    for cpu, want in (('qemu64', True), ('qemu64,-kvmclock', False)):
        vm = Linux(accel='kvm', args=['-cpu', cpu]).boot(120)
        source = vm.shell('cat /sys/devices/system/clocksource/clocksource0/available_clocksource')
        require(('kvm-clock' in source) == want, source)
        data = saved(vm, vm.dir + '/state')
        require((b'"kvmclock"' in data) == want, '%s: the section is %sthere' % (cpu, 'not ' if want else ''))
        if want:
            apic, clock, bridge = (data.rfind(name) for name in (b'"apic"', b'"kvmclock"', b'"PCIHost"'))
            require(apic < clock < bridge, 'the section is in the wrong place')
        vm.close()


@case
def kvmclock_stands_still_while_stopped():
    need_kvm()
    vm = Linux(accel='kvm', append='clocksource=kvm-clock').boot(120)
    before = float(vm.shell('cat /proc/uptime').split()[0])
    vm.qmp.command('stop')
    time.sleep(20)
    vm.qmp.command('cont')
    passed = float(vm.shell('cat /proc/uptime').split()[0]) - before
    require(passed < 15, 'the guest saw %.1f s pass, 20 of them while it was stopped' % passed)


ferry.main()
