# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs machines for the functional tests: QMP, serial port, migration, and the comparison of two guests' memory.

FERRY_BINARY and FERRY_BUILD say what is tested; FERRY_SLOW asks for the long forms; FERRY_ACCEL is the accelerator of
machines whose test names none; FERRY_PATIENCE is how many times longer things may take than on a machine of its own;
FERRY_SANDBOX=off runs machines without -sandbox. A test program ends with `ferry.main()`, which runs every function
decorated with @ferry.case and prints a RESULT line for each.
"""
import contextlib
import json
import mmap
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get('FERRY_BUILD', os.path.join(TOP, 'build'))
BINARY = os.environ.get('FERRY_BINARY', os.path.join(BUILD, 'qemu-system-x86_64'))
GUEST = os.path.join(BUILD, 'tests', 'guest', 'test-guest.elf')
SLOW = bool(os.environ.get('FERRY_SLOW'))
SANITIZED = 'asan' in BUILD or 'tsan' in BUILD
ACCEL = os.environ.get('FERRY_ACCEL')
PATIENCE = int(os.environ.get('FERRY_PATIENCE') or (8 if SANITIZED else 1))  # how much longer things may take


# Sanitizers look at a process in ways that the sandbox forbids.
SANDBOX = not SANITIZED and os.environ.get('FERRY_SANDBOX') != 'off'
SPAWN = 'deny'  # what the sandbox says to exec:


@contextlib.contextmanager
def spawns():
    """Machines made within may start programs (exec: by QMP). Also a decorator of cases."""
    global SPAWN
    before, SPAWN = SPAWN, 'allow'
    try:
        yield
    finally:
        SPAWN = before


def sandbox(args, binary):
    """The -sandbox that libvirt writes, where the test says nothing of it."""
    if not SANDBOX or '-sandbox' in args or (binary or BINARY) != BINARY or not sandbox_built():
        return []
    spawn = 'allow' if any(a.startswith('exec:') for a in args) else SPAWN
    return ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=%s,resourcecontrol=deny' % spawn]


BUILT = []


def sandbox_built():
    if not BUILT:
        BUILT.append(subprocess.run([BINARY, '-sandbox', 'on', '-version'], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, check=False).returncode == 0)
    return BUILT[0]


class Failure(Exception):
    pass


class Skip(Exception):
    pass


class QmpError(Failure):
    def __init__(self, command, error):
        super().__init__('%s: %s' % (command, error.get('desc')))
        self.error = error


class Qmp:
    def __init__(self, path, vm):
        self.vm, self.buffer, self.events = vm, b'', []
        self.sock = socket.socket(socket.AF_UNIX)
        end = time.time() + 20 * PATIENCE
        while True:
            try:
                self.sock.connect(path)
                break
            except OSError:
                vm.check_alive()
                if time.time() > end:
                    raise Failure('no QMP socket after 20 s')
                time.sleep(0.02)
        self.sock.settimeout(60 * PATIENCE)
        self.greeting = self.message()
        self.command('qmp_capabilities')

    def message(self):
        while b'\n' not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b''
            if not data:
                raise Failure('QMP closed; stderr: ' + self.vm.stderr_text())
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return json.loads(line)

    def command(self, name, **arguments):
        request = {'execute': name}
        if arguments:
            request['arguments'] = {k.replace('_', '-'): v for k, v in arguments.items()}
        self.sock.sendall(json.dumps(request).encode() + b'\n')
        return self.reply(name)

    def reply(self, name):
        """The answer to what was sent last; events that come before it are kept."""
        while True:
            reply = self.message()
            if 'event' in reply:
                self.events.append(reply)
            elif 'error' in reply:
                raise QmpError(name, reply['error'])
            else:
                return reply['return']

    def pass_fd(self, name, fd):
        """getfd: the machine knows the descriptor as fd:NAME."""
        request = json.dumps({'execute': 'getfd', 'arguments': {'fdname': name}})
        socket.send_fds(self.sock, [request.encode() + b'\n'], [fd])
        return self.reply('getfd')

    def wait_event(self, name, timeout=30):
        """The first event of that name not yet seen."""
        end = time.time() + timeout * PATIENCE
        while True:
            for i, event in enumerate(self.events):
                if event['event'] == name:
                    return self.events.pop(i)
            left = end - time.time()
            if left <= 0:
                raise Failure('no event %s within %d s' % (name, timeout))
            if b'\n' not in self.buffer and not select.select([self.sock], [], [], left)[0]:
                continue
            message = self.message()
            if 'event' in message:
                self.events.append(message)


class Vm:
    """One machine. `args` come on top of the test board: no defaults, QMP, COM1 on a socket."""

    def __init__(self, args=(), name='vm', incoming=None, binary=None, memory='256M', smp=1, kernel=GUEST, qmp=True,
                 accel=None, pass_fds=(), serial=True):
        self.dir = tempfile.mkdtemp(prefix='ferry-')
        self.name, self.log = name, b''
        self.qmp_path, self.serial_path = self.dir + '/qmp', self.dir + '/serial'
        self.argv = [binary or BINARY, '-nodefaults', '-display', 'none']
        self.argv += ['-m', memory] if memory else []
        self.argv += ['-smp', str(smp)] if smp else []
        self.argv += ['-serial', 'unix:%s,server=on,wait=off' % self.serial_path] if serial else []
        if accel or (ACCEL and not binary):
            self.argv += ['-accel', accel or ACCEL]
        if kernel:
            self.argv += ['-kernel', kernel]
        if qmp:
            self.argv += ['-qmp', 'unix:%s,server=on,wait=off' % self.qmp_path]
        if incoming:
            self.argv += ['-incoming', incoming]
        # Paused until the serial port has its reader: the guest's first words come within milliseconds.
        held = qmp and not incoming and '-S' not in args
        self.argv += list(args) + (['-S'] if held else [])
        self.argv += sandbox(self.argv, binary)
        self.stderr = open(self.dir + '/stderr', 'w+b')
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=self.stderr, stderr=self.stderr,
                                        pass_fds=pass_fds)
        self.qmp = self.serial = None
        VMS.append(self)
        if qmp:
            self.qmp = Qmp(self.qmp_path, self)
            if serial:
                self.serial = socket.socket(socket.AF_UNIX)
                self.serial.connect(self.serial_path)
        if held:
            self.qmp.command('query-status')  # the main loop has come round: the connection is accepted
            self.qmp.command('cont')

    def stderr_text(self):
        self.stderr.seek(0)
        return self.stderr.read().decode('utf-8', 'replace')

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failure('%s ended with %d; stderr: %s' % (self.name, self.process.returncode, self.stderr_text()))

    def wait_exit(self, timeout=20):
        try:
            return self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure('%s did not end within %d s' % (self.name, timeout)) from None

    def expect(self, pattern, timeout=30, start=0):
        """Waits until the serial output from `start` matches; returns the match."""
        end, rx = time.time() + timeout * PATIENCE, re.compile(pattern)
        while True:
            match = rx.search(self.log, start)
            if match:
                return match
            left = end - time.time()
            if left <= 0:
                self.check_alive()
                raise Failure('%s: no %r within %d s; the end of its output: %s' %
                              (self.name, pattern, timeout, self.log[-1500:].decode('latin1')))
            if select.select([self.serial], [], [], min(left, 1))[0]:
                data = self.serial.recv(65536)
                if not data:
                    raise Failure('%s: serial port closed; stderr: %s' % (self.name, self.stderr_text()))
                self.log += data

    def send(self, text):
        self.serial.sendall(text.encode())

    def guest(self, command, timeout=60):
        """A command of the bare-metal guest; its output without the final ok."""
        start = len(self.log)
        self.send(command + '\n')
        match = self.expect(rb'(?m)^(ok|fail[^\n]*)\n', timeout, start)
        text = self.log[start:match.start()].decode('latin1')
        if match.group(1) != b'ok':
            raise Failure('%s: guest command %r: %s' % (self.name, command, match.group(1).decode('latin1')))
        return text

    def hmp(self, line):
        return self.qmp.command('human-monitor-command', command_line=line)

    def rss(self):
        """Resident set, bytes."""
        with open('/proc/%d/statm' % self.process.pid, encoding='ascii') as f:
            return int(f.read().split()[1]) * mmap.PAGESIZE

    def close(self):
        if self in VMS:
            VMS.remove(self)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.serial:
            self.serial.close()
        if self.qmp:
            self.qmp.sock.close()
        self.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)


VMS = []


def wait_migration(vm, want='completed', timeout=60):
    """Polls query-migrate until the migration has ended; returns it."""
    end = time.time() + timeout * PATIENCE
    while True:
        info = vm.qmp.command('query-migrate')
        if info.get('status') in ('completed', 'failed', 'cancelled'):
            if info['status'] != want:
                raise Failure('migration %s, want %s: %s; stderr: %s' %
                              (info['status'], want, info.get('error-desc'), vm.stderr_text()))
            return info
        if time.time() > end:
            raise Failure('migration still %s after %d s: %s' % (info.get('status'), timeout, json.dumps(info)))
        time.sleep(0.01)


def wait_status(vm, want, timeout=30):
    end = time.time() + timeout * PATIENCE
    while True:
        status = vm.qmp.command('query-status')['status']
        if status == want:
            return
        if time.time() > end:
            raise Failure('%s is %s after %d s, want %s' % (vm.name, status, timeout, want))
        time.sleep(0.01)


def wait_until(condition, what, timeout=30):
    end = time.time() + timeout * PATIENCE
    while not condition():
        if time.time() > end:
            raise Failure('waited %d s for %s' % (timeout, what))
        time.sleep(0.05)


def migrate(source, target, uri=None, timeout=60):
    """Moves a guest; `target` was started with incoming='defer' unless `uri` says otherwise."""
    if uri is None:
        uri = 'unix:%s/mig' % target.dir
        target.qmp.command('migrate-incoming', uri=uri)
    source.qmp.command('migrate', uri=uri)
    return wait_migration(source, timeout=timeout)


def save_memory(vm, size, start=0):
    path = os.path.join(vm.dir, 'memory')
    vm.qmp.command('pmemsave', val=start, size=size, filename=path)
    return path


def compare_memory(source, target, size, excused=lambda page: False, start=0):
    """Compares guest-physical memory of two stopped machines page by page. Returns (differing, excused) page counts;
    raises at the first difference that `excused` does not allow."""
    paths = [save_memory(source, size, start), save_memory(target, size, start)]
    differing = allowed = 0
    step = 1 << 20
    with open(paths[0], 'rb') as a, open(paths[1], 'rb') as b:
        for at in range(0, size, step):
            x, y = a.read(step), b.read(step)
            if x == y:
                continue
            for offset in range(0, len(x), 4096):
                if x[offset:offset + 4096] != y[offset:offset + 4096]:
                    differing += 1
                    gpa = start + at + offset
                    if not excused(gpa >> 12):
                        raise Failure('memory differs at 0x%x: source %s…, target %s…' %
                                      (gpa, x[offset:offset + 16].hex(), y[offset:offset + 16].hex()))
                    allowed += 1
    for path in paths:
        os.unlink(path)
    return differing, allowed


def skipped_pages(path, reason='hinted'):
    """Page numbers that a source's x-skip-record names for a reason. Guests that end below the hole: offset is
    address."""
    pages = set()
    with open(path, encoding='ascii') as f:
        for line in f:
            why, block, offset, length = line.split()
            if why == reason and block == 'pc.ram':
                pages.update(range(int(offset, 16) >> 12, (int(offset, 16) + int(length, 16)) >> 12))
    return pages


CASES = []


def case(function):
    CASES.append(function)
    return function


def slow_case(function):
    if SLOW:
        CASES.append(function)
    return function


def require(condition, message):
    if not condition:
        raise Failure(message)


def main():
    failed = 0
    wanted = sys.argv[1:]
    if not CASES:
        print('RESULT skip all 0.0 slow ones only (make check-slow)', flush=True)
    for function in CASES:
        name = function.__name__
        if wanted and not any(w in name for w in wanted):
            continue
        start, result, detail = time.time(), 'ok', ''
        try:
            function()
        except Skip as e:
            result, detail = 'skip', str(e)
        except Exception as e:  # pylint: disable=broad-except
            said = ''.join('\n%s said: %s' % (vm.name, vm.stderr_text()[-800:]) for vm in VMS if vm.stderr_text())
            result, detail = 'fail', '%s\n%s%s' % (e, traceback.format_exc(limit=-3), said)
            failed += 1
        finally:
            while VMS:
                VMS[-1].close()
        print('RESULT %s %s %.1f %s' % (result, name, time.time() - start, detail.replace('\n', '\\n')), flush=True)
    sys.exit(1 if failed else 0)
