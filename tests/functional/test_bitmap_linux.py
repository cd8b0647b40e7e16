# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own balloon driver (guest/linux/) in Debian's kernels: it builds without a warning, its bitmap covers what is
free, and nothing is lost when it comes and goes, or sleeps, in the middle of a migration. What it shares with
Debian's driver is tested in test_balloon_linux.py and test_migration_linux.py."""
import re
import shutil
import time

import ferry
from ferry import Skip, case, require, slow_case, wait_migration, wait_status
from linux import Linux, build_module, check_data, kernel_version

MEMORY = 512 << 20


def walk(vm):
    """What the driver says of its last answer."""
    text = vm.shell('cat /sys/kernel/debug/ferry_balloon-*/walk')
    return {name: int(value) for name, value in re.findall(r'(\w+) (\d+)', text)}


def begin(source, target, **parameters):
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    # More than this is populated, and less is dirty when the first pass is over: the guest is asked once.
    settings = {'free_page_hint_threshold': 8, 'free_page_hint_growth': 100, 'max_bandwidth': 1 << 40,
                'x_skip_record': source.dir + '/skipped'}
    source.qmp.command('migrate-set-parameters', **dict(settings, **parameters))
    source.qmp.command('migrate', uri=uri)


def finish(source, target):
    """Waits, compares memory, and lets the guest go on."""
    info = wait_migration(source, timeout=120)
    wait_status(target, 'paused')
    hinted = ferry.skipped_pages(source.dir + '/skipped')
    ferry.compare_memory(source, target, MEMORY, excused=lambda page: page in hinted)
    target.qmp.command('cont')
    source.close()
    target.shell('true')
    check_data(target)
    return info


def hop(source, parameters=None, **machine):
    target = Linux(incoming='defer', name='target', args=['-S'], **machine).take_over(source)
    begin(source, target, **(parameters or {}))
    return target, finish(source, target)


# --- the module itself ---

def builds_clean(flavour):
    if not shutil.which('sparse'):
        raise Skip('no sparse: install it')
    _, said = build_module(kernel_version(flavour), 'check')
    wrong = [line for line in said.splitlines() if re.search(r'warning|error', line)]
    require(not wrong and 'CHECK' in said, '\n'.join(wrong) or 'sparse did not run: ' + said)


@case
def builds_clean_for_cloud():
    builds_clean('cloud-amd64')


@case
def builds_clean_for_generic():
    builds_clean('amd64')


# --- what it says ---

def check_coverage(vm, info):
    free, figures = info['free-pages'], walk(vm)
    require(free['state'] == 'stopped' and free['rejected'] == 0 and free['late'] == 0, str(free))
    require(free['covered'] >= 0.99 * free['guest-free'], '%s %s' % (free, figures))
    require(figures['requests'] == 1 and figures['cancelled'] == 0, str(figures))
    require(figures['pages'] >= 0.99 * figures['free_pages'], str(figures))
    require(figures['steps'] * 64 >= figures['blocks'], str(figures))
    require(0 < figures['longest_hold_ns'] <= figures['held_ns'] <= figures['walk_ns'], str(figures))
    require(figures['pages'] <= 1.02 * figures['free_pages'], 'blocks were seen twice: %s' % figures)
    return free, figures


@case
def covers_what_is_free():
    vm = Linux(ours=True).boot()
    vm.shell('guest-tool hog 300')
    target, info = hop(vm, ours=True)
    free, _ = check_coverage(target, info)
    require(free['hinted'] > 90000 and info['ram']['normal'] < 30000, str(info))
    target.shell('guest-tool hog 300')
    check_data(target)


@case
def covers_fragmented_memory():
    """Every other page of most of memory is free: blocks of 4 MiB, by which hints go, are hardly any."""
    vm = Linux(ours=True).boot()
    vm.send('guest-tool fragment 380 &\n')
    vm.expect(rb'GUEST-FRAGMENTED', 60)
    target, info = hop(vm, ours=True)
    _, figures = check_coverage(target, info)
    require(figures['blocks'] > 40000, 'memory is not fragmented: %s' % figures)


@case
def generic_kernel_with_two_vcpus():
    machine = {'ours': True, 'flavour': 'amd64', 'smp': 2}
    vm = Linux(**machine).boot(120)
    target, info = hop(vm, **machine)
    check_coverage(target, info)


# --- who meets whom ---

@case
def stock_driver_on_a_device_with_bitmaps():
    machine = {'hints': True, 'offer': True}
    vm = Linux(**machine).boot()
    vm.shell('guest-tool hog 300')
    _, info = hop(vm, **machine)
    free = info['free-pages']
    require(free['state'] == 'stopped' and free['covered'] > 300 << 20, str(free))


@case
def our_driver_on_a_device_without_bitmaps():
    machine = {'hints': True, 'ours': True, 'offer': False}
    vm = Linux(**machine).boot()
    vm.shell('guest-tool hog 300')
    target, info = hop(vm, **machine)
    free = info['free-pages']
    require(free['state'] == 'stopped' and free['covered'] > 300 << 20, str(free))
    target.shell('guest-tool hog 300')
    check_data(target)


# --- the balloon's pages ---

def vmstat(vm, name):
    return int(vm.shell("sed -n 's/^%s //p' /proc/vmstat" % name))


def balloon_to(vm, mib):
    vm.qmp.command('balloon', value=mib << 20)
    ferry.wait_until(lambda: vm.qmp.command('query-balloon')['actual'] == mib << 20, 'a balloon at %d MiB' % mib, 120)


def books(vm):
    """Pages of the balloon as the kernel's page flags have them, and as its counters do."""
    return int(vm.shell('guest-tool offline')), vmstat(vm, 'balloon_inflate') - vmstat(vm, 'balloon_deflate')


def marks_pages(vm):
    """In blocks, and after one was split."""
    marked, counted = books(vm)
    for mib in (300, 301, 512):
        balloon_to(vm, mib)
        pages = (512 - mib) * 256
        require(books(vm) == (marked + pages, counted + pages), '%d MiB: marked, counted %s; %d, %d at 512 MiB' %
                (mib, books(vm), marked, counted))
    vm.shell('guest-tool hog 300')
    check_data(vm)


@case
def pages_are_marked_and_counted():
    marks_pages(Linux(ours=True).boot())


def large_blocks(vm):
    """Free blocks of 2 MiB and 4 MiB, in 2 MiB."""
    nodes = [line.split()[4:] for line in vm.shell('cat /proc/buddyinfo').splitlines() if line.startswith('Node')]
    return sum(int(columns[9]) + 2 * int(columns[10]) for columns in nodes)


def compact(vm):
    """Once: the kernel stops where its search for pages to move meets its search for free ones."""
    vm.shell('echo 1 >/proc/sys/vm/compact_memory', 120)
    return large_blocks(vm)


def moves_pages(**machine):
    """The balloon takes every other page of much memory; then its neighbours are freed, and the kernel compacts."""
    vm = Linux(ours=True, **machine).boot(120)
    vm.send('guest-tool fragment 300 &\n')
    vm.expect(rb'GUEST-FRAGMENTED', 60)
    vm.send('guest-tool checked 16 &\n')
    vm.expect(rb'GUEST-STARTED', 60)
    balloon_to(vm, 290)
    vm.shell('killall -9 guest-tool')
    ferry.wait_until(lambda: 'guest-tool' not in vm.shell('ps'), 'the end of its processes', 60)
    vm.send('guest-tool checked 16 &\n')
    vm.expect(rb'GUEST-STARTED', 60, len(vm.log))
    before, moved = large_blocks(vm), vmstat(vm, 'balloon_migrate')
    ferry.wait_until(lambda: compact(vm) > before, 'more than %d large free blocks' % before, 120)
    moved = vmstat(vm, 'balloon_migrate') - moved
    require(moved > 1000, '%d pages of the balloon moved' % moved)
    says = vm.shell('cat /sys/kernel/debug/ferry_balloon-*/balloon')
    require('moved_pages %d' % vmstat(vm, 'balloon_migrate') in says, says)
    balloon_to(vm, 512)
    vm.shell('guest-tool hog 380')
    check_data(vm)
    return vm


@case
def moves_pages_told_by_bitmap():
    moves_pages()


@slow_case
def moves_pages_told_by_number():
    moves_pages(offer=False)


# --- dropping caches ---

def drop_caches(vm, **machine):
    """The guest's log has what its kernel did."""
    target, info = hop(vm, {'guest_drop_caches': 'all'}, ours=True, **machine)
    return info['free-pages'], target.shell('dmesg')


@case
def drops_caches():
    vm = Linux(ours=True).boot()
    vm.shell('find /proc /sys >/dev/null; true')  # directories and inodes that can go
    free, log = drop_caches(vm)
    require(free['caches-dropped'] == 'all' and free['caches-refused'] == 'none', str(free))
    require(free['caches-freed'] > 0, str(free))
    require('drop_caches: 3' in log, log[-500:])


@case
def forbids_dropping_caches():
    append = 'guest.driver=forbid_drop_caches=1'
    free, log = drop_caches(Linux(ours=True, append=append).boot(), append=append)
    require(free['caches-dropped'] == 'none' and free['caches-refused'] == 'all', str(free))
    require(free['caches-freed'] == 0, str(free))
    require('drop_caches' not in log.replace('forbid_drop_caches', ''), log[-500:])


@case
def caches_stay_by_default():
    target, info = hop(Linux(ours=True).boot(), ours=True)
    require('caches-dropped' not in info['free-pages'], str(info['free-pages']))
    require('drop_caches' not in target.shell('dmesg'), 'the guest dropped caches')


# --- guests that keep their memory ---

def check_keeps_its_memory(vm, member, why):
    vm.shell('true')
    try:
        vm.qmp.command('balloon', value=MEMORY // 2)
        raise ferry.Failure('the balloon was to be refused')
    except ferry.QmpError as e:
        require(why in e.error['desc'], str(e))
    vm.qmp.command('balloon', value=MEMORY)
    info = vm.qmp.command('query-balloon')
    require(info == {'actual': MEMORY, member: True}, str(info))


@case
def shares_but_never_balloons():
    machine = {'ours': True, 'append': 'guest.driver=share_only=1', 'balloon': ',share-only=on'}
    vm = Linux(**machine).boot()
    check_keeps_its_memory(vm, 'share-only', 'share_only=1')
    target, info = hop(vm, **machine)
    check_coverage(target, info)
    target.qmp.command('qom-set', path='/machine/peripheral/bal0', property='guest-stats-polling-interval', value=1)
    ferry.wait_until(lambda: target.qmp.command('qom-get', path='/machine/peripheral/bal0', property='guest-stats')
                     ['stats']['stat-free-memory'] > 0, 'statistics')


@case
def shares_but_the_host_does_not_know():
    """The guest's word holds: it does not follow a target that the host has no reason not to set."""
    vm = Linux(ours=True, append='guest.driver=share_only=1').boot()
    vm.qmp.command('balloon', value=MEMORY // 2)
    time.sleep(1)
    require(vm.qmp.command('query-balloon') == {'actual': MEMORY}, str(vm.qmp.command('query-balloon')))


@case
def fixed_size():
    check_keeps_its_memory(Linux(hints=True, balloon=',fixed-size=on').boot(), 'fixed-size', 'fixed-size=on')


# --- in the middle of a migration ---

def disturb(command, times, **machine):
    machine['ours'] = True
    vm = Linux(**machine).boot(120)
    vm.shell('guest-tool hog 200')
    vm.send('guest-tool counter 2000 &\n')
    vm.expect(rb'GUEST-STARTED', 30)
    target = Linux(incoming='defer', name='target', args=['-S'], **machine).take_over(vm)
    begin(vm, target, max_bandwidth=8 << 20)
    for _ in range(times):
        vm.shell(command, 60)
        time.sleep(0.2)
    require(vm.qmp.command('query-migrate')['status'] == 'active', 'the migration was over too soon')
    vm.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    target.markers = vm.markers + 100
    finish(vm, target)
    target.shell('guest-tool hog 200')
    check_data(target)


@case
def load_and_unload():
    disturb("rmmod ferry_balloon; insmod /mod/ferry_balloon.ko", 3)


@case
def unbind_and_bind():
    disturb("cd /sys/bus/virtio/drivers/ferry_balloon; d=$(echo virtio*); echo $d >unbind; echo $d >bind; cd /tmp", 3)


@case
def suspend_and_resume():
    """Devices go to sleep for five seconds, and come back (only the generic kernel can be asked for that alone)."""
    disturb('echo devices >/sys/power/pm_test; echo freeze >/sys/power/state; dmesg | grep -q "suspend debug"', 1,
            flavour='amd64')


# --- Debian 12's other kernels ---

def whole_life(flavour):
    """All that differs between kernels: building, the free lists, the balloon's pages, coming and going."""
    builds_clean(flavour)
    machine = {'ours': True, 'flavour': flavour}
    vm = moves_pages(flavour=flavour)
    marks_pages(vm)
    target, info = hop(vm, **machine)
    check_coverage(target, info)
    target.shell('rmmod ferry_balloon; insmod /mod/ferry_balloon.ko; guest-tool hog 300')
    check_data(target)


@slow_case
def linux_6_12_generic():
    whole_life('6.12-amd64')


@slow_case
def linux_6_12_cloud():
    whole_life('6.12-cloud-amd64')


@slow_case
def disturbed_many_times():
    for _ in range(10):
        load_and_unload()
        unbind_and_bind()


ferry.main()
