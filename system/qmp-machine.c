/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP about the machine as a whole: memory, names, backends. vCPUs: qmp-cpus.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accel/accel.h"
#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "chardev/char.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "hw/intc/apic.h"
#include "memory/memory.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-visit.h"
#include "system/system.h"
#include "util/iothread.h"

const char *guest_name;
char guest_uuid[37] = "00000000-0000-0000-0000-000000000000";
bool guest_uuid_set;
const char *serial_chardevs[SERIAL_PORTS];

/*
 * Copies guest-physical memory for a reader who must not disturb devices: only RAM and ROM are read, all else
 * (registers, holes) is ones. Whole pages at a time, since regions' edges need not be the chunk's.
 */
static void physical_peek(uint64_t address, uint8_t *data, uint64_t length)
{
    const struct flat_view *view = address_space_memory.view;
    while (length) {
        uint64_t n = MIN(length, GUEST_PAGE_SIZE - address % GUEST_PAGE_SIZE), run = n;
        struct ram_block *block;
        uint64_t offset;
        if (memory_translate(view, address, &run, false, &block, &offset)) {
            n = MIN(n, run);
            memcpy(data, block->host + offset, n);
        } else {
            memset(data, 0xff, n);
        }
        address += n;
        data += n;
        length -= n;
    }
}

void qmp_pmemsave(uint64_t val, uint64_t size, const char *filename, GError **error)
{
    static uint8_t chunk[1 << 20];
    if (size > UINT64_MAX - val) {
        error_setf(error, "pmemsave: 0x%" PRIx64 " bytes from 0x%" PRIx64 " wrap around the address space", size,
                   val);
        return;
    }
    FILE *file = fopen(filename, "wb");
    if (!file) {
        error_setf_errno(error, errno, "pmemsave: cannot open '%s'", filename);
        return;
    }
    bool ok = true;
    for (uint64_t n; size && ok; val += n, size -= n) {
        n = MIN(size, sizeof(chunk));
        physical_peek(val, chunk, n);
        ok = fwrite(chunk, 1, n, file) == n;
    }
    if (fclose(file) != 0 || !ok) {
        error_setf_errno(error, errno, "pmemsave: cannot write '%s'", filename);
    }
}

void qmp_inject_nmi(GError **error)
{
    VCPU_FOREACH(cpu) {
        if (!apic_pulse_lint1(cpu, error)) {
            return;
        }
    }
}

MemoryInfo *qmp_query_memory_size_summary(GError **error)
{
    MemoryInfo *info = g_new0(MemoryInfo, 1);
    info->base_memory = current_machine->ram_size;
    return info;
}

NameInfo *qmp_query_name(GError **error)
{
    NameInfo *info = g_new0(NameInfo, 1);
    info->name = g_strdup(guest_name);
    return info;
}

UuidInfo *qmp_query_uuid(GError **error)
{
    UuidInfo *info = g_new0(UuidInfo, 1);
    info->UUID = g_strdup(guest_uuid);
    return info;
}

TargetInfo *qmp_query_target(GError **error)
{
    TargetInfo *info = g_new0(TargetInfo, 1);
    info->arch = SYS_EMU_TARGET_X86_64;
    return info;
}

KvmInfo *qmp_query_kvm(GError **error)
{
    KvmInfo *info = g_new0(KvmInfo, 1);

    info->present = true; /* in this program */
    info->enabled = kvm_enabled();
    return info;
}

static void add_iothread(const struct iothread *iothread, void *opaque)
{
    IOThreadInfo *info = g_new0(IOThreadInfo, 1); /* it never polls: those members are 0 */
    info->id = g_strdup(iothread_id(iothread));
    info->thread_id = iothread_thread_id(iothread);
    g_ptr_array_add(opaque, info);
}

GPtrArray *qmp_query_iothreads(GError **error)
{
    GPtrArray *list = qapi_list_of_IOThreadInfo_new();
    iothread_foreach(add_iothread, list);
    return list;
}

GPtrArray *qmp_query_jobs(GError **error)
{
    return qapi_list_of_JobInfo_new();
}

static void add_chardev(struct chardev *chr, void *opaque)
{
    ChardevInfo *info = g_new0(ChardevInfo, 1);
    info->label = g_strdup(chardev_id(chr));
    info->filename = g_strdup(chardev_filename(chr));
    info->frontend_open = chardev_connected(chr);
    g_ptr_array_add(opaque, info);
}

GPtrArray *qmp_query_chardev(GError **error)
{
    GPtrArray *list = qapi_list_of_ChardevInfo_new();
    chardev_foreach(add_chardev, list);
    return list;
}
