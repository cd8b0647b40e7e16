# SPDX-License-Identifier: GPL-2.0-or-later
"""An independent judge of the stream: Debian's stock QEMU, where installed, loads a running guest of ours and the
guest goes on; and we load one of stock's."""
import os
import shutil
import time

import ferry
from ferry import Skip, case, require, wait_migration, wait_status
from linux import Linux, check_data

STOCK = os.environ.get('STOCK_QEMU', '/usr/bin/qemu-system-x86_64')
ferry.SPAWN = 'allow'  # streams go through commands
BOARD = ['-machine', 'pc-i440fx-7.2,hpet=off']


def stock():
    if not shutil.which(STOCK):
        raise Skip('no stock QEMU: install qemu-system-x86')
    return STOCK


def goes_to(source, binary, hints, **kwargs):
    """The stream goes through a file, which both sides know how to read."""
    path = source.dir + '/state'
    source.qmp.command('migrate', uri='exec:cat > ' + path)
    source.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    wait_migration(source)
    target = Linux(hints=hints, incoming='exec:cat ' + path, name='target', binary=binary, **kwargs).take_over(source)
    wait_status(target, 'running')
    return target


@case
def stock_loads_ours():
    binary = stock()
    for hints in (False, True):
        board = dict(args=BOARD)
        if hints:  # stock demands an iothread for them
            board = dict(args=BOARD + ['-object', 'iothread,id=io0'], balloon=',iothread=io0')
        source = Linux(hints=hints, **board).boot()
        source.send('guest-tool counter 500 &\n')
        source.expect(rb'GUEST-STARTED')
        time.sleep(0.3)
        target = goes_to(source, binary, hints, **board)
        target.shell('guest-tool text 2 | md5sum')
        before = float(target.shell('cat /proc/uptime').split()[0])
        time.sleep(1)
        after = float(target.shell('cat /proc/uptime').split()[0])
        require(0.5 < after - before < 5, 'the guest\'s clock went from %g to %g in a second' % (before, after))
        check_data(target)
        target.close()
        source.close()


@case
def stock_without_i8042_loads_ours():
    """The stock board that is nearest to ours, by its options."""
    board = dict(args=['-machine', 'pc-i440fx-7.2,hpet=off,i8042=off,vmport=off'])
    source = Linux(**board).boot()
    goes_to(source, stock(), False, **board).shell('true')


@case
def we_load_stocks():
    """A stock guest with the same devices (its sections of devices that we lack are refused by name)."""
    binary = stock()
    source = Linux(args=BOARD, binary=binary).boot()
    path = source.dir + '/state'
    source.qmp.command('migrate', uri='exec:cat > ' + path)
    wait_migration(source)
    target = Linux(incoming='exec:cat ' + path, name='target', args=BOARD, qmp=False)
    code = target.wait_exit(30)
    require(code == 1 and 'section' in target.stderr_text(), 'exit %d: %s' % (code, target.stderr_text()))


ferry.main()
