# SPDX-License-Identifier: GPL-2.0-or-later
"""What Debian's kernel finds on the board and says of it; older ways of interrupt delivery; resets and panics."""
import re

import ferry
from ferry import case, require, slow_case
from linux import Linux, nmi_from_outside


@case
def finds_the_board():
    vm = Linux(smp=2).boot()
    interrupts = vm.shell('cat /proc/interrupts')
    for line in (r' 4: .*IO-APIC +4-edge +ttyS0', r' 8: .*8-edge +rtc0', r' 9: .*9-fasteoi +acpi',
                 r'10: .*10-fasteoi +virtio0'):
        require(re.search(line, interrupts), 'no %r in %s' % (line, interrupts))
    ports = vm.shell('cat /proc/ioports')
    for line in ('0600-0603 : ACPI PM1a_EVT_BLK', '0608-060b : ACPI PM_TMR', 'afe0-afe3 : ACPI GPE0_BLK',
                 'c000-c03f : 0000:00:02.0'):
        require(line in ports, 'no %r in %s' % (line, ports))
    memory = vm.shell('cat /proc/iomem')
    for line in ('1ffe0000-1fffffff : Reserved', '20000000-febfffff : PCI Bus 0000:00',
                 'febfc000-febfffff : 0000:00:02.0',
                 'fec00000-fec003ff : IOAPIC 0', 'fee00000-fee00fff : Local APIC'):
        require(line in memory, 'no %r in %s' % (line, memory))
    log = vm.shell('dmesg')
    for line in ('PIIX3: Enabling Passive Release', 'ACPI: PM: (supports S0 S5)',
                 'Interrupt link LNKD configured for IRQ 11'):
        require(line in log, 'no %r in the kernel log' % line)
    for complaint in ('ACPI Error', 'ACPI BIOS Error', 'irmware [Bb]ug', 'WARNING:', 'Oops', 'nobody cared',
                      'MTRRs disabled'):
        found = re.search('.*' + complaint + '.*', log)
        require(not found, found and found.group(0))


@slow_case
def eight_cpus_and_memory_above_4g():
    vm = Linux(smp=8, memory='5G').boot(120)
    require('100000000-17fffffff : System RAM' in vm.shell('cat /proc/iomem'), 'no RAM above 4 GiB')
    require(int(vm.shell('nproc')) == 8, 'not 8 CPUs')


def balloon_interrupts(vm):
    """Moves the balloon; how often it has interrupted."""
    vm.qmp.command('balloon', value=256 << 20)
    ferry.wait_until(lambda: vm.qmp.command('query-balloon')['actual'] == 256 << 20, 'the balloon to inflate')
    found = re.search(r'10: +(\d+) +XT-PIC +virtio0', vm.shell('cat /proc/interrupts'))
    return int(found.group(1)) if found else 0


@case
def interrupts_by_the_8259s():
    require(balloon_interrupts(Linux(append='noapic').boot()) > 0, 'no interrupts with noapic')


@case
def without_acpi():
    vm = Linux(args=['-machine', 'acpi=off']).boot()
    require(balloon_interrupts(vm) > 0, 'no interrupts without ACPI')
    require('00:01.3' not in vm.shell('ls /sys/bus/pci/devices'), 'there is a power management function')


@case
def reset_by_the_host_twice():
    vm = Linux().boot()
    for _ in range(2):
        vm.shell('echo kept > /tmp/file')
        start = len(vm.log)
        vm.qmp.command('system_reset')
        vm.expect(rb'GUEST-READY', 60, start)
        vm.qmp.wait_event('RESET')
        vm.shell('test ! -e /tmp/file')


@case
def panic_is_told():
    vm = Linux(args=['-device', 'pvpanic', '-action', 'panic=pause']).boot()
    vm.send('echo c > /proc/sysrq-trigger\n')
    vm.expect(rb'Kernel panic - not syncing', 30)
    vm.qmp.wait_event('GUEST_PANICKED')
    require(vm.qmp.command('query-status')['status'] == 'guest-panicked', 'the guest runs on')


@case
def nmi_arrives():
    nmi_from_outside(Linux(smp=2).boot())


ferry.main()
