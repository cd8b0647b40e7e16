# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that writes faster than it may be sent, with and without auto-converge."""
import time

import ferry
from ferry import QmpError, Vm, case, migrate, require, wait_migration, wait_status

MEMORY = 256 << 20
PAGES = 12288  # 48 MB, of which 20 may be left at the end


def start():
    vm = Vm(name='source')
    vm.expect(rb'guest ready\n', 20)
    vm.guest('fill 30000 4000 9')
    vm.send('writer 0 %d\n' % PAGES)
    vm.expect(rb'running\n')
    vm.qmp.command('migrate-set-parameters', max_bandwidth=100_000_000, downtime_limit=200, cpu_throttle_initial=60,
                   cpu_throttle_increment=39)
    return vm


def auto_converge(vm, state=True):
    vm.qmp.command('migrate-set-capabilities', capabilities=[{'capability': 'auto-converge', 'state': state}])


def throttle_seen(vm, timeout):
    """Whether the guest was slowed down within that time."""
    end = time.time() + timeout * ferry.PATIENCE
    while time.time() < end:
        info = vm.qmp.command('query-migrate')
        require(info['status'] in ('setup', 'active'), 'migration is %s' % info['status'])
        if 'cpu-throttle-percentage' in info:
            return info['cpu-throttle-percentage']
        time.sleep(0.05)
    return 0


@case
def converges_only_with_it():
    source = start()
    target = Vm(name='target', incoming='defer', args=['-S'])
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    require(throttle_seen(source, 5) == 0, 'slowed down without auto-converge')
    source.qmp.command('migrate_cancel')
    require(wait_migration(source, 'cancelled')['status'] == 'cancelled', 'cancel')
    target.close()

    auto_converge(source)
    target = Vm(name='target', incoming='defer', args=['-S'])
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    require(throttle_seen(source, 20) == 60, 'not slowed down to the initial share')
    require('cpu throttle percentage: ' in source.hmp('info migrate'), source.hmp('info migrate'))
    info = wait_migration(source, timeout=60)
    require('cpu-throttle-percentage' not in info, 'slowed down at the end: %s' % info)
    wait_status(target, 'paused')
    ferry.compare_memory(source, target, MEMORY - (1 << 20), start=1 << 20)
    target.qmp.command('cont')
    time.sleep(0.3)
    target.send('x')
    match = target.expect(rb'(sweeps (\d+)|fail[^\n]*)\n')
    require(match.group(2), match.group(1).decode())
    target.guest('verify 30000 4000 9')


@case
def cancel_ends_it():
    source = start()
    source.qmp.command('migrate-set-parameters', downtime_limit=0)
    auto_converge(source)
    target = Vm(name='target', incoming='defer')
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    require(throttle_seen(source, 20) > 0, 'never slowed down')
    start_of_pause = time.time()
    source.qmp.command('stop')  # wakes who sleeps
    source.qmp.command('cont')
    require(time.time() - start_of_pause < 2 * ferry.PATIENCE, 'a throttled guest does not stop')
    source.qmp.command('migrate_cancel')
    info = wait_migration(source, 'cancelled')
    require('cpu-throttle-percentage' not in info, 'slowed down after the cancel')
    source.send('x')
    match = source.expect(rb'(sweeps (\d+)|fail[^\n]*)\n')
    require(match.group(2), match.group(1).decode())


@case
def parameters_have_ranges():
    vm = Vm()
    for name, value, word in (('throttle_trigger_threshold', 0, '1 to 100'), ('throttle_trigger_threshold', 101, '1 to 100'),
                              ('cpu_throttle_initial', 0, '1 to 99'), ('cpu_throttle_increment', 100, '1 to 99'),
                              ('max_cpu_throttle', 19, '20 to 99'), ('max_cpu_throttle', 100, '20 to 99')):
        try:
            vm.qmp.command('migrate-set-parameters', **{name: value})
            raise ferry.Failure('%s=%d was taken' % (name, value))
        except QmpError as e:
            require(word in str(e) and name.replace('_', '-') in str(e), str(e))
    now = vm.qmp.command('query-migrate-parameters')
    require((now['throttle-trigger-threshold'], now['cpu-throttle-initial'], now['cpu-throttle-increment'],
             now['cpu-throttle-tailslow'], now['max-cpu-throttle']) == (50, 20, 10, False, 99), str(now))


ferry.main()
