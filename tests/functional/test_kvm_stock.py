# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests go between stock QEMU and us, both on KVM: the states of the kernel's chips, its MSRs and its clock as stock
writes and reads them. Skips where there is no /dev/kvm or no stock QEMU."""
import os
import shutil

import ferry
from ferry import Skip, case, require, wait_migration, wait_status
from linux import Linux, check_data

STOCK = os.environ.get('STOCK_QEMU', '/usr/bin/qemu-system-x86_64')
ferry.SPAWN = 'allow'  # streams go through commands
# The stock board that is nearest to ours.
BOARD = ['-machine', 'pc-i440fx-7.2,hpet=off,i8042=off,vmport=off', '-cpu', 'qemu64']


def stock():
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        raise Skip('no access to /dev/kvm')
    if not shutil.which(STOCK):
        raise Skip('no stock QEMU: install qemu-system-x86')
    return STOCK


def timer_ticks(vm):
    return [int(n) for n in vm.shell("awk '/LOC:/ { for (i = 2; $i ~ /^[0-9]+$/; i++) print $i }' /proc/interrupts")
            .split() if n.isdigit()]


def saved(**kwargs):
    """A guest that counts, and the file it is in."""
    source = Linux(accel='kvm', args=BOARD, **kwargs).boot(120)
    source.send('guest-tool counter 100 &\n')
    source.expect(rb'GUEST-STARTED', 60)
    path = source.dir + '/state'
    source.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    source.qmp.command('migrate', uri='exec:cat > ' + path)
    wait_migration(source)
    return source, path


def goes_to_stock(**kwargs):
    binary = stock()
    source, path = saved(**kwargs)
    target = Linux(incoming='exec:cat ' + path, name='target', binary=binary, accel='kvm', args=BOARD, **kwargs)
    target.take_over(source)
    wait_status(target, 'running')
    source.close()
    before = timer_ticks(target)
    up = float(target.shell('cat /proc/uptime; sleep 2', 120).split()[0])
    after = float(target.shell('cat /proc/uptime').split()[0])
    require(after - up > 1.5, 'a sleep of 2 s took %.1f s' % (after - up))
    require(timer_ticks(target)[0] > before[0], 'no timer interrupts')
    check_data(target)
    target.close()


@case
def stock_loads_ours():
    goes_to_stock()


@case
def we_refuse_stocks_by_name():
    """Its ACPI tables are a RAM block of its own, which we have not."""
    _, path = saved(binary=stock())
    target = Linux(incoming='exec:cat ' + path, name='target', accel='kvm', args=BOARD, qmp=False)
    code, said = target.wait_exit(60), target.stderr_text()
    require(code == 1 and "RAM block '/rom@etc/acpi/tables'" in said, 'exit %d: %s' % (code, said))


@case
def two_vcpus_of_ours():
    goes_to_stock(smp=2)


ferry.main()
