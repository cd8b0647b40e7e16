# SPDX-License-Identifier: GPL-2.0-or-later
"""peer-bench's experiments about free pages: what the guest's answer costs and saves, and whom. See
peer_experiments.py."""
import re
import threading
import time

import ferry
from peer_machines import args, fate, linux, move, warm

KERNELS = (('default kernel', ''), ('init_on_alloc=0', 'init_on_alloc=0'))
LIMIT = 1250 * 10**6  # 10 Gbit/s


def hog_mib(mib):
    return min(mib * 7 // 8, mib - 400)


def ram_resident(vm, mib):
    """MB of guest memory that are in the host's: the resident sizes of the mappings that are large enough to be
    it."""
    resident = size = 0
    with open('/proc/%d/smaps' % vm.process.pid, encoding='ascii') as f:
        for line in f:
            if line.startswith('Size:'):
                size = int(line.split()[1])
            elif line.startswith('Rss:') and size >= mib * 1024 // 2:
                resident += int(line.split()[1])
    return resident * 1024 / 1e6


def idle_run(side, append='', hints=False, ours=False):
    """Case 1: what the guest uses, and how long that takes."""
    source = linux(side, args.memory, hints, append=append, ours=ours, name='source').boot(240)
    target = linux(side, args.memory, hints, append=append, ours=ours, name='target',
                   incoming='defer').take_over(source)
    warm(1024)
    figures = move(source, target)
    figures.update(fate(target))
    while ferry.VMS:
        ferry.VMS.pop().close()
    return figures


def process_resident(vm):
    """MB, from the kernel's counters: reading smaps instead walks 8 GiB of page tables under the lock that page faults
    take, which a migration of a tenth of a second notices."""
    with open('/proc/%d/statm' % vm.process.pid, encoding='ascii') as f:
        return int(f.read().split()[1]) * 4096 / 1e6


def peak_resident(vm, samples, stop):
    while not stop.wait(0.005):
        samples.append(process_resident(vm))


def move_and_watch(source, target, limit):
    """Adds by how much the source grew meanwhile."""
    resident, samples, stop = process_resident(source), [], threading.Event()
    watcher = threading.Thread(target=peak_resident, args=(source, samples, stop))
    watcher.start()
    figures = move(source, target, limit=limit)
    stop.set()
    watcher.join()
    figures['grown_mb'] = max(samples, default=resident) - resident
    return figures


def freed_run(side, append='', hints=True, limit=10**12, balloon='', before=None, ours=False, **parameters):
    """Case 2; adds what query-migrate says of the guest's answer, and resident sizes."""
    mib = args.memory
    source = linux(side, mib, hints, append=append, balloon=balloon, ours=ours, name='source').boot(240)
    source.shell('guest-tool hog %d' % hog_mib(mib), 600)
    if before:
        before(source)
    target = linux(side, mib, hints, append=append, balloon=balloon, ours=ours, name='target',
                   incoming='defer').take_over(source)
    warm(mib)
    if parameters:
        source.qmp.command('migrate-set-parameters', **parameters)
    figures = move_and_watch(source, target, limit)
    figures['target_mb'] = ram_resident(target, mib)
    free = source.qmp.command('query-migrate').get('free-pages', {})
    if free:  # to its stop, or to the end of a request that made the source grow
        figures['guest_ms'] = free.get('time-to-stop', free['head-start'])
    if free.get('guest-free'):
        figures['used_mb'] = (mib << 20) / 1e6 - free['guest-free'] / 1e6
        figures['covered_percent'] = free['covered'] * 100 / free['guest-free']
        figures['unhinted_mb'] = (free['guest-free'] - min(free['covered'], free['guest-free'])) / 1e6
    figures.update(fate(target))
    return figures


def against_idle(figures, idle):
    """Ferry's promise: the guest's own time, then what an idle guest takes; the bytes likewise."""
    if 'guest_ms' in figures:
        figures['beyond_guest'] = (figures['total_ms'] - figures['guest_ms']) / idle['total_ms']
    if 'unhinted_mb' in figures:
        figures['mb_of_used'] = figures['transferred_mb'] / (idle['transferred_mb'] + figures['unhinted_mb'])
    figures['mb_resident'] = figures['target_mb'] / figures['transferred_mb']
    return figures


def hints_run(side, append):
    if side == 'peer':
        return freed_run(side, append)
    idle = idle_run(side, append)
    return dict(against_idle(freed_run(side, append), idle), idle_ms=idle['total_ms'])


def hints():
    aims = {'total_ms': ('ratio', 0.4), 'beyond_guest': ('value', 1.3), 'mb_of_used': ('value', 1.1),
            'mb_resident': ('value', 1.1)}
    for kernel, append in KERNELS:
        yield ('freed, hints on, ' + kernel, lambda side, append=append: hints_run(side, append),
               dict(aims, total_ms=('ratio', 0.5)) if append else aims)


def capped():
    """The same ordering when a link of 10 Gbit/s is what limits."""
    for on in (False, True):
        yield ('freed, hints %s, 1250 MB/s' % ('on' if on else 'off'),
               lambda side, on=on: freed_run(side, hints=on, limit=LIMIT),
               {'total_ms': ('ratio', 0.4 if on else 1.1)})


def wait_for_reports(source):
    """Linux reports a part of its free list every two seconds; it has ceased when the source's memory shrinks no
    more."""
    last, quiet = ram_resident(source, args.memory), time.time()
    while time.time() - quiet < 6:
        time.sleep(1)
        now = ram_resident(source, args.memory)
        if now < last - 4:
            last, quiet = now, time.time()


def reported_run(side):
    if side == 'peer':
        return {}
    idle = idle_run(side)
    figures = freed_run(side, hints=False, balloon=',free-page-reporting=on', before=wait_for_reports)
    figures['of_idle'] = figures['total_ms'] / idle['total_ms']
    figures['mb_of_idle'] = figures['transferred_mb'] / idle['transferred_mb']
    return figures


def reported():
    yield 'freed and reported', reported_run, {'of_idle': ('value', 1.3)}


def idle_hints_run(side):
    if side == 'peer':
        return idle_run(side)
    off, on = idle_run(side), idle_run(side, hints=True)
    return dict(off, on_against_off=on['total_ms'] / off['total_ms'])


def idle_hints():
    yield 'idle, hints off, and on against off', idle_hints_run, {'total_ms': ('ratio', 0.4),
                                                                  'on_against_off': ('value', 1.1)}


def loop_seconds(hints_on):
    """A compute loop across the migration of an idle guest that is asked for all of its memory, which it does not
    zero."""
    mib = min(args.memory, 4096)
    source = linux('ferry', mib, hints_on, append='init_on_alloc=0', name='source').boot(240)
    source.qmp.command('migrate-set-parameters', free_page_hint_threshold=0)
    target = linux('ferry', mib, hints_on, append='init_on_alloc=0', name='target',
                   incoming='defer').take_over(source)
    source.send('guest-tool spin 400\n')
    source.expect(rb'GUEST-STARTED', 60)
    time.sleep(0.5)
    move(source, target)
    match = target.expect(rb'GUEST-SPUN s=([\d.]+)', 120)
    while ferry.VMS:
        ferry.VMS.pop().close()
    return float(re.match(rb'[\d.]+', match.group(1)).group(0))


def loop_run(side):
    if side == 'peer':
        return {}
    off, on = loop_seconds(False), loop_seconds(True)
    return {'loop_s': on, 'on_against_off': on / off}


def loop():
    yield 'compute loop, hints on against off', loop_run, {'on_against_off': ('value', 1.02)}


HEAD_STARTS = (0, 100, 500, 1000, 2000, 5000)  # ms


def head_start_run(side, append):
    """All values in turn, so that they share the moment's noise."""
    figures = {}
    for ms in HEAD_STARTS if side == 'ferry' else ():
        one = freed_run(side, append, free_page_hint_head_start=ms)
        figures['total_ms_%d' % ms], figures['mb_%d' % ms] = one['total_ms'], one['transferred_mb']
        while ferry.VMS:
            ferry.VMS.pop().close()
    return figures


def head_start():
    for kernel, append in KERNELS:
        yield 'freed, head starts, ' + kernel, lambda side, append=append: head_start_run(side, append), {}


EXPERIMENTS = {'hints': hints, 'capped': capped, 'reported': reported, 'idle-hints': idle_hints, 'loop': loop,
               'head-start': head_start}
