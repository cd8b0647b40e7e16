# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of peer-bench and kvm-bench, and the folders that their modules come from. A program parses its command
line before it imports what makes machines."""
import argparse
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'functional'))

args = argparse.Namespace()


def parser(doc):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('experiments', nargs='*', help='which; default all')
    p.add_argument('--qemu', default=os.path.join(TOP, 'build', 'qemu-system-x86_64'), help="Ferry's binary")
    p.add_argument('--peer', default='/usr/bin/qemu-system-x86_64', help='the binary to compare with')
    p.add_argument('--timeout', type=float, default=120, help='seconds for one migration')
    p.add_argument('--realtime', action='store_true',
                   help='real-time scheduling for the machines while something is measured: keeps neighbours out')
    p.add_argument('--out', default='.', help='folder for the results: JSON lines and CSV')
    return p


def parse(p):
    p.parse_args(namespace=args)
    os.environ['FERRY_BINARY'] = args.qemu
    os.environ.setdefault('FERRY_BUILD', os.path.dirname(os.path.abspath(args.qemu)))
