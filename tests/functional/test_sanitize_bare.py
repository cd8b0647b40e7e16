# SPDX-License-Identifier: GPL-2.0-or-later
"""The bare-metal guest: the CPU's faults, paging, modes and SMP, and the ways a machine ends. Also run under
sanitizers."""
import ferry
import free_pages
from ferry import Vm, case, require


def boot(**kwargs):
    vm = Vm(**kwargs)
    vm.expect(rb'guest ready\n', 20)
    return vm


@case
def prints():
    require('pong' in boot().guest('ping'), 'no pong')


@case
def faults():
    boot().guest('faults')


@case
def paging():
    boot().guest('paging')


@case
def self_modifying_code():
    boot().guest('selfmod')


@case
def memory_above_4g():
    vm = boot(memory='5G')
    pages = int(vm.guest('pages').split()[1])
    require(pages > 1200000, 'only %d pages' % pages)
    vm.guest('fill %d 100' % (pages - 100))
    vm.guest('verify %d 100' % (pages - 100))


@case
def smp_atomics():
    vm = boot(smp=4)
    vm.guest('smp 4')
    vm.guest('atomics', 120)


@case
def untouched_memory_is_not_populated():
    vm = boot(memory='64G')
    require(vm.rss() < 400 << 20 or ferry.SANITIZED, 'resident %d MiB' % (vm.rss() >> 20))


@case
def debug_exit():
    vm = boot(args=['-device', 'isa-debug-exit,iobase=0x501'])
    vm.send('exit 3\n')
    require(vm.wait_exit() == 7, 'exit code %d, want 7' % vm.process.returncode)


@case
def reset_reboots():
    vm = boot()
    vm.send('reset\n')
    vm.expect(rb'guest ready\n[^$]*guest ready\n', 20)
    vm.qmp.wait_event('RESET')


@case
def triple_fault_resets():
    vm = boot()
    vm.send('triple\n')
    vm.expect(rb'guest ready\n[^$]*guest ready\n', 20)


@case
def no_reboot_ends():
    vm = boot(args=['-no-reboot'])
    vm.send('triple\n')
    require(vm.wait_exit() == 0, 'exit code %d' % vm.process.returncode)


@case
def poweroff_ends():
    vm = boot()
    vm.send('poweroff\n')
    require(vm.wait_exit() == 0, 'exit code %d' % vm.process.returncode)


@case
def panic_is_an_event():
    vm = boot(args=['-device', 'pvpanic', '-action', 'panic=pause'])
    vm.send('panic\n')
    vm.qmp.wait_event('GUEST_PANICKED')
    ferry.wait_status(vm, 'guest-panicked')


@case
def system_reset_reloads_the_kernel():
    vm = boot()
    vm.guest('fill')
    vm.qmp.command('system_reset')
    vm.expect(rb'guest ready\n[^$]*guest ready\n', 20)
    vm.guest('ping')


@case
def stop_and_cont():
    vm = boot()
    vm.qmp.command('stop')
    ferry.wait_status(vm, 'paused')
    vm.qmp.command('cont')
    vm.guest('ping')


@case
def free_pages_by_bitmap():
    for mode in ('beyond', 'malformed', 'changing', 'indirect', 'longchain'):
        target, _, _, _, _ = free_pages.hop(mode, 'bitmap', ',free-page-bitmap=on', how='share')
        target.close()


ferry.main()
