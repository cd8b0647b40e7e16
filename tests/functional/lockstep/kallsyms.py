#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols of an uncompressed x86-64 vmlinux without debug information, from the kernel's own kallsyms tables.

    kallsyms.py vmlinux > System.map

Layout (scripts/kallsyms.c of Linux 4.6 to 6.3): offsets, relative base, number of symbols, names, markers, perhaps
sequence numbers, token table, token index. They are found by the token table: the tokens of the digits follow each
other.
"""
import struct
import sys
from pathlib import Path


def align(value: int, to: int) -> int:
    return -(-value // to) * to


def find_tokens(data: bytes):
    """Offset of the token table, and the 256 tokens."""
    digits = b"".join(bytes([c, 0]) for c in b"0123456789")
    at = data.find(digits)
    while at >= 0:
        end = at
        for _ in range(256 - ord("0")):
            end = data.index(0, end) + 1
        index = struct.unpack_from("<256H", data, align(end, 8))
        table = at - index[ord("0")]
        if index[0] == 0 and all(a < b for a, b in zip(index, index[1:])) and table >= 0:
            return table, [data[table + i:data.index(0, table + i)] for i in index]
        at = data.find(digits, at + 1)
    raise ValueError("no kallsyms token table")


def read_name(data: bytes, at: int):
    """The tokens of a name, and where the next begins. Lengths from 128 take two bytes."""
    length = data[at]
    at += 1
    if length & 0x80:
        length = length & 0x7f | data[at] << 7
        at += 1
    return data[at:at + length], at + length


def skip_names(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        _, at = read_name(data, at)
    return at


def find_names(data: bytes, table: int):
    """Where the names begin, how many there are and the relative base: in front of the names are, 8 bytes each, the
    base (the kernel's first address) and the number; behind them the markers, offsets of every 256th name."""
    for names in range(table & ~7, max(table - (16 << 20), 16), -8):
        base, count = struct.unpack_from("<QQ", data, names - 16)
        if base >> 31 != 0x1ffffffff or base & 0xfff or not 1000 < count < 1 << 22:
            continue
        second = skip_names(data, names, 256)
        markers = align(skip_names(data, second, count - 256), 8)
        if markers < table and struct.unpack_from("<II", data, markers) == (0, second - names):
            return names, count, base
    raise ValueError("no kallsyms names")


def symbols(data: bytes):
    """Pairs (address, type, name). Positive offsets are per-CPU addresses as they are."""
    table, tokens = find_tokens(data)
    names, count, base = find_names(data, table)
    offsets = struct.unpack_from(f"<{count}i", data, names - 16 - align(4 * count, 8))
    at = names
    for offset in offsets:
        codes, at = read_name(data, at)
        text = b"".join(tokens[c] for c in codes).decode("latin-1")
        yield offset if offset >= 0 else base - 1 - offset, text[0], text[1:]


def write_map(vmlinux: bytes, path) -> None:
    with open(path, "w", encoding="utf-8") as out:
        for address, kind, name in symbols(vmlinux):
            out.write(f"{address:016x} {kind} {name}\n")


if __name__ == "__main__":
    write_map(Path(sys.argv[1]).read_bytes(), "/dev/stdout")
