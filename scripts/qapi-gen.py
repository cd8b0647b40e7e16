#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the QMP schema (qapi/*.json, a subset of QEMU's schema language) and writes C.

qapi-gen.py SCHEMA OUTDIR [DEPFILE] writes qapi-types.h, qapi-commands.h, qapi-events.h, qapi-gen.c, qapi-introspect.c
and qmp-reference.rst there, and to DEPFILE, for make, what they were made from.
"""
import os
import sys

sys.dont_write_bytecode = True
from qapi import ctypes, dispatch, introspect, reference, schema  # noqa: E402


def outputs(s):
    yield 'qapi-types.h', ctypes.gen_types_h(s)
    yield 'qapi-commands.h', dispatch.gen_commands_h(s)
    yield 'qapi-events.h', dispatch.gen_events_h(s)
    yield 'qapi-gen.c', ctypes.gen_types_c(s) + dispatch.gen_dispatch_c(s)
    yield 'qapi-introspect.c', introspect.gen_introspection_c(s)
    yield 'qmp-reference.rst', reference.gen_reference(s)


def write_depfile(path, targets, s):
    modules = [m.__file__ for name, m in sys.modules.items() if name.split('.')[0] == 'qapi']
    with open(path, 'w', encoding='utf-8') as f:
        f.write('%s: %s\n' % (targets[0], ' '.join(s.files + modules)))


def main():
    try:
        s = schema.Schema(sys.argv[1])
        files = list(outputs(s))
    except (schema.SchemaError, OSError, KeyError) as e:
        sys.exit('qapi-gen: %s' % e)
    os.makedirs(sys.argv[2], exist_ok=True)
    for name, text in files:
        with open(os.path.join(sys.argv[2], name), 'w', encoding='utf-8') as f:
            f.write(text)
    if len(sys.argv) > 3:
        write_depfile(sys.argv[3], [os.path.join(sys.argv[2], name) for name, _ in files], s)


main()
