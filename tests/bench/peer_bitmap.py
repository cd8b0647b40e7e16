# SPDX-License-Identifier: GPL-2.0-or-later
"""peer-bench's experiments about our own balloon driver (guest/linux/): free pages by bitmap, what the walk costs,
inflating and deflating. Ferry runs it; the peer runs Debian's driver on the same kernel. See peer_experiments.py."""
import re
import time

import ferry
from peer_hints import KERNELS, freed_run, hog_mib, idle_run
from peer_machines import args, cpu_seconds, fate, linux, move, undisturbed, vcpu_seconds, warm

SMALL_MIB = 1024  # what the balloon leaves


def close_all():
    while ferry.VMS:
        ferry.VMS.pop().close()


# ---- free pages by bitmap ----

def walk_figures(vm):
    text = vm.shell('cat /sys/kernel/debug/ferry_balloon-*/walk')
    walk = {name: int(value) for name, value in re.findall(r'(\w+) (\d+)', text)}
    return {'walk_ms': walk['walk_ns'] / 1e6, 'answer_ms': walk['answer_ns'] / 1e6,
            'longest_hold_us': walk['longest_hold_ns'] / 1e3, 'blocks': float(walk['blocks'])}


def bitmap_run(side, append):
    """Case 2 by bitmap, beside an idle guest and the same by hints; the peer's case 2 has hints on."""
    if side == 'peer':
        return freed_run(side, append)
    idle = idle_run(side, append, ours=True)
    hinted = freed_run(side, append)
    close_all()
    figures = freed_run(side, append, hints=False, ours=True)
    figures['of_idle'] = figures['total_ms'] / idle['total_ms']
    figures['mb_of_used'] = figures['transferred_mb'] / figures['used_mb']
    figures['uncovered_percent'] = 100 - figures.pop('covered_percent')
    figures['vcpu_of_hints'] = figures['vcpu_s'] / hinted['vcpu_s']
    return dict(figures, **walk_figures(ferry.VMS[-1]))


def bitmap():
    aims = {'guest_ms': ('value', 50), 'of_idle': ('value', 1.2), 'mb_of_used': ('value', 1.05),
            'uncovered_percent': ('value', 1)}
    for kernel, append in KERNELS:
        yield ('freed, by bitmap, ' + kernel, lambda side, append=append: bitmap_run(side, append),
               aims if append else dict(aims, vcpu_of_hints=('value', 0.05)))


def fragmented_half(ours):
    """What share of free memory is told when every other page of most of it is in use."""
    source = linux('ferry', args.memory, not ours, ours=ours, name='source').boot(240)
    source.send('guest-tool fragment %d &\n' % hog_mib(args.memory))
    source.expect(rb'GUEST-FRAGMENTED', 300)
    source.qmp.command('migrate-set-parameters', free_page_hint_threshold=0, free_page_hint_growth=100)
    target = linux('ferry', args.memory, not ours, ours=ours, name='target', incoming='defer').take_over(source)
    warm(args.memory)
    figures = move(source, target)
    free = source.qmp.command('query-migrate')['free-pages']
    figures['uncovered_percent'] = 100 - free['covered'] * 100 / free['guest-free']
    figures.update(fate(target))
    figures.update(walk_figures(target) if ours else {})
    close_all()
    return figures


def fragmented_run(side):
    if side == 'peer':
        return {}
    hinted = fragmented_half(False)
    return dict(fragmented_half(True), hints_uncovered_percent=hinted['uncovered_percent'])


def walk_run(side, gib):
    """The walk in an idle guest of some size, and in one where much was freed a moment ago."""
    if side == 'peer':
        return {}
    source = linux(side, gib * 1024, ours=True, name='source').boot(600)
    source.shell('guest-tool hog %d' % (min(gib, 4) * 512), 600)
    source.qmp.command('migrate-set-parameters', free_page_hint_threshold=0)
    target = linux(side, gib * 1024, ours=True, name='target', incoming='defer').take_over(source)
    warm(1024 + gib * 24)
    move(source, target)
    return dict(walk_figures(target), **fate(target))


def walk():
    yield 'fragmented, by bitmap', fragmented_run, {'uncovered_percent': ('value', 1)}
    for gib in map(int, args.walks.split(',')):
        yield 'walk of %d GiB' % gib, lambda side, gib=gib: walk_run(side, gib), {}


# ---- inflate and deflate ----

def resize(vm, mib, name):
    """Seconds until the guest has as much, and what both ends spent."""
    with undisturbed(vm):
        start, used, vcpu = time.time(), cpu_seconds(vm), vcpu_seconds(vm)
        vm.qmp.command('balloon', value=mib << 20)
        while vm.qmp.command('query-balloon')['actual'] != mib << 20:
            ferry.require(time.time() - start < args.timeout, '%s: not within %.0f s' % (name, args.timeout))
            time.sleep(0.005)
        taken = time.time() - start
    vcpu = vcpu_seconds(vm) - vcpu
    return {name + '_s': taken, name + '_guest_cpu_s': vcpu,
            name + '_host_cpu_s': max(cpu_seconds(vm) - used - vcpu, 0)}


def balloon_run(side, append, driver):
    warm(args.memory)
    vm = linux(side, args.memory, append=append, **(driver if side == 'ferry' else {})).boot(240)
    vm.shell('guest-tool hog %d' % hog_mib(args.memory), 600)
    figures = resize(vm, SMALL_MIB, 'inflate')
    figures.update(resize(vm, args.memory, 'deflate'))
    vm.shell('guest-tool hog %d' % hog_mib(args.memory), 600)
    figures['both_s'] = figures['inflate_s'] + figures['deflate_s']
    return figures


def balloon():
    drivers = (('balloon by bitmap', {'ours': True}, 0.2),
               ('balloon by page numbers', {'ours': True, 'offer': False}, 1.1),
               ('balloon, stock driver', {}, 1.1))
    for kernel, append in KERNELS:
        for name, driver, aim in drivers:
            yield ('%s, %s' % (name, kernel),
                   lambda side, append=append, driver=driver: balloon_run(side, append, driver),
                   {'both_s': ('ratio', aim)})


EXPERIMENTS = {'bitmap': bitmap, 'walk': walk, 'balloon': balloon}
