# SPDX-License-Identifier: GPL-2.0-or-later
"""Hints and holes wherever a migration can happen: stopped and started again in the middle, failed and tried again,
into files and out of them, with guests that are huge, broken, without a driver or fragmented."""
import os
import time

import ferry
from ferry import case, migrate, require, wait_migration, wait_status
from free_pages import (AFTER, COUNT, FIRST, MEMORY, boot, declared, end_serving, go_on, machine, move, parameters,
                        skip_zero_pages, start_serving)
from guest_ram import GuestRam, differing
from linux import Linux, check_data

USED = (FIRST + 2000) * 4096  # what the test fills and does not give away


def start(source, target, **kwargs):
    parameters(source, x_skip_record=source.dir + '/skipped', **kwargs)
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)


def arrive(source, target):
    info = wait_migration(source)
    wait_status(target, 'paused')
    hinted = ferry.skipped_pages(source.dir + '/skipped')
    ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in hinted and page in declared())
    return info


@case
def stop_and_cont_in_the_middle():
    for mode in ('good', 'half', 'takeback'):
        source = boot()
        start_serving(source, mode)
        target = machine('target', incoming='defer', args=['-S'])
        start(source, target, free_page_hint_head_start=200, free_page_hint_timeout=60000, max_bandwidth=30 << 20)
        for _ in range(3):
            time.sleep(0.1)
            source.qmp.command('stop')
            time.sleep(0.05)
            source.qmp.command('cont')
        source.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
        arrive(source, target)
        go_on(source, target)
        target.close()


@case
def failure_and_retry():
    source = boot()
    start_serving(source, 'good')
    for n in range(3):
        target = machine('doomed', incoming='defer')
        start(source, target, max_bandwidth=50 << 20)
        time.sleep(0.1 + 0.1 * n)
        target.process.kill()
        wait_migration(source, 'failed')
        wait_status(source, 'running')
        target.close()
    target = machine('target', incoming='defer', args=['-S'])
    info, _ = move(source, target)
    require(info['free-pages']['hinted'] == COUNT, str(info['free-pages']))
    go_on(source, target)


@case
def destination_without_the_property():
    source = boot()
    start_serving(source, 'good')
    source.qmp.command('migrate-set-capabilities', capabilities=[{'capability': 'return-path', 'state': True}])
    target = ferry.Vm(name='target', incoming='defer', args=['-device', 'virtio-balloon-pci,id=balloon0'])
    start(source, target)
    wait_migration(source, 'failed')
    require(target.wait_exit() == 1, 'the target ended well')
    require('virtio-balloon' in target.stderr_text(), 'the target said ' + target.stderr_text())
    wait_status(source, 'running')
    target = machine('second', incoming='defer', args=['-S'])
    move(source, target)
    go_on(source, target)


def snapshot(write_uri, read_uri, zero_pages_skipped):
    source = boot()
    start_serving(source, 'good')
    path = source.dir + '/state'
    parameters(source)
    if zero_pages_skipped:
        skip_zero_pages(source)
    for _ in range(3):  # a busy host may not let the guest run within the half second that a first hint has
        source.qmp.command('migrate', uri=write_uri + path)
        info = wait_migration(source)
        if info['free-pages']['hinted']:
            break
        source.qmp.command('cont')
        time.sleep(0.5)
    require(info['free-pages']['hinted'] == COUNT, str(info['free-pages']))
    size = os.path.getsize(path)
    zeros = 0 if zero_pages_skipped else 9 * (MEMORY >> 12)
    require(USED < size < USED * 1.05 + zeros + (2 << 20), 'the file has %d bytes, the guest uses %d' % (size, USED))
    target = machine('target', incoming='defer')
    if zero_pages_skipped:
        skip_zero_pages(target)
    target.qmp.command('migrate-incoming', uri=read_uri + path)
    wait_status(target, 'running')
    end_serving(target)
    target.guest('verify 0 %d 5' % FIRST)
    target.guest('verify %d 2000 6' % AFTER)


@case
def snapshot_to_a_file():
    snapshot('file:', 'file:', False)


@case
def snapshot_to_a_file_without_zero_pages():
    snapshot('file:', 'file:', True)


@case
@ferry.spawns()
def snapshot_through_a_command():
    snapshot('exec:cat > ', 'exec:cat ', True)


def not_asked(source, state, want='paused', args=('-S',)):
    """Holes stay behind all the same, at once."""
    target = machine('target', incoming='defer', args=list(args))
    skip_zero_pages(source, target)
    start(source, target)
    info = wait_migration(source)
    wait_status(target, want)
    free = info['free-pages']
    require(free['state'] == state and free['requests'] == 0, str(free))
    require(free['never-populated'] * 4096 > MEMORY // 4, str(free))
    ferry.compare_memory(source, target, MEMORY)
    return target


@case
def guest_that_panicked():
    args = ['-device', 'pvpanic', '-action', 'panic=pause']
    source = boot(args=args)
    source.send('panic\n')
    wait_status(source, 'guest-panicked')
    not_asked(source, 'vm-stopped', 'guest-panicked', ['-S'] + args)


@case
def guest_without_a_driver():
    source = machine('source')
    source.expect(rb'guest ready\n')
    source.guest('fill 0 30000 5')
    target = not_asked(source, 'no-driver')
    target.qmp.command('cont')
    target.guest('verify 0 30000 5')


@case
def guest_larger_than_the_host():
    size = 64 << 30
    source = machine('source', memory='64G')
    source.expect(rb'guest ready\n', 20)
    source.guest('balloon init hint')
    first = int(source.guest('pages').split()[1]) - 40000
    source.guest('fill 0 2000 5')
    source.guest('fill %d 40000 6' % first)
    start_serving(source, 'good', first, 30000)
    target = machine('target', memory='64G', incoming='defer', args=['-S'])
    skip_zero_pages(source, target)
    start(source, target, free_page_hint_threshold=0)
    info = wait_migration(source)
    wait_status(target, 'paused')
    require(info['free-pages']['hinted'] == 30000, str(info['free-pages']))
    require(info['ram']['transferred'] < 80 << 20, '%d bytes were sent' % info['ram']['transferred'])
    a, b = GuestRam(source.process.pid, size), GuestRam(target.process.pid, size)
    pages, _ = differing(a, b)
    a.close()
    b.close()
    require(pages <= ferry.skipped_pages(source.dir + '/skipped'), '%d pages differ' % len(pages))
    require(target.rss() < 400 << 20 or ferry.SANITIZED, 'resident %d MiB' % (target.rss() >> 20))
    target.qmp.command('cont')
    end_serving(target)
    target.guest('verify 0 2000 5')
    target.guest('verify %d 10000 6' % (first + 30000))


@case
def eight_vcpus():
    source = boot(smp=8)
    source.guest('smp 8', 60)
    start_serving(source, 'good')
    target = machine('target', smp=8, incoming='defer', args=['-S'])
    info, _ = move(source, target)
    require(info['free-pages']['hinted'] == COUNT, str(info['free-pages']))
    source.close()
    target.qmp.command('cont')
    end_serving(target)
    target.guest('verify 0 %d 5' % FIRST)
    target.guest('atomics', 120)


@case
def memory_of_another_kind():
    """A block of its own name, from a memfd."""
    args = ['-object', 'memory-backend-memfd,id=mem,size=256M', '-machine', 'memory-backend=mem']
    source = boot(args=args)
    start_serving(source, 'good')
    target = machine('target', incoming='defer', args=['-S'] + args)
    start(source, target)
    info = wait_migration(source)
    wait_status(target, 'paused')
    require(info['free-pages']['hinted'] == COUNT, str(info['free-pages']))
    ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in declared())
    go_on(source, target)


@case
def fragmented_linux_guest():
    """Linux hints blocks of 4 MiB: of smaller pieces it says nothing, and the source says how much it covered."""
    vm = Linux(hints=True, append='init_on_alloc=0').boot()
    vm.shell('guest-tool hog 300')
    vm.shell('i=0; while [ $i -lt 1200 ]; do dd if=/dev/urandom bs=64k count=1 2>/dev/null >>/tmp/a; '
             'dd if=/tmp/a bs=64k count=1 2>/dev/null >>/tmp/b; i=$((i+1)); done; rm /tmp/a; '
             'md5sum /tmp/b >/tmp/sum', 300)
    target = Linux(hints=True, incoming='defer', name='target').take_over(vm)
    vm.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    free_before = int(vm.shell('grep MemFree: /proc/meminfo').split('MemFree:')[1].split()[0]) << 10
    free = migrate(vm, target)['free-pages']
    wait_status(target, 'running')
    share = free['covered'] / free_before
    print('hints cover %.0f %% of %d MiB free' % (share * 100, free_before >> 20), flush=True)
    require(0.2 < share < 0.9, 'hints cover %.2f of what is free: %s' % (share, free))
    target.shell('md5sum -c /tmp/sum')
    check_data(target)


ferry.main()
