/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel kvm,dirty-ring-size=N: the kernel tells of written pages in a ring per vCPU instead of a bitmap per slot, so
 * that a sync costs what was written, not what the guest was given.
 *
 * An entry is pushed when a page becomes writable, and the page stays writable until the ring is reset: so what is
 * harvested is marked first, and a page's content counts only once the reset has protected it again: whoever takes
 * the mark waits for that (kvm_dirty_log_arm()). A CPU that logs in hardware flushes its buffer into the ring as it
 * leaves the guest: vCPUs are made to, before the harvest. One whose ring is full leaves KVM_RUN by itself, and
 * harvests before it goes on.
 */
#include "accel/kvm/internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIN_ENTRIES 1024u /* the kernel keeps some in reserve: less would be full at once */

static bool is_dirty(const struct kvm_dirty_gfn *entry)
{
    return __atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) == KVM_DIRTY_GFN_F_DIRTY;
}

static unsigned harvest_one(struct kvm_cpu *k)
{
    struct kvm_dirty_gfn *ring = __atomic_load_n(&k->ring, __ATOMIC_ACQUIRE);
    unsigned count = 0;

    for (; ring; count++, k->ring_next++) { /* none: the vCPU is being created, and has not run yet */
        struct kvm_dirty_gfn *entry = &ring[k->ring_next % kvm_options.dirty_ring_size];
        if (!is_dirty(entry)) {
            break;
        }
        kvm_slot_mark(entry->slot & 0xffff, entry->offset);
        __atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
    }
    return count;
}

void kvm_ring_harvest(void)
{
    unsigned count = 0;

    VCPU_FOREACH (cpu) {
        if (cpu->kvm) {
            count += harvest_one(cpu->kvm);
        }
    }
    if (count) {
        int result = kvm_vm_ioctl(KVM_RESET_DIRTY_RINGS, NULL);
        if (result < 0) {
            g_error("kvm: KVM_RESET_DIRTY_RINGS fails: %s", g_strerror(-result));
        }
    }
}

bool kvm_ring_init(GError **error)
{
    uint64_t entries = kvm_options.dirty_ring_size, bytes = entries * sizeof(struct kvm_dirty_gfn);
    unsigned capability = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
    uint64_t most = kvm_check_extension(capability);
    int result;

    if (!most) {
        capability = KVM_CAP_DIRTY_LOG_RING;
        most = kvm_check_extension(capability);
    }
    if (!most) {
        return error_setf(error, "dirty-ring-size: this kernel's KVM has no dirty ring");
    }
    if (entries < MIN_ENTRIES || entries & (entries - 1) || bytes > most) {
        return error_setf(error, "dirty-ring-size=%" G_GUINT64_FORMAT ": must be a power of two from %u to %"
                          G_GUINT64_FORMAT, entries, MIN_ENTRIES, most / sizeof(struct kvm_dirty_gfn));
    }
    result = kvm_enable_capability(capability, bytes, 0);
    return result >= 0 || error_setf_errno(error, -result, "dirty-ring-size=%" G_GUINT64_FORMAT
                                           ": KVM refuses it", entries);
}

bool kvm_ring_map(struct x86_cpu *cpu, GError **error)
{
    size_t size = kvm_options.dirty_ring_size * sizeof(struct kvm_dirty_gfn);
    off_t offset = (off_t)KVM_DIRTY_LOG_PAGE_OFFSET * sysconf(_SC_PAGESIZE);
    void *ring;

    if (!size) {
        return true;
    }
    ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->kvm->fd, offset);
    if (ring == MAP_FAILED) {
        return error_setf_errno(error, errno, "kvm: cannot map vCPU %d's dirty ring", cpu->index);
    }
    __atomic_store_n(&cpu->kvm->ring, ring, __ATOMIC_RELEASE);
    return true;
}

void kvm_ring_unmap(struct kvm_cpu *k)
{
    if (k->ring) {
        munmap(k->ring, kvm_options.dirty_ring_size * sizeof(struct kvm_dirty_gfn));
        k->ring = NULL;
    }
}
