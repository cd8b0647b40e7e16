/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See image.h. */
#include "image.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <Zydis/Zydis.h>

struct symbol {
    uint64_t address;
    const char *name;
};

static GArray *symbols;      /* by address */
static char *symbols_text;   /* names point into it */
static GMappedFile *image;
static const Elf64_Phdr *segments;
static unsigned segment_count;

static int by_address(gconstpointer a, gconstpointer b)
{
    const struct symbol *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

bool image_load_symbols(const char *path, GError **error)
{
    if (!g_file_get_contents(path, &symbols_text, NULL, error)) {
        return false;
    }
    symbols = g_array_new(FALSE, FALSE, sizeof(struct symbol));
    char *rest = symbols_text, *line;
    while ((line = strsep(&rest, "\n"))) {
        char *end;
        struct symbol symbol = { .address = g_ascii_strtoull(line, &end, 16) };
        if (end != line && end[0] == ' ' && strchr("tTwW", end[1]) && end[2] == ' ') {
            symbol.name = end + 3;
            g_array_append_val(symbols, symbol);
        }
    }
    g_array_sort(symbols, by_address);
    return true;
}

char *image_symbol(uint64_t address)
{
    unsigned low = 0, high = symbols ? symbols->len : 0;
    while (low < high) { /* the first symbol above address */
        unsigned middle = (low + high) / 2;
        if (g_array_index(symbols, struct symbol, middle).address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return g_strdup("");
    }
    const struct symbol *symbol = &g_array_index(symbols, struct symbol, low - 1);
    uint64_t offset = address - symbol->address;
    return offset < 1 << 20 ? g_strdup_printf("%s+0x%" PRIx64, symbol->name, offset) : g_strdup("");
}

bool image_load(const char *path, GError **error)
{
    image = g_mapped_file_new(path, FALSE, error);
    if (!image) {
        return false;
    }
    uint64_t size = g_mapped_file_get_length(image);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)g_mapped_file_get_contents(image);
    if (size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_phentsize != sizeof(Elf64_Phdr) ||
        header->e_phoff > size || (size - header->e_phoff) / sizeof(Elf64_Phdr) < header->e_phnum) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is not an ELF64 image", path);
        return false;
    }
    segments = (const Elf64_Phdr *)(const void *)((const char *)header + header->e_phoff);
    segment_count = header->e_phnum;
    return true;
}

static const uint8_t *image_bytes(uint64_t address, uint64_t *available)
{
    uint64_t size = g_mapped_file_get_length(image);
    for (unsigned i = 0; i < segment_count; i++) {
        const Elf64_Phdr *segment = &segments[i];
        uint64_t bases[2] = { segment->p_vaddr, segment->p_paddr };
        for (unsigned j = 0; j < 2 && segment->p_type == PT_LOAD; j++) {
            uint64_t offset = address - bases[j];
            if (offset < segment->p_filesz && segment->p_offset < size &&
                segment->p_filesz <= size - segment->p_offset) {
                *available = segment->p_filesz - offset;
                return (const uint8_t *)g_mapped_file_get_contents(image) + segment->p_offset + offset;
            }
        }
    }
    return NULL;
}

/*
 * The bytes are the file's: where the kernel has patched itself (alternatives, static branches) the listing shows the
 * code before that, and may lose its way.
 */
void image_list(uint64_t first, uint64_t last, unsigned limit)
{
    ZydisDisassembledInstruction insn;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    uint64_t at = first;
    while (at <= last) {
        uint64_t available;
        const uint8_t *bytes = image ? image_bytes(at, &available) : NULL;
        if (!bytes || !ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, at, bytes, available, &insn))) {
            break;
        }
        g_ptr_array_add(lines, g_strdup_printf("        %016" PRIx64 "  %s", at, insn.text));
        at += insn.info.length;
    }
    for (unsigned i = lines->len > limit ? lines->len - limit : 0; i < lines->len; i++) {
        printf("%s\n", (char *)lines->pdata[i]);
    }
}
