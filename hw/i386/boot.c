/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel, initrd and boot structures: read once, kept, placed at every reset. A guest that was migrated here is reset
 * from this side's own copy, so that source and destination need the same files only if the guest is to boot the same
 * again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot-structures.h"
#include "hw/i386/boot.h"
#include "memory/memory.h"
#include "trace/hw_i386.h"

struct boot *boot_new(void)
{
    struct boot *boot = g_new0(struct boot, 1);

    boot->blobs = g_array_new(false, false, sizeof(struct boot_blob));
    return boot;
}

void boot_free(struct boot *boot)
{
    if (!boot) {
        return;
    }
    for (unsigned i = 0; i < boot->blobs->len; i++) {
        g_free(g_array_index(boot->blobs, struct boot_blob, i).owned);
    }
    g_array_free(boot->blobs, true);
    kernel_image_free(boot->kernel);
    g_free(boot);
}

void boot_add_blob(struct boot *boot, uint64_t address, uint8_t *data, uint64_t size)
{
    struct boot_blob blob = { .address = address, .data = data, .size = size, .total_size = size, .owned = data };

    g_array_append_val(boot->blobs, blob);
}

static bool read_fully(int fd, uint8_t *data, uint64_t size)
{
    for (uint64_t done = 0; done < size;) {
        ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got ? errno : EIO; /* it shrank under us */
            return false;
        }
        done += got;
    }
    return true;
}

/* `room`: the most bytes that fit. */
static uint8_t *initrd_read(const char *path, uint64_t room, uint64_t *size, GError **error)
{
    g_autofree uint8_t *data = NULL;
    struct stat st;

    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_setf_errno(error, errno, "could not load initrd '%s'", path);
    } else if (!S_ISREG(st.st_mode)) {
        error_setf(error, "could not load initrd '%s': not a regular file", path);
    } else if ((uint64_t)st.st_size > room) {
        error_setf(error,
                   "initrd '%s' of %" PRIu64 " bytes does not fit: %" PRIu64
                   " bytes are free behind the kernel (see -m)",
                   path, (uint64_t)st.st_size, room);
    } else {
        *size = st.st_size;
        data = g_try_malloc(MAX(*size, 1));
        if (!data || !read_fully(fd, data, *size)) {
            error_setf_errno(error, data ? errno : ENOMEM, "could not read initrd '%s'", path);
            g_clear_pointer(&data, g_free);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return g_steal_pointer(&data);
}

/* As high as the kernel's header, the RAM and the page size allow. */
static bool initrd_prepare(struct boot *boot, const struct boot_request *request, struct boot_module *module,
                           GError **error)
{
    uint64_t top = MIN(request->ram_end, boot->kernel->initrd_max + 1) & ~0xfffull;
    uint64_t floor = (boot->kernel->high + 0xfff) & ~0xfffull;

    uint8_t *data = initrd_read(request->initrd, top > floor ? top - floor : 0, &module->size, error);
    if (!data) {
        return false;
    }
    module->address = (top - module->size) & ~0xfffull;
    boot_add_blob(boot, module->address, data, module->size);
    return true;
}

/* Length without the zeros at the end: Linux's .bss is in its file, and need not be populated before it is used. */
static uint64_t without_zeros(const uint8_t *data, uint64_t length)
{
    while (length > 0 && data[length - 1] == 0) {
        length--;
    }
    return length;
}

static bool kernel_prepare(struct boot *boot, const struct boot_request *request, GError **error)
{
    boot->kernel = kernel_image_load(request->kernel, error);
    if (!boot->kernel) {
        return false;
    }
    if (boot->kernel->high > request->ram_end) {
        return error_setf(error,
                          "kernel '%s' needs memory up to 0x%" PRIx64 ", the guest's usable memory ends at 0x%" PRIx64
                          " (see -m)", request->kernel, boot->kernel->high, request->ram_end);
    }
    size_t length = request->append ? strlen(request->append) : 0;
    if (length > boot->kernel->cmdline_max || length >= BOOT_PAGE_TABLES - BOOT_CMDLINE) {
        return error_setf(error, "the kernel command line has %zu bytes; kernel '%s' takes at most %u", length,
                          request->kernel, boot->kernel->cmdline_max);
    }
    for (unsigned i = 0; i < boot->kernel->segment_count; i++) {
        const struct kernel_segment *s = &boot->kernel->segments[i];
        struct boot_blob blob = { .address = s->address, .data = s->data, .total_size = s->memory_size,
                                  .size = without_zeros(s->data, s->file_size) };
        g_array_append_val(boot->blobs, blob);
    }
    return true;
}

bool boot_prepare(struct boot *boot, const struct boot_request *request, GError **error)
{
    struct boot_module initrd = { 0 };

    if (!kernel_prepare(boot, request, error) ||
        (request->initrd && !initrd_prepare(boot, request, &initrd, error))) {
        return false;
    }
    const char *append = request->append ? request->append : "";
    boot_add_blob(boot, BOOT_CMDLINE, (uint8_t *)g_strdup(append), strlen(append) + 1);
    boot_structures_make(boot, request, &initrd);
    return true;
}

static void place_zeros(uint64_t address, uint64_t size)
{
    static const uint8_t zeros[65536];

    for (uint64_t done = 0; done < size;) {
        uint64_t step = MIN(size - done, sizeof(zeros));
        address_space_write(&address_space_memory, address + done, zeros, step);
        done += step;
    }
}

void boot_place(struct boot *boot)
{
    for (unsigned i = 0; i < boot->blobs->len; i++) {
        const struct boot_blob *blob = &g_array_index(boot->blobs, struct boot_blob, i);
        trace_boot_place(blob->address, blob->size, blob->total_size - blob->size);
        address_space_write(&address_space_memory, blob->address, blob->data, blob->size);
        if (boot->used) { /* fresh memory reads as zeros, and stays unpopulated if nobody writes to it */
            place_zeros(blob->address + blob->size, blob->total_size - blob->size);
        }
    }
    boot->used = true;
}
