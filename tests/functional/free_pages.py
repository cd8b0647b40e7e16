# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of free pages have in common: a bare-metal guest whose balloon driver answers requests in a way of the
test's choice, a migration after which memory is compared, and what must hold when the guest goes on."""
import os
import time

import ferry
from ferry import Vm, migrate, require, wait_status

MEMORY = 256 << 20
TEST_START = 0x4100000  # first test page of a guest of that size
FIRST, COUNT = 8000, 32000  # what the guest calls free
AFTER = FIRST + COUNT
COUNTERS = (rb'requests (\d+) stops (\d+) dones (\d+) buffers (\d+) returned (\d+) resets (\d+) '
            rb'interrupts (\d+) (\d+)\n')
NAMES = ('requests', 'stops', 'dones', 'buffers', 'returned', 'resets', 'config_interrupts', 'queue_interrupts')
BOUND = 20  # seconds


def machine(name, options='', objects=(), **kwargs):
    device = 'virtio-balloon-pci,id=balloon0,free-page-hint=on,free-page-reporting=on' + options
    return Vm(name=name, args=[*objects, '-device', device, *kwargs.pop('args', [])], **kwargs)


def boot(features='hint', **kwargs):
    vm = machine('source', **kwargs)
    vm.expect(rb'guest ready\n', 20)
    vm.guest('balloon init ' + features)
    vm.guest('fill 0 %d 5' % FIRST)
    vm.guest('fill %d %d 7' % (FIRST, COUNT))
    vm.guest('fill %d 2000 6' % AFTER)
    return vm


def parameters(vm, **kwargs):
    # 66 % of this guest is populated: it is asked once, for no later pass has as much in question and at most half of
    # it.
    settings = {'free_page_hint_head_start': 3000, 'free_page_hint_timeout': 1500, 'free_page_hint_threshold': 40,
                'max_bandwidth': 1 << 40}
    vm.qmp.command('migrate-set-parameters', **dict(settings, **kwargs))


def start_serving(vm, mode, first=FIRST, count=COUNT, how='serve'):
    """`how`: 'serve' by hints, 'share' by bitmaps."""
    vm.send('balloon %s %s %d %d\n' % (how, mode, first, count))
    vm.expect(rb'serving\n')


def end_serving(vm):
    start = len(vm.log)
    vm.send('x')
    match = vm.expect(COUNTERS + rb'ok\n', 30, start)
    return dict(zip(NAMES, (int(group) for group in match.groups())))


def cpu_seconds(vm):
    with open('/proc/%d/stat' % vm.process.pid, encoding='ascii') as f:
        words = f.read().rsplit(')', 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')


def is_quiet(vm):
    """No thread spins: the guest sleeps but for a timer, so must we. (It may have something to finish first.)"""
    for _ in range(6):
        before, start = cpu_seconds(vm), time.time()
        time.sleep(0.5)
        used = (cpu_seconds(vm) - before) / (time.time() - start)
        if used < 0.6:
            return
    require(ferry.SANITIZED, '%s uses %.2f of a processor at rest' % (vm.name, used))


def declared(first=FIRST, count=COUNT):
    start = (TEST_START >> 12) + first
    return range(start, start + count)


def move(source, target, free=declared(), **kwargs):
    """Migrates to a stopped target and compares; returns query-migrate and how many pages differ."""
    record = source.dir + '/skipped'
    parameters(source, x_skip_record=record, **kwargs)
    start = time.time()
    info = migrate(source, target, timeout=BOUND)
    require(time.time() - start < BOUND * ferry.PATIENCE, 'took %.1f s' % (time.time() - start))
    wait_status(target, 'paused')
    hinted = ferry.skipped_pages(record)
    for page in hinted:
        require(page in free, 'page 0x%x was left out as hinted, but the guest did not hint it' % page)
    differing, _ = ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in hinted)
    return info, differing


def go_on(source, target, seeds=(5, 6)):
    """The guest runs at the destination and finds what it kept."""
    is_quiet(source)
    require(b'fail' not in source.log, source.log[-300:].decode('latin1'))
    target.qmp.command('cont')
    wait_status(target, 'running')
    time.sleep(0.05)
    is_quiet(target)
    counts = end_serving(target)
    require(b'fail' not in target.log, target.log[-300:].decode('latin1'))
    target.guest('verify 0 %d %d' % (FIRST, seeds[0]))
    target.guest('verify %d 2000 %d' % (AFTER, seeds[1]))
    source.close()
    return counts


def skip_zero_pages(*ends):
    for vm in ends:
        vm.qmp.command('migrate-set-capabilities', capabilities=[{'capability': 'skip-zero-pages', 'state': True}])


def hop(mode, features='hint', options='', objects=(), how='serve', **kwargs):
    source = boot(features, options=options, objects=objects)
    start_serving(source, mode, how=how)
    target = machine('target', options=options, objects=objects, incoming='defer', args=['-S'])
    info, differing = move(source, target, **kwargs)
    counts = go_on(source, target)
    return target, info, info['free-pages'], counts, differing
