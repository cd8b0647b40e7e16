# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines of both sides, and one migration between two of them."""
import contextlib
import os
import subprocess
import time

import ferry
from linux import Linux, check_data, tool
from peer_options import args


# ---- machines ----

def binary(side):
    return args.peer if side == 'peer' else args.qemu


def board(side, gib):
    """The peer refuses a guest larger than the host's memory unless it is told not to reserve it."""
    if side != 'peer' or gib <= 4:
        return []
    return ['-object', 'memory-backend-ram,id=ram0,size=%dG,reserve=off' % gib, '-machine', 'memory-backend=ram0']


def linux(side, mib, hints=False, balloon='', **kwargs):
    extra = board(side, mib / 1024) + (['-name', 'guest,debug-threads=on']
                                       if side == 'peer' else [])  # vcpu_seconds() needs names
    if hints:  # the peer offers hints only with an iothread
        extra, balloon = extra + ['-object', 'iothread,id=io0'], balloon + ',iothread=io0'
    return Linux(binary=binary(side), memory='%dM' % mib, hints=hints, balloon=balloon, args=extra, **kwargs)


def cpu_seconds(vm):
    with open('/proc/%d/stat' % vm.process.pid, encoding='ascii') as f:
        fields = f.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def vcpu_seconds(vm):
    """Of the threads that run the guest."""
    total, tasks = 0, '/proc/%d/task' % vm.process.pid
    for task in os.listdir(tasks):
        with open('%s/%s/stat' % (tasks, task), encoding='ascii') as f:
            name, rest = f.read().rsplit(')', 1)
        if name.split('(', 1)[1].startswith('CPU '):
            total += sum(int(ticks) for ticks in rest.split()[11:13])
    return total / os.sysconf('SC_CLK_TCK')


def available_mib():
    with open('/proc/meminfo', encoding='ascii') as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith('MemAvailable'))


def warm(mib):
    """Touches host memory, so that what follows does not measure where the host gets it from."""
    mib = min(mib, available_mib() - 1024)
    if mib < 64:
        return
    with subprocess.Popen([tool(), 'hold', str(mib)], stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        holder.kill()


def schedule(vm, policy, priority):
    for task in os.listdir('/proc/%d/task' % vm.process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(int(task), policy, os.sched_param(priority))


@contextlib.contextmanager
def undisturbed(*vms):
    """With --realtime: what else the machine has to do waits. Threads that begin meanwhile inherit it."""
    if not args.realtime:
        yield
        return
    try:
        for vm in vms:
            schedule(vm, os.SCHED_RR, 1)
        yield
    finally:
        for vm in vms:
            if vm.process.poll() is None:
                schedule(vm, os.SCHED_OTHER, 0)


# ---- one migration ----

def follow(source, samples=None, interval=0.005):
    """Polls until the migration has ended. samples: gets (seconds, bytes)."""
    start = time.time()
    while True:
        info = source.qmp.command('query-migrate')
        elapsed = time.time() - start
        if samples is not None and 'ram' in info:
            samples.append((elapsed, info['ram']['transferred']))
        if info.get('status') in ('completed', 'failed', 'cancelled'):
            ferry.require(info['status'] == 'completed', 'migration %s: %s' %
                          (info['status'], info.get('error-desc')))
            return info
        ferry.require(elapsed < args.timeout, 'no end after %.0f s' % elapsed)
        time.sleep(interval)


def move(source, target, limit=10**12, samples=None, interval=0.005):
    """Returns what query-migrate says, with the wall time until the guest runs at its destination."""
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate-set-parameters', max_bandwidth=limit)
    with undisturbed(source, target):
        start, used, vcpu = time.time(), cpu_seconds(source) + cpu_seconds(target), vcpu_seconds(source)
        source.qmp.command('migrate', uri=uri)
        info = follow(source, samples, interval)
        ferry.wait_status(target, 'running')
        wall, used = time.time() - start, cpu_seconds(source) + cpu_seconds(target) - used
    while 'total-time' not in info or not info['total-time']:  # the peer fills it in a moment after the status
        info = source.qmp.command('query-migrate')
        if time.time() - start > wall + 1:
            break
    return {'total_ms': max(info.get('total-time', 0), 1), 'wall_ms': wall * 1000,
            'downtime_ms': info.get('downtime', 0),
            'transferred_mb': info['ram']['transferred'] / 1e6, 'cpu_s': used, 'vcpu_s': vcpu_seconds(source) - vcpu}


def fate(target):
    """What became of the guest: nothing to say, or {'failed': why}, which is counted beside the figures of the run."""
    try:
        target.shell('true', 15)
        check_data(target)
    except ferry.Failure as e:
        return {'failed': 'the guest died: ' + ' '.join(str(e).split())[:160]}
    return {}
