# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU models under KVM, and the bare-metal guest's way between KVM and the software CPU with all of its state. Skips
where there is no /dev/kvm."""
import os

import ferry
from ferry import Skip, Vm, case, migrate, require, wait_migration, wait_status

MEMORY = 256 << 20
KVM, TCG = 'kvm,kernel-irqchip=off', 'tcg'
# What a guest needs not to miss on the software CPU: nothing of KVM's own interface.
PLAIN = ',-kvmclock,-kvm-asyncpf,-kvm-steal-time,-kvm-pv-eoi'


def model(accel, name='qemu64'):
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        raise Skip('no /dev/kvm')
    return ['-cpu', name + (PLAIN if accel == KVM else '')]


def goes(*accels, name='qemu64', smp=1):
    """From the first accelerator to the second, and on: every page compared, and some of the guest's own tests at each."""
    source = Vm(name='source', accel=accels[0], args=model(accels[0], name), smp=smp)
    source.expect(rb'guest ready\n', 60)
    if smp > 1:
        source.guest('smp %d' % smp, 60)
    source.guest('fill 100 2000')
    for n, accel in enumerate(accels[1:]):
        target = Vm(name='hop%d' % n, accel=accel, incoming='defer', args=model(accel, name) + ['-S'], smp=smp)
        migrate(source, target)
        wait_status(source, 'postmigrate')
        wait_status(target, 'paused')
        ferry.compare_memory(source, target, 0xa0000)
        ferry.compare_memory(source, target, MEMORY - (1 << 20), start=1 << 20)
        target.qmp.command('cont')
        target.guest('verify 100 2000', 60)
        for command in (['ipi', 'atomics'] if smp > 1 else ['interrupts', 'ping']):
            target.guest(command, 60)
        source.close()
        source = target
    source.close()


@case
def kvm_to_kvm():
    goes(KVM, KVM, KVM)


@case
def two_processors_kvm_to_kvm():
    goes(KVM, KVM, smp=2)


@case
def kvm_to_tcg_and_back():
    goes(KVM, TCG, KVM)


@case
def two_processors_tcg_to_kvm_and_back():
    goes(TCG, KVM, TCG, smp=2)


@case
def host_model_to_itself():
    goes(KVM, KVM, name='host')


@case
def missing_features():
    model(KVM)
    vm = Vm(accel=KVM, args=['-cpu', 'qemu64,+vmx,+svm', '-S'])
    vm.qmp.command('query-status')
    text = vm.stderr_text()
    require('host doesn\'t support requested feature: CPUID.80000001H:ECX.svm [bit 2]' in text, text)
    vm.close()
    vm = Vm(accel=KVM, args=['-cpu', 'host,+svm,enforce'], qmp=False)
    require(vm.wait_exit() == 1 and 'Host doesn\'t support requested features' in vm.stderr_text(), vm.stderr_text())


@case
@ferry.spawns()
def another_frequency_is_refused():
    """The counter of a guest that was told its frequency does not change."""
    source = Vm(name='source', accel=KVM, args=model(KVM))
    source.expect(rb'guest ready\n', 60)
    khz = 0
    state = source.dir + '/state'
    source.qmp.command('migrate', uri='exec:cat > ' + state)
    wait_migration(source)
    with open(state, 'rb') as stream:
        data = stream.read()
    at = data.index(b'cpu/tsc_khz') + len(b'cpu/tsc_khz') + 4
    khz = int.from_bytes(data[at:at + 8], 'big')
    require(100000 < khz < 10000000, 'tsc_khz %d' % khz)
    with open(state, 'wb') as stream:
        stream.write(data[:at] + (khz * 2).to_bytes(8, 'big') + data[at + 8:])
    target = Vm(name='target', accel=KVM, incoming='exec:cat ' + state, qmp=False,
                args=['-cpu', 'qemu64%s,tsc-frequency=%d' % (PLAIN, khz * 1000)])
    text = target.wait_exit(60), target.stderr_text()
    require(text[0] == 1 and 'env.tsc_khz' in text[1], '%d: %s' % text)


ferry.main()
