# SPDX-License-Identifier: GPL-2.0-or-later
"""Free page hints against a guest that behaves well, badly and with malice (tests/guest/balloon-*.c).

For each way of answering: the guest's memory is compared at both ends, and only pages that the guest said were free,
and that the source says it left out for that, may differ; the migration takes a bounded time; nothing spins
afterwards; the guest goes on at the destination, gets DONE there, and finds the data that it did not give away.
"""
import time

import ferry
from ferry import case, require, slow_case, wait_status
from free_pages import (COUNT, FIRST, IOTHREAD, MEMORY, batches, boot, cancel_thrice, driver_goes_away, end_serving,
                        go_on, hop, hostile, hostile_rings, hostile_together, is_quiet, machine, move,
                        poison_other_than_zero, skip_zero_pages, start_serving, stop_while_it_answers,
                        stopped_guest_is_not_asked, wait_accepted)

# --- guests that mean well ---

def good(*args, **kwargs):
    target, info, free, counts, _ = hop('good', *args, **kwargs)
    require(free['state'] == 'stopped' and free['requests'] == 1, str(free))
    require(free['hinted'] == COUNT, '%d of %d pages left out as hinted: %s' % (free['hinted'], COUNT, free))
    require(free['late'] == 0 and free['rejected'] == 0 and free['timed-out'] == 0, str(free))
    require(free['accepted'] > 0 and 'time-to-first-hint' in free and 'time-to-stop' in free, str(free))
    sent = info['ram']['transferred']
    require(sent < MEMORY - COUNT * 4096, '%d bytes were sent' % sent)
    require(counts['requests'] == 1 and counts['dones'] == 1, str(counts))
    require(counts['buffers'] == counts['returned'] or counts['buffers'] + 2 == counts['returned'], str(counts))
    return target, counts


@case
def good_polled():
    good()


@case
def good_with_event_indexes():
    good('hint event indirect')


@case
def good_with_intx():
    _, counts = good('hint intx')
    require(counts['config_interrupts'] >= 2 and counts['queue_interrupts'] >= 1, str(counts))


@case
def good_with_msix():
    _, counts = good('hint msix', options=',vectors=2')
    require(counts['config_interrupts'] >= 2 and counts['queue_interrupts'] >= 1, str(counts))


@case
def good_with_an_iothread():
    good(options=',iothread=io0', objects=['-object', 'iothread,id=io0'])


@case
def good_with_msix_from_an_iothread():
    """The iothread's interrupts: by the main loop, or under KVM by the kernel."""
    _, counts = good('hint msix', options=',vectors=2,iothread=io0', objects=['-object', 'iothread,id=io0'])
    require(counts['config_interrupts'] >= 2 and counts['queue_interrupts'] >= 1, str(counts))


@case
def good_without_ioeventfd():
    good(options=',ioeventfd=off')


@case
def good_with_all_features():
    good('hint stats report')


@case
def takeback_loses_nothing():
    target, _, free, counts, differing = hop('takeback')
    require(differing == 0, '%d pages that were in use again differ' % differing)
    require(free['state'] == 'stopped' and counts['dones'] == 1, '%s %s' % (free, counts))
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def takeback_with_an_iothread_loses_nothing():
    target, _, _, _, differing = hop('takeback', options=',iothread=io0', objects=['-object', 'iothread,id=io0'])
    require(differing == 0, '%d pages that were in use again differ' % differing)
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def takeback_without_a_head_start_loses_nothing():
    for bandwidth in (100 << 20, 1 << 40):
        target, _, _, _, differing = hop('takeback', free_page_hint_head_start=0, max_bandwidth=bandwidth)
        require(differing == 0, '%d pages that were in use again differ' % differing)
        target.guest('verify %d %d' % (FIRST, COUNT) + ' 1001')


@case
def zeroing_is_worth_it():
    _, info, free, counts, _ = hop('zeroing')
    require(free['state'] == 'stopped' and counts['dones'] == 1, '%s %s' % (free, counts))
    sent = info['ram']['transferred']
    require(sent < MEMORY - COUNT * 4096, '%d bytes were sent' % sent)


@case
def zeroing_and_taking_back_loses_nothing():
    target, _, _, _, differing = hop('zerotakeback')
    require(differing == 0, '%d pages that were in use again differ' % differing)
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def skip_zero_pages_with_zeroing():
    source = boot()
    start_serving(source, 'zeroing')
    target = machine('target', incoming='defer', args=['-S'])
    skip_zero_pages(source, target)
    info, _ = move(source, target)
    free = info['free-pages']
    require(free['hinted'] + free['hinted-zero'] + free['zero'] >= COUNT, str(free))
    go_on(source, target)


@case
def poison_keeps_what_is_there():
    """A guest that relies on its free pages' content: whatever the destination has must be what the guest had."""
    _, _, free, _, differing = hop('good', 'hint poison')
    require(differing == 0, '%d poisoned pages differ: %s' % (differing, free))


@case
def poison_other_than_zero_is_not_replaced_by_zeros():
    poison_other_than_zero()


@case
def there_and_back():
    vm = boot()
    start_serving(vm, 'good')
    asked = 0
    for n in range(3):
        target = machine('hop%d' % n, incoming='defer', args=['-S'])
        info, _ = move(vm, target, free_page_hint_threshold=0)  # what stayed behind is not populated
        require(info['free-pages']['hinted'] == COUNT, 'hop %d: %s' % (n, info['free-pages']))
        asked += info['free-pages']['requests']  # a later pass may ask again
        target.qmp.command('cont')
        wait_status(target, 'running')
        time.sleep(0.1)
        vm.close()
        vm = target
    counts = end_serving(vm)
    require(3 <= counts['requests'] <= asked and counts['dones'] == 3, '%d requests: %s' % (asked, counts))
    vm.guest('verify 0 %d 5' % FIRST)


@case
def cancel_gives_the_pages_back():
    _, counts = cancel_thrice('good', wait_accepted)
    # Each was answered; a DONE may be followed by the next request before a busy host lets the guest look.
    require(counts['requests'] == 4 and 1 <= counts['dones'] <= 4, str(counts))


@case
def stopped_guests_are_not_asked():
    stopped_guest_is_not_asked()


@case
def stop_in_the_middle():
    counts = stop_while_it_answers()
    require(counts['dones'] == 1, str(counts))


# --- guests that are slow or confused ---

def ends(mode, state, hinted=None):
    target, _, free, counts, differing = hop(mode)
    require(free['state'] in state, '%s: %s' % (mode, free))
    require(hinted is None or free['hinted'] == hinted, '%s: %s' % (mode, free))
    require(counts['dones'] >= 1, '%s: no DONE: %s' % (mode, counts))
    return target, free, counts, differing


@case
def silent_times_out():
    _, free, _, differing = ends('silent', ('timed-out', 'closed'), 0)
    require(differing == 0 and free['timed-out'] <= 1, str(free))


@case
def half_an_answer_counts():
    _, _, _, _ = ends('half', ('timed-out', 'closed'), COUNT // 2)


@case
def no_stop_counts_as_well():
    ends('noend', ('timed-out', 'closed'), COUNT)


@case
def late_answers_have_no_effect():
    target, _, _, differing = ends('late', ('timed-out', 'closed'), 0)
    require(differing == 0, '%d pages differ' % differing)
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def late_answers_during_the_migration_have_no_effect():
    source = boot()
    start_serving(source, 'late')
    target = machine('target', incoming='defer', args=['-S'])
    info, differing = move(source, target, free_page_hint_head_start=0, free_page_hint_timeout=200,
                           max_bandwidth=100 << 20)
    free = info['free-pages']
    require(differing == 0 and free['timed-out'] == 1 and free['late'] > 0, '%d pages differ: %s' % (differing, free))
    go_on(source, target)
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def wrong_ids_have_no_effect():
    _, free, _, differing = ends('wrongid', ('timed-out', 'closed'), 0)
    require(differing == 0 and free['late'] > 0, '%d pages differ: %s' % (differing, free))


@case
def buffers_without_an_id_have_no_effect():
    _, free, _, differing = ends('noid', ('timed-out', 'closed'), 0)
    require(differing == 0 and free['late'] > 0, '%d pages differ: %s' % (differing, free))


@case
def reset_in_the_middle():
    target, _, free, counts, _ = hop('reset') # what it has not yet taken back at the switchover may differ
    require(free['state'] == 'reset' and counts['resets'] == 1, '%s %s' % (free, counts))
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def reset_in_the_middle_and_on_under_the_old_id():
    """What it called free before, it writes to again; what is not written yet when it is moved is free still."""
    target, _, free, counts, _ = hop('resetgoon')
    require(counts['resets'] == 1, '%s %s' % (free, counts))
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


# --- hostile guests ---

hostile('lengths')
hostile('windows', rejected=True)
hostile_rings()


@case
def work_per_notification_is_bounded():
    """However much a guest offers at once: docs/virtio.rst says 64 chains or 256 MiB."""
    for mode in ('million', 'longchain', 'lengths'):
        most = [max(figures) for figures in zip(*batches(mode))]
        require(most[0] <= 64 and most[1] <= 256 << 20, '%s: up to %d chains, %d bytes at once' % (mode, *most[:2]))


@case
def hostile_ring_written_by_all():
    hostile_together('scribblering')


@case
def hostile_ring_written_by_all_under_an_iothread():
    hostile_together('scribblering', **IOTHREAD)


@case
def hostile_registers_written_by_all():
    hostile_together('scribbleregisters')


@case
def hostile_registers_written_by_all_under_an_iothread():
    hostile_together('scribbleregisters', **IOTHREAD)


@case
def driver_that_goes_away():
    driver_goes_away()


@case
def hostile_addresses():
    """Lengths of nearly 4 GiB, too: whatever of it is RAM was said to be free, and may go."""
    source = boot()
    start_serving(source, 'addresses')
    target = machine('target', incoming='defer', args=['-S'])
    info, _ = move(source, target, free=range(MEMORY >> 12))
    require(info['free-pages']['rejected'] > 0, str(info['free-pages']))
    is_quiet(source)


@case
def hostile_in_use():
    """A guest that gives away what it runs on harms itself only."""
    source = boot()
    start_serving(source, 'inuse')
    target = machine('target', incoming='defer', args=['-S'])
    move(source, target, free=range(MEMORY >> 12))
    is_quiet(source)
    target.qmp.command('cont')
    time.sleep(0.2)
    require(target.qmp.command('query-status')['status'] in ('running', 'shutdown', 'paused'), 'the target is lost')


# --- what the host knows already ---

@case
def inflated_and_reported_pages_stay_behind():
    source = boot('hint report')
    source.guest('balloon inflate %d 4096' % FIRST)
    source.guest('balloon report %d 8192' % (FIRST + 4096))
    target = machine('target', incoming='defer', args=['-S'])
    skip_zero_pages(source, target)
    info, differing = move(source, target, free_page_hint_threshold=100)
    free = info['free-pages']
    require(differing == 0, '%d pages differ' % differing)
    require(free["inflated"] >= 4096 and free["reported"] >= 8192, str(free))
    target.qmp.command('cont')
    target.guest('checkzero %d 12288' % FIRST)
    target.guest('verify 0 %d 5' % FIRST)
    target.guest('balloon deflate %d 4096' % FIRST)
    target.guest('fill %d 4096 7' % FIRST)
    target.guest('verify %d 4096 7' % FIRST)


@case
def balloon_follows_the_host():
    source = boot('hint stats')
    source.qmp.command('balloon', value=200 << 20)
    text = source.guest('balloon config')
    require('num_pages %d ' % ((56 << 20) >> 12) in text, text)
    source.guest('balloon inflate %d %d' % (FIRST, (56 << 20) >> 12))
    require(source.qmp.command('query-balloon')['actual'] == 200 << 20, str(source.qmp.command('query-balloon')))


@slow_case
def takeback_fifty_times():
    for _ in range(50):
        takeback_loses_nothing()
        zeroing_and_taking_back_loses_nothing()


ferry.main()
