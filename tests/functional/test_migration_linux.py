# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration of Debian guests under load, hints off and on, there and back; memory compared but for the pages that were
skipped as hinted; faults at random moments that the guest never notices."""
import os
import random
import time

import ferry
from ferry import SLOW, case, migrate, require, slow_case, wait_migration, wait_status
from linux import Linux, check_data

MEMORY = 512 << 20
LOADS = {
    'idle': None,
    'writer': 'guest-tool counter 2000',
    'forks': 'guest-tool forks',
    'files': "sh -c 'echo GUEST-STARTED; i=0; while :; do mkdir -p /tmp/t/$i; guest-tool text 1 > /tmp/t/$i/f; "
             "a=$(md5sum < /tmp/t/$i/f); [ -z \"$b\" ] || [ \"$a\" = \"$b\" ] || echo GUEST-CORRUPT file $i; b=$a; "
             "i=$(((i + 1) % 20)); done'",
}


def start_load(vm, load):
    if LOADS[load]:
        vm.send('(%s) &\n' % LOADS[load])
        vm.expect(rb'GUEST-STARTED', 30)
        time.sleep(0.5)


def hinted_pages(path):
    """GPA page numbers that the source's record says were skipped as hinted, and how many."""
    pages = set()
    with open(path, encoding='ascii') as f:
        for line in f:
            reason, block, offset, length = line.split()
            if reason == 'hinted' and block == 'pc.ram':
                pages.update(range(int(offset, 16) >> 12, (int(offset, 16) + int(length, 16)) >> 12))
    return pages


def hop(source, hints, name):
    """One migration to a new, stopped machine; compares memory; lets it run."""
    target = Linux(hints=hints, incoming='defer', name=name, args=['-S']).take_over(source)
    record = source.dir + '/skipped'
    source.qmp.command('migrate-set-parameters', x_skip_record=record, max_bandwidth=1 << 40)
    info = migrate(source, target, timeout=120)
    wait_status(target, 'paused')
    hinted = hinted_pages(record)
    ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in hinted)
    target.qmp.command('cont')
    source.close()
    target.shell('true')
    check_data(target)
    return target, info


def there_and_back(load, hints, hops=2):
    vm = Linux(hints=hints).boot()
    start_load(vm, load)
    for n in range(hops):
        vm, info = hop(vm, hints, 'hop%d' % n)
        if hints:
            free = info['free-pages']
            require(free['state'] not in ('none', 'no-device', 'not-offered'), 'hints were not asked for: %s' % free)
        time.sleep(0.3)
    vm.shell('guest-tool hog 100', 60)
    check_data(vm)


for load_name in LOADS:
    for hints_on in (False, True):
        def generated(load=load_name, hints=hints_on):
            there_and_back(load, hints, hops=10 if SLOW else 2)
        generated.__name__ = '%s_hints_%s' % (load_name, 'on' if hints_on else 'off')
        case(generated)


@case
def hints_on_but_no_driver():
    vm = Linux(hints=True, append='guest.modules=no').boot()
    start_load(vm, 'writer')
    vm, _ = hop(vm, True, 'target')
    check_data(vm)


@case
def hints_after_much_was_freed():
    vm = Linux(hints=True).boot()
    vm.shell('guest-tool hog 300', 60)
    vm, info = hop(vm, True, 'target')
    free = info['free-pages']
    require(info['ram']['normal'] < 60000, 'sent %d pages of a guest that uses few: %s' % (info['ram']['normal'], free))
    vm.shell('guest-tool hog 300', 60)
    check_data(vm)


@case
def smp_guest():
    vm = Linux(hints=True, smp=2).boot()
    start_load(vm, 'writer')
    target = Linux(hints=True, smp=2, incoming='defer', name='target').take_over(vm)
    migrate(vm, target, timeout=120)
    wait_status(target, 'running')
    target.shell('guest-tool hog 50')
    check_data(target)


@case
def migrated_guest_reboots():
    vm = Linux().boot()
    vm, _ = hop(vm, False, 'target')
    start = len(vm.log)
    vm.send('reboot -f\n')
    vm.expect(rb'GUEST-READY', 120, start)


def fault(vm, kind, rng):
    target = Linux(hints=True, incoming='defer', name='doomed')
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    vm.qmp.command('migrate', uri=uri)
    time.sleep(rng.uniform(0, 0.6))
    if kind == 'cancel':
        vm.qmp.command('migrate_cancel')
        info = None
    else:
        target.process.kill()
    end = time.time() + 30 * ferry.PATIENCE
    while True:
        info = vm.qmp.command('query-migrate')
        if info['status'] in ('cancelled', 'failed', 'completed'):
            break
        require(time.time() < end, 'still %s' % info['status'])
        time.sleep(0.02)
    target.close()
    if info['status'] == 'completed':  # it was sooner than the fault: the guest is gone with the target; go on here
        vm.qmp.command('cont')
    wait_status(vm, 'running')


def faults(count, seed):
    rng = random.Random(int(os.environ.get('FERRY_SEED', seed)))
    vm = Linux(hints=True).boot()
    vm.shell('guest-tool hog 200')
    start_load(vm, 'writer')
    vm.qmp.command('migrate-set-parameters', max_bandwidth=300 << 20)
    for _ in range(count):
        fault(vm, rng.choice(['cancel', 'kill']), rng)
        vm.shell('true')
        check_data(vm)
    vm, _ = hop(vm, True, 'target')
    check_data(vm)


@case
def ten_faults():
    faults(10, 1)


@slow_case
def fifty_faults():
    faults(50, 2)


ferry.main()
