# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations in bulk: a bare-metal guest whose processors write all the time goes from process to process, answers
requests for free pages at random, by hints or by bitmaps (tests/guest/balloon-random.c), now and then with malice,
under random parameters; some migrations are cancelled, cut or lose their destination. After each that completes, all
of memory is compared. A page may differ only if the guest's own ledger says that it gave the page away and has not
written to it since, and the source's record says that it left the page out as hinted.

FERRY_BULK is the number of completed migrations (default 40, or 1000 with FERRY_SLOW; Linux guests:
test_migration_linux.py), FERRY_SEED the first guest's seed: `FERRY_SEED=7 FERRY_BULK=1 test_migration_bulk.py bare`
runs guest 7 alone. FERRY_BULK_BY=hints or =bitmaps has all guests answer that way. FERRY_BULK_ACCELS="kvm tcg" draws each
machine's accelerator from these; FERRY_BULK_SECONDS ends it early, as what is migrated by then was asked for.

Where KVM itself is emulated (scripts/kvm-host) a guest is lost now and then, as the registers that its kernel gives
for a vCPU are those of that kernel itself. They are known by their addresses, where this guest has nothing; such a
migration is compared, counted as "lost to the emulation" and goes no further. Anywhere else it is a failure.
"""
import os
import random
import re
import select
import socket
import time

import ferry
from ferry import SLOW, Failure, Vm, case, require, slow_case
from guest_ram import GuestRam, differing

SEED = int(os.environ.get('FERRY_SEED', '0')) or random.SystemRandom().randrange(1, 1 << 30)
WANTED = int(os.environ.get('FERRY_BULK', '1000' if SLOW else '40'))
ACCELERATORS = os.environ.get('FERRY_BULK_ACCELS', '').split()
SECONDS = float(os.environ.get('FERRY_BULK_SECONDS', 'inf'))
PROTOCOLS = tuple(filter(None, os.environ.get('FERRY_BULK_BY', 'hints bitmaps').split()))
HOPS = 20          # of one guest
TEST_START = 0x4100  # first test page
MIB = 1 << 20
SUMMED = ('hinted', 'late', 'rejected', 'timed-out', 'requests', 'zero', 'in-doubt-sent')


def choose(rng, **table):
    """One of the values for each name, as arguments of a command."""
    return {name: rng.choice(values) for name, values in table.items()}


class LostToEmulation(Exception):
    pass


def emulated_host():
    with open('/proc/cpuinfo', encoding='ascii') as f:
        return 'QEMU TCG CPU' in f.read()


def host_registers(text):
    """Those of a Linux kernel: RIP in its text or modules, the GDT in its CPU entry area."""
    return re.search(r'RIP=ffffffff[89a-f]|GDT= +fffffe', text)


class Counts(dict):
    def add(self, name, n=1):
        self[name] = self.get(name, 0) + n

    def __str__(self):
        return ', '.join('%s %d' % item for item in self.items())


class Guest:
    """One bare-metal guest, wherever it is."""

    def __init__(self, seed, counts):
        self.rng, self.seed, self.counts = random.Random(seed), seed, counts
        self.accel_rng = random.Random('accelerators %d' % seed)
        rng = self.rng
        self.smp = rng.choice((1, 2, 2, 3, 4))
        self.memory = rng.choice((80, 96, 128)) * MIB
        self.poison = rng.random() < 0.1
        features = ['poison'] * self.poison
        features += [f for f in ('event', 'indirect', 'stats', 'report') if rng.random() < 0.5]
        self.options = ',page-poison=on,vectors=2' if self.poison else ',vectors=2'
        self.draw_protocol(features)
        self.what = 'seed %d: %d MiB, %d vCPUs, %s' % (seed, self.memory >> 20, self.smp, ' '.join(features))
        self.vm = self.machine('guest')
        self.vm.expect(rb'guest ready\n', 20)
        self.vm.guest('smp %d' % self.smp)
        self.vm.guest('balloon init ' + ' '.join(features + rng.choice(([], ['intx'], ['msix']))))
        pages = int(self.vm.guest('pages').split()[1])
        self.first = rng.randrange(64, pages // 2)
        self.count = rng.randrange(256, pages - self.first)
        self.vm.send('balloon %s random %d %d %d\n' % (self.serve, self.first, self.count, seed))
        match = self.vm.expect(rb'ledger 0x([0-9a-f]+) pages (\d+)\nserving\n')
        self.ledger_at, self.pages = int(match.group(1), 16), int(match.group(2))

    def draw_protocol(self, features):
        """By a generator of its own: what a seed meant before there were bitmaps, it still means."""
        rng = random.Random('protocol %d' % self.seed)
        self.by = rng.choice(PROTOCOLS)
        if self.by == 'hints':
            self.serve = 'serve'
            features += ['hint']
        else:
            self.serve = 'share'
            self.options += ',free-page-bitmap=on,page-bitmap=on'
            features += ['bitmap'] + rng.choice(([], ['hint'])) + rng.choice(([], ['pagebitmap']))

    def machine(self, name, **kwargs):
        iothread = self.rng.random() < 0.5
        device = 'virtio-balloon-pci,free-page-hint=on,free-page-reporting=on' + self.options
        args = ['-object', 'iothread,id=io0'] * iothread + ['-device', device + ',iothread=io0' * iothread]
        args += kwargs.pop('args', [])
        if ACCELERATORS:
            kwargs['accel'] = self.accel_rng.choice(ACCELERATORS)
            # what the software CPU has not got would keep a guest from going there
            plain = ',-kvmclock,-kvm-asyncpf,-kvm-steal-time,-kvm-pv-eoi' * ('kvm' in kwargs['accel'])
            args += ['-cpu', 'qemu64' + plain]
        vm = Vm(name=name, memory='%dM' % (self.memory >> 20), smp=self.smp, args=args, **kwargs)
        vm.accelerator = kwargs.get('accel')
        return vm

    def hear(self):
        """What the guest has to say is read; a processor that has found a lost write says fail."""
        while select.select([self.vm.serial], [], [], 0)[0]:
            self.vm.log += self.vm.serial.recv(65536)
        match = re.search(rb'fail[^\n]*|stuck|serving.*guest ready', self.vm.log, re.DOTALL)
        require(not match, match and match.group(0)[-200:].decode())

    def forget(self):
        """The ledger begins anew: what it held before was for the last migration."""
        start = len(self.vm.log)
        self.vm.send('f')
        self.vm.expect(rb"forgotten\n", 60, start)
        self.hear()

    def set_parameters(self, target):
        rng = self.rng
        parameters = choose(rng, free_page_hint_head_start=(0, 0, 5, 30, 100),
                            free_page_hint_timeout=(1, 10, 100, 5000), free_page_hint_threshold=(0, 0, 0, 25),
                            max_bandwidth=(50 * MIB, 200 * MIB, 1 << 40, 1 << 40),
                            downtime_limit=(1, 30, 300))
        capabilities = choose(rng, skip_zero_pages=(False, True), zero_page_ranges=(False, True),
                              return_path=(False, True))
        self.record = self.vm.dir + '/skipped'
        self.vm.qmp.command('migrate-set-parameters', x_skip_record=self.record, **parameters)
        for end in (self.vm, target):
            end.qmp.command('migrate-set-capabilities', capabilities=[
                {'capability': name.replace('_', '-'), 'state': state} for name, state in capabilities.items()])
        return dict(parameters, **capabilities)

    def hop(self):
        """One migration, come what may of it."""
        fault = self.rng.choice((None, None, None, 'cancel', 'kill', 'cut'))
        self.parameters = {}
        try:
            self.forget()
            self.migrate(fault)
        except Failure as e:
            registers = self.registers()
            if emulated_host() and host_registers(registers):
                raise LostToEmulation() from None
            raise Failure('%s; %s, fault %s, %s: %s\n%s' % (self.what, self.parameters, fault, self.vm.argv, e,
                                                          registers)) from None

    def registers(self):
        """Where it stands, and what it said when it was stopped."""
        said = self.vm.stderr_text()
        return said if self.vm.process.poll() is not None else said + self.vm.hmp('info registers')

    def migrate(self, fault):
        target = self.machine('target', incoming='defer', args=['-S'])
        self.parameters = self.set_parameters(target)
        path = target.dir + '/mig'
        target.qmp.command('migrate-incoming', uri='unix:' + path)
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(path)
            self.vm.qmp.pass_fd('mig', channel.fileno())
            self.vm.qmp.command('migrate', uri='fd:mig')
            self.befall(fault, target, channel)
            self.arrive(target)

    def befall(self, fault, target, channel):
        if fault:
            time.sleep(self.rng.choice((0.002, 0.02, 0.1)) * self.rng.random() * ferry.PATIENCE)
        if fault == 'cancel':
            self.vm.qmp.command('migrate_cancel')
        elif fault == 'cut':
            channel.shutdown(socket.SHUT_RDWR)
        elif fault == 'kill':
            target.process.kill()
            target.process.wait()

    def arrive(self, target):
        info = self.wait_end()
        self.counts.add('migrations')
        self.counts.add(info['status'])
        if info['status'] == 'completed':
            self.counts.add('by ' + self.by)
            if ACCELERATORS:
                self.counts.add('%s to %s' % (self.vm.accelerator, target.accelerator))
        for name in SUMMED:
            self.counts.add(name, info.get('free-pages', {}).get(name, 0))
        if info['status'] == 'completed' and self.has_arrived(target):
            self.compare(target)
            registers = self.vm.hmp('info registers')
            if host_registers(registers):
                target.close()
                require(emulated_host(), 'registers of a kernel: ' + registers)
                raise LostToEmulation()
            target.qmp.command('cont')
            self.vm.close()
            self.vm = target
        else:
            target.close()
            if info['status'] == 'completed':  # and then it was lost: there is still one here
                self.counts.add('lost after the end')
                self.vm.qmp.command('cont')
            ferry.wait_status(self.vm, 'running')
        time.sleep(self.rng.choice((0, 0.005, 0.02)) * self.rng.random())
        self.hear()

    def wait_end(self):
        start = time.time()
        while True:
            info = self.vm.qmp.command('query-migrate')
            if info['status'] in ('completed', 'failed', 'cancelled'):
                return info
            waited = time.time() - start
            require(waited < 60 * ferry.PATIENCE, 'still %s after a minute: %s' % (info['status'], info))
            if waited > 1:  # the writers are faster than the parameters allow
                self.vm.qmp.command('migrate-set-parameters', max_bandwidth=1 << 40, downtime_limit=2000)
            time.sleep(0.002)

    @staticmethod
    def has_arrived(target):
        """Waits for the target to be through, or gone."""
        try:
            ferry.wait_status(target, 'paused')
        except (Failure, OSError):
            if target.process.poll() is None:
                target.wait_exit()
            return False
        return True

    def compare(self, target):
        a, b = GuestRam(self.vm.process.pid, self.memory), GuestRam(target.process.pid, self.memory)
        pages, compared = differing(a, b)
        ledger = a.read(self.ledger_at >> 12, (self.pages // 8 >> 12) + 1)
        unlike = [n for n in pages if any(b.read(n, 1))] if self.poison else []
        a.close()
        b.close()
        given = {TEST_START + n for n in range(self.pages) if ledger[n >> 3] >> (n & 7) & 1}
        hinted = ferry.skipped_pages(self.record)
        self.counts.add('pages compared', compared)
        self.counts.add('pages excused', len(pages))
        explain(hinted - given, 'left out as hinted that the guest does not call free')
        explain(pages - given, 'differ that the guest does not call free')
        explain(pages - hinted, 'differ that were not left out as hinted')
        explain(unlike, 'differ and are not zero, which is this guest\'s poison')

    def end(self):
        start = len(self.vm.log)
        self.vm.send('x')
        self.vm.expect(rb'requests \d+ stops[^\n]*\nok\n', 60, start)
        self.hear()
        self.vm.close()


def explain(pages, what):
    require(not pages, '%d pages %s, the first 0x%x' % (len(pages), what, min(pages, default=0)))


def tell(counts):
    """An emulated host that hangs takes no more along than what came after."""
    if ACCELERATORS:
        print('so far: %s' % counts, flush=True)


def hops(guest, wanted, counts, deadline):
    """As many as one guest may have; then its own account of what it saw."""
    try:
        for _ in range(HOPS):
            if counts.get('completed', 0) < wanted and time.time() < deadline:
                guest.hop()
                tell(counts)
        guest.end()
        counts.add('guests')
    except LostToEmulation:
        counts.add('lost to the emulation')
        guest.vm.close()


def migrate_until(wanted, counts):
    deadline = time.time() + SECONDS
    for n in range(1 << 30):
        if counts.get('completed', 0) >= wanted or (counts.get('completed') and time.time() > deadline):
            return
        hops(Guest(SEED + n, counts), wanted, counts, deadline)


@case
def bare():
    counts, start = Counts(), time.time()
    print('seed %d' % SEED, flush=True)
    try:
        migrate_until(WANTED, counts)
    finally:
        took = time.time() - start
        print('%s; %.0f s, %.1f migrations a second' % (counts, took, counts.get('migrations', 0) / took), flush=True)


ferry.main()
