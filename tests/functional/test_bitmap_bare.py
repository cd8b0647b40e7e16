# SPDX-License-Identifier: GPL-2.0-or-later
"""Free pages by bitmap against a guest that behaves well, badly and with malice (tests/guest/balloon-bitmap.c), and
inflate and deflate by bitmap. What is checked of each migration is in free_pages.py."""
import time

import ferry
from ferry import case, require, slow_case, wait_status
from free_pages import (AFTER, COUNT, FIRST, MEMORY, batches, boot, cancel_thrice, driver_goes_away, end_serving,
                        go_on, hop, hostile, hostile_rings, hostile_together, is_quiet, machine, move,
                        poison_other_than_zero, skip_zero_pages, start_serving, stop_while_it_answers,
                        stopped_guest_is_not_asked, wait_accepted)

OPTIONS = ',free-page-bitmap=on,page-bitmap=on'
IOTHREAD = {'options': OPTIONS + ',iothread=io0', 'objects': ['-object', 'iothread,id=io0']}
BITMAP = {'features': 'bitmap', 'options': OPTIONS, 'how': 'share'}


def share(mode, features='bitmap', options=OPTIONS, **kwargs):
    return hop(mode, features, options, how='share', **kwargs)


def good(mode='good', *args, **kwargs):
    target, info, free, counts, _ = share(mode, *args, **kwargs)
    require(free['state'] == 'stopped' and free['requests'] == 1, str(free))
    require(free['hinted'] == COUNT, '%d of %d pages left out as hinted: %s' % (free['hinted'], COUNT, free))
    require(free['late'] == 0 and free['rejected'] == 0 and free['timed-out'] == 0, str(free))
    require(free['accepted'] > 0 and 'time-to-first-hint' in free and 'time-to-stop' in free, str(free))
    require(info['ram']['transferred'] < MEMORY - COUNT * 4096, '%d bytes were sent' % info['ram']['transferred'])
    require(counts['requests'] == 1 and counts['stops'] == 1, str(counts))
    require(counts['buffers'] == counts['returned'], str(counts))
    return target, counts


# --- guests that mean well ---

@case
def good_polled():
    good()


@case
def good_with_event_indexes():
    good('good', 'bitmap event indirect')


@case
def good_with_intx():
    _, counts = good('good', 'bitmap intx')
    require(counts['config_interrupts'] >= 2 and counts['queue_interrupts'] >= 1, str(counts))


@case
def good_with_msix():
    for device in ({'options': OPTIONS}, IOTHREAD):
        _, counts = good(features='bitmap msix', **dict(device, options=device['options'] + ',vectors=2'))
        require(counts['config_interrupts'] >= 2 and counts['queue_interrupts'] >= 1, str(counts))


@case
def good_without_ioeventfd():
    good(options=OPTIONS + ',ioeventfd=off')


@case
def good_with_an_iothread():
    good(**IOTHREAD)


@case
def good_with_all_features():
    good('good', 'bitmap pagebitmap hint stats report')


@case
def overlapping_pieces():
    good('overlap')


@case
def takeback_loses_nothing():
    for arguments in ({}, IOTHREAD, {'free_page_hint_head_start': 0, 'max_bandwidth': 100 << 20}):
        target, _, free, _, differing = share('takeback', **arguments)
        require(differing == 0, '%d pages that were in use again differ: %s' % (differing, free))
        target.guest('verify %d %d 1001' % (FIRST, COUNT))
        target.close()


@case
def zeroing_and_taking_back_loses_nothing():
    target, _, _, _, differing = share('zerotakeback')
    require(differing == 0, '%d pages that were in use again differ' % differing)
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def skip_zero_pages_with_zeroing():
    """A guest that zeroes what it frees, and tells of it: its zeros need not be read or sent either."""
    source = boot('bitmap', options=OPTIONS)
    start_serving(source, 'zeroing', how='share')
    target = machine('target', OPTIONS, incoming='defer', args=['-S'])
    skip_zero_pages(source, target)
    info, _ = move(source, target)
    free = info['free-pages']
    require(free['hinted'] + free['hinted-zero'] + free['zero'] >= COUNT, str(free))
    go_on(source, target)


@case
def changing_while_it_is_read():
    for arguments in ({}, IOTHREAD):
        _, _, free, _, _ = share('changing', **arguments)
        require(free['state'] == 'stopped' and free['rejected'] == 0, str(free))


@case
def poison_keeps_what_is_there():
    _, _, free, _, differing = share('good', 'bitmap poison')
    require(differing == 0, '%d poisoned pages differ: %s' % (differing, free))


@case
def poison_other_than_zero_is_not_replaced_by_zeros():
    poison_other_than_zero(**BITMAP)


@case
def there_and_back():
    vm = boot('bitmap', options=OPTIONS)
    start_serving(vm, 'good', how='share')
    asked = 0
    for n in range(3):
        target = machine('hop%d' % n, OPTIONS, incoming='defer', args=['-S'])
        info, _ = move(vm, target, free_page_hint_threshold=0)  # what stayed behind is not populated
        require(info['free-pages']['hinted'] == COUNT, 'hop %d: %s' % (n, info['free-pages']))
        asked += info['free-pages']['requests']  # a later pass may ask again
        target.qmp.command('cont')
        wait_status(target, 'running')
        time.sleep(0.1)
        vm.close()
        vm = target
    counts = end_serving(vm)
    require(3 <= counts['requests'] <= asked, '%d requests: %s' % (asked, counts))
    vm.guest('verify 0 %d 5' % FIRST)


@case
def cancel_and_retry():
    """Of a guest that answers when it is over, and of one that has answered."""
    differing, counts = cancel_thrice('late', lambda _: time.sleep(0.3), **BITMAP)
    require(differing == 0 and counts['requests'] == 4, '%d pages differ: %s' % (differing, counts))
    _, counts = cancel_thrice('good', wait_accepted, **BITMAP)
    require(counts['requests'] == 4, str(counts))


@case
def stopped_guests_are_not_asked():
    stopped_guest_is_not_asked(**BITMAP)


@case
def stop_in_the_middle():
    stop_while_it_answers(**BITMAP)


@case
def the_best_source_is_asked():
    """One device offers both ways: a guest that knows bitmaps is asked for them, another for hints."""
    _, _, free, counts, _ = share('good', 'bitmap hint')
    require(free['hinted'] == COUNT and counts['requests'] == 1, '%s %s' % (free, counts))
    _, _, free, counts, _ = hop('good', 'hint', OPTIONS)
    require(free['hinted'] == COUNT and counts['requests'] == 1, '%s %s' % (free, counts))


@case
def nobody_answers_without_a_driver():
    source = boot('stats', options=OPTIONS)
    target = machine('target', OPTIONS, incoming='defer', args=['-S'])
    info, differing = move(source, target)
    require(differing == 0 and info['free-pages']['state'] == 'not-negotiated', str(info['free-pages']))


# --- guests that are slow or confused ---

def ends(mode, states, **kwargs):
    target, _, free, counts, differing = share(mode, **kwargs)
    require(free['state'] in states, '%s: %s' % (mode, free))
    return target, free, counts, differing


@case
def silent_times_out():
    _, free, _, differing = ends('silent', ('timed-out', 'closed'))
    require(differing == 0 and free['hinted'] == 0, str(free))


@case
def no_end_counts_as_well():
    for mode, told in (('noend', COUNT), ('half', COUNT // 2)):
        _, free, _, _ = ends(mode, ('timed-out', 'closed'))
        require(free['hinted'] == told, '%s: %s' % (mode, free))


@case
def wrong_ids_have_no_effect():
    _, free, _, differing = ends('wrongid', ('timed-out', 'closed'))
    require(differing == 0 and free['hinted'] == 0 and free['late'] > 0, '%d pages differ: %s' % (differing, free))


@case
def late_answers_have_no_effect():
    hurried = {'free_page_hint_head_start': 0, 'free_page_hint_timeout': 200, 'max_bandwidth': 100 << 20}
    for arguments in ({}, hurried):
        target, free, _, differing = ends('late', ('timed-out', 'closed'), **arguments)
        require(differing == 0 and free['hinted'] == 0, '%d pages differ: %s' % (differing, free))
        target.guest('verify %d %d 1001' % (FIRST, COUNT))
        target.close()


@case
def reset_in_the_middle():
    target, free, counts, _ = ends('reset', ('reset',))
    require(counts['resets'] == 1, '%s %s' % (free, counts))
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


@case
def reset_in_the_middle_and_on_under_the_old_id():
    """What it called free before, it writes to again; what is not written yet when it is moved is free still."""
    target, free, counts, _ = ends('resetgoon', ('reset', 'closed', 'timed-out'))
    require(counts['resets'] == 1, '%s %s' % (free, counts))
    target.guest('verify %d %d 1001' % (FIRST, COUNT))


# --- hostile guests ---

hostile('beyond', rejected=True, **BITMAP)
hostile('malformed', rejected=True, **BITMAP)
hostile_rings(**BITMAP)


@case
def work_per_notification_is_bounded():
    """However much a guest offers at once: docs/virtio.rst says 64 parts of 32768 pages."""
    for mode in ('million', 'longchain', 'allones', 'beyond'):
        done = batches(mode, 'bitmap', 'share', OPTIONS)
        require(max(parts for parts, _, _ in done) <= 64, '%s: up to %d parts at once' % (mode, max(done)[0]))
        require(all(pages <= parts * 32768 for parts, _, pages in done), '%s: %s' % (mode, done))
        require(mode != 'beyond' or len(done) < 50, '%d batches for what is not there' % len(done))
        require(mode != 'allones' or any(pages > 32768 for _, _, pages in done), str(done))


@case
def hostile_ring_written_by_all():
    hostile_together('scribblering', **BITMAP)


@case
def hostile_ring_written_by_all_under_an_iothread():
    hostile_together('scribblering', 'bitmap', 'share', **IOTHREAD)


@case
def hostile_registers_written_by_all():
    hostile_together('scribbleregisters', **BITMAP)


@case
def hostile_registers_written_by_all_under_an_iothread():
    hostile_together('scribbleregisters', 'bitmap', 'share', **IOTHREAD)


@case
def driver_that_goes_away():
    driver_goes_away(**BITMAP)


@case
def hostile_all_ones():
    """A guest that gives away what it runs on harms itself only."""
    source = boot('bitmap', options=OPTIONS)
    start_serving(source, 'allones', how='share')
    target = machine('target', OPTIONS, incoming='defer', args=['-S'])
    info, _ = move(source, target, free=range(MEMORY >> 12))
    require(info['free-pages']['rejected'] > 0, str(info['free-pages']))
    is_quiet(source)
    target.qmp.command('cont')
    time.sleep(0.2)
    require(target.qmp.command('query-status')['status'] in ('running', 'shutdown', 'paused'), 'the target is lost')


# --- inflate and deflate ---

@case
def inflate_and_deflate():
    source = boot('pagebitmap stats', options=OPTIONS)
    source.guest('balloon inflate %d 20000' % FIRST)
    actual = source.qmp.command('query-balloon')['actual']
    require(actual == MEMORY - (20000 << 12), str(actual))
    source.guest('verify %d %d 7' % (FIRST + 20000, COUNT - 20000))
    target = machine('target', OPTIONS, incoming='defer', args=['-S'])
    skip_zero_pages(source, target)
    info, differing = move(source, target, free_page_hint_threshold=100)
    free = info['free-pages']
    require(differing == 0 and free['inflated'] >= 20000, '%d pages differ: %s' % (differing, free))
    target.qmp.command('cont')
    target.guest('checkzero %d 20000' % FIRST)  # not at the source: reading there may populate it by huge pages
    target.guest('verify 0 %d 5' % FIRST)
    target.guest('balloon deflate %d 20000' % FIRST)
    require(target.qmp.command('query-balloon')['actual'] == MEMORY, str(target.qmp.command('query-balloon')))
    target.guest('fill %d 20000 7' % FIRST)
    target.guest('verify %d %d 7' % (FIRST, COUNT))


@case
def a_target_without_the_option_refuses():
    source = boot('bitmap', options=OPTIONS)
    target = machine('target', incoming='defer', args=['-S'])
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    require(target.wait_exit() != 0 and 'virtio-balloon' in target.stderr_text(), target.stderr_text())
    ferry.wait_until(lambda: source.qmp.command('query-migrate')['status'] in ('completed', 'failed'), 'the end')
    source.qmp.command('cont')
    source.guest('verify %d 2000 6' % AFTER)


@slow_case
def takeback_fifty_times():
    for _ in range(50):
        takeback_loses_nothing()


ferry.main()
