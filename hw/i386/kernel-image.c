/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel files: a bzImage (Linux's Documentation/arch/x86/boot.rst, protocol 2.08 and up) carries a compressed
 * vmlinux, which is decompressed here and then treated as an ELF file given directly.
 *
 * Left out: protocols before 2.08 (2008: they do not say where the payload is), and running the bzImage's own
 * decompressor.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hw/i386/kernel-image.h"
#include "util/bytes.h"

/* Offsets in a bzImage's first sectors. */
#define SETUP_HEADER 0x1f1
#define SETUP_SECTS 0x1f1
#define SETUP_JUMP_LENGTH 0x201 /* the header ends this many bytes after 0x202 */
#define SETUP_MAGIC 0x202
#define SETUP_VERSION 0x206
#define SETUP_LOADFLAGS 0x211
#define SETUP_INITRD_MAX 0x22c
#define SETUP_CMDLINE_SIZE 0x238
#define SETUP_PAYLOAD_OFFSET 0x248
#define SETUP_PAYLOAD_LENGTH 0x24c
#define SETUP_SMALLEST 0x250 /* all of the above */

#define LOADED_HIGH 0x01
#define DEFAULT_INITRD_MAX 0x7fffffff /* where nobody says: what Linux on x86-64 asks for */
#define DEFAULT_CMDLINE_MAX 2047

static bool bzimage_parse(const char *name, const uint8_t *data, size_t size, struct kernel_image *image,
                          GError **error)
{
    if (size < SETUP_SMALLEST) {
        return error_setf(error, "kernel '%s' is truncated: %zu bytes", name, size);
    }
    unsigned version = load_le16(data + SETUP_VERSION);
    if (version < 0x208) {
        return error_setf(error, "kernel '%s' has boot protocol %u.%02u: not supported (2.08 and later are)", name,
                          version >> 8, version & 0xff);
    }
    if (!(data[SETUP_LOADFLAGS] & LOADED_HIGH)) {
        return error_setf(error, "kernel '%s' is a zImage: not supported (a bzImage is)", name);
    }
    size_t header_end = SETUP_MAGIC + data[SETUP_JUMP_LENGTH];
    if (header_end > size || header_end < SETUP_SMALLEST) {
        return error_setf(error, "kernel '%s' is damaged or truncated: its setup header ends at 0x%zx", name,
                          header_end);
    }
    uint64_t setup = ((data[SETUP_SECTS] ? data[SETUP_SECTS] : 4) + 1) * 512ull;
    uint64_t offset = setup + load_le32(data + SETUP_PAYLOAD_OFFSET), length = load_le32(data + SETUP_PAYLOAD_LENGTH);
    if (offset > size || length > size - offset) {
        return error_setf(error,
                          "kernel '%s' is damaged or truncated: its payload (0x%" PRIx64 " bytes at 0x%" PRIx64
                          ") does not lie within its %zu bytes", name, length, offset, size);
    }
    image->elf = kernel_decompress(name, data + offset, length, &image->elf_size, error);
    if (!image->elf) {
        return false;
    }
    image->setup_header_length = MIN(header_end - SETUP_HEADER, sizeof(image->setup_header));
    memcpy(image->setup_header, data + SETUP_HEADER, image->setup_header_length);
    image->initrd_max = load_le32(data + SETUP_INITRD_MAX);
    image->cmdline_max = load_le32(data + SETUP_CMDLINE_SIZE);
    return true;
}

static bool elf_take(const char *name, const uint8_t *data, size_t size, struct kernel_image *image, GError **error)
{
    image->elf = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image->elf == MAP_FAILED) {
        image->elf = NULL;
        return error_setf_errno(error, errno, "kernel '%s': no memory for its %zu bytes", name, size);
    }
    memcpy(image->elf, data, size);
    image->elf_size = size;
    image->initrd_max = DEFAULT_INITRD_MAX;
    image->cmdline_max = DEFAULT_CMDLINE_MAX;
    return true;
}

struct kernel_image *kernel_image_parse(const char *name, const uint8_t *data, size_t size, GError **error)
{
    struct kernel_image *image = g_new0(struct kernel_image, 1);
    bool ok;

    if (size >= 4 && !memcmp(data, "\177ELF", 4)) {
        ok = elf_take(name, data, size, image, error);
    } else if (size >= SETUP_MAGIC + 4 && !memcmp(data + SETUP_MAGIC, "HdrS", 4)) {
        ok = bzimage_parse(name, data, size, image, error);
    } else {
        ok = error_setf(error, "kernel '%s' is neither a bzImage nor an ELF file, or is truncated (%zu bytes)", name,
                        size);
    }
    if (!ok || !kernel_elf_parse(name, image, error)) {
        kernel_image_free(image);
        return NULL;
    }
    return image;
}

struct kernel_image *kernel_image_load(const char *path, GError **error)
{
    struct kernel_image *image = NULL;
    struct stat st;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_setf_errno(error, errno, "could not load kernel '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        error_setf(error, "could not load kernel '%s': not a regular file", path);
    } else if (st.st_size == 0 || (uint64_t)st.st_size > KERNEL_MAX_BYTES) {
        error_setf(error, "could not load kernel '%s': its size of %" PRIu64 " bytes is not one of a kernel", path,
                   (uint64_t)st.st_size);
    } else {
        void *data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            error_setf_errno(error, errno, "could not map kernel '%s'", path);
        } else {
            image = kernel_image_parse(path, data, st.st_size, error);
            munmap(data, st.st_size);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return image;
}

void kernel_image_free(struct kernel_image *image)
{
    if (image && image->elf) {
        munmap(image->elf, image->elf_size);
    }
    g_free(image);
}
