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
    done = subprocess.run([os.path.abspath(BINARY), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False, **more)
    return done.returncode, done.stdout.decode()


def refused(args, *words, **more):
    status, text = run(*args, **more)
    require(status == 1, '%s: status %d: %s' % (args, status, text))
    for word in words:
        require(word in text, '%s: no %r in: %s' % (args, word, text))
    return text


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
                            ({'data': 'a', 'keyid': 'key'}, "'keyid' is unexpected"),
                            ({'data': 'a', 'iv': 'x'}, "'iv' is unexpected"), ({'data': 'a', 'format': 'hex'}, "'hex'")):
        text = error_of(vm, 'object-add', qom_type='secret', id='bad', **arguments)
        require(word in text, '%s: %s' % (arguments, text))
    text = refused(['-object', 'secret,id=bad,data=swordfish,keyid=key'], "'keyid' is unexpected")
    require('swordfish' not in text, text)
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
    vm.expect(rb'guest ready\n')
    vm.guest('ping')
    tasks = '/proc/%d/task' % vm.process.pid
    names = []
    for task in os.listdir(tasks):
        status = content('%s/%s/status' % (tasks, task)).decode()
        names.append(content('%s/%s/comm' % (tasks, task)).decode().strip())
        require(re.search(r'^Seccomp:\t2$', status, re.M) and re.search(r'^NoNewPrivs:\t1$', status, re.M), status)
    require('CPU 1/%s' % (ferry.ACCEL or 'tcg').upper() in names, str(names))
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


def libvirt_line(folder, monitor, log, *more):
    """Word for word what libvirt 9.0 writes for a small guest of type pc; paths, descriptors and kernel are ours."""
    return ['-name', 'guest=gpc,debug-threads=on', '-S', '-object', json.dumps(
                {'qom-type': 'secret', 'id': 'masterKey0', 'format': 'raw', 'file': folder + '/master-key.aes'}),
            '-machine', 'pc-i440fx-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram', '-accel', 'tcg',
            '-cpu', 'qemu64', '-m', '256',
            '-object', '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}',
            '-overcommit', 'mem-lock=off', '-smp', '1,sockets=1,cores=1,threads=1',
            '-uuid', 'aaaaaaaa-0000-4000-8000-000000000001', '-display', 'none', '-no-user-config', '-nodefaults',
            '-chardev', 'socket,id=charmonitor,fd=%d,server=on,wait=off' % monitor,
            '-mon', 'chardev=charmonitor,id=monitor,mode=control', '-rtc', 'base=utc', '-no-shutdown',
            '-boot', 'strict=on', '-kernel', GUEST, '-append', 'console=ttyS0 quiet',
            '-add-fd', 'set=0,fd=%d,opaque=serial0-source' % log,
            '-chardev', 'file,id=charserial0,path=/dev/fdset/0,append=on',
            '-device', '{"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0}',
            '-audiodev', '{"id":"audio1","driver":"none"}', *more,
            '-device', '{"driver":"virtio-balloon-pci","id":"balloon0","bus":"pci.0","addr":"0x2"}',
            '-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
            '-msg', 'timestamp=on']


class Libvirt:
    """A machine started so; libvirt connects to the monitor before the program has said a word."""

    def __init__(self, folder, *more):
        os.mkdir(folder)
        with open(folder + '/master-key.aes', 'wb') as key:
            key.write(os.urandom(32))
        self.folder = folder
        log = os.open(folder + '/serial.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        monitor = listener(folder + '/monitor.sock')
        fds = [monitor.fileno(), log]
        self.stderr = open(folder + '/stderr', 'w+b')
        self.process = subprocess.Popen([BINARY, *libvirt_line(folder, *fds, *more)], stdin=subprocess.DEVNULL,
                                        stdout=self.stderr, stderr=self.stderr, pass_fds=fds)
        monitor.close()
        os.close(log)
        self.qmp = Qmp(folder + '/monitor.sock', self)

    def stderr_text(self):
        return content(self.folder + '/stderr').decode()

    def check_alive(self):
        require(self.process.poll() is None, self.stderr_text())

    def serial(self):
        return content(self.folder + '/serial.log')

    def quit(self):
        self.qmp.command('quit')
        require(self.process.wait(20 * ferry.PATIENCE) == 0, self.stderr_text())
        self.qmp.sock.close()
        self.stderr.close()


@case
def as_libvirt_starts_it():
    if not ferry.sandbox_built() or ferry.SANITIZED:
        raise Skip('no sandbox in this build')
    with tempfile.TemporaryDirectory() as folder:
        source = Libvirt(folder + '/source')
        target = Libvirt(folder + '/target', '-incoming', 'defer')
        try:
            require(source.qmp.command('query-status')['status'] == 'prelaunch', 'not held')
            source.qmp.command('cont')
            wait_until(lambda: b'guest ready' in source.serial(), 'the guest to speak')
            target.qmp.command('migrate-incoming', uri='unix:%s/mig' % folder)
            source.qmp.command('migrate', uri='unix:%s/mig' % folder)
            wait_until(lambda: source.qmp.command('query-migrate')['status'] == 'completed', 'the migration')
            wait_until(lambda: target.qmp.command('query-status')['status'] == 'paused', 'the guest to be there')
            target.qmp.command('cont')
            require(target.qmp.command('query-status')['status'] == 'running', 'it does not run')
            source.quit()
            target.quit()
        finally:
            source.process.kill()
            target.process.kill()


FIRST = {'icount': 'shift=1,', 'mon': 'chardev=m,', 'chardev': 'null,id=x,'}  # what must come first
NAMES = {'boot-opts': 'boot', 'memory': 'm', 'smp-opts': 'smp'}


@case
def network_in_short():
    """-nic makes a network and a device on it, which goes before those of -device."""
    require(run('-nic', 'user,model=help')[1].split() == ['virtio-net-pci'], 'the models')
    require('user ' in run('-nic', 'help')[1], 'the networks')
    for text, *words in (('user', 'model= is missing', 'virtio-net-pci'),
                         ('user,model=e1000', 'e1000 (there is virtio-net-pci)'),
                         ('user,model=virtio-balloon-pci', 'Unsupported NIC model'),
                         ('nonesuch,model=virtio', "'nonesuch'"),
                         ('user,model=virtio,mac=01:00:00:00:00:01', 'mac=', 'not a unicast'),
                         ('none,model=virtio', 'no parameters'), ('user,model=virtio,vectors=4', "'vectors'"),
                         ('user,model=virtio,id=#net000', "'#net000'"), ('user,model.x=1', "'model'"),
                         ('{"type":"user"}', 'JSON')):
        refused(['-display', 'none', '-nic', text], '-nic %s: ' % text, *words)
    refused(['-machine', 'none', '-nic', 'user,model=virtio'], "'PCI'")
    vm = Vm(args=['-device', 'virtio-net-pci,netdev=n', '-netdev', 'user,id=n', '-nic', 'none',
                  '-nic', 'model=virtio,mac=52:54:00:12:34:99,id=first', '-nic', 'user,model=virtio-net-pci'])
    text = vm.hmp('info network').replace('\r', '')
    require(re.findall(r'macaddr=(\S+)\n \\ (\S+): ', text) ==
            [('52:54:00:12:34:99', 'first'), ('52:54:00:12:34:56', '#net000'), ('52:54:00:12:34:57', 'n')], text)
    require(vm.qmp.command('query-command-line-options', option='nic')[0]['parameters'] == [], 'its parameters')
    text = vm.hmp('info qtree').replace('\r', '')
    require(re.findall(r'virtio-net-pci, id ""(?:\n    +.*)*?\n +vectors = (\d+)', text) == ['0', '0', '4'], text)


@case
def network_in_short_goes_to_stock():
    """Where the same option makes the same device, but for its ROM."""
    stock = os.environ.get('STOCK_QEMU', '/usr/bin/qemu-system-x86_64')
    if not os.path.exists(stock):
        raise Skip('no stock QEMU: install qemu-system-x86')
    network = ['-nic', 'user,model=virtio,mac=52:54:00:00:00:01', '-nic', 'model=virtio-net-pci']
    vm = Vm(args=network)
    vm.expect(rb'guest ready\n')
    target = Vm(args=network + ['-global', 'virtio-net-pci.romfile='], binary=stock, incoming='defer')
    ferry.migrate(vm, target)
    target.guest('ping')


@case
def parameters_are_what_the_parsers_know():
    """Every parameter of query-command-line-options is known to its option, and one that is not listed is not."""
    vm = Vm(args=['-S', '-machine', 'none'], kernel=None, memory=None, smp=None, serial=False)
    groups = {g['option']: g['parameters'] for g in vm.qmp.command('query-command-line-options')}
    require(vm.qmp.command('query-command-line-options', option='boot-opts')[0]['parameters'] == groups['boot-opts'],
            'by name')
    require('nonesuch' in error_of(vm, 'query-command-line-options', option='nonesuch'), 'a name that is none')
    require(groups['object'] == [] and ('sandbox' in groups) == ferry.sandbox_built(), str(list(groups)))
    for group, parameters in groups.items():
        option = '-' + NAMES.get(group, group)
        if parameters:
            text = run(option, FIRST.get(group, '') + 'nonesuch=1', '-S', '-chardev', 'null,id=m')[1]
            require('nonesuch' in text, '%s nonesuch=1: %s' % (option, text))
        for parameter in parameters:
            if group == 'chardev' or (group, parameter['name']) == ('machine', 'type'):
                continue  # each backend has its own; tried below
            text = run(option, parameter['name'] + '=@', '-display', 'none', '-S', '-kernel', '/nonexistent',
                       cwd=vm.dir)[1]  # some make a file of that name
            require('unknown parameter' not in text and 'not supported: ' not in text and text != '',
                    '%s %s=@: %s' % (option, parameter['name'], text))
    known = {'stdio': ['signal', 'mux'], 'file': ['path', 'append'],
             'socket': ['path', 'host', 'port', 'fd', 'server', 'wait', 'nodelay']}
    require({p['name'] for p in groups['chardev']} == {'backend'}.union(*known.values()), str(groups['chardev']))
    for backend, names in known.items():
        for name in names:
            text = run('-chardev', '%s,id=c,%s=@,nonesuch=1' % (backend, name), '-display', 'none', cwd=vm.dir)[1]
            require("'%s' (value" % name not in text and text != '', '%s %s: %s' % (backend, name, text))


@case
def help_is_complete():
    """Each option that is taken is in -help, and each that is there is taken."""
    status, text = run('-help')
    options = re.findall(r'^-([A-Za-z-]+)', text, re.M)
    require(status == 0 and len(options) > 40 and len(set(options)) == len(options), text)
    for option in options:
        said = run('-' + option, 'x', '-nonesuch')[1]  # which ends it before anything is done
        require('-%s: invalid option' % option not in said and said != '', '-%s: %s' % (option, said))
    refused(['-nonesuch'], '-nonesuch: invalid option')


main()
