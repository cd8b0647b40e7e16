# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration of Debian guests under load, hints off and on, and with our own driver's bitmaps, there and back; memory
compared but for the pages that were skipped as hinted; faults at random moments that the guest never notices."""
import os
import random
import socket
import time

import ferry
from ferry import SLOW, case, migrate, require, slow_case, wait_status
from linux import Linux, check_data

MEMORY = 512 << 20
# What the guest may free between the reading of its MemFree and the request: the loads' own processes, files and page
# tables come and go, and each vCPU's lists keep some pages that MemFree does not count. 16 MiB.
MARGIN_PAGES = 4096
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


def free_pages(vm):
    """What the guest itself calls free, in pages."""
    return int(vm.shell('grep MemFree: /proc/meminfo').split('MemFree:')[1].split()[0]) // 4


def hop(source, hints, name, skip_zero=False, **kwargs):
    """One migration to a new, stopped machine; compares memory; lets it run. No more may be missing there as hinted
    than the guest called free just before. query-migrate's answer, with that number as `guest-free`."""
    target = Linux(hints=hints, incoming='defer', name=name, args=['-S'], **kwargs).take_over(source)
    record = source.dir + '/skipped'
    source.qmp.command('migrate-set-parameters', x_skip_record=record, max_bandwidth=1 << 40)
    for vm in (source, target):
        vm.qmp.command('migrate-set-capabilities',
                       capabilities=[{'capability': 'skip-zero-pages', 'state': skip_zero}])
    free = free_pages(source)
    info = migrate(source, target, timeout=120)
    info['guest-free'] = free
    wait_status(target, 'paused')
    hinted = ferry.skipped_pages(record)
    require(len(hinted) <= free + MARGIN_PAGES, '%d pages left out as hinted, but the guest had %d free' %
            (len(hinted), free))
    require(hints or not hinted, '%d pages left out as hinted, without hints' % len(hinted))
    ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in hinted)
    target.qmp.command('cont')
    source.close()
    target.shell('true')
    check_data(target)
    return target, info


def there_and_back(load, hints, hops=2, **kwargs):
    vm = Linux(hints=hints, **kwargs).boot()
    start_load(vm, load)
    for n in range(hops):
        if kwargs.get('ours'):  # costs so little that it is worth while for an idle guest
            vm.qmp.command('migrate-set-parameters', free_page_hint_threshold=0)
        vm, info = hop(vm, hints, 'hop%d' % n, **kwargs)
        if kwargs.get('ours'):
            require(info['free-pages']['hinted'] > 40000, str(info['free-pages']))
        if hints:
            free = info['free-pages']
            require(free['state'] not in ('none', 'no-device', 'not-offered'), 'hints were not asked for: %s' % free)
        time.sleep(0.3)
    vm.shell('guest-tool hog 100', 60)
    check_data(vm)


for load_name in LOADS:
    for how, machine in (('hints_off', {'hints': False}), ('hints_on', {'hints': True}),
                         ('bitmap', {'hints': True, 'ours': True})):
        def generated(load=load_name, settings=machine):
            there_and_back(load, hops=10 if SLOW else 2, **settings)
        generated.__name__ = '%s_%s' % (load_name, how)
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
    require(info['ram']['normal'] < 60000, 'sent %d pages of a guest that uses few: %s' %
            (info['ram']['normal'], free))
    vm.shell('guest-tool hog 300', 60)
    check_data(vm)


def hints_count(skip_zero):
    """A kernel that does not write what it hints: hints count as such, and cover most of what is free, never more."""
    vm = Linux(hints=True, append='init_on_alloc=0').boot()
    vm.shell('guest-tool hog 300', 60)
    start_load(vm, 'writer')
    for n in range(2):
        vm, info = hop(vm, True, 'hop%d' % n, skip_zero)
        free = info['free-pages']
        require(n or free['hinted'] > info['guest-free'] // 2, 'of %d free pages: %s' % (info['guest-free'], free))
    vm.shell('guest-tool hog 300', 60)
    check_data(vm)


@case
def hints_count_with_skip_zero_pages():
    hints_count(True)


@case
def hints_count_without_skip_zero_pages():
    hints_count(False)


@case
def four_vcpus_there_and_back():
    vm = Linux(hints=True, smp=4).boot()
    start_load(vm, 'writer')
    start_load(vm, 'forks')
    for n in range(2):
        vm, _ = hop(vm, True, 'hop%d' % n, smp=4)
    vm.shell('guest-tool hog 50')
    check_data(vm)


def other_kernel(smp):
    vm = Linux(flavour='amd64', hints=True, smp=smp).boot(120)
    start_load(vm, 'writer')
    vm, _ = hop(vm, True, 'target', flavour='amd64', smp=smp)
    vm.shell('guest-tool hog 50')
    check_data(vm)


@case
def generic_kernel():
    other_kernel(1)


@case
def generic_kernel_with_four_vcpus():
    other_kernel(4)


@case
def migrated_guest_reboots():
    vm = Linux().boot()
    vm, _ = hop(vm, False, 'target')
    start = len(vm.log)
    vm.send('reboot -f\n')
    vm.expect(rb'GUEST-READY', 120, start)


def await_end(vm):
    ended = ('cancelled', 'failed', 'completed')
    ferry.wait_until(lambda: vm.qmp.command('query-migrate')['status'] in ended, 'the migration to end')
    return vm.qmp.command('query-migrate')['status']


def fault(vm, kind, rng, **kwargs):
    """A migration that something befalls after a random time; the guest goes on here."""
    target = Linux(hints=True, incoming='defer', name='doomed', **kwargs)
    path = target.dir + '/mig'
    target.qmp.command('migrate-incoming', uri='unix:' + path)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(path)
        vm.qmp.pass_fd('mig', channel.fileno())
        vm.qmp.command('migrate', uri='fd:mig')
        time.sleep(rng.uniform(0, 0.6))
        if kind == 'cancel':
            vm.qmp.command('migrate_cancel')
        elif kind == 'cut':
            channel.shutdown(socket.SHUT_RDWR)
        else:
            target.process.kill()
        status = await_end(vm)
    target.close()
    if status == 'completed':  # it was sooner than the fault: the guest is gone with the target; go on here
        vm.qmp.command('cont')
    wait_status(vm, 'running')
    return status


def faults(count, seed, **kwargs):
    seed = int(os.environ.get('FERRY_SEED', seed))
    rng, ends = random.Random(seed), {}
    vm = Linux(hints=True, **kwargs).boot()
    vm.shell('guest-tool hog 200')
    start_load(vm, 'writer')
    vm.qmp.command('migrate-set-parameters', max_bandwidth=100 << 20)
    for n in range(count):
        kind = ('cancel', 'kill', 'cut')[n % 3]
        end = (kind, fault(vm, kind, rng, **kwargs))
        ends[end] = ends.get(end, 0) + 1
        vm.shell('true')
        check_data(vm)
    print('seed %d: %s' % (seed, ', '.join('%s: %s %d' % (*end, n) for end, n in sorted(ends.items()))), flush=True)
    struck = sum(n for (_, status), n in ends.items() if status != 'completed')
    require(struck >= count * 2 // 3, 'few faults struck: %s' % ends)
    vm, _ = hop(vm, True, 'target', **kwargs)
    check_data(vm)


@case
def ten_faults():
    faults(10, 1)


@case
def ten_faults_by_bitmap():
    faults(10, 3, ours=True)


@slow_case
def fifty_faults():
    faults(50, 2)


@slow_case
def fifty_migrations_at_random():
    """Random guests under random loads, each from host to host ten times; on the way some migrations fail or are
    cancelled."""
    seed = int(os.environ.get('FERRY_SEED', random.SystemRandom().randrange(1 << 30)))
    rng, pages, failed = random.Random(seed), 0, 0
    print('seed %d' % seed, flush=True)
    for _ in range(5):
        smp = rng.choice((1, 2, 4))
        vm = Linux(hints=True, smp=smp, append=rng.choice(('', 'init_on_alloc=0'))).boot()
        vm.shell('guest-tool hog %d' % rng.randrange(50, 300))
        for load in rng.sample(sorted(LOADS), 2):
            start_load(vm, load)
        for n in range(10):
            if rng.random() < 0.4:
                vm.qmp.command('migrate-set-parameters', max_bandwidth=rng.choice((50, 200)) << 20)
                failed += fault(vm, rng.choice(('cancel', 'kill', 'cut')), rng, smp=smp) != 'completed'
            vm, info = hop(vm, True, 'hop%d' % n, rng.random() < 0.5, smp=smp)
            pages += info['free-pages']['hinted']
            time.sleep(rng.uniform(0, 0.5))
        vm.close()
    print('50 migrations completed, %d failed or were cancelled; %d pages stayed behind as hinted' % (failed, pages),
          flush=True)


ferry.main()
