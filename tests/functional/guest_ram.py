# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory of stopped machines, read past the monitor: from the host's view of the process. Only pages that are
present are read; the others read as zero, and stay absent."""
import os

PAGE = 4096
# Of a pagemap entry the top byte: bit 7 says present, bit 6 swapped.
PRESENT = bytes(1 if byte & 0xc0 else 0 for byte in range(256))


class GuestRam:
    """The block of guest memory of a process, known by its size: nothing else maps as much."""

    def __init__(self, pid, size):
        self.size = size
        self.start = self.find(pid, size)
        self.memory = os.open('/proc/%d/mem' % pid, os.O_RDONLY)
        with open('/proc/%d/pagemap' % pid, 'rb', buffering=0) as f:
            f.seek(self.start // PAGE * 8)
            data = b''
            while len(data) < size // PAGE * 8:
                data += f.read(size // PAGE * 8 - len(data))
        self.present = data[7::8].translate(PRESENT)  # a byte per page, 0 or 1

    @staticmethod
    def find(pid, size):
        found = []
        with open('/proc/%d/maps' % pid, encoding='ascii') as f:
            for line in f:
                start, end = (int(n, 16) for n in line.split(' ', 1)[0].split('-'))
                if end - start == size and ' rw' in line:
                    found.append(start)
        if len(found) != 1:
            raise RuntimeError('%d mappings of %d bytes' % (len(found), size))
        return found[0]

    def close(self):
        os.close(self.memory)

    def read(self, first, count):
        """Bytes of pages [first, first + count)."""
        parts, at, end = [], first, first + count
        for start, stop in runs(self.present, first, end):
            parts.append(bytes((start - at) * PAGE))
            parts.append(os.pread(self.memory, (stop - start) * PAGE, self.start + start * PAGE))
            at = stop
        parts.append(bytes((end - at) * PAGE))
        return b''.join(parts)


def runs(flags, start=0, end=None):
    """(start, stop) of each run of ones, cut into pieces of a MiB."""
    end = len(flags) if end is None else end
    while (start := flags.find(1, start, end)) >= 0:
        stop = flags.find(0, start, end)
        stop = min(end if stop < 0 else stop, start + 256)
        yield start, stop
        start = stop


def differing(a, b):
    """Page numbers that differ, and how many pages were compared."""
    either = int.from_bytes(a.present, 'little') | int.from_bytes(b.present, 'little')
    pages = set()
    for start, stop in runs(either.to_bytes(len(a.present), 'little')):
        x, y = a.read(start, stop - start), b.read(start, stop - start)
        if x != y:
            pages.update(start + at // PAGE for at in range(0, len(x), PAGE) if x[at:at + PAGE] != y[at:at + PAGE])
    return pages, len(a.present)
