# SPDX-License-Identifier: GPL-2.0-or-later
"""Network backends without a guest: connections that come and go, forwardings by the monitor."""
import re
import socket
import tempfile

from ferry import QmpError, Vm, case, main, require


def machine(*args):
    return Vm(args=['-S', '-machine', 'none', *args], kernel=None, memory=None, smp=None, serial=False)


def hmp(vm, line):
    return vm.qmp.command('human-monitor-command', command_line=line).replace('\r\n', '\n')


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def connected(vm, name):
    data = vm.qmp.wait_event('NETDEV_STREAM_CONNECTED')['data']
    require(data['netdev-id'] == name, repr(data))
    return data['addr']


def disconnected(vm, name):
    data = vm.qmp.wait_event('NETDEV_STREAM_DISCONNECTED')['data']
    require(data == {'netdev-id': name}, repr(data))


@case
def stream_over_a_unix_socket():
    with tempfile.TemporaryDirectory(prefix='ferry-stream-') as folder:
        address = {'type': 'unix', 'path': folder + '/cable'}
        a, b = machine(), machine()
        a.qmp.command('netdev_add', type='stream', id='a', server=True, addr=address)
        require(hmp(a, 'info network') == 'a: index=0,type=stream,\n', hmp(a, 'info network'))
        for _ in range(2): # a listener serves one after the other
            b.qmp.command('netdev_add', type='stream', id='b', addr=address)
            require(connected(a, 'a') == address and connected(b, 'b') == address, 'the address')
            require(hmp(a, 'info network') == 'a: index=0,type=stream,unix:%s/cable\n' % folder, hmp(a, 'info network'))
            b.qmp.command('netdev_del', id='b')
            disconnected(a, 'a')


@case
def stream_over_tcp():
    vm, port = machine(), free_port()
    address = {'type': 'inet', 'host': '127.0.0.1', 'port': str(port)}
    vm.qmp.command('netdev_add', type='stream', id='t', server=True, addr=address)
    with socket.create_connection(('127.0.0.1', port)) as client:
        require(connected(vm, 't') == dict(address, port=str(client.getsockname()[1])), 'the other end')
    disconnected(vm, 't')
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        vm.qmp.command('netdev_add', type='stream', id='c', addr=dict(address, port=str(port)))
        require(connected(vm, 'c') == dict(address, port=str(port)), 'where it connected to')
        server.accept()[0].close()
    disconnected(vm, 'c')
    vm.qmp.command('netdev_add', type='stream', id='d', addr=dict(address, port=str(free_port()))) # nobody listens
    while 'd: index=0,type=stream,connection error' not in hmp(vm, 'info network'):
        pass


@case
def stream_over_a_descriptor():
    vm = machine()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        address = {'type': 'fd', 'str': 'listener'}
        vm.qmp.pass_fd('listener', listener.fileno())
        vm.qmp.command('netdev_add', type='stream', id='f', server=True, addr=address)
        with socket.create_connection(listener.getsockname()):
            connected(vm, 'f')
        vm.qmp.pass_fd('listener', listener.fileno())
        try:
            vm.qmp.command('netdev_add', type='stream', id='g', addr=address)
        except QmpError as e:
            require('listens, but server=off' in e.error['desc'], repr(e.error))
        else:
            require(False, 'a listener is no connection')


@case
def forwards_by_monitor():
    vm, tcp, udp = machine('-netdev', 'user,id=u'), free_port(), free_port()
    require('u: index=0,type=user,net=10.0.2.0,restrict=off' in hmp(vm, 'info network'), hmp(vm, 'info network'))
    require(hmp(vm, 'hostfwd_add tcp:127.0.0.1:%d-:23' % tcp) == '', 'the first network')
    require(hmp(vm, 'hostfwd_add u udp::%d-:24' % udp) == '', 'by its id')
    text = hmp(vm, 'info usernet')
    require(re.search(r'^Hub -1 \(u\):$.*TCP\[HOST_FORWARD\] .*127.0.0.1 +%d .* 23 .*UDP\[HOST_FORWARD\] .* %d .* 24 ' %
                      (tcp, udp), text, re.S | re.M), text)
    socket.create_connection(('127.0.0.1', tcp)).close()
    for line, words in (('hostfwd_add nonsense', 'Invalid host forwarding rule'), ('hostfwd_add x tcp::1-:2', "'x'"),
                        ('hostfwd_add', 'hostfwd_add'), ('hostfwd_remove u x', 'invalid format'),
                        ('hostfwd_remove tcp::%d' % tcp, 'not found'),
                        ('hostfwd_remove udp::%d-:24' % udp, 'invalid format'),
                        ('hostfwd_remove u tcp:127.0.0.1:%d' % tcp, 'removed'),
                        ('hostfwd_remove udp::%d' % udp, 'removed')):
        text = hmp(vm, line)
        require(words in text, '%s: %s' % (line, text))
    require('HOST_FORWARD' not in hmp(vm, 'info usernet'), hmp(vm, 'info usernet'))


main()
