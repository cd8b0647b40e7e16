# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP from clients that err, are slow, vanish, or are many. Also run under sanitizers."""
import json
import os
import socket
import time

import ferry
from ferry import PATIENCE, case, require, slow_case
from qmp_raw import Raw, error_of, start

STATUS = b'{"execute": "query-status"}'


def resident(vm):
    with open('/proc/%d/status' % vm.process.pid, encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS')) << 10


@case
def what_json_is_not():
    raw = Raw(start().raw).negotiate()
    for request, word in (
            (b'{"execute": "query-status", "execute": "quit"}', "'execute' is there twice"),
            (b'{"execute": "balloon", "arguments": {"value": 18446744073709551616}}', '18446744073709551616'),
            (b'{"execute": "balloon", "arguments": {"value": 1e400}}', '1e400 is too large'),
            (b'{"execute": "query-status", "id": "\\u0000"}', 'NUL'),
            (b'{"execute": "query-status", "id": "\\ud800"}', 'surrogates'),
            (b'{"execute": "query-status", "id": "\xed\xa0\x80"}', 'invalid UTF-8'),
            (b'{"execute": "query-status", "id": "a\0b"}', 'NUL'),
            (b'{execute: "query-status"}', 'in quotes'),
            (b'{"execute\': "query-status"}', "':'"),
            (b'{"execute": "query-status" /* now */}', "',' or '}'"),
            (b'{"execute": "query-status",}', "member's name"),
            (b'{"execute": "query-status"]', "',' or '}'"),
            (b'{"execute": "query-status", "id": ' + b'[' * 1024, 'deeper than 1024'),
            (b'{"execute": "query-status", "id": ' + b'{"a":' * 1024, 'deeper than 1024'),
            (b'{"execute": "query-status", "id": [' + b'[],' * 300000 + b'1]}', 'more than 262144 values')):
        kind, text = error_of(raw.ask(request + b'\n'))
        require(kind == 'GenericError' and word in text, '%s: %s' % (request[:80], text))
        require('return' in raw.ask(STATUS), 'no answer after %r' % request[:80])


@case
def arguments_that_are_not_as_the_schema_says():
    raw = Raw(start().raw).negotiate()
    for command, arguments, word in (
            ('balloon', '{"value": 9223372036854775808}', "'value' is 9223372036854775808, expected -9223372036854775808 to"),
            ('balloon', '{"value": 1.0}', "'value', expected: integer"),
            ('pmemsave', '{"val": -1, "size": 1, "filename": "x"}', "'val' is -1, expected 0 to 18446744073709551615"),
            ('migrate-set-parameters', '{"max-cpu-throttle": 300}', "'max-cpu-throttle' is 300, expected 0 to 255"),
            ('migrate-set-capabilities', '{"capabilities": [{"capability": "events", "state": true}, {"capability": "owl"}]}',
             "'capabilities[1].capability' does not accept value 'owl', expected one of 'events', 'return-path'"),
            ('migrate-set-capabilities', '{"capabilities": [{"capability": "events", "state": 1}]}',
             "'capabilities[0].state', expected: boolean"),
            ('migrate-set-capabilities', '{"capabilities": [{"capability": "events", "state": true, "x": {}}]}',
             "'capabilities[0].x' is unexpected"),
            ('migrate-set-capabilities', '{"capabilities": {}}', "'capabilities', expected: array"),
            ('migrate-set-capabilities', '{"capabilities": [{"capability": "events"}]}',
             "'capabilities[0].state' is missing")):
        text = error_of(raw.ask(('{"execute": "%s", "arguments": %s}' % (command, arguments)).encode()))[1]
        require(word in text, '%s %s: %s' % (command, arguments, text))


@case
def out_of_band_is_refused_by_name():
    raw = Raw(start().raw)
    require('oob' in error_of(raw.ask(b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}'))[1], 'enable')
    raw.negotiate()
    require('exec-oob' in error_of(raw.ask(b'{"exec-oob": "query-status"}'))[1], 'exec-oob')


@case
def an_id_is_anything():
    raw = Raw(start().raw).negotiate()
    for value in ('null', '0', '-1', '18446744073709551615', '1.5', 'true', '"x"', '""', '[]', '{}', '[{"a": [1, {"b": null}]}]',
                  '"\\u00e9\\ud83d\\ude00"', '[' * 900 + ']' * 900):
        for execute in ('query-status', 'no-such-command'):
            raw.sock.sendall(('{"id": %s, "execute": "%s"}' % (value, execute)).encode())
            line = raw.file.readline().decode('ascii').rstrip()
            require('"id": %s' % value in line, 'id %s: %s' % (value[:80], line[:200]))


@case
def line_ends_and_pieces():
    raw = Raw(start().raw).negotiate()
    for request in (STATUS + b'\r\n', b'\r\n\r\n' + STATUS, STATUS.replace(b' ', b'\r\n\t'), b'  ' + STATUS + b'   '):
        require('return' in raw.ask(request), 'no answer to %r' % request)
    for byte in STATUS:
        raw.sock.sendall(bytes([byte]))
    require('return' in raw.reply(), 'no answer to a byte at a time')
    raw.sock.sendall((STATUS + b'\r\n') * 100)
    for _ in range(100):
        require('return' in raw.reply(), 'no answer to a hundred at a time')


@case
def monitors_do_not_share_their_state():
    vm = start()
    first, second = Raw(vm.raw), Raw(vm.other)
    first.negotiate()
    require('qmp_capabilities' in error_of(second.ask(STATUS))[1], 'the second is not negotiated')
    second.negotiate()
    first.sock.sendall(b'{"execute": "query-')
    require('return' in second.ask(STATUS), 'half a request on the first')
    require(second.ask(b'{"execute": "stop", "id": 1}') == {'return': {}, 'id': 1}, 'stop')
    first.sock.sendall(b'status", "id": 2}')
    require(first.reply()['id'] == 2, "the first's request")
    second.sock.sendall(b'{"execute": "cont"}')
    for raw in first, second:
        raw.event('RESUME')
    vm.qmp.wait_event('RESUME')


def arguments(command, **kwargs):
    return json.dumps({'execute': command, 'arguments': kwargs}).encode()


@case
def names_of_descriptors_are_a_monitors_own():
    vm = start()
    first, second = Raw(vm.raw).negotiate(), Raw(vm.other).negotiate()
    read, write = os.pipe()
    for raw in first, second:
        socket.send_fds(raw.sock, [arguments('getfd', fdname='out')], [write])
        require(raw.reply() == {'return': {}}, 'getfd')
    os.close(write)
    require(second.ask(arguments('closefd', fdname='out')) == {'return': {}}, "the second's")
    for request in (arguments('closefd', fdname='out'), arguments('migrate', uri='fd:out'),
                    arguments('netdev_add', type='tap', id='n', fd='out')):
        require("'out' not found" in error_of(second.ask(request))[1], "the first's, to the second")
    first.close() # it stays with the monitor
    first = Raw(vm.raw).negotiate()
    require(first.ask(arguments('migrate', uri='fd:out')) == {'return': {}}, 'migrate')
    require(os.read(read, 4) == b'QEVM', 'no stream came')
    require("'out' not found" in error_of(first.ask(arguments('closefd', fdname='out')))[1], 'taken, and still there')
    os.close(read)


@case
def a_client_that_never_reads_is_not_read_from():
    vm = start()
    raw = Raw(vm.raw).negotiate()
    before = resident(vm)
    raw.sock.settimeout(2)
    sent = 0
    try:
        while sent < 16 << 20: # each asks for some 20 KB
            sent += raw.sock.send(b'{"execute": "query-qmp-schema"}' * 100)
    except socket.timeout:
        pass
    require(sent < 16 << 20, 'all requests were taken')
    grown = resident(vm) - before
    require(grown < 64 << 20, 'it grew by %d MiB' % (grown >> 20))
    vm.qmp.command('query-status')
    raw.sock.settimeout(60 * PATIENCE)
    for _ in range(200): # once it reads, it is read from again
        require('return' in raw.reply(), 'no answer')
    raw.close()
    require('return' in Raw(vm.raw).negotiate().ask(STATUS), 'the next client')


@slow_case
def a_client_that_reads_no_events_is_cut_off():
    vm = start(accel='qtest', kernel=None)
    raw, other = Raw(vm.raw).negotiate(), Raw(vm.other).negotiate()
    before = resident(vm)
    for _ in range(2000): # 200 events of more than 80 bytes each, so that it takes 1000 of these
        other.sock.sendall(b'{"execute": "stop"}{"execute": "cont"}' * 100)
        for _ in range(200):
            other.reply()
        if 'has not read' in vm.stderr_text():
            break
    require('has not read' in vm.stderr_text(), 'said: ' + vm.stderr_text())
    grown = resident(vm) - before
    require(grown < 80 << 20, 'it grew by %d MiB' % (grown >> 20))
    require('return' in Raw(vm.raw).negotiate().ask(STATUS), 'the next client')
    raw.close()


@case
def a_client_that_vanishes():
    vm = start()
    for request in (b'{"execute": "query-qmp-schema"}' * 50, b'{"execute": "human-monitor-command", "arguments": '
                    b'{"command-line": "info mtree"}}' * 20, b'{"execute": "stop"}{"execute": "cont"}' * 50, b'{"execute":'):
        for linger in (False, True):
            raw = Raw(vm.raw).negotiate()
            if linger: # resets the connection, and so discards what it has not read
                raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.sock.sendall(request)
            raw.close()
    require('return' in Raw(vm.raw).negotiate().ask(STATUS), 'the next client')
    ferry.wait_until(lambda: vm.qmp.command('query-status')['status'] == 'running', 'the guest to run', 10)


@case
def a_request_without_end_does_not_hinder_others():
    vm = start()
    raw = Raw(vm.raw).negotiate()
    raw.sock.sendall(b'{"execute": "' + b'x' * (1 << 20))
    begin = time.time()
    vm.qmp.command('query-status')
    require(time.time() - begin < 5 * PATIENCE, 'query-status took %.1f s' % (time.time() - begin))
    raw.close()
    require('return' in Raw(vm.raw).negotiate().ask(STATUS), 'the next client')


ferry.main()
