#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot a kernel on our qemu-system-x86_64 and on stock QEMU side by side and stop where they part.

Both run with -icount shift=1,sleep=off, nokaslr and one vCPU, so that each is deterministic; each writes the runs of
instructions that it executes (include/accel/tcg/exec-stream.h), ours by -accel tcg,exec-trace=, stock through our
plugin; lockstep-compare reads both. The comparison starts at the kernel's PVH entry: stock runs firmware before it.

    lockstep.py                                   the cloud kernel, up to the first divergence
    lockstep.py -n 200 -r 2 --brief               survey: resynchronize and go on
    lockstep.py --self                            stock against stock: checks the instrument
    lockstep.py --kernel vmlinux -- -device ...   further options for both

Divergences that are no bugs: devices and CPUID bits that ours leaves out on purpose, and time (interrupts fall
elsewhere, calibration loops turn more or less often). Pass over them with --ignore and the functions' names.
"""
import argparse
import ctypes
import lzma
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import kallsyms

BUILD = Path(os.environ.get("FERRY_BUILD", Path(__file__).resolve().parents[3] / "build"))
APPEND = ("nokaslr console=ttyS0 earlyprintk=serial,ttyS0 panic=-1 nmi_watchdog=0 tsc=reliable no_timer_check "
          "clocksource=tsc random.trust_cpu=off nosmp")


def unpack_lz4_legacy(data: bytes) -> bytes:
    """Blocks of at most 8 MiB, each behind its 4-byte size."""
    lib = ctypes.CDLL("liblz4.so.1")
    out, at = [], 4
    buffer = ctypes.create_string_buffer(8 << 20)
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, at)
        block = data[at + 4:at + 4 + size]
        if size == 0 or len(block) < size:
            break
        length = lib.LZ4_decompress_safe(block, buffer, size, len(buffer))
        if length < 0:
            break
        out.append(buffer.raw[:length])
        at += 4 + size
    return b"".join(out)


def extract_vmlinux(path: str) -> bytes:
    """The ELF image inside a bzImage (Documentation/x86/boot: payload_offset, payload_length)."""
    data = Path(path).read_bytes()
    if data[:4] == b"\x7fELF":
        return data
    if data[0x202:0x206] != b"HdrS":
        sys.exit(f"{path}: neither an ELF image nor a bzImage")
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (data[0x1f1] + 1) * 512 + offset
    payload = data[start:start + length]
    if payload[:4] == b"\x02\x21\x4c\x18":
        return unpack_lz4_legacy(payload)
    if payload[:6] == b"\xfd7zXZ\x00":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:2] == b"\x1f\x8b":
        return zlib.decompressobj(31).decompress(payload)
    if payload[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=payload, stdout=subprocess.PIPE, check=False).stdout
    sys.exit(f"{path}: unknown compression {payload[:6].hex()}")


def pvh_entry(vmlinux: bytes) -> int:
    """The 32-bit entry from the ELF note that Xen defines (type 18, XEN_ELFNOTE_PHYS32_ENTRY)."""
    phoff, phentsize, phnum = (struct.unpack_from(f, vmlinux, o)[0] for f, o in (("<Q", 32), ("<H", 54), ("<H", 56)))
    for i in range(phnum):
        kind, _, offset, _, _, filesz = struct.unpack_from("<IIQQQQ", vmlinux, phoff + i * phentsize)
        at = offset
        while kind == 4 and at + 12 <= offset + filesz:
            namesz, descsz, note = struct.unpack_from("<III", vmlinux, at)
            name = vmlinux[at + 12:at + 12 + namesz].rstrip(b"\0")
            desc = at + 12 + (namesz + 3 & ~3)
            if name == b"Xen" and note == 18:
                return struct.unpack_from("<I", vmlinux, desc)[0]
            at = desc + (descsz + 3 & ~3)
    sys.exit("the kernel has no PVH entry")


def common_options(args, vmlinux: Path) -> list:
    options = ["-nodefaults", "-display", "none", "-m", args.memory, "-smp", "1", "-cpu", args.cpu, "-no-reboot",
               "-icount", "shift=1,sleep=off", "-rtc", "base=2024-01-01T00:00:00,clock=vm",
               "-kernel", str(vmlinux), "-append", f"{APPEND} {args.append}"]
    return options + (["-initrd", args.initrd] if args.initrd else []) + args.options


def start_stock(args, options, fifo, serial):
    plugin = BUILD / "tests/functional/lockstep/liblockstep.so"
    return subprocess.Popen([args.stock, "-M", "pc-i440fx-7.2,hpet=off,i8042=off", "-accel", "tcg",
                             "-plugin", f"{plugin},path={fifo}", "-serial", f"file:{serial}", *options])


def start_ours(args, options, fifo, serial):
    return subprocess.Popen([args.ours, "-M", "pc-i440fx-7.2", "-accel", f"tcg,exec-trace={fifo}",
                             "-serial", f"file:{serial}", *options])


def compare(args, directory: Path, entry: int, vmlinux: Path) -> int:
    command = [BUILD / "tests/functional/lockstep/lockstep-compare", "--start", f"{entry:x}",
               "--divergences", str(args.divergences), "--instructions", str(args.instructions), "--image", vmlinux]
    if args.symbols:
        command += ["--symbols", args.symbols]
    if args.ignore:
        command += ["--ignore", args.ignore]
    if args.repeat:
        command += ["--repeat", str(args.repeat)]
    if args.brief:
        command += ["--brief"]
    return subprocess.call([*command, directory / "ours", directory / "theirs"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kernels = sorted(Path("/boot").glob("vmlinuz-*-cloud-amd64"))
    parser.add_argument("--kernel", default=str(kernels[-1]) if kernels else None,
                        help="bzImage or vmlinux with a PVH entry")
    parser.add_argument("--initrd")
    parser.add_argument("--append", default="")
    parser.add_argument("--symbols", help="System.map (default: from the kernel's own tables)")
    parser.add_argument("--ours", default=str(BUILD / "qemu-system-x86_64"))
    parser.add_argument("--stock", default="/usr/bin/qemu-system-x86_64")
    parser.add_argument("--self", action="store_true", help="stock against stock")
    parser.add_argument("--cpu", default="qemu64,-svm")
    parser.add_argument("--memory", default="512M")
    parser.add_argument("-n", "--divergences", type=int, default=1)
    parser.add_argument("-i", "--instructions", type=int, default=0, help="stop after this many (0: never)")
    parser.add_argument("-x", "--ignore", help="functions whose divergences are passed over, by commas")
    parser.add_argument("-r", "--repeat", type=int, default=0, help="report at most this many per function")
    parser.add_argument("-b", "--brief", action="store_true")
    parser.add_argument("options", nargs="*", help="further options for both, after --")
    args = parser.parse_args()
    if not args.kernel:
        sys.exit("no cloud kernel in /boot: name one with --kernel")

    with tempfile.TemporaryDirectory(prefix="lockstep-") as name:
        directory = Path(name)
        vmlinux = directory / "vmlinux"
        vmlinux.write_bytes(extract_vmlinux(args.kernel))
        entry = pvh_entry(vmlinux.read_bytes())
        if not args.symbols:
            args.symbols = directory / "System.map"
            kallsyms.write_map(vmlinux.read_bytes(), args.symbols)
        for side in ("ours", "theirs"):
            os.mkfifo(directory / side)
        options = common_options(args, vmlinux)
        first = start_stock if args.self else start_ours
        guests = [first(args, options, directory / "ours", directory / "ours.serial"),
                  start_stock(args, options, directory / "theirs", directory / "theirs.serial")]
        try:
            result = compare(args, directory, entry, vmlinux)
        finally:
            for guest in guests:
                guest.kill()
                guest.wait()
        for side in ("ours", "theirs"):
            serial = directory / f"{side}.serial"
            lines = serial.read_text(errors="replace").splitlines() if serial.exists() else []
            print(f"{side}: serial, last of {len(lines)} lines: {lines[-1] if lines else '(none)'}")
        return result


if __name__ == "__main__":
    sys.exit(main())
