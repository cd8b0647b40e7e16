/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ELF file of a kernel (System V gABI chapters 4 and 5): what to place where, and where to enter.
 *
 * Entry: the note XEN_ELFNOTE_PHYS32_ENTRY (Xen's x86/HVM direct boot ABI, "PVH") where there is one; else a 64-bit
 * file's e_entry by Linux's 64-bit boot protocol. Segments go to their physical addresses, as linked: nothing is
 * relocated.
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "hw/i386/kernel-image.h"
#include "util/bytes.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define KERNEL_LOWEST 0x100000ull      /* below lie the boot structures */
#define KERNEL_HIGHEST (4ull << 30)

struct elf_view {
    const char *name;
    const uint8_t *bytes;
    size_t size;
    bool is_64;
    uint64_t entry, phoff;
    unsigned phentsize, phnum;
};

struct elf_segment {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz, align;
};

static bool elf_error(const struct elf_view *elf, GError **error, const char *what)
{
    return error_setf(error, "kernel '%s' is damaged or truncated: its ELF %s", elf->name, what);
}

static bool elf_read_header(struct elf_view *elf, GError **error)
{
    const uint8_t *e = elf->bytes;

    if (elf->size < EI_NIDENT || memcmp(e, ELFMAG, SELFMAG)) {
        return elf_error(elf, error, "header is missing");
    }
    elf->is_64 = e[EI_CLASS] == ELFCLASS64;
    if ((!elf->is_64 && e[EI_CLASS] != ELFCLASS32) || e[EI_DATA] != ELFDATA2LSB) {
        return error_setf(error, "kernel '%s' is an ELF file, but not a little-endian one of 32 or 64 bits",
                          elf->name);
    }
    if (elf->size < (elf->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr))) {
        return elf_error(elf, error, "header is cut short");
    }
    unsigned type = load_le16(e + 16), machine = load_le16(e + 18);
    if (machine != EM_386 && machine != EM_X86_64) {
        return error_setf(error, "kernel '%s' is an ELF file for machine %u, not for x86", elf->name, machine);
    }
    if (type != ET_EXEC && type != ET_DYN) {
        return error_setf(error, "kernel '%s' is an ELF file of type %u, not an executable", elf->name, type);
    }
    elf->entry = elf->is_64 ? load_le64(e + 24) : load_le32(e + 24);
    elf->phoff = elf->is_64 ? load_le64(e + 32) : load_le32(e + 28);
    elf->phentsize = load_le16(e + (elf->is_64 ? 54 : 42));
    elf->phnum = load_le16(e + (elf->is_64 ? 56 : 44));
    if (elf->phentsize < (elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || elf->phoff > elf->size ||
        (uint64_t)elf->phentsize * elf->phnum > elf->size - elf->phoff) {
        return elf_error(elf, error, "program headers lie outside the file");
    }
    return true;
}

static void elf_read_segment(const struct elf_view *elf, unsigned n, struct elf_segment *segment)
{
    const uint8_t *p = elf->bytes + elf->phoff + (uint64_t)n * elf->phentsize;

    segment->type = load_le32(p);
    if (elf->is_64) {
        segment->offset = load_le64(p + 8);
        segment->paddr = load_le64(p + 24);
        segment->filesz = load_le64(p + 32);
        segment->memsz = load_le64(p + 40);
        segment->align = load_le64(p + 48);
    } else {
        segment->offset = load_le32(p + 4);
        segment->paddr = load_le32(p + 12);
        segment->filesz = load_le32(p + 16);
        segment->memsz = load_le32(p + 20);
        segment->align = load_le32(p + 28);
    }
}

static bool elf_add_load(const struct elf_view *elf, const struct elf_segment *s, struct kernel_image *image,
                         GError **error)
{
    if (s->memsz == 0) {
        return true;
    }
    if (s->filesz > s->memsz) {
        return elf_error(elf, error, "segment has more bytes in the file than in memory");
    }
    if (s->paddr < KERNEL_LOWEST || s->paddr >= KERNEL_HIGHEST || s->memsz > KERNEL_HIGHEST - s->paddr) {
        return error_setf(
            error, "kernel '%s': a segment of 0x%" PRIx64 " bytes at 0x%" PRIx64 " is not within 1 MiB to 4 GiB",
            elf->name, s->memsz, s->paddr);
    }
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct kernel_segment *other = &image->segments[i];
        if (s->paddr < other->address + other->memory_size && other->address < s->paddr + s->memsz) {
            return elf_error(elf, error, "segments overlap in memory");
        }
    }
    if (image->segment_count == KERNEL_MAX_SEGMENTS) {
        return error_setf(error, "kernel '%s' has more than %d segments", elf->name, KERNEL_MAX_SEGMENTS);
    }
    image->segments[image->segment_count++] = (struct kernel_segment){
        .address = s->paddr, .data = elf->bytes + s->offset, .file_size = s->filesz, .memory_size = s->memsz };
    image->low = MIN(image->low, s->paddr);
    image->high = MAX(image->high, s->paddr + s->memsz);
    return true;
}

/* Looks for Xen's entry note. Name and descriptor are padded to 4 bytes, to 8 where the segment is aligned so. */
static bool elf_scan_notes(const struct elf_view *elf, const struct elf_segment *s, uint64_t *entry)
{
    const uint8_t *notes = elf->bytes + s->offset;
    uint64_t padding = s->align == 8 ? 7 : 3, at = 0;

    while (s->filesz - at >= 12) {
        uint64_t name_size = load_le32(notes + at), desc_size = load_le32(notes + at + 4);
        uint32_t type = load_le32(notes + at + 8);
        uint64_t name = at + 12, desc = (name + name_size + padding) & ~padding;
        if (desc > s->filesz || desc_size > s->filesz - desc) {
            return false;
        }
        if (type == XEN_ELFNOTE_PHYS32_ENTRY && name_size == 4 && !memcmp(notes + name, "Xen", 4) &&
            (desc_size == 4 || desc_size == 8)) {
            *entry = desc_size == 4 ? load_le32(notes + desc) : load_le64(notes + desc);
            return true;
        }
        at = (desc + desc_size + padding) & ~padding;
        if (at > s->filesz) {
            return false;
        }
    }
    return false;
}

static bool entry_is_loaded(const struct kernel_image *image)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct kernel_segment *s = &image->segments[i];
        if (image->entry_address >= s->address && image->entry_address - s->address < s->file_size) {
            return true;
        }
    }
    return false;
}

bool kernel_elf_parse(const char *name, struct kernel_image *image, GError **error)
{
    struct elf_view elf = { .name = name, .bytes = image->elf, .size = image->elf_size };
    bool pvh = false;

    if (!elf_read_header(&elf, error)) {
        return false;
    }
    image->segment_count = 0;
    image->low = UINT64_MAX;
    image->high = 0;
    for (unsigned n = 0; n < elf.phnum; n++) {
        struct elf_segment s;
        elf_read_segment(&elf, n, &s);
        if (s.type != PT_LOAD && s.type != PT_NOTE) {
            continue;
        }
        if (s.offset > elf.size || s.filesz > elf.size - s.offset) {
            return elf_error(&elf, error, "segment lies outside the file");
        }
        if (s.type == PT_LOAD && !elf_add_load(&elf, &s, image, error)) {
            return false;
        }
        if (s.type == PT_NOTE && !pvh) {
            pvh = elf_scan_notes(&elf, &s, &image->entry_address);
        }
    }
    if (image->segment_count == 0) {
        return error_setf(error, "kernel '%s' has nothing to load", name);
    }
    image->entry = pvh ? KERNEL_ENTRY_PVH : KERNEL_ENTRY_LINUX64;
    if (!pvh) {
        if (!elf.is_64) {
            return error_setf(error, "kernel '%s' is a 32-bit ELF file without a PVH entry note: not supported",
                              name);
        }
        image->entry_address = elf.entry;
    }
    if (!entry_is_loaded(image)) {
        return error_setf(error, "kernel '%s': its entry point 0x%" PRIx64 " is in none of its segments", name,
                          image->entry_address);
    }
    return true;
}
