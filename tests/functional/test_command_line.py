# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line as management software writes it, and the QMP commands that mean the same."""
import json
import os
import socket
import subprocess
import tempfile

from ferry import BINARY, QmpError, Vm, case, main, require, wait_until


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
                      '-chardev', 'file,id=log,path=/dev/fdset/3,append=on', '-mon', 'chardev=log,mode=control'], pass_fds=[fd])
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


main()
