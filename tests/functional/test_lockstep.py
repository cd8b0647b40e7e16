# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's first instructions, decompressed image to memory map, are the same on ours and on stock QEMU. What
comes next looks at firmware tables, which differ by design: 12.5 million instructions in, with Debian's 6.1 cloud
kernel."""
import os
import subprocess
import sys

import ferry
import linux
from ferry import Skip, case, require

SCRIPT = os.path.join(ferry.TOP, 'tests', 'functional', 'lockstep', 'lockstep.py')


def lockstep(*options):
    if not os.access('/usr/bin/qemu-system-x86_64', os.X_OK):
        raise Skip('no stock QEMU')
    done = subprocess.run([sys.executable, SCRIPT, '--ours', ferry.BINARY,
                           '--kernel', '/boot/vmlinuz-' + linux.kernel_version('cloud-amd64'), *options],
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120 * ferry.PATIENCE, check=False, text=True)
    require(done.returncode == 0 and 'divergences: 0' in done.stdout, done.stdout[-3000:])


@case
def early_boot():
    lockstep('--instructions', '12000000')


@case
def instrument_agrees_with_itself():
    lockstep('--self', '--instructions', '12000000')


if __name__ == '__main__':
    ferry.main()
