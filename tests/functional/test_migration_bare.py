# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration of the bare-metal guest: every page compared at both ends, writes in flight, failures that the guest
never sees."""
import os
import random
import socket
import time

import ferry
from ferry import Vm, case, migrate, require, slow_case, wait_migration, wait_status, wait_until

MEMORY = 256 << 20


def boot(**kwargs):
    vm = Vm(name='source', **kwargs)
    vm.expect(rb'guest ready\n', 20)
    return vm


@case
def idle_memory_compared():
    source = boot()
    source.guest('fill 100 2000')
    target = Vm(name='target', incoming='defer', args=['-S'])
    migrate(source, target)
    wait_status(source, 'postmigrate')
    wait_status(target, 'paused')
    ferry.compare_memory(source, target, 0xa0000)
    ferry.compare_memory(source, target, MEMORY - (1 << 20), start=1 << 20)
    target.qmp.command('cont')
    target.guest('verify 100 2000')


@case
def there_and_back():
    a = boot(smp=2)
    a.guest('smp 2')
    a.guest('fill 0 5000 7')
    for n in range(3):
        b = Vm(name='hop%d' % n, incoming='defer', smp=2)
        migrate(a, b)
        wait_status(b, 'running')
        b.guest('verify 0 5000 7')
        b.guest('atomics')
        a.close()
        a = b


@case
def uuid_is_validated():
    """With validate-uuid a guest is refused by a machine that was made for another one; it runs on where it was."""
    mine, other = '12345678-9abc-def0-1234-56789abcdef0', '12345678-9abc-def0-1234-56789abcdef1'
    source = boot(args=['-uuid', mine])
    source.qmp.command('migrate-set-capabilities', capabilities=[{'capability': name, 'state': True}
                                                                 for name in ('return-path', 'validate-uuid')])
    target = Vm(name='another', incoming='defer', args=['-uuid', other])
    target.qmp.command('migrate-incoming', uri='unix:%s/mig' % target.dir)
    source.qmp.command('migrate', uri='unix:%s/mig' % target.dir)
    wait_migration(source, 'failed')
    require(target.wait_exit() == 1 and mine in target.stderr_text() and other in target.stderr_text(),
            'the other guest\'s machine said ' + target.stderr_text())
    source.guest('fill 0 1000 7')
    target = Vm(name='target', incoming='defer', args=['-uuid', mine])
    migrate(source, target)
    wait_status(target, 'running')
    target.guest('verify 0 1000 7')


def moves(uri_of, **kwargs):
    source = boot()
    source.guest('fill 0 3000 3')
    target = Vm(name='target', incoming='defer')
    uri = uri_of(target)
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    wait_migration(source)
    wait_status(target, 'running')
    target.guest('verify 0 3000 3')


@case
def over_tcp():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    moves(lambda target: 'tcp:127.0.0.1:%d' % port)


def moves_through_a_file(write_uri, read_uri):
    source = boot()
    source.guest('fill 0 3000 3')
    path = source.dir + '/state'
    source.qmp.command('migrate', uri=write_uri + path)
    wait_migration(source)
    target = Vm(name='target', incoming=read_uri + path)
    wait_status(target, 'running')
    target.guest('verify 0 3000 3')


@case
def over_a_file():
    moves_through_a_file('file:', 'file:')


@case
@ferry.spawns()
def over_exec():
    moves_through_a_file('exec:cat > ', 'exec:cat ')


@case
def over_a_passed_descriptor():
    """fd:NAME at the source (getfd, SCM_RIGHTS), a unix socket at the target."""
    source = boot()
    source.guest('fill 0 3000 3')
    target = Vm(name='target', incoming='defer')
    target.qmp.command('migrate-incoming', uri='unix:%s/mig' % target.dir)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(target.dir + '/mig')
        source.qmp.pass_fd('mig', channel.fileno())
    migrate(source, target, uri='fd:mig')
    wait_status(target, 'running')
    target.guest('verify 0 3000 3')


def writer_round(pages, cap=None, downtime_limit=None, timeout=60):
    source = boot()
    source.guest('fill 20000 4000 9')
    source.send('writer 0 %d\n' % pages)
    source.expect(rb'running\n')
    time.sleep(0.3)
    target = Vm(name='target', incoming='defer')
    if cap:
        source.qmp.command('migrate-set-parameters', max_bandwidth=cap)
    if downtime_limit:
        source.qmp.command('migrate-set-parameters', downtime_limit=downtime_limit)
    info = migrate(source, target, timeout=timeout)
    wait_status(target, 'running')
    time.sleep(0.3)
    target.send('x')
    match = target.expect(rb'(sweeps (\d+)|fail[^\n]*)\n')
    require(match.group(2), match.group(1).decode())
    target.guest('verify 20000 4000 9')
    source.close()
    target.close()
    return info


@case
def no_write_is_lost():
    for _ in range(3):
        writer_round(64, cap=200000000, downtime_limit=1)


@case
def busy_writer_converges():
    writer_round(8192)


@case
def cancel_leaves_the_source_running():
    source = boot()
    source.guest('fill')
    for _ in range(3):
        target = Vm(name='target', incoming='defer')
        source.qmp.command('migrate-set-parameters', max_bandwidth=50 << 20)
        uri = 'unix:%s/mig' % target.dir
        target.qmp.command('migrate-incoming', uri=uri)
        source.qmp.command('migrate', uri=uri)
        time.sleep(random.uniform(0.05, 0.4))
        source.qmp.command('migrate_cancel')
        wait_migration(source, 'cancelled')
        wait_status(source, 'running')
        source.guest('ping')
        require(target.wait_exit() != 0, 'target ended well after a cut stream')
        target.close()
    source.qmp.command('migrate-set-parameters', max_bandwidth=100 << 30)
    target = Vm(name='target', incoming='defer')
    migrate(source, target)
    wait_status(target, 'running')
    target.guest('verify')


@case
def dead_target_is_not_noticed_by_the_guest():
    source = boot()
    source.guest('fill')
    source.qmp.command('migrate-set-parameters', max_bandwidth=80 << 20)
    for _ in range(3):
        target = Vm(name='target', incoming='defer')
        uri = 'unix:%s/mig' % target.dir
        target.qmp.command('migrate-incoming', uri=uri)
        source.qmp.command('migrate', uri=uri)
        time.sleep(random.uniform(0.05, 0.5))
        target.process.kill()
        wait_migration(source, 'failed')
        wait_status(source, 'running')
        source.guest('verify')
        target.close()


@case
def bandwidth_is_kept():
    source = boot(memory='512M')
    source.guest('fill')
    cap = 100 * 10**6
    source.qmp.command('migrate-set-parameters', max_bandwidth=cap, downtime_limit=100)
    target = Vm(name='target', incoming='defer', memory='512M')
    uri = 'unix:%s/mig' % target.dir
    target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    time.sleep(1)
    first, t0 = source.qmp.command('query-migrate')['ram']['transferred'], time.time()
    time.sleep(2)
    second, t1 = source.qmp.command('query-migrate')['ram']['transferred'], time.time()
    rate = (second - first) / (t1 - t0)
    wait_migration(source)
    require(abs(rate - cap) < 0.05 * cap, '%.1f MB/s, cap %.1f' % (rate / 1e6, cap / 1e6))


def copy(from_socket, to_socket, count):
    """So many bytes, or all (None)."""
    while count is None or count > 0:
        data = from_socket.recv(min(count or 65536, 65536))
        if not data:
            return
        to_socket.sendall(data)
        count = count and count - len(data)


@case
def guest_runs_while_its_pages_wait_in_the_socket():
    """What is under way arrives before anything that follows it: the guest need not stand still for it."""
    source = boot()
    source.guest('fill 0 100')
    path = source.dir + '/state'
    source.qmp.command('migrate', uri='file:' + path)
    wait_migration(source)
    before_the_end = os.path.getsize(path) - 100000  # more than the devices, less than a socket holds
    source.qmp.command('cont')
    target = Vm(name='target', incoming='unix:%s/mig' % source.dir)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as to_target:
        listener.bind(source.dir + '/slow')
        listener.listen(1)
        to_target.connect(source.dir + '/mig')
        source.qmp.command('migrate', uri='unix:%s/slow' % source.dir)
        with listener.accept()[0] as channel:
            copy(channel, to_target, before_the_end)

            def all_sent():
                ram = source.qmp.command('query-migrate')['ram']
                return ram['dirty-sync-count'] >= 2 and ram['remaining'] == 0
            wait_until(all_sent, 'the end of the first pass')
            time.sleep(0.3)
            require(source.qmp.command('query-status')['running'], 'the guest waits for what is in the socket')
            copy(channel, to_target, None)
    wait_migration(source)
    wait_status(target, 'running')
    target.guest('verify 0 100')


@case
def damaged_streams_are_refused():
    source = boot()
    source.guest('fill 0 200')
    path = source.dir + '/state'
    source.qmp.command('migrate', uri='file:' + path)
    wait_migration(source)
    data = open(path, 'rb').read()
    rng = random.Random(os.environ.get('FERRY_SEED', '1'))
    variants = [data[:rng.randrange(1, len(data) - 1)] for _ in range(4)]
    variants.append(b'garbage' + data)
    variants.append(data.replace(b'pc-i440fx-7.2', b'pc-i440fx-9.9', 1))
    variants.append(data.replace(b'pc.ram', b'pc.rom', 1))
    for n, variant in enumerate(variants):
        bad = '%s/bad%d' % (source.dir, n)
        with open(bad, 'wb') as f:
            f.write(variant)
        target = Vm(name='bad%d' % n, incoming='file:' + bad, qmp=False)
        code = target.wait_exit(20)
        text = target.stderr_text()
        require(code == 1 and text.strip(), 'variant %d: exit code %d, said %r' % (n, code, text))
        target.close()


@slow_case
def fifty_faults():
    for _ in range(17):
        cancel_leaves_the_source_running()
        dead_target_is_not_noticed_by_the_guest()


ferry.main()
