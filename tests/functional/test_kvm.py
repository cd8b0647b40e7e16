# SPDX-License-Identifier: GPL-2.0-or-later
"""What is KVM's own: its options, its dirty logs, and a guest that it cannot run on. Skips where there is no /dev/kvm."""
import os
import time

import ferry
from ferry import Skip, Vm, case, migrate, require, wait_status

MEMORY = 256 << 20


def kvm(options=''):
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        raise Skip('no /dev/kvm')
    return 'kvm' + options


def boot(options='', **kwargs):
    vm = Vm(name='source', accel=kvm(options), **kwargs)
    vm.expect(rb'guest ready\n', 20)
    return vm


@case
def is_in_use():
    vm = boot()
    require(vm.qmp.command('query-kvm') == {'enabled': True, 'present': True}, 'query-kvm')


@case
def rings_have_bounds():
    for size in ('1000', '512', '1048576', 'many'):
        vm = Vm(accel=kvm(',dirty-ring-size=' + size), qmp=False)
        require(vm.wait_exit() == 1, 'it starts with dirty-ring-size=' + size)
        require(size in vm.stderr_text(), 'said: ' + vm.stderr_text())


def written_while_it_moves(options):
    """A writer over far more pages than a ring holds, and data that stands still; all compared."""
    source = boot(options)
    source.guest('fill 20000 4000 9')
    source.send('writer 0 4096\n')
    source.expect(rb'running\n')
    time.sleep(0.3)
    target = Vm(name='target', accel=kvm(options), incoming='defer', args=['-S'])
    migrate(source, target, timeout=120)
    wait_status(source, 'postmigrate')
    ferry.compare_memory(source, target, MEMORY - (1 << 20), start=1 << 20)
    target.qmp.command('cont')
    time.sleep(0.3)
    target.send('x')
    match = target.expect(rb'(sweeps (\d+)|fail[^\n]*)\n')
    require(match.group(2), match.group(1).decode())
    target.guest('verify 20000 4000 9')


@case
def no_write_is_lost_by_bitmap():
    written_while_it_moves('')


@case
def no_write_is_lost_by_ring():
    written_while_it_moves(',dirty-ring-size=1024')


@case
def triple_fault_resets():
    vm = boot()
    vm.send('triple\n')
    vm.expect(rb'guest ready\n[^$]*guest ready\n', 20)
    vm.qmp.wait_event('RESET')


@case
def guest_that_goes_astray_is_stopped_and_explained():
    vm = boot()
    vm.send('astray\n')
    wait_status(vm, 'internal-error')
    vm.qmp.wait_event('STOP')
    require('KVM internal error' in vm.stderr_text() and 'RIP=' in vm.stderr_text(), 'said: ' + vm.stderr_text())
    require(vm.stderr_text().count('KVM internal error') == 1, 'said more than once: ' + vm.stderr_text())
    vm.qmp.command('system_reset')
    wait_status(vm, 'prelaunch')
    vm.qmp.command('cont')
    vm.expect(rb'guest ready\n[^$]*guest ready\n', 20)


ferry.main()
