# SPDX-License-Identifier: GPL-2.0-or-later
"""peer-bench's command line, the machines of both sides, and one migration between two of them."""
import argparse
import contextlib
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'functional'))


def parse_arguments():
    p = argparse.ArgumentParser(description=sys.modules['__main__'].__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('experiments', nargs='*', help='which; default all')
    p.add_argument('--qemu', default=os.path.join(TOP, 'build', 'qemu-system-x86_64'), help="Ferry's binary")
    p.add_argument('--peer', default='/usr/bin/qemu-system-x86_64', help='the binary to compare with')
    p.add_argument('--pairs', type=int, default=5, help='pairs of runs (default 5)')
    p.add_argument('--memory', type=int, default=8192, help='MiB of the Linux guests that migrate (default 8192)')
    p.add_argument('--cases', default='idle,freed', help='of migrate')
    p.add_argument('--hints', default='off,on', help='of migrate')
    p.add_argument('--sizes', default='1,4,16,64', help='GiB, of growth')
    p.add_argument('--huge', type=int, default=64, help='GiB of the large Linux guest of growth; 0: none')
    p.add_argument('--peer-most', type=int, default=4,
                   help='GiB, the largest untouched guest that the peer is asked to move')
    p.add_argument('--limits', default='10,100,1000', help='MB/s, of bandwidth')
    p.add_argument('--writer', type=int, default=4096, help='pages that the busy guest rewrites')
    p.add_argument('--walks', default='1,8,64', help='GiB, of walk')
    p.add_argument('--timeout', type=float, default=120, help='seconds for one migration')
    p.add_argument('--realtime', action='store_true',
                   help='real-time scheduling for the machines while something is measured: keeps neighbours out')
    p.add_argument('--out', default='.', help='folder for peer-bench.jsonl and peer-bench.csv')
    return p.parse_args()


args = parse_arguments()
os.environ['FERRY_BINARY'] = args.qemu
os.environ.setdefault('FERRY_BUILD', os.path.dirname(os.path.abspath(args.qemu)))
import ferry  # noqa: E402
from linux import Linux, check_data, tool  # noqa: E402


# ---- machines ----

def binary(side):
    return args.qemu if side == 'ferry' else args.peer


def board(side, gib):
    """The peer refuses a guest larger than the host's memory unless it is told not to reserve it."""
    if side == 'ferry' or gib <= 4:
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

def follow(source, samples=None):
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
        time.sleep(0.005)


def move(source, target, limit=10**12, samples=None):
    """Returns what query-migrate says, with the wall time until the guest runs at its destination."""
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate-set-parameters', max_bandwidth=limit)
    with undisturbed(source, target):
        start, used, vcpu = time.time(), cpu_seconds(source) + cpu_seconds(target), vcpu_seconds(source)
        source.qmp.command('migrate', uri=uri)
        info = follow(source, samples)
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
