# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels with a busybox and a shell on the serial port: `Linux()` boots one, `run()` has it execute a command."""
import glob
import os
import subprocess

import ferry
from ferry import Failure, Skip, Vm

# Loaded in this order, each with what it needs.
MODULES = ['virtio_pci', 'virtio_balloon', 'pvpanic-mmio']
APPLETS = '/bin/busybox'
INIT = r'''#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin
mount -t tmpfs -o size=100% tmp /tmp
stty -echo -onlcr </dev/console
for module in $(cat /modules/order); do insmod /modules/$module || echo "cannot load $module"; done
echo "linux ready"
while read -r line; do
    eval "$line"
    echo "<<done $?>>"
done
'''


def kernel_path(flavour):
    """/boot/vmlinuz-… of "cloud-amd64" or "amd64" (the generic one)."""
    for path in sorted(glob.glob('/boot/vmlinuz-*-' + flavour), reverse=True):
        if flavour != 'amd64' or not path.endswith(('-cloud-amd64', '-rt-amd64')):
            return path
    raise Skip('no kernel linux-image-%s in /boot' % flavour)


def module_files(release, names):
    """Files of modules and of what they depend on, in the order of loading."""
    folder = '/lib/modules/' + release
    needs, files = {}, []
    try:
        with open(folder + '/modules.dep', encoding='ascii') as f:
            for line in f:
                path, _, rest = line.partition(':')
                needs[os.path.basename(path).split('.ko')[0].replace('-', '_')] = [path] + rest.split()
    except OSError:
        raise Skip('no %s/modules.dep' % folder) from None
    for name in names:
        own = needs.get(name.replace('-', '_'))
        for path in reversed(own or []):  # depmod lists the nearest dependency first
            if path not in files:
                files.append(path)
    return [folder + '/' + path for path in files]


def cpio_entry(name, mode, data=b'', device=(0, 0)):
    """One file of a newc archive (Documentation/driver-api/early-userspace/buffer-format)."""
    fields = [1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    entry = b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
    entry += b'\0' * (-len(entry) % 4)
    return entry + data + b'\0' * (-len(data) % 4)


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def make_initrd(kernel, files=()):
    """Busybox, the modules of `kernel` and `files` ((name in the guest, host path) pairs). Returns its path, made once."""
    if not os.path.exists(APPLETS) and not os.path.exists('/usr' + APPLETS):
        raise Skip('no busybox (busybox-static)')
    release = os.path.basename(kernel).partition('-')[2]
    path = os.path.join(ferry.BUILD, 'tests', 'functional', 'initrd-%s%s' % (release, '-files' if files else ''))
    modules = module_files(release, MODULES)
    parts = [cpio_entry(d, 0o040755) for d in ('bin', 'dev', 'proc', 'sys', 'tmp', 'modules')]
    parts.append(cpio_entry('dev/console', 0o020600, device=(5, 1)))
    parts.append(cpio_entry('bin/busybox', 0o100755, read(APPLETS if os.path.exists(APPLETS) else '/usr' + APPLETS)))
    parts.append(cpio_entry('init', 0o100755, INIT.encode()))
    parts += [cpio_entry('modules/' + os.path.basename(m), 0o100644, read(m)) for m in modules]
    order = ''.join(os.path.basename(m) + '\n' for m in modules)
    parts.append(cpio_entry('modules/order', 0o100644, order.encode()))
    parts += [cpio_entry(name, 0o100755, read(source)) for name, source in files]
    parts.append(cpio_entry('TRAILER!!!', 0))
    packed = subprocess.run(['gzip', '-1'], input=b''.join(parts), stdout=subprocess.PIPE, check=True).stdout
    with open(path + '.new.%d' % os.getpid(), 'wb') as f:
        f.write(packed)
    os.rename(f.name, path)
    return path


class Linux(Vm):
    """A machine that runs Linux. With wait=False it has not booted yet, or comes in by a migration."""

    def __init__(self, flavour='cloud-amd64', args=(), append='', files=(), wait=True, memory='512M', **kwargs):
        kernel = kernel_path(flavour)
        command_line = 'console=ttyS0 quiet panic=-1 ' + append
        super().__init__(kernel=kernel, memory=memory,
                         args=['-initrd', make_initrd(kernel, files), '-append', command_line, *args], **kwargs)
        if wait:
            self.wait_boot()

    def wait_boot(self, timeout=120, start=0):
        return self.expect(rb'linux ready\r?\n', timeout, start).end()

    def run(self, command, timeout=60, check=True):
        """Runs a shell command line; returns what it printed."""
        start = len(self.log)
        self.send(command + '\n')
        match = self.expect(rb'<<done (\d+)>>\r?\n', timeout, start)
        text = self.log[start:match.start()].decode('latin1').replace('\r', '')
        if check and match.group(1) != b'0':
            raise Failure('%s: %r gave %s: %s' % (self.name, command, match.group(1).decode(), text[-500:]))
        return text
