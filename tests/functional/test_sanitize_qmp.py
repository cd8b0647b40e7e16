# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP and HMP as clients meet them, and the command line's refusals. Also run under sanitizers."""
import os
import select
import subprocess
import tempfile
import time

import ferry
from ferry import BINARY, GUEST, PATIENCE, Vm, case, require
from qmp_raw import Raw, error_of, start


@case
def greeting_and_negotiation():
    raw = Raw(start().raw)
    require(raw.greeting['QMP']['version']['qemu']['major'] == 7 and raw.greeting['QMP']['capabilities'] == [],
            str(raw.greeting))
    kind, text = error_of(raw.ask(b'{"execute": "query-status", "id": 7}'))
    require(kind == 'CommandNotFound' and 'qmp_capabilities' in text, text)
    require(raw.ask(b'{"execute": "qmp_capabilities", "id": [1, "x"]}') == {'return': {}, 'id': [1, 'x']},
            'negotiation')
    require('already complete' in error_of(raw.ask(b'{"execute": "qmp_capabilities"}'))[1], 'second negotiation')


@case
def errors_name_what_is_wrong():
    vm = start()
    raw = Raw(vm.raw)
    raw.ask(b'{"execute": "qmp_capabilities"}')
    for request, kind, word in (
            (b'{"execute": "no-such-command"}', 'CommandNotFound', 'no-such-command'),
            (b'{"execute": "balloon"}', 'GenericError', "'value' is missing"),
            (b'{"execute": "balloon", "arguments": {"value": "x"}}', 'GenericError', 'expected: integer'),
            (b'{"execute": "balloon", "arguments": {"value": 1, "valeu": 2}}', 'GenericError',
             "'valeu' is unexpected"),
            (b'{"execute": "query-status", "arguments": {"a": 1}}', 'GenericError', "'a' is unexpected"),
            (b'{"execute": "query-status", "arguments": []}', 'GenericError', 'must be an object'),
            (b'{"execute": 5}', 'GenericError', 'must be a string'),
            (b'{"exec": "stop"}', 'GenericError', 'exec'),
            (b'{"execute": "migrate-set-capabilities", "arguments": {"capabilities": '
             b'[{"capability": "multifd", "state": true}]}}',
             'GenericError', 'multifd'),
            (b'{"execute": "migrate-set-parameters", "arguments": {"max-bandwidth": -1}}', 'GenericError',
             'max-bandwidth'),
            (b'{"execute": "migrate", "arguments": {"uri": "carrier-pigeon:x"}}', 'GenericError', 'carrier-pigeon'),
            (b'{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/none", "property": "x"}}',
             'DeviceNotFound', 'none'),
            (b'{"execute": "query-balloon"}', 'DeviceNotActive', 'balloon'),
            (b'{"execute": "pmemsave", "arguments": {"val": 0, "size": 1, "filename": "/no/such/dir/f"}}',
             'GenericError', '/no/such')):
        got, text = error_of(raw.ask(request))
        require(got == kind and word in text, '%s: got %s: %s' % (request, got, text))
    vm.qmp.command('query-status')


@case
def garbage_gets_an_error_and_the_session_lives():
    vm = start()
    raw = Raw(vm.raw)
    raw.ask(b'{"execute": "qmp_capabilities"}')
    for garbage in (b'hello\n', b'{"execute": \n}\n', b'{"a" "b"}\n', b'[1, 2]\n', b'{"execute": "\xff\xfe"}\n',
                    b'}\n',
                    b'{"execute": "query-status", "arguments": {"a": 1e999}}\n', b'"text"\n', b'\x00\n',
                    b'[' * 5000 + b'\n'):
        error_of(raw.ask(garbage))
        require('return' in raw.ask(b'{"execute": "query-status"}'), 'no answer after %r' % garbage[:20])


@case
def a_request_of_100_megabytes():
    vm = start()
    raw = Raw(vm.raw)
    raw.ask(b'{"execute": "qmp_capabilities"}')
    block = b'x' * (1 << 20)
    raw.sock.sendall(b'{"execute": "')
    try:
        for _ in range(100):
            raw.sock.sendall(block)
        raw.sock.sendall(b'"}\n')
        error_of(raw.reply())
        require('return' in raw.ask(b'{"execute": "query-status"}'), 'no answer afterwards')
    except (BrokenPipeError, ConnectionResetError):
        pass
    vm.qmp.command('query-status')


@case
def a_client_may_come_again():
    vm = start()
    for _ in range(5):
        raw = Raw(vm.raw)
        raw.ask(b'{"execute": "qmp_capabilities"}')
        raw.sock.sendall(b'{"execute": "query-st')
        raw.file.close()
        raw.sock.close()
        time.sleep(0.05)
    require('return' in Raw(vm.raw).ask(b'{"execute": "qmp_capabilities"}'), 'the sixth client')


@case
def all_commands_have_names_and_help():
    vm = start()
    names = {c['name'] for c in vm.qmp.command('query-commands')}
    for name in ('query-status stop cont quit system_reset system_powerdown migrate migrate_cancel migrate-incoming '
                 'migrate-set-parameters query-migrate-parameters migrate-set-capabilities '
                 'query-migrate-capabilities query-migrate balloon query-balloon query-cpus-fast qom-get '
                 'human-monitor-command pmemsave query-version query-commands').split():
        require(name in names, 'no ' + name)
    text = vm.hmp('help')
    for word in ('migrate', 'info', 'balloon', 'quit'):
        require('\n%s' % word in '\n' + text, 'no help for ' + word)
    # what mirrors QMP is described once, in the schema
    for hmp, sentence in (('balloon', 'Asks the guest to give memory back'), ('stop', 'Stops all vCPUs.'),
                          ('nmi', 'Raises an NMI on all vCPUs.'), ('quit', 'Ends the program.')):
        require(sentence in vm.hmp('help ' + hmp), vm.hmp('help ' + hmp))
    require('info uuid  -- The guest\'s UUID (-uuid).' in vm.hmp('help info'), vm.hmp('help info'))
    for what in [line.split()[1] for line in vm.hmp('help info').strip().split('\n')]:
        require('unknown command' not in vm.hmp('info ' + what), 'info ' + what)
    require("unknown command: 'fly'" in vm.hmp('fly to the moon'), vm.hmp('fly'))


@case
def the_schema_tells_all_commands():
    """Paths as libvirt walks them: from a command through its arguments' types, branches of unions too."""
    vm = Vm()
    schema = {e['name']: e for e in vm.qmp.command('query-qmp-schema')}
    names = {c['name'] for c in vm.qmp.command('query-commands')}
    require({n for n, e in schema.items() if e['meta-type'] == 'command'} == names, 'not the same commands')
    capabilities = schema[schema['migrate-set-capabilities']['arg-type']]['members'][0]
    status = schema[schema[capabilities['type']]['element-type']]
    enum = schema[next(m['type'] for m in status['members'] if m['name'] == 'capability')]
    listed = {c['capability'] for c in vm.qmp.command('query-migrate-capabilities')}
    require(set(enum['values']) == listed == {m['name'] for m in enum['members']}, str(enum))
    info = schema[schema[schema['query-qmp-schema']['ret-type']]['element-type']]
    kinds = {v['case']: schema[v['type']] for v in info['variants']}
    require(info['tag'] == 'meta-type' and set(kinds) >= {e['meta-type'] for e in schema.values()}, str(info))
    for e in schema.values():
        allowed = {m['name'] for m in info['members'] + kinds[e['meta-type']]['members']}
        require(set(e) <= allowed, '%s is not as it says of itself' % e)


@case
def cpus_have_threads():
    vm = Vm(smp=3)
    cpus = vm.qmp.command('query-cpus-fast')
    require([c['cpu-index'] for c in cpus] == [0, 1, 2], str(cpus))
    for c in cpus:
        require(os.path.exists('/proc/%d/task/%d' % (vm.process.pid, c['thread-id'])), 'thread %d' % c['thread-id'])


@case
def stop_and_cont_are_events():
    vm = Vm()
    vm.qmp.command('stop')
    vm.qmp.wait_event('STOP')
    vm.qmp.command('cont')
    vm.qmp.wait_event('RESUME')
    vm.qmp.command('quit')
    require(vm.wait_exit() == 0, 'exit code %d' % vm.process.returncode)


def refused(args, word):
    proc = subprocess.run([BINARY] + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=3 * PATIENCE, check=False)
    text = proc.stdout.decode('utf-8', 'replace')
    require(proc.returncode == 1, '%s: exit code %d: %s' % (args, proc.returncode, text))
    require(word in text and text.startswith('qemu-system-x86_64: '), '%s: said %r' % (args, text))


@case
def options_are_refused_by_name():
    with tempfile.NamedTemporaryFile() as short:
        short.write(b'MZ' + b'\0' * 600)
        short.flush()
        base = ['-display', 'none', '-nodefaults']
        for args, word in (
                (['-frobnicate'], '-frobnicate'), (['-m'], '-m'), (['-m', '12Q'], '12Q'), (['-m', '9999G'], '9999G'),
                (['-m', '0'], '-m'), (['-smp', '0'], 'smp'), (['-smp', '99'], '99'), (['-smp', '4,cores=3'], 'cores'),
                (['-machine', 'pdp11'], 'pdp11'), (['-machine', 'pc,warp=on'], 'warp'),
                (['-machine', 'pc,hpet=on'], 'hpet'),
                (['-accel', 'kvm,kernel-irqchip=split'], 'split is not supported'),
                (['-machine', 'pc,accel=kvm,kernel-irqchip=split'], 'split is not supported'),
                (['-machine', 'pc,kernel-irqchip=on'], 'kernel-irqchip=on needs -accel kvm'),
                (['-accel', 'tcg,speed=9'], 'speed'), (['-cpu', 'z80'], 'z80'),
                (['-cpu', 'qemu64,+wings'], 'wings'), (['-cpu', 'qemu64,+svm,enforce'], 'svm'),
                (['-device', 'toaster'], 'toaster'),
                (['-device', 'virtio-balloon-pci,colour=red'], 'colour'),
                (['-device', 'virtio-balloon-pci,addr=77'], '77'),
                (['-device', 'virtio-balloon-pci,iothread=io9'], 'io9'), (['-object', 'rock,id=r'], 'rock'),
                (['-object', 'iothread'], 'id'), (['-chardev', 'null'], 'id'), (['-chardev', 'socket,id=a'], 'path'),
                (['-serial', 'chardev:none'], 'none'), (['-kernel', '/no/such/kernel'], '/no/such/kernel'),
                (['-kernel', short.name], short.name), (['-kernel', '/dev/null'], '/dev/null'),
                (['-initrd', '/dev/null'], '-initrd'),
                (['-kernel', GUEST, '-initrd', '/no/initrd'], '/no/initrd'), (['-vga', 'std'], 'std'),
                (['-net', 'user'], 'user'),
                (['-action', 'panic=dance'], 'dance'), (['-rtc', 'base=never'], 'never'),
                (['-icount', 'shift=99'], '99'),
                (['-d', 'everything'], 'everything'), (['-incoming', 'owl:x'], 'owl'), (['disk.img'], 'disk.img'),
                (['-uuid', '12'], '12'), (['-accel', 'tcg', '-machine', 'pc,accel=tcg'], 'accel')):
            refused(base + args, word)


@case
def help_texts():
    for args, word in ((['-help'], '-kernel'), (['-version'], '7.2'), (['-machine', 'help'], 'pc-i440fx-7.2'),
                       (['-machine', 'pc,help'], 'hpet'), (['-cpu', 'help'], 'qemu64'), (['-accel', 'help'], 'tcg'),
                       (['-device', 'help'], 'virtio-balloon-pci'),
                       (['-device', 'virtio-balloon-pci,help'], 'free-page-hint'),
                       (['-d', 'help'], 'in_asm'), (['-trace', 'help'], 'virtio')):
        proc = subprocess.run([BINARY] + args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20 * PATIENCE,
                              check=False)
        require(proc.returncode == 0 and word in proc.stdout.decode(), '%s: %d %s %s' %
                (args, proc.returncode, proc.stdout, proc.stderr))


@case
def accelerators_fall_back():
    if os.access('/dev/kvm', os.R_OK | os.W_OK):
        raise ferry.Skip('/dev/kvm works')
    refused(['-display', 'none', '-nodefaults', '-accel', 'kvm'], '/dev/kvm')
    vm = Vm(args=['-accel', 'kvm', '-accel', 'tcg'])
    vm.expect(rb'guest ready')
    require('kvm' in vm.stderr_text() and 'tcg' in vm.stderr_text(), 'said: ' + vm.stderr_text())


@case
def terminal_has_console_and_monitor():
    proc = subprocess.Popen([BINARY, '-nographic', '-kernel', GUEST], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    text = b''

    def converse(say, answer):
        """Types `say`; reads until `answer` has come."""
        nonlocal text
        proc.stdin.write(say)
        proc.stdin.flush()
        end, seen = time.time() + 20 * PATIENCE, len(text)
        while answer not in text[seen:]:
            require(time.time() < end, 'no %r after %r; all of it: %r' % (answer, say, text))
            if select.select([proc.stdout], [], [], 1)[0]:
                text += os.read(proc.stdout.fileno(), 4096)
    try:
        converse(b'', b'guest ready')
        converse(b'ping\n', b'pong')
        converse(b'\x01c', b'(qemu)')
        converse(b'info status\n', b'VM status: running')
        converse(b'\x01x', b'terminated')
        require(proc.wait(20 * PATIENCE) == 0, 'exit code %d' % proc.returncode)
    finally:
        proc.kill()
        proc.wait()


ferry.main()
