# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of zeros: what both ends must agree on, what goes on the wire, and that the destination's memory is not
populated."""
import itertools

import ferry
from ferry import Vm, case, migrate, require, wait_migration, wait_status

OURS = ('skip-zero-pages', 'zero-page-ranges')


def set_capabilities(vm, *names):
    vm.qmp.command('migrate-set-capabilities', capabilities=[{'capability': c, 'state': True} for c in names])


def boot(**kwargs):
    vm = Vm(name='source', memory='512M', **kwargs)
    vm.expect(rb'guest ready\n', 20)
    return vm


def resident(vm, size=512 << 20):
    """Bytes of guest RAM in memory: the mapping of just that size or more that begins it."""
    found = 0
    with open('/proc/%d/smaps' % vm.process.pid, encoding='ascii') as f:
        for line in f:
            words = line.split()
            if '-' in words[0] and not words[0].endswith(':'):
                start, end = (int(x, 16) for x in words[0].split('-'))
            elif words[0] == 'Rss:' and size <= end - start < size + (4 << 20):
                found = max(found, int(words[1]) << 10)
    return found


@case
def untouched_memory_stays_so():
    """Whatever is agreed on: the destination holds what came, not what is zero."""
    for capabilities in itertools.chain([()], [(c,) for c in OURS], [OURS]):
        source = boot()
        target = Vm(name='target', memory='512M', incoming='defer', args=['-S'])
        for vm in (source, target):
            set_capabilities(vm, *capabilities)
        sent = migrate(source, target)['ram']['transferred']
        wait_status(target, 'paused')
        require((sent < 1 << 20) == bool(capabilities), '%d bytes were sent with %s' % (sent, capabilities))
        require(resident(target) < 16 << 20, '%d bytes are resident with %s' % (resident(target), capabilities))
        target.qmp.command('cont')
        target.guest('checkzero 0 1000')
        target.close()
        source.close()


@case
def scattered_memory_takes_what_was_sent():
    """A huge page that was sent in part is not kept whole; the guest may use all of it all the same."""
    source = boot()
    for first in range(0, 100 * 512, 512):
        source.guest('fill %d 64 %d' % (first, first + 1))
    target = Vm(name='target', memory='512M', incoming='defer', args=['-S'])
    sent = migrate(source, target)['ram']['transferred']
    wait_status(target, 'paused')
    require(resident(target) < 1.1 * sent, '%d bytes are resident, %d were sent' % (resident(target), sent))
    target.qmp.command('cont')
    for first in range(0, 100 * 512, 512):
        target.guest('verify %d 64 %d' % (first, first + 1))
        target.guest('checkzero %d 448' % (first + 64))
    target.guest('fill 0 51200 7')
    target.guest('verify 0 51200 7')


@case
def what_is_zero_again_is_told():
    """Sent once, zeroed meanwhile: skipping is no answer."""
    source = boot()
    target = Vm(name='target', memory='512M', incoming='defer', args=['-S'])
    for vm in (source, target):
        set_capabilities(vm, *OURS)
    source.guest('fill 0 8000 3')
    source.qmp.command('migrate-set-parameters', max_bandwidth=64 << 20)
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    source.guest('zero 0 8000')
    wait_migration(source)
    wait_status(target, 'paused')
    target.qmp.command('cont')
    target.guest('checkzero 0 8000')


@case
def capabilities_of_one_end_only_are_refused():
    for name in OURS:
        for at_source in (True, False):
            source = boot()
            target = Vm(name='target', memory='512M', incoming='defer')
            set_capabilities(source if at_source else target, name)
            uri = 'unix:%s/mig' % target.dir
            target.qmp.command('migrate-incoming', uri=uri)
            source.qmp.command('migrate-set-capabilities',
                               capabilities=[{'capability': 'return-path', 'state': True}])
            source.qmp.command('migrate', uri=uri)
            wait_migration(source, 'failed')
            code, text = target.wait_exit(20), target.stderr_text()
            require(code == 1 and "capability '%s' is %s here" % (name, 'off' if at_source else 'on') in text, text)
            wait_status(source, 'running')
            target.close()
            source.close()


@case
def a_snapshot_says_what_its_reader_needs():
    source = boot()
    set_capabilities(source, *OURS)
    uri = 'file:%s/state' % source.dir
    source.guest('fill 0 100 3')
    source.qmp.command('migrate', uri=uri)
    wait_migration(source)
    target = Vm(name='target', memory='512M', incoming=uri, qmp=False)
    code, text = target.wait_exit(20), target.stderr_text()
    require(code == 1 and "capability 'skip-zero-pages' is off here" in text, text)
    target.close()
    target = Vm(name='target', memory='512M', incoming='defer')
    set_capabilities(target, *OURS)
    target.qmp.command('migrate-incoming', uri=uri)
    wait_status(target, 'running')
    target.guest('verify 0 100 3')


ferry.main()
