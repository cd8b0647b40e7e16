# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels as guests: which are installed, their initial RAM disk, and what a test says to their shell."""
import os
import re
import shutil
import subprocess

import ferry
from ferry import BUILD, TOP, Failure, Skip, Vm


def kernel_version(flavour):
    """The kernel that Debian means by linux-image-'cloud-amd64' or -'amd64': others, of backports say, may be there
    too."""
    package = 'linux-image-' + flavour
    depends = subprocess.run(['dpkg-query', '-W', '-f', '${Depends}', package], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, check=False).stdout
    match = re.match(r'linux-image-(\S+)', depends)
    if not match or not os.path.exists('/boot/vmlinuz-' + match.group(1)):
        raise Skip('no kernel: install ' + package)
    return match.group(1)


def tool():
    source, binary = os.path.join(TOP, 'tests/bench/guest-tool.c'), os.path.join(BUILD, 'guest-tool')
    if not os.path.exists(binary) or os.path.getmtime(binary) < os.path.getmtime(source):
        subprocess.run(['gcc', '-O2', '-static', '-o', binary, source], check=True)
    return binary


def module_sources():
    folder = os.path.join(TOP, 'guest/linux')
    names = [name for name in sorted(os.listdir(folder)) if name.endswith(('.c', '.h')) or name == 'Makefile']
    return [os.path.join(folder, name) for name in names]


def build_module(version, target='modules'):
    """Our own balloon driver (guest/linux/), built for that kernel; the file and what make said, if it had to be
    made."""
    headers, folder = '/lib/modules/%s/build' % version, os.path.join(BUILD, 'guest-linux-' + version)
    path, said = os.path.join(folder, 'ferry_balloon.ko'), ''
    if not os.path.exists(headers + '/Makefile'):
        raise Skip('no headers: install linux-headers-' + version)
    newest = max(os.path.getmtime(source) for source in module_sources())
    if target != 'modules' or not os.path.exists(path) or os.path.getmtime(path) < newest:
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for source in module_sources():
            shutil.copy(source, folder)
        make = subprocess.run(['make', '-C', folder, 'KDIR=' + headers, target], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        said = make.stdout
        ferry.require(make.returncode == 0, said)
    return path, said


def initrd(version, ours=False):
    """`ours`: with our own balloon driver in place of Debian's."""
    script = os.path.join(TOP, 'scripts/mkinitrd')
    path = os.path.join(BUILD, 'initrd-%s%s.gz' % (version, '-ours' if ours else ''))
    sources = [script, tool()] + ([build_module(version)[0]] if ours else [])
    if not os.path.exists(path) or os.path.getmtime(path) < max(map(os.path.getmtime, sources)):
        subprocess.run([script, version, tool(), path] + sources[2:], check=True)
    return path


class Linux(Vm):
    """A Debian guest with one balloon, bal0. `ours`: with our own driver for it; `offer`: the device offers what only
    this knows."""

    def __init__(self, flavour='cloud-amd64', hints=False, append='', balloon='', args=(), ours=False, offer=None,
                 **kwargs):
        version = kernel_version(flavour)
        self.markers = 0
        # no_timer_check: Linux panics where a busy host withholds five ticks for 60 ms (on stock the check fails
        # under load, too); under the hypervisors that it knows it leaves the check out of its own accord.
        device = 'virtio-balloon-pci,id=bal0' + (',free-page-hint=on' if hints else '') + balloon
        if offer if offer is not None else ours:
            device += ',free-page-bitmap=on,page-bitmap=on'
        kwargs.setdefault('memory', '512M')
        super().__init__(kernel='/boot/vmlinuz-' + version,
                         args=['-initrd', initrd(version, ours), '-append',
                               'console=ttyS0 quiet rdinit=/init no_timer_check ' + append,
                               '-device', device] + list(args), **kwargs)

    def boot(self, timeout=60):
        self.expect(rb'GUEST-READY uptime=[\d.]+', timeout)
        self.shell('true')  # its greeting is out of the way
        return self

    def shell(self, command, timeout=60):
        """Runs a command line; its output. Fails unless its status is 0."""
        self.markers += 1
        start = len(self.log)
        self.send("%s; echo GUEST-E''ND-%d-$?\n" % (command, self.markers))
        match = self.expect(rb'GUEST-END-%d-(\d+)' % self.markers, timeout, start)
        text = self.log[start:match.start()].decode('latin1').replace('\r', '')
        if match.group(1) != b'0':
            raise Failure('guest command %r ended with %s: %s' % (command, match.group(1).decode(), text))
        return text

    def take_over(self, source):
        """Goes on where a migrated guest's shell was."""
        self.markers = source.markers + 100
        return self


def nmi_from_outside(vm):
    """Of a guest with two vCPUs: Linux lets the first one's LINT1 through, and no other's."""
    count = "awk '/NMI:/ { print $2, $3 }' /proc/interrupts"
    before = vm.shell(count).split()
    vm.qmp.command('inject-nmi')
    ferry.wait_until(lambda: vm.shell(count).split() != before, 'the NMI', 60)
    first, second = (int(after) - int(n) for n, after in zip(before, vm.shell(count).split()))
    ferry.require(first == 1 and second == 0, '%d NMIs at the first vCPU, %d at the second' % (first, second))


def check_data(vm):
    """No loop in the guest has seen wrong data."""
    corrupt = re.search(rb'GUEST-CORRUPT[^\r\n]*|Kernel panic[^\r\n]*|BUG:[^\r\n]*|Oops[^\r\n]*', vm.log)
    ferry.require(not corrupt, '%s: %s' % (vm.name, corrupt and corrupt.group(0).decode('latin1')))
