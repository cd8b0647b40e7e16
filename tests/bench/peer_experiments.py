# SPDX-License-Identifier: GPL-2.0-or-later
"""peer-bench's experiments: each yields (name, function(side) -> {metric: value}, aims {metric: (kind, bound)}).
kind 'ratio': Ferry's divided by the peer's; 'value': Ferry's own figure."""
import os
import time

import ferry
from peer_machines import args, binary, board, cpu_seconds, fate, linux, move, warm


def boot_run(side):
    start = time.time()
    vm = linux(side, 1024).boot(240)
    return {'wall_s': time.time() - start, 'cpu_s': cpu_seconds(vm)}


def boot():
    yield 'boot', boot_run, {'wall_s': ('ratio', 3)}


WORK = (('shell', 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done'),
        ('md5', 'dd if=/dev/zero bs=1M count=100 2>/dev/null | md5sum'),
        ('gzip', 'gzip -c <text >/dev/null'),
        ('sha256', 'dd if=/dev/zero bs=1M count=20 2>/dev/null | sha256sum'),
        ('fork', 'i=0; while [ $i -lt 100 ]; do /bin/busybox true; i=$((i+1)); done'),
        ('write', 'guest-tool hog 512'))


def cpu_run(side):
    vm = linux(side, 1024).boot(240)
    vm.shell('guest-tool text 10 >text', 240)
    figures = {}
    for name, command in WORK:
        used, start = cpu_seconds(vm), time.time()
        vm.shell(command, 240)
        figures[name + '_s'] = time.time() - start
        figures[name + '_cpu_s'] = cpu_seconds(vm) - used
    return figures


def cpu():
    yield 'cpu', cpu_run, {}


def migrate_run(side, case, hints, busy=False):
    mib = args.memory
    source = linux(side, mib, hints, name='source').boot(240)
    if case == 'freed':
        source.shell('guest-tool hog %d' % min(mib * 7 // 8, mib - 400), 600)
    if busy:
        source.send('guest-tool counter %d & true\n' % args.writer)
        source.expect(rb'GUEST-STARTED', 60)
    target = linux(side, mib, hints, name='target', incoming='defer').take_over(source)
    warm(mib if case == 'freed' else 1024)
    figures = move(source, target)
    if busy:
        time.sleep(0.5)
    figures.update(fate(target))
    return figures


def migrate():
    aims = {('freed', 'off'): {'total_ms': ('ratio', 1.10)}, ('idle', 'off'): {'total_ms': ('ratio', 0.5)},
            ('freed', 'on'): {'total_ms': ('ratio', 1.10)}}
    for case in args.cases.split(','):
        for hints in args.hints.split(','):
            def run(side, case=case, hints=hints):
                return migrate_run(side, case, hints == 'on')
            yield 'migrate %s hints %s' % (case, hints), run, aims.get((case, hints), {})


def ours():
    """The promise: hints on, the default kernel, against what the peer needs without."""
    yield ('freed, hints on against peer off', lambda side: migrate_run(side, 'freed', side == 'ferry'),
           {'total_ms': ('ratio', 0.5), 'transferred_mb': ('ratio', 0.25)})


def busy():
    yield 'busy writer', lambda side: migrate_run(side, 'idle', False, busy=True), {}


def untouched_run(side, gib):
    if side == 'peer' and gib > args.peer_most:
        return {}
    machine = {'binary': binary(side), 'memory': '%dG' % gib, 'args': board(side, gib)}
    source = ferry.Vm(name='source', **machine)
    source.expect(rb'guest ready\n', 30)
    target = ferry.Vm(name='target', incoming='defer', **machine)
    figures = move(source, target)
    target.guest('ping')
    return {'total_ms': figures['total_ms'], 'ms_per_gib': figures['total_ms'] / gib}


def linux_growth_run(side, gib):
    if side == 'peer' and gib > args.peer_most:
        return {}
    source = linux(side, gib * 1024, name='source').boot(400)
    target = linux(side, gib * 1024, name='target', incoming='defer').take_over(source)
    warm(1024 + gib * 24)
    figures = move(source, target)
    figures.update(fate(target))
    return dict(figures, ms_per_mb=figures['total_ms'] / figures['transferred_mb'])


def growth():
    for gib in map(int, args.sizes.split(',')):
        # The first gibibyte also pays for what does not grow: the connection, the devices.
        yield ('untouched %d GiB' % gib, lambda side, gib=gib: untouched_run(side, gib),
               {'ms_per_gib': ('value', 1)} if gib > 4 else {})
    if args.huge:
        for gib in (4, args.huge):
            yield 'Linux %d GiB' % gib, lambda side, gib=gib: linux_growth_run(side, gib), {}


def bandwidth_run(side, limit):
    """A limit of L MB/s needs 2.5 L MB of memory that is not zero."""
    mib = max(256, min(3072, limit * 5 // 2 + 256))
    machine = {'binary': binary(side), 'memory': '%dM' % mib}
    source = ferry.Vm(name='source', **machine)
    source.expect(rb'guest ready\n', 30)
    source.guest('fill', 300)
    target = ferry.Vm(name='target', incoming='defer', **machine)
    warm(mib)
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate-set-parameters', max_bandwidth=limit * 10**6, downtime_limit=1)
    source.qmp.command('migrate', uri=uri)
    ferry.wait_until(lambda: 'ram' in source.qmp.command('query-migrate'), 'the migration to begin')
    time.sleep(0.25)
    points = []
    for wait in (0, 2):
        time.sleep(wait)
        info = source.qmp.command('query-migrate')
        points.append((time.time(), info['ram']['transferred']))
    ferry.require(info['status'] == 'active', 'the migration was over within two seconds')
    rate = (points[1][1] - points[0][1]) / (points[1][0] - points[0][0]) / 1e6
    return {'mb_per_s': rate, 'error_percent': abs(rate / limit - 1) * 100}


def bandwidth():
    for limit in map(int, args.limits.split(',')):
        yield 'limit %d MB/s' % limit, lambda side, limit=limit: bandwidth_run(side, limit), {
            'error_percent': ('value', 2)}


EXPERIMENTS = {'boot': boot, 'cpu': cpu, 'migrate': migrate, 'ours': ours, 'busy': busy, 'growth': growth,
               'bandwidth': bandwidth}
