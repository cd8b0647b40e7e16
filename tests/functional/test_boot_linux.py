# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's unmodified kernels boot, use what is on the board, and end in every way there is."""
import re

from ferry import case, require, slow_case
from linux_guest import Linux


def check_board(vm, cpus):
    require(int(vm.run('nproc')) == cpus, 'not %d CPUs' % cpus)
    interrupts = vm.run('cat /proc/interrupts')
    for line in (r' 4: .*IO-APIC +4-edge +ttyS0', r' 9: .*IO-APIC +9-fasteoi +acpi', r'10: .*10-fasteoi +virtio0'):
        require(re.search(line, interrupts), 'no %r in %s' % (line, interrupts))
    ports = vm.run('cat /proc/ioports')
    require('0608-060b : ACPI PM_TMR' in ports and 'c000-c03f : 0000:00:02.0' in ports, ports)
    memory = vm.run('cat /proc/iomem')
    for line in ('1ffe0000-1fffffff : Reserved', 'febfc000-febfffff : 0000:00:02.0', 'fec00000-fec003ff : IOAPIC 0'):
        require(line in memory, 'no %r in %s' % (line, memory))
    log = vm.run('dmesg')
    for complaint in ('ACPI Error', 'ACPI BIOS Error', 'firmware bug', 'Firmware Bug', 'WARNING', 'Oops', 'nobody cared', 'invalid opcode'):
        require(complaint not in log, log[max(log.find(complaint) - 200, 0):][:1000])


def boot(flavour, cpus):
    vm = Linux(flavour, smp=cpus, args=['-device', 'virtio-balloon-pci,id=balloon0'])
    check_board(vm, cpus)
    vm.send('poweroff -f\n')
    require(vm.wait_exit(30) == 0, 'the exit status of a poweroff is not 0')


@case
def cloud_1_cpu():
    boot('cloud-amd64', 1)


@case
def cloud_4_cpus():
    boot('cloud-amd64', 4)


@case
def generic_1_cpu():
    boot('amd64', 1)


@case
def generic_4_cpus():
    boot('amd64', 4)


@slow_case
def cloud_8_cpus_and_memory_above_4g():
    vm = Linux(smp=8, memory='5G')
    require(int(vm.run('nproc')) == 8, 'not 8 CPUs')
    require('100000000-17fffffff : System RAM' in vm.run('cat /proc/iomem'), 'no RAM above 4 GiB')


@case
def reboot_by_the_guest_and_by_the_host():
    vm = Linux()
    vm.run('echo kept > /tmp/file')
    start = len(vm.log)
    vm.send('reboot -f\n')
    start = vm.wait_boot(start=start)
    vm.qmp.wait_event('RESET')
    require('No such file' in vm.run('cat /tmp/file 2>&1', check=False), 'the reset kept a tmpfs')
    vm.qmp.command('system_reset')
    vm.wait_boot(start=start)
    vm.run('true')


@case
def panic_is_told():
    vm = Linux(args=['-device', 'pvpanic', '-action', 'panic=pause'], append='panic=0')
    vm.send('echo c > /proc/sysrq-trigger\n')
    vm.expect(rb'Kernel panic - not syncing', 30)
    vm.qmp.wait_event('GUEST_PANICKED')
    require(vm.qmp.command('query-status')['status'] == 'guest-panicked', 'the guest runs on')


@case
def interrupts_without_ioapic():
    vm = Linux(append='noapic', args=['-device', 'virtio-balloon-pci,id=balloon0'])
    vm.qmp.command('balloon', value=256 << 20)
    while True:
        event = vm.qmp.wait_event('BALLOON_CHANGE')
        if event['data']['actual'] == 256 << 20:
            break
    count = re.search(r'10: +(\d+) +XT-PIC +virtio0', vm.run('cat /proc/interrupts'))
    require(count and int(count.group(1)) > 0, 'no interrupts from the balloon')


@case
def without_acpi():
    vm = Linux(args=['-machine', 'acpi=off', '-device', 'virtio-balloon-pci'])
    require('00:02.0' in vm.run('ls /sys/bus/pci/devices'), 'no balloon')
    require('XT-PIC' in vm.run('cat /proc/interrupts'), 'no XT-PIC')


if __name__ == '__main__':
    import ferry
    ferry.main()
