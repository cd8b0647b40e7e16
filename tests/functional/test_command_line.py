# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as management software writes it, and the QMP commands that mean the same."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile

import ferry
from ferry import BINARY, GUEST, Qmp, QmpError, Skip, Vm, case, main, require, wait_until


def run(*args, **more):
    """The program until it ends: (status, what it said)."""
    done = subprocess.run([BINARY, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False, **more)
    return done.returncode, done.stdout.decode()


def refused(args, *words, **more):
    status, text = run(*args, **more)
    require(status == 1, '%s: status %d: %s' % (args, status, text))
    for word in words:
        require(word in text, '%s: no %r in: %s' % (args, word, text))


def error_of(vm, command, **arguments):
    try:
        vm.qmp.command(command, **arguments)
    except QmpError as e:
        return e.error['desc']
    raise AssertionError('%s %s was taken' % (command, arguments))


def content(path):
    with open(path, 'rb') as f:
        return f.read()


@case
def passed_file_behind_a_chardev():
    with tempfile.NamedTemporaryFile() as log:
        log.write(b'before\n')
        log.flush()
        fd = os.open(log.name, os.O_WRONLY)
        os.set_inheritable(fd, True)
        vm = Vm(args=['-add-fd', 'set=3,fd=%d,opaque=log file' % fd,
                      '-chardev', 'file,id=log,path=/dev/fdset/3,append=on', '-mon', 'chardev=log,mode=control'],
                pass_fds=[fd])
        os.close(fd)
        wait_until(lambda: content(log.name).startswith(b'before\n{"QMP"'), 'a greeting behind what was there')
        sets = vm.qmp.command('query-fdsets')
        require(len(sets) == 1 and sets[0]['fdset-id'] == 3 and sets[0]['fds'][0]['opaque'] == 'log file', str(sets))


@case
def passed_over_qmp():
    vm = Vm()
    with tempfile.TemporaryFile() as file:
        require('SCM_RIGHTS' in error_of(vm, 'add-fd'), 'add-fd without a descriptor')
        for arguments, want in (({}, 0), ({'fdset-id': 7, 'opaque': 'x'}, 7), ({}, 1)):
            request = json.dumps({'execute': 'add-fd', 'arguments': arguments}).encode()
            socket.send_fds(vm.qmp.sock, [request], [file.fileno()])
            reply = vm.qmp.reply('add-fd')
            require(reply['fdset-id'] == want, str(reply))
    sets = vm.qmp.command('query-fdsets')
    require([s['fdset-id'] for s in sets] == [0, 1, 7], str(sets))
    vm.qmp.command('remove-fd', fdset_id=7)
    vm.qmp.command('remove-fd', fdset_id=1, fd=sets[1]['fds'][0]['fd'])
    require('fdset-id:7' in error_of(vm, 'remove-fd', fdset_id=7), 'removed twice')
    require([s['fdset-id'] for s in vm.qmp.command('query-fdsets')] == [0], 'what is left')


@case
def add_fd_refused():
    read, write = os.pipe()
    refused(['-add-fd', 'fd=1,set=0'], 'fd=1', 'standard')
    refused(['-add-fd', 'fd=999,set=0'], 'fd=999', 'not a descriptor')
    refused(['-add-fd', 'set=0'], 'fd= is missing')
    refused(['-add-fd', 'fd=%d' % read], 'set= is missing', pass_fds=[read])
    refused(['-add-fd', 'fd=%d,set=0' % read, '-chardev', 'file,id=a,path=/dev/fdset/0'], '/dev/fdset/0', 'writing',
            pass_fds=[read])
    refused(['-chardev', 'file,id=a,path=/dev/fdset/4'], '/dev/fdset/4', 'no such set')
    os.close(read)
    os.close(write)


@case
def objects():
    vm = Vm(args=['-object', 'memory-backend-ram,id=ram,size=256M', '-machine', 'memory-backend=ram'])
    vm.qmp.command('object-add', qom_type='iothread', id='io1')
    vm.qmp.command('object-add', qom_type='memory-backend-memfd', id='spare', size=1 << 20, share=True)
    require("'io1'" in error_of(vm, 'object-add', qom_type='iothread', id='io1'), 'made twice')
    require("'nonesuch'" in error_of(vm, 'object-add', qom_type='nonesuch', id='a'), 'unknown type')
    require('in use' in error_of(vm, 'object-del', id='ram'), "the machine's own memory")
    vm.qmp.command('object-del', id='io1')
    vm.qmp.command('object-del', id='spare')
    require("'io1' not found" in error_of(vm, 'object-del', id='io1'), 'deleted twice')


@case
def object_help():
    status, text = run('-object', 'help')
    require(status == 0 and 'memory-backend-ram' in text and 'iothread' in text, text)
    status, text = run('-object', 'memory-backend-memfd,help')
    require(status == 0 and 'seal=<bool>' in text, text)
    refused(['-object', 'nonesuch,help'], "'nonesuch'")


@case
def secrets():
    vm = Vm(args=['-object', '{"qom-type": "secret", "id": "key", "data": "swordfish"}'])
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(32))
        file.flush()
        vm.qmp.command('object-add', qom_type='secret', id='raw', format='raw', file=file.name)
    vm.qmp.command('object-add', qom_type='secret', id='text', format='base64', data='c3dvcmRmaXNo')
    for arguments, word in (({'format': 'base64', 'data': 'not*base64'}, 'not base64'), ({}, 'one of data='),
                            ({'data': 'a', 'file': '/dev/null'}, 'one of data='),
                            ({'file': '/nonexistent'}, '/nonexistent'),
                            ({'data': 'a', 'keyid': 'key'}, 'keyid'), ({'data': 'a', 'iv': 'x'}, 'iv='),
                            ({'data': 'a', 'format': 'hex'}, "'hex'")):
        text = error_of(vm, 'object-add', qom_type='secret', id='bad', **arguments)
        require(word in text and "'bad'" in text, '%s: %s' % (arguments, text))
    for name in ('key', 'raw', 'text'):
        vm.qmp.command('object-del', id=name)


@case
def empty_machine():
    vm = Vm(args=['-S', '-machine', 'none,accel=tcg'], kernel=None, memory=None, smp=None, serial=False)
    require(vm.qmp.command('query-cpus-fast') == [], 'it has vCPUs')
    require(vm.qmp.command('query-memory-size-summary')['base-memory'] == 0, 'it has memory')
    vm.qmp.command('cont')
    vm.qmp.command('system_reset')
    vm.qmp.wait_event('RESET')
    vm.qmp.command('quit')
    require(vm.wait_exit() == 0, 'status')
    refused(['-machine', 'none', '-m', '64'], '-m 64', 'no RAM')
    refused(['-machine', 'none', '-cpu', 'qemu64'], '-cpu qemu64', 'no vCPUs')
    refused(['-machine', 'none', '-kernel', GUEST], '-kernel', "'none'")
    refused(['-machine', 'none,usb=off'], 'usb')


def probe(folder, *more):
    """As libvirt asks a binary what it can do."""
    return ['-S', '-no-user-config', '-nodefaults', '-nographic', '-machine', 'none,accel=kvm:tcg', '-qmp',
            'unix:%s/qmp.monitor,server=on,wait=off' % folder, '-pidfile', folder + '/qmp.pid', '-daemonize', *more]


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open('/proc/%d/stat' % pid, encoding='ascii') as f:
        return f.read().rsplit(')', 1)[1].split()[0] != 'Z'


@case
def daemonized_probe():
    with tempfile.TemporaryDirectory() as folder:
        status, text = run(*probe(folder))
        require(status == 0, text)
        pid = int(content(folder + '/qmp.pid'))
        try:
            # Ready at once, out of the way of whoever started it.
            qmp = Qmp(folder + '/qmp.monitor', None)
            require(os.readlink('/proc/%d/cwd' % pid) == '/', 'its folder')
            require(os.getsid(pid) not in (pid, os.getsid(0)), 'its session')
            for fd in range(3):
                require(os.readlink('/proc/%d/fd/%d' % (pid, fd)) == '/dev/null', 'descriptor %d' % fd)
            refused(['-machine', 'none', '-display', 'none', '-pidfile', folder + '/qmp.pid'], 'qmp.pid', 'lock')
            require(int(content(folder + '/qmp.pid')) == pid, 'the second one wrote the pidfile')
            qmp.command('quit')
            wait_until(lambda: not exists(pid), 'its end')
            require(os.listdir(folder) == [], 'left behind: %s' % os.listdir(folder))
        finally:
            if exists(pid):
                os.kill(pid, signal.SIGKILL)


@case
def daemonize_fails_in_front():
    with tempfile.TemporaryDirectory() as folder:
        refused(probe(folder, '-device', 'nonesuch'), "'nonesuch'")
        refused(probe(folder, '-serial', 'stdio'), 'stdio', '-daemonize')
        require(os.listdir(folder) == [], 'left behind: %s' % os.listdir(folder))
        refused(probe(folder + '/absent'), 'qmp.pid')


@case
def boot_order():
    for order, want in (('', (0x12, 0x30)), ('order=dc', (0x23, 0x00)), ('n,strict=on', (0x04, 0x00))):
        with tempfile.TemporaryDirectory() as folder:
            vm = Vm(args=['-boot', order, '-qtest', 'unix:%s/qtest,server=on,wait=off' % folder], accel='qtest')
            qtest = socket.socket(socket.AF_UNIX)
            qtest.connect(folder + '/qtest')
            qtest.sendall(b'outb 0x70 0x3d\ninb 0x71\noutb 0x70 0x38\ninb 0x71\n')
            said = b''
            while said.count(b'OK') < 4:
                said += qtest.recv(4096)
            qtest.close()
            vm.close()
        require([int(v, 16) for v in re.findall(rb'OK 0x([0-9a-f]+)', said)] == list(want), '%s: %s' % (order, said))
    refused(['-boot', 'order=cz'], 'order=cz')
    refused(['-boot', 'menu=on'], 'menu')


@case
def host_options():
    vm = Vm(args=['-overcommit', 'mem-lock=on,cpu-pm=off', '-audiodev', '{"id": "audio1", "driver": "none"}'])
    with open('/proc/%d/status' % vm.process.pid, encoding='ascii') as f:
        locked = int(re.search(r'VmLck:\s+(\d+) kB', f.read()).group(1))
    require(locked >= 256 << 10, '%d KiB locked' % locked)
    refused(['-overcommit', 'cpu-pm=on'], 'cpu-pm=on is not supported')
    refused(['-overcommit', 'mem-lock=maybe'], 'mem-lock')
    refused(['-audiodev', 'alsa,id=a'], "'alsa'")
    refused(['-audiodev', 'none'], 'id= is missing')
    refused(['-audiodev', 'none,id=a', '-audiodev', 'none,id=a'], "'a'", 'in use')


@case
def core_dump_without_memory():
    for option, want in (('dump-guest-core=off', True), ('dump-guest-core=on', False)):
        vm = Vm(args=['-machine', option])
        with open('/proc/%d/smaps' % vm.process.pid, encoding='ascii') as f:
            sizes = re.findall(r'^Size:\s+(\d+) kB(?:\n(?!VmFlags).*)*\nVmFlags: (.*)', f.read(), re.M)
        ram = [flags for size, flags in sizes if int(size) >= 256 << 10 and 'hg' in flags]
        require(ram and all(('dd' in flags.split()) == want for flags in ram), '%s: %s' % (option, ram))
        vm.close()


@case
def sandboxed():
    if not ferry.sandbox_built() or ferry.SANITIZED:
        raise Skip('no sandbox in this build')
    deny = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'
    vm = Vm(args=['-sandbox', deny], smp=2)
    vm.guest('ping')
    tasks = '/proc/%d/task' % vm.process.pid
    names = []
    for task in os.listdir(tasks):
        status = content('%s/%s/status' % (tasks, task)).decode()
        names.append(content('%s/%s/comm' % (tasks, task)).decode().strip())
        require(re.search(r'^Seccomp:\t2$', status, re.M) and re.search(r'^NoNewPrivs:\t1$', status, re.M), status)
    require(any(name.startswith('CPU 1/') for name in names), str(names))
    vm.qmp.command('migrate', uri='exec:cat > /dev/null')
    wait_until(lambda: vm.qmp.command('query-migrate')['status'] == 'failed', 'a failed migration')
    text = vm.qmp.command('query-migrate')['error-desc']
    require('-sandbox spawn=deny' in text, text)
    vm.guest('ping')
    vm.close()
    refused(['-sandbox', deny, '-incoming', 'exec:cat', '-display', 'none'], '-sandbox spawn=deny', 'exec:cat')
    refused(['-sandbox', 'on,spawn=never'], "spawn='never'")


def listener(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(1)
    return sock


@case
def monitors_on_passed_sockets():
    """Two QMP monitors at once, each on a socket that was passed; each takes the next client after the last."""
    with tempfile.TemporaryDirectory() as folder:
        sockets = [listener('%s/%d' % (folder, i)) for i in range(2)]
        args = []
        for i, sock in enumerate(sockets):
            args += ['-chardev', 'socket,id=m%d,fd=%d,server=on,wait=off' % (i, sock.fileno()),
                     '-mon', 'chardev=m%d,id=monitor%d,mode=control' % (i, i)]
        vm = Vm(args=args + ['-S'], pass_fds=[s.fileno() for s in sockets])
        for sock in sockets:
            sock.close()
        for _ in range(3):
            clients = [Qmp('%s/%d' % (folder, i), vm) for i in range(2)]
            clients[0].command('cont')
            for client in clients:
                client.wait_event('RESUME')
            clients[1].command('stop')
            for client in clients:
                client.wait_event('STOP')
                client.sock.close()
        with tempfile.TemporaryFile() as file:
            client = Qmp(folder + '/0', vm)
            client.pass_fd('file', file.fileno())
            client.command('closefd', fdname='file')


@case
def passed_sockets_refused():
    read, write = os.pipe()
    with tempfile.TemporaryDirectory() as folder, listener(folder + '/s') as sock:
        for fd, more, words in ((read, ',server=on,wait=off', ('is not a stream socket',)),
                                (999, '', ('fd=999', 'is not a stream socket')),
                                (sock.fileno(), '', ("is a server's", 'server=on')),
                                (sock.fileno(), ',path=/x', ('one of path=',)),
                                (sock.fileno(), ',server=on,wait=off,reconnect=1', ('reconnect',))):
            refused(['-chardev', 'socket,id=c,fd=%d%s' % (fd, more)], *words, pass_fds=[read, sock.fileno()])
    os.close(read)
    os.close(write)


main()
