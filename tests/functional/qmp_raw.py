# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP as bytes on a socket, for what a well-behaved client never sends."""
import json
import socket
import tempfile

from ferry import PATIENCE, Vm, require


class Raw:
    """A QMP connection without manners, on a socket of its own."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60 * PATIENCE)
        self.sock.connect(path)
        self.file = self.sock.makefile('rb')
        self.greeting = json.loads(self.file.readline())

    def ask(self, data):
        self.sock.sendall(data)
        return self.reply()

    def negotiate(self):
        require(self.ask(b'{"execute": "qmp_capabilities"}') == {'return': {}}, 'negotiation')
        return self

    def event(self, name):
        while True:
            message = json.loads(self.file.readline())
            if message.get('event') == name:
                return message

    def close(self):
        self.file.close()
        self.sock.close()

    def reply(self):
        while True:
            message = json.loads(self.file.readline())
            if 'event' not in message:
                return message


def start(**kwargs):
    """A machine with a second QMP monitor, at vm.raw, and a third, at vm.other."""
    folder = tempfile.mkdtemp(prefix='ferry-raw-')
    vm = Vm(args=['-qmp', 'unix:%s/raw,server=on,wait=off' % folder, '-qmp', 'unix:%s/other,server=on,wait=off' % folder],
            **kwargs)
    vm.raw, vm.other = folder + '/raw', folder + '/other'
    return vm


def error_of(reply):
    require('error' in reply, 'no error: %s' % reply)
    return reply['error']['class'], reply['error']['desc']
