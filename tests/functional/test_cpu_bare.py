# SPDX-License-Identifier: GPL-2.0-or-later
"""The software CPU's system side, by the bare-metal guest: modes, rings, interrupts, paging, several processors.

Everything here also holds for stock QEMU (FERRY_BINARY=…, FERRY_PEER=1), except what is asked for as "strict".
"""
import os
import re

import ferry
from ferry import Skip, Vm, case, require

PEER = bool(os.environ.get('FERRY_PEER'))

# CPUID of qemu64 with one processor, as Linux guests of QEMU 7.2 see it, less SVM (0x80000001.ECX bit 2, 0x8000000a).
QEMU64 = {
    0x0: '0000000d 68747541 444d4163 69746e65',
    0x1: '00060fb1 00000800 80002001 078bfbfd',
    0x7: '00000000 00000000 00000000 00000000',
    0xd: '00000000 00000000 00000000 00000000',
    0x80000001: '00060fb1 00000000 00000001 2193fbfd',
    0x80000002: '554d4551 72695620 6c617574 55504320',
    0x80000003: '72657620 6e6f6973 352e3220 0000002b',
    0x80000008: '00003028 00000000 00000000 00000000',
}


def boot(**kwargs):
    vm = Vm(**kwargs)
    vm.expect(rb'guest ready\n', 20)
    return vm


def strict_only():
    if PEER:
        raise Skip('the peer is known to be wrong here')


def run(*commands, **kwargs):
    vm = boot(**kwargs)
    for command in commands:
        vm.guest(command, 120)


def guest_case(name, *commands, strict=False, **kwargs):
    def function():
        if strict:
            strict_only()
        run(*commands, **kwargs)
    function.__name__ = name
    case(function)


guest_case('modes', 'modes', 'compat')
guest_case('modes_in_turn', 'compat', 'modes', 'paging', 'modes', 'faults', 'timers')
guest_case('system_calls', 'syscall', 'sysenter', 'gates')
guest_case('stacks_and_returns', 'stacks', 'iret')
guest_case('rings_exactly', 'syscall strict', 'stacks strict', strict=True)
guest_case('single_step', 'step')
guest_case('segments', 'segments')
guest_case('segment_limits', 'limits', strict=True)
guest_case('paging_further', 'paging2')
guest_case('paging_of_max', 'paging', 'paging2', args=['-cpu', 'max'])
guest_case('control_registers', 'control', strict=True)
guest_case('interrupts', 'interrupts')
guest_case('timers', 'timers')
guest_case('timers_of_max', 'timers', args=['-cpu', 'max'])
guest_case('ports', 'ports', 'msr')
guest_case('msr_exactly', 'msr strict', strict=True)
guest_case('two_processors', 'smp 2', 'ipi', 'atomics', 'ordering', 'shootdown', smp=2)
guest_case('four_processors', 'smp 4', 'ipi', 'atomics', 'ordering', 'shootdown', smp=4)
guest_case('code_changed_by_another', 'smp 2', 'crossmod', 'crossmod', smp=2, strict=True)


@case
def cpuid_of_qemu64():
    vm = boot(args=['-cpu', 'qemu64,-svm'] if PEER else [])
    for leaf, want in QEMU64.items():
        words = re.search(r': (.*)', vm.guest('cpuid 0x%x' % leaf)).group(1).split()
        got = ' '.join('%08x' % int(word, 16) for word in words)
        require(got == want, 'leaf 0x%x: %s, want %s' % (leaf, got, want))


ferry.main()
