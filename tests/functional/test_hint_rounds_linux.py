# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that a Linux guest uses and frees while it migrates: a later pass asks for it anew, and it stays behind,
too."""
import time

import ferry
from ferry import case, require, wait_migration, wait_status
from linux import Linux, check_data


def asked_anew(**machine):
    source = Linux(name='source', **machine).boot()
    source.shell('guest-tool hog 400')
    target = Linux(name='target', incoming='defer', args=['-S'], **machine).take_over(source)
    target.qmp.command('migrate-incoming', uri='unix:%s/mig' % target.dir)
    source.qmp.command('migrate-set-capabilities', capabilities=[{'capability': 'events', 'state': True}])
    source.qmp.command('migrate-set-parameters', max_bandwidth=30 << 20, downtime_limit=20,
                       free_page_hint_threshold=15)
    source.qmp.command('migrate', uri='unix:%s/mig' % target.dir)
    first = source.qmp.wait_event('FREE_PAGE_HINT')['data']
    require(first['pass'] == 1 and first['state'] == 'stopped' and first['covered'] > 300 << 20, str(first))
    source.shell('guest-tool hog 160', 120)  # the driver gives back what it holds, as far as the guest needs it
    second = source.qmp.wait_event('FREE_PAGE_HINT')['data']
    require(second['pass'] > 1 and second['covered'] > 50 << 20, str(second))
    source.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40)
    info = wait_migration(source)
    free = info['free-pages']
    require(free['requests'] >= 2 and free['late'] == 0, str(free))
    wait_status(target, 'paused')
    target.qmp.command('cont')
    target.shell('true')
    time.sleep(0.2)
    check_data(target)


@case
def freed_during_the_migration():
    asked_anew(hints=True, append='init_on_alloc=0')


@case
def freed_during_the_migration_and_told_by_bitmap():
    asked_anew(ours=True)


ferry.main()
