# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of free pages have in common: a bare-metal guest whose balloon driver answers requests in a way of the
test's choice, a migration after which memory is compared, and what must hold when the guest goes on."""
import os
import re
import time

import ferry
from ferry import Vm, migrate, require, wait_migration, wait_status

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


# Ways to break the ring, or to strain it, the same for hints and for bitmaps (tests/guest/balloon-hostile.c).
RING_MODES = ('loop', 'numbers', 'indirect', 'directions', 'flood', 'restart', 'million', 'registers', 'rings',
              'disable', 'pcioff', 'longchain')
RING_BREAKS = ('loop', 'numbers', 'indirect', 'flood', 'longchain')  # the device, which is counted
RING_MODES_UNDER_AN_IOTHREAD = ('loop', 'restart', 'million', 'rings', 'pcioff')
IOTHREAD = {'options': ',iothread=io0', 'objects': ['-object', 'iothread,id=io0']}


def hostile(mode, suffix='', rejected=None, **kwargs):
    """A case: the guest answers in that way, migrates, and lives. `rejected`: whether any of it was."""
    def function():
        target, _, free, counts, _ = hop(mode, **kwargs)
        require(counts['requests'] == 1, str(counts))
        require(rejected is None or (free['rejected'] > 0) == rejected, str(free))
        target.guest('ping')
    function.__name__ = 'hostile_' + mode + suffix
    ferry.case(function)


def hostile_rings(**kwargs):
    for mode in RING_MODES:
        hostile(mode, rejected=True if mode in RING_BREAKS else None, **kwargs)
    under = dict(kwargs, options=kwargs.get('options', '') + IOTHREAD['options'], objects=IOTHREAD['objects'])
    for mode in RING_MODES_UNDER_AN_IOTHREAD:
        hostile(mode, '_under_an_iothread', **under)


def hostile_together(mode, features='hint', how='serve', **kwargs):
    """Several processors write at what the device reads, during the round."""
    source = boot(features, smp=3, **kwargs)
    source.guest('smp 3')
    start_serving(source, mode, how=how)
    target = machine('target', smp=3, incoming='defer', args=['-S'], **kwargs)
    move(source, target)
    go_on(source, target)
    target.guest('ping')


def driver_goes_away(**kwargs):
    """Reset in mid-round, and no driver afterwards: its pages are in use, and arrive; the next migration asks
    nobody."""
    target, _, _, counts, differing = hop('unbind', **kwargs)
    require(differing == 0 and counts['resets'] == 1, '%d pages differ: %s' % (differing, counts))
    target.guest('verify %d %d 1001' % (FIRST, COUNT))
    again = machine('again', kwargs.get('options', ''), incoming='defer', args=['-S'])
    info, differing = move(target, again)
    require(differing == 0 and info['free-pages']['state'] == 'no-driver', '%d pages differ: %s' %
            (differing, info['free-pages']))


def poison_other_than_zero(features='hint', options='', how='serve'):
    """A page that reads as the guest's poison is not left to read as zero."""
    options += ',page-poison=on'
    source = boot(features + ' poison', options=options)
    source.guest('balloon poison 0xaaaaaaaa')
    start_serving(source, 'good', how=how)
    target = machine('target', options, incoming='defer', args=['-S'])
    skip_zero_pages(source, target)
    info, differing = move(source, target)
    require(differing == 0, '%d poisoned pages differ: %s' % (differing, info['free-pages']))
    go_on(source, target)


def stopped_guest_is_not_asked(features='hint', options='', how='serve'):
    source = boot(features, options=options)
    start_serving(source, 'good', how=how)
    source.qmp.command('stop')
    target = machine('target', options, incoming='defer', args=['-S'])
    info, differing = move(source, target)
    require(differing == 0 and info['free-pages']['requests'] == 0, '%d pages differ: %s' %
            (differing, info['free-pages']))


def begin(source, target, **kwargs):
    parameters(source, **kwargs)
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)


def wait_accepted(source):
    ferry.wait_until(lambda: source.qmp.command('query-migrate').get('free-pages', {}).get('accepted'),
                     'the first that counts', BOUND)


def stop_while_it_answers(features='hint', options='', how='serve'):
    """The machine stops when half was told; what counted before counts. Returns what the guest counted."""
    source = boot(features, options=options)
    start_serving(source, 'half', how=how)
    target = machine('target', options, incoming='defer', args=['-S'])
    begin(source, target, free_page_hint_head_start=1000, free_page_hint_timeout=60000, max_bandwidth=50 << 20,
          x_skip_record=source.dir + '/skipped')
    wait_accepted(source)
    source.qmp.command('stop')
    source.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    info = wait_migration(source, timeout=BOUND)
    require(info['free-pages']['state'] == 'vm-stopped', str(info['free-pages']))
    hinted = ferry.skipped_pages(source.dir + '/skipped')
    ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in hinted and page in declared())
    return go_on(source, target)


def cancel_thrice(mode, wait, features='hint', options='', how='serve'):
    """Cancels when `wait` has come back, then migrates; returns how many pages differ and what the guest counted."""
    source = boot(features, options=options)
    start_serving(source, mode, how=how)
    for _ in range(3):
        target = machine('target', options, incoming='defer')
        begin(source, target, max_bandwidth=20 << 20)
        wait(source)
        source.qmp.command('migrate_cancel')
        wait_migration(source, 'cancelled')
        target.close()
    time.sleep(0.1)
    target = machine('target', options, incoming='defer', args=['-S'])
    _, differing = move(source, target)
    return differing, go_on(source, target)


def batches(mode, features='hint', how='serve', options=''):
    """What the device did at a time, while the guest answered in that way: (chains or parts, bytes, pages of a
    bitmap) of each batch."""
    trace = ['-trace', 'virtio_balloon_batch', '-trace', 'virtio_balloon_bitmap']
    source = boot(features, options=options, args=trace)
    start_serving(source, mode, how=how)
    target = machine('target', options, incoming='defer', args=['-S'])
    move(source, target, free=range(MEMORY >> 12))
    done, pages = [], 0
    for line in re.findall(r'virtio_balloon_b.*', source.stderr_text()):
        batch = re.match(r'virtio_balloon_batch.* chains (\d+) bytes (\d+)', line)
        if batch:
            done.append((int(batch.group(1)), int(batch.group(2)), pages))
            pages = 0
        else:
            pages += int(re.search(r' pages (\d+) ', line).group(1))
    require(done, '%s: no batch was traced' % mode)
    source.close()
    target.close()
    return done


def hop(mode, features='hint', options='', objects=(), how='serve', **kwargs):
    source = boot(features, options=options, objects=objects)
    start_serving(source, mode, how=how)
    target = machine('target', options=options, objects=objects, incoming='defer', args=['-S'])
    info, differing = move(source, target, **kwargs)
    counts = go_on(source, target)
    return target, info, info['free-pages'], counts, differing
