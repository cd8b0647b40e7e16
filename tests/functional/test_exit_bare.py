# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of the program at random moments: of migrations at both ends, of waits for peers that never come or never
read, of requests for free pages. Whatever it was doing, it ends soon, with its exit code and without a word of a
sanitizer."""
import os
import random
import signal
import socket
import time

import ferry
from ferry import Vm, case, require

RNG = random.Random(os.environ.get('FERRY_SEED', '1'))
ROUNDS = 12 if ferry.SLOW else 4
HINTS = ['-object', 'iothread,id=io0', '-device', 'virtio-balloon-pci,free-page-hint=on,iothread=io0']


def boot(**kwargs):
    vm = Vm(name='source', **kwargs)
    vm.expect(rb'guest ready\n', 20)
    return vm


def ask_to_end(vm):
    """By QMP or by a signal; the answer to the former may be lost."""
    if RNG.random() < 0.5:
        vm.qmp.sock.sendall(b'{"execute": "quit"}\n')
    else:
        vm.process.send_signal(signal.SIGTERM)


def check_ended(vm, codes=(0,)):
    code, text = vm.wait_exit(15), vm.stderr_text()
    require(code in codes, '%s: exit code %d, said %s' % (vm.name, code, text))
    require('Sanitizer' not in text and 'runtime error' not in text, '%s said: %s' % (vm.name, text))
    vm.close()


def begin(source, target, capabilities=(), bandwidth=60 << 20):
    uri = 'unix:%s/mig' % target.dir
    for vm in (source, target):
        vm.qmp.command('migrate-set-capabilities',
                       capabilities=[{'capability': c, 'state': True} for c in capabilities])
    source.qmp.command('migrate-set-parameters', max_bandwidth=bandwidth)
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)


def migrations(*capabilities):
    """Pairs in the middle of a migration, at a random moment of it; every second one with `capabilities`."""
    for n in range(ROUNDS):
        source = boot(smp=2)
        source.guest('fill 0 %d' % RNG.choice((200, 8000)))
        target = Vm(name='target', incoming='defer', smp=2)
        begin(source, target, capabilities if n % 2 else ())
        time.sleep(RNG.uniform(0, 0.5) * ferry.PATIENCE)
        yield source, target


def until_it_ends(source):
    """Comes round until the migration is over, in 30 s."""
    end = time.time() + 30 * ferry.PATIENCE
    while source.qmp.command('query-migrate')['status'] not in ('completed', 'failed'):
        yield
        require(time.time() < end, 'the migration hangs')


@case
def source_ends_during_a_migration():
    for source, target in migrations():
        ask_to_end(source)
        check_ended(source)
        target.close()


@case
def target_ends_during_a_migration():
    for source, target in migrations('return-path'):
        ask_to_end(target)
        check_ended(target)
        ferry.wait_until(lambda: source.qmp.command('query-migrate')['status'] in ('completed', 'failed'), 'the end',
                         30)
        if source.qmp.command('query-migrate')['status'] == 'failed':
            ferry.wait_status(source, 'running')
            source.guest('ping')
        source.close()


@case
def both_end_during_a_migration():
    for source, target in migrations('return-path'):
        ask_to_end(target)
        ask_to_end(source)
        check_ended(target, (0, 1))
        check_ended(source)


@case
def target_ends_while_it_waits():
    for incoming in ('defer', 'listen'):
        target = Vm(name='target', incoming='defer')
        if incoming == 'listen':
            target.qmp.command('migrate-incoming', uri='unix:%s/mig' % target.dir)
        ask_to_end(target)
        check_ended(target)


def silent_peer(vm):
    """A destination that takes the connection and reads nothing."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(vm.dir + '/silent')
    sock.listen(1)
    return sock, 'unix:%s/silent' % vm.dir


@case
def source_ends_though_its_peer_reads_nothing():
    for capability in ((), ('return-path',)):
        source = boot()
        source.guest('fill 0 %d' % (4000 if capability else 10))
        sock, uri = silent_peer(source)
        source.qmp.command('migrate-set-capabilities',
                           capabilities=[{'capability': c, 'state': True} for c in capability])
        source.qmp.command('migrate', uri=uri)
        peer = sock.accept()[0]
        time.sleep(0.5 * ferry.PATIENCE)
        start = time.time()
        ask_to_end(source)
        check_ended(source)
        require(time.time() - start < 8 * ferry.PATIENCE, 'it took %.1f s to end' % (time.time() - start))
        peer.close()
        sock.close()


@case
@ferry.spawns()
def source_ends_though_its_command_does_not():
    source = boot()
    source.qmp.command('migrate', uri='exec:cat > /dev/null; sleep 1000')
    ferry.wait_status(source, 'finish-migrate')
    ask_to_end(source)
    check_ended(source)


@case
@ferry.spawns()
def source_ends_before_the_switchover():
    source = boot()
    source.qmp.command('migrate-set-capabilities',
                       capabilities=[{'capability': 'pause-before-switchover', 'state': True}])
    source.qmp.command('migrate', uri='exec:cat > /dev/null')
    ferry.wait_until(lambda: source.qmp.command('query-migrate')['status'] == 'pre-switchover', 'pre-switchover')
    ask_to_end(source)
    check_ended(source)


@case
def source_ends_while_an_iothread_takes_hints():
    for _ in range(ROUNDS):
        source = boot(args=HINTS)
        source.guest('balloon init hint')
        source.guest('fill 8000 32000 7')
        source.send('balloon serve good 8000 32000\n')
        source.expect(rb'serving\n')
        source.qmp.command('migrate-set-parameters', free_page_hint_threshold=0)
        target = Vm(name='target', incoming='defer', args=HINTS)
        begin(source, target)
        time.sleep(RNG.uniform(0, 0.3) * ferry.PATIENCE)
        ask_to_end(source)
        check_ended(source)
        target.close()


@case
def registers_shown_at_the_switchover():
    """`info registers` pauses and resumes vCPUs, and so does a migration: neither may undo the other's pause."""
    for _ in range(ROUNDS):
        source = boot(smp=2)
        source.send('writer 0 200\n')
        source.expect(rb'running\n')
        target = Vm(name='target', incoming='defer', smp=2)
        begin(source, target, bandwidth=1 << 40)
        for _ in until_it_ends(source):
            require('RIP=' in source.hmp('info registers'), 'no registers')
        require(source.qmp.command('query-migrate')['status'] == 'completed', 'the migration failed')
        ferry.wait_status(target, 'running')
        target.send('x')
        match = target.expect(rb'(sweeps (\d+)|fail[^\n]*)\n')
        require(match.group(2), match.group(1).decode())
        source.close()
        target.close()


@case
def resets_and_stops_during_a_migration():
    for n in range(ROUNDS):
        source = boot(smp=2)
        target = Vm(name='target', incoming='defer', smp=2)
        begin(source, target, bandwidth=1 << 40)
        for _ in until_it_ends(source):
            source.qmp.command('system_reset')
            if n % 2:
                source.qmp.command('stop')
                try:
                    source.qmp.command('cont')
                except ferry.QmpError:
                    pass  # the switchover
        ask_to_end(source)
        check_ended(source)
        ask_to_end(target)
        check_ended(target)


ferry.main()
