# SPDX-License-Identifier: GPL-2.0-or-later
"""Floating point under Linux: the digests that a program computes on the host and as the guest's init are the same,
with FXSAVE (qemu64) and with XSAVE (max) as the kernel's way to switch."""
import os
import subprocess

import ferry
import linux
from ferry import Vm, case, require

PROGRAM = os.path.join(ferry.BUILD, 'tests', 'functional', 'fpu-digest')


def cpio_entry(name, mode, data, device=(0, 0)):
    """One file of a newc archive (Documentation/driver-api/early-userspace/buffer-format)."""
    fields = [1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    entry = b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
    entry += b'\0' * (-len(entry) % 4)
    return entry + data + b'\0' * (-len(data) % 4)


def make_initrd(path, program):
    with open(program, 'rb') as f:
        data = f.read()
    with open(path, 'wb') as f:
        f.write(cpio_entry('dev', 0o040755, b''))
        f.write(cpio_entry('dev/console', 0o020600, b'', (5, 1)))
        f.write(cpio_entry('init', 0o100755, data))
        f.write(cpio_entry('TRAILER!!!', 0, b''))


def digest(cpu, smp):
    kernel = '/boot/vmlinuz-' + linux.kernel_version('cloud-amd64')
    host = subprocess.run([PROGRAM], stdout=subprocess.PIPE, check=True).stdout.strip()
    require(host.endswith(b'signals 77 77'), 'on the host: %r' % host)
    initrd = os.path.join(ferry.BUILD, 'tests', 'functional', 'fpu-digest-%s.cpio' % cpu)
    make_initrd(initrd, PROGRAM)
    vm = Vm(kernel=kernel, smp=smp,
            args=['-cpu', cpu, '-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1', '-no-reboot'])
    guest = vm.expect(rb'FPU-DIGEST[^\r\n]*(?=[\r\n])', 60).group(0)
    require(guest == host, 'host %r, guest %r' % (host, guest))


@case
def fxsave():
    digest('qemu64', 1)


@case
def xsave_and_two_cpus():
    digest('max', 2)


if __name__ == '__main__':
    ferry.main()
