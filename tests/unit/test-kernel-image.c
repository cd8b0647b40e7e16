/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel files: formats, entry points, and damage of every kind, on images made here. */
#include <elf.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "hw/i386/kernel-image.h"
#include "util/bytes.h"

#define SETUP_SECTORS 2
#define PAYLOAD_OFFSET 0x40
#define TEXT_ADDRESS 0x1000000u
#define TEXT_SIZE 300u
#define ENTRY_OFFSET 16u

/* A vmlinux of one segment (300 bytes at 16 MiB, as much again in zeros), with a PVH note if asked for. */
static GByteArray *make_elf(bool is_64, bool pvh)
{
    unsigned ehdr = is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr),
             phdr = is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    unsigned text = 0x200, note = 0x400;
    GByteArray *elf = g_byte_array_new();

    g_byte_array_set_size(elf, 0x800);
    memset(elf->data, 0, elf->len);
    if (is_64) {
        Elf64_Ehdr h = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1, .e_entry = TEXT_ADDRESS,
                         .e_phoff = ehdr,
                         .e_ehsize = ehdr, .e_phentsize = phdr, .e_phnum = 2 };
        Elf64_Phdr load = { .p_type = PT_LOAD, .p_offset = text, .p_vaddr = 0xffffffff81000000,
                            .p_paddr = TEXT_ADDRESS,
                            .p_filesz = TEXT_SIZE, .p_memsz = 2 * TEXT_SIZE };
        Elf64_Phdr notes = { .p_type = pvh ? PT_NOTE : PT_NULL, .p_offset = note, .p_filesz = 24 + 16, .p_align = 4 };
        memcpy(h.e_ident, ELFMAG "\2\1\1", 7);
        memcpy(elf->data, &h, sizeof(h));
        memcpy(elf->data + ehdr, &load, phdr);
        memcpy(elf->data + ehdr + phdr, &notes, phdr);
    } else {
        Elf32_Ehdr h = { .e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1, .e_entry = TEXT_ADDRESS,
                         .e_phoff = ehdr,
                         .e_ehsize = ehdr, .e_phentsize = phdr, .e_phnum = 2 };
        Elf32_Phdr load = { .p_type = PT_LOAD, .p_offset = text, .p_paddr = TEXT_ADDRESS, .p_filesz = TEXT_SIZE,
                            .p_memsz = 2 * TEXT_SIZE };
        Elf32_Phdr notes = { .p_type = pvh ? PT_NOTE : PT_NULL, .p_offset = note, .p_filesz = 24 + 16, .p_align = 4 };
        memcpy(h.e_ident, ELFMAG "\1\1\1", 7);
        memcpy(elf->data, &h, sizeof(h));
        memcpy(elf->data + ehdr, &load, phdr);
        memcpy(elf->data + ehdr + phdr, &notes, phdr);
    }
    /* A note of somebody else's, padded, in front of Xen's. */
    uint8_t *n = elf->data + note;
    store_le32(n, 2);
    store_le32(n + 4, 2);
    store_le32(n + 8, 18);
    memcpy(n + 12, "X", 2);
    store_le32(n + 20, 4);
    store_le32(n + 24, 4);
    store_le32(n + 28, 18);
    memcpy(n + 32, "Xen", 4);
    store_le32(n + 36, TEXT_ADDRESS + ENTRY_OFFSET);
    for (unsigned i = 0; i < TEXT_SIZE; i++) {
        elf->data[text + i] = i * 7;
    }
    return elf;
}

enum format { GZIP, XZ, ZSTD, LZ4, PLAIN, FORMATS };

static void append_le32(GByteArray *out, uint32_t value)
{
    uint8_t bytes[4];
    store_le32(bytes, value);
    g_byte_array_append(out, bytes, 4);
}

static GByteArray *compress_payload(enum format format, const GByteArray *elf)
{
    GByteArray *out = g_byte_array_new();
    uint8_t buffer[8192];
    size_t length = 0;

    if (format == GZIP) {
        z_stream z = { .next_in = elf->data, .avail_in = elf->len, .next_out = buffer, .avail_out = sizeof(buffer) };
        g_assert_cmpint(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
        g_assert_cmpint(deflate(&z, Z_FINISH), ==, Z_STREAM_END);
        length = z.total_out;
        deflateEnd(&z);
    } else if (format == XZ) {
        g_assert_cmpint(
            lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, elf->data, elf->len, buffer, &length, sizeof(buffer)),
            ==, LZMA_OK);
    } else if (format == ZSTD) {
        length = ZSTD_compress(buffer, sizeof(buffer), elf->data, elf->len, 3);
        g_assert_false(ZSTD_isError(length));
    } else if (format == LZ4) {
        append_le32(out, 0x184c2102);
        length = LZ4_compress_default((char *)elf->data, (char *)buffer, elf->len, sizeof(buffer));
        append_le32(out, length);
    }
    g_byte_array_append(out, format == PLAIN ? elf->data : buffer, format == PLAIN ? elf->len : length);
    if (format != GZIP && format != PLAIN) { /* gzip's trailer says it already */
        append_le32(out, elf->len);
    }
    return out;
}

static GByteArray *make_bzimage(const GByteArray *payload)
{
    GByteArray *image = g_byte_array_new();
    size_t setup = (SETUP_SECTORS + 1) * 512;

    g_byte_array_set_size(image, setup + PAYLOAD_OFFSET);
    memset(image->data, 0, image->len);
    uint8_t *h = image->data;
    h[0x1f1] = SETUP_SECTORS;
    store_le16(h + 0x1fe, 0xaa55);
    h[0x200] = 0xeb;
    h[0x201] = 0x6a;
    memcpy(h + 0x202, "HdrS", 4);
    store_le16(h + 0x206, 0x20f);
    h[0x211] = 1;
    store_le32(h + 0x22c, 0x7fffffff);
    store_le32(h + 0x238, 2047);
    store_le32(h + 0x248, PAYLOAD_OFFSET);
    store_le32(h + 0x24c, payload->len);
    g_byte_array_append(image, payload->data, payload->len);
    return image;
}

static GByteArray *make_kernel(enum format format)
{
    g_autoptr(GByteArray) elf = make_elf(true, true);
    g_autoptr(GByteArray) payload = compress_payload(format, elf);
    return make_bzimage(payload);
}

static void assert_refused(const uint8_t *data, size_t size, const char *why)
{
    g_autoptr(GError) error = NULL;
    struct kernel_image *image = kernel_image_parse("k", data, size, &error);
    if (image || !strstr(error->message, why)) {
        g_error("expected an error with '%s', got: %s", why, image ? "none" : error->message);
    }
}

static void test_elf(void)
{
    for (int variant = 0; variant < 4; variant++) {
        bool is_64 = variant & 1, pvh = variant & 2;
        g_autoptr(GByteArray) elf = make_elf(is_64, pvh);
        g_autoptr(GError) error = NULL;
        if (!is_64 && !pvh) {
            assert_refused(elf->data, elf->len, "32-bit ELF file without a PVH entry");
            continue;
        }
        struct kernel_image *image = kernel_image_parse("k", elf->data, elf->len, &error);
        g_assert_no_error(error);
        g_assert_cmpint(image->entry, ==, pvh ? KERNEL_ENTRY_PVH : KERNEL_ENTRY_LINUX64);
        g_assert_cmphex(image->entry_address, ==, TEXT_ADDRESS + (pvh ? ENTRY_OFFSET : 0));
        g_assert_cmpuint(image->segment_count, ==, 1);
        g_assert_cmphex(image->low, ==, TEXT_ADDRESS);
        g_assert_cmphex(image->high, ==, TEXT_ADDRESS + 2 * TEXT_SIZE);
        g_assert_cmpmem(image->segments[0].data, image->segments[0].file_size, elf->data + 0x200, TEXT_SIZE);
        g_assert_cmpuint(image->setup_header_length, ==, 0);
        kernel_image_free(image);
    }
}

static void test_formats(void)
{
    g_autoptr(GByteArray) elf = make_elf(true, true);
    for (enum format format = 0; format < FORMATS; format++) {
        g_autoptr(GByteArray) kernel = make_kernel(format);
        g_autoptr(GError) error = NULL;
        struct kernel_image *image = kernel_image_parse("k", kernel->data, kernel->len, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(image->elf, image->elf_size, elf->data, elf->len);
        g_assert_cmphex(image->initrd_max, ==, 0x7fffffff);
        g_assert_cmpuint(image->cmdline_max, ==, 2047);
        g_assert_cmpuint(image->setup_header_length, ==, 0x202 + 0x6a - 0x1f1);
        kernel_image_free(image);
    }
}

/* Cut anywhere: refused, except where only bytes that nobody needs are gone. */
static void test_truncated(void)
{
    for (enum format format = 0; format < FORMATS; format++) {
        g_autoptr(GByteArray) kernel = make_kernel(format);
        for (size_t size = 0; size < kernel->len; size++) {
            g_autofree uint8_t *exact = g_memdup2(kernel->data, size); /* so that a sanitizer sees the end */
            g_autoptr(GError) error = NULL;
            g_assert_null(kernel_image_parse("k", exact, size, &error));
            g_assert_nonnull(error);
        }
    }
    g_autoptr(GByteArray) elf = make_elf(true, true);
    for (size_t size = 0; size < 0x428; size++) { /* up to the note's end */
        g_autofree uint8_t *exact = g_memdup2(elf->data, size);
        g_autoptr(GError) error = NULL;
        g_assert_null(kernel_image_parse("k", exact, size, &error));
    }
}

/* Each byte of the headers, each with a few values: any outcome but a crash, and segments always lie in the file. */
static void test_garbled(void)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    for (int variant = 0; variant < 3; variant++) {
        g_autoptr(GByteArray) image = variant == 0   ? make_elf(true, true)
                                      : variant == 1 ? make_elf(false, true)
                                                     : make_kernel(LZ4);
        for (size_t at = 0; at < MIN(image->len, 0x700); at++) {
            uint8_t before = image->data[at];
            for (unsigned v = 0; v < sizeof(values); v++) {
                g_autoptr(GError) error = NULL;
                image->data[at] = values[v];
                struct kernel_image *k = kernel_image_parse("k", image->data, image->len, &error);
                g_assert_true(!k == !!error);
                for (unsigned i = 0; k && i < k->segment_count; i++) {
                    g_assert_true(k->segments[i].data >= k->elf);
                    g_assert_true(k->segments[i].data + k->segments[i].file_size <= k->elf + k->elf_size);
                    g_assert_cmphex(k->segments[i].address, >=, 0x100000);
                }
                kernel_image_free(k);
            }
            image->data[at] = before;
        }
    }
}

static void test_refused(void)
{
    g_autoptr(GByteArray) kernel = make_kernel(GZIP);
    g_autoptr(GByteArray) elf = make_elf(true, false);

    assert_refused((const uint8_t *)"MZ", 2, "neither a bzImage nor an ELF");
    store_le16(kernel->data + 0x206, 0x207);
    assert_refused(kernel->data, kernel->len, "boot protocol 2.07: not supported");
    store_le16(kernel->data + 0x206, 0x20f);
    kernel->data[0x211] = 0;
    assert_refused(kernel->data, kernel->len, "zImage");
    kernel->data[0x211] = 1;
    memcpy(kernel->data + 3 * 512 + PAYLOAD_OFFSET, "BZh", 3);
    assert_refused(kernel->data, kernel->len, "bzip2: not supported");
    store_le32(kernel->data + 0x24c, 0xffffffff);
    assert_refused(kernel->data, kernel->len, "does not lie within");
    Elf64_Phdr *load = (Elf64_Phdr *)(elf->data + sizeof(Elf64_Ehdr));
    load->p_paddr = 0x8000;
    assert_refused(elf->data, elf->len, "not within 1 MiB to 4 GiB");
    load->p_paddr = TEXT_ADDRESS;
    load->p_memsz = UINT64_MAX;
    assert_refused(elf->data, elf->len, "not within 1 MiB to 4 GiB");
    load->p_memsz = TEXT_SIZE;
    ((Elf64_Ehdr *)elf->data)->e_entry = 0xffffffff81000000;
    assert_refused(elf->data, elf->len, "in none of its segments");
}

static void test_files(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(kernel_image_load("/nonexistent/vmlinuz", &error));
    g_assert_nonnull(strstr(error->message, "/nonexistent/vmlinuz"));
    g_clear_error(&error);
    g_assert_null(kernel_image_load("/", &error));
    g_assert_nonnull(strstr(error->message, "not a regular file"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kernel-image/elf", test_elf);
    g_test_add_func("/kernel-image/formats", test_formats);
    g_test_add_func("/kernel-image/truncated", test_truncated);
    g_test_add_func("/kernel-image/garbled", test_garbled);
    g_test_add_func("/kernel-image/refused", test_refused);
    g_test_add_func("/kernel-image/files", test_files);
    return g_test_run();
}
