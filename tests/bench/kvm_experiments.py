# SPDX-License-Identifier: GPL-2.0-or-later
"""kvm-bench's experiments, all with the bare-metal test guest: each yields (name, sides, function(side) -> {metric:
value}, aims as peer_experiments has them). Sides: 'ferry' and 'peer' on kvm, 'tcg' is Ferry on its software CPU."""
import os
import re
import statistics
import subprocess
import time

import ferry
from peer_machines import binary, board, move, warm
from peer_options import args

OWN_MIB = 66  # below are the guest's own things
PAGE = 4096


def machine(side, mib, name, options='', **kwargs):
    objects = []
    if options:  # the peer offers hints only with an iothread
        objects = ['-object', 'iothread,id=io0', '-device', 'virtio-balloon-pci,iothread=io0' + options]
    return ferry.Vm(name=name, binary=binary(side), accel='tcg' if side == 'tcg' else 'kvm', memory='%dM' % mib,
                    args=board(side, mib / 1024) + objects, **kwargs)


def boot(side, mib, options=''):
    vm = machine(side, mib, 'source', options)
    vm.expect(rb'guest ready\n', 120)
    return vm


def go(source, side, mib, options='', interval=0.005):
    """One migration; with how often RAM was gone through."""
    target = machine(side, mib, 'target', options, incoming='defer')
    figures = move(source, target, interval=interval)
    figures['rounds'] = float(source.qmp.command('query-migrate')['ram']['dirty-sync-count'])
    figures['downtime_ms'] = float(figures['downtime_ms'])
    return target, figures


# ---- case 1 and case 2 ----

def untouched_run(side):
    source = boot(side, args.memory)
    warm(256)
    target, figures = go(source, side, args.memory)
    target.guest('ping')
    return figures


def untouched():
    yield ('untouched, %d MiB' % args.memory, ('ferry', 'peer', 'tcg'), untouched_run,
           {'total_ms': ('ratio', 1.10), 'downtime_ms': ('value', 20)})


def freed_run(side, hints):
    """7/8 of memory were written to, and are free now: the guest says so if it is asked."""
    mib, options = args.freed, ',free-page-hint=on' if hints else ''
    source = boot(side, mib, options)
    first, count = 256, (mib - OWN_MIB) * 7 // 8 * 256
    source.guest('fill 0 %d' % (first + count), 900)
    if hints:
        source.guest('balloon init hint')
        source.send('balloon serve good %d %d\n' % (first, count))
        source.expect(rb'serving\n')
    warm(256 if hints else mib)
    target, figures = go(source, side, mib, options)
    if hints:
        start = len(target.log)
        target.send('x')
        target.expect(rb'requests \d+[^\n]*\nok\n', 60, start)
    target.guest('verify 0 %d' % (first if hints else first + count), 900)
    return figures


def freed():
    for hints in (False, True):
        yield ('freed, %d MiB, hints %s' % (args.freed, 'on' if hints else 'off'), ('ferry', 'peer', 'tcg'),
               lambda side, hints=hints: freed_run(side, hints), {'total_ms': ('ratio', 1.10)})


# ---- writers ----

def tsc_hertz(vm):
    points = []
    for wait in (0, 1):
        time.sleep(wait)
        text = vm.guest('tsc')
        points.append((time.time(), int(re.search(r'tsc (\d+)', text).group(1))))
    return (points[1][1] - points[0][1]) / (points[1][0] - points[0][0])


def sweeps(vm):
    start = len(vm.log)
    vm.send('x')
    match = vm.expect(rb'(sweeps (\d+)|fail[^\n]*)\n', 120, start)
    ferry.require(match.group(2), match.group(1).decode())
    return int(match.group(2))


def start_writer(vm, pages, ticks):
    start = len(vm.log)
    vm.send('writer 0 %d %d\n' % (pages, ticks))
    vm.expect(rb'running\n', 120, start)


def writer_run(side, rate):
    """Asked for `rate`; what the guest reaches without a migration is beside it."""
    mib, pages = args.writer * 4, args.writer * 256
    source = boot(side, mib)
    ticks = int(PAGE / (rate * 1e9) * tsc_hertz(source))
    start_writer(source, pages, ticks)
    begin = time.time()
    time.sleep(3)
    reached = sweeps(source) * pages * PAGE / (time.time() - begin) / 1e9
    start_writer(source, pages, ticks)
    warm(args.writer)
    time.sleep(0.5)
    target, figures = go(source, side, mib)
    sweeps(target)
    return dict(figures, reached_gb_s=reached)


def writers():
    for rate in args.rates.split(','):
        yield ('writer of %s GB/s over %d MiB' % (rate, args.writer), ('ferry', 'peer'),
               lambda side, rate=rate: writer_run(side, float(rate)), {'total_ms': ('ratio', 1.10)})


# ---- downtime ----

def idle_run(side):
    """From machine to machine, --hops times, and seldom asked how far it is: each question costs the machine a moment."""
    vm, runs = boot(side, 256), []
    vm.guest('fill 0 4096')
    warm(256)
    for _ in range(args.hops):
        target, figures = go(vm, side, 256, interval=1)
        vm.close()
        vm = target
        runs.append(figures)
    vm.guest('verify 0 4096')
    middle = {metric: statistics.median(run[metric] for run in runs) for metric in ('downtime_ms', 'total_ms')}
    return dict(middle, least_downtime_ms=min(run['downtime_ms'] for run in runs))


def idle():
    yield 'idle, 256 MiB', ('ferry', 'peer'), idle_run, {'downtime_ms': ('value', 20)}


# ---- the log itself ----

def log_run(kind):
    """Milliseconds by step and size; growth is the last size's sync against the last but one's, per GiB."""
    figures, sizes = {}, [int(gib) for gib in args.sizes.split(',')]
    for gib in sizes:
        run = subprocess.run([os.path.join(ferry.BUILD, 'tests', 'unit', 'kvm-log'), kind, str(gib)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        ferry.require(run.returncode == 0, run.stdout)
        for step, ms in re.findall(r'(\w+)_ms ([\d.]+)', run.stdout):
            figures['%s_%d_ms' % (step, gib)] = float(ms)
    if len(sizes) > 1:
        small, large = sizes[-2:]
        figures['growth'] = figures['sync_%d_ms' % large] / figures['sync_%d_ms' % small] * small / large
    return figures


def log():
    for kind in ('initially-set', 'manual', 'plain', 'ring'):
        yield 'log ' + kind, ('ferry',), lambda side, kind=kind: log_run(kind), {'growth': ('value', 1.2)}


EXPERIMENTS = {'untouched': untouched, 'freed': freed, 'writers': writers, 'idle': idle, 'log': log}
