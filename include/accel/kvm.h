/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel kvm, as devices and CPU models see it (Documentation/virt/kvm/api.rst throughout). accel/kvm/.
 *
 * The ioctl wrappers return what the ioctl returned, or -errno; EINTR is left to the caller. Any thread; a vCPU's
 * ioctls belong to its thread while it runs (cpu_run_on()), to anyone while vCPUs are paused.
 */
#ifndef FERRY_ACCEL_KVM_H
#define FERRY_ACCEL_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpu.h"
#include "util/error.h"

/*
 * Pages of the kernel's own in the guest's address space, for Intel CPUs that cannot run real mode; from here to the
 * flash chip is kept from the guest.
 */
#define KVM_PAGES_ADDRESS 0xfeffc000u

struct memory_region;

/* True once -accel kvm was chosen. */
bool kvm_enabled(void);
/* True if local APICs, IOAPIC, i8259s and i8254 live in the kernel (kernel-irqchip=on, the default). */
bool kvm_irqchip_in_kernel(void);

int kvm_system_ioctl(unsigned long request, void *argument);
int kvm_vm_ioctl(unsigned long request, void *argument);
int kvm_vcpu_ioctl(struct x86_cpu *cpu, unsigned long request, void *argument);
/* KVM_CHECK_EXTENSION on the VM: 0 if absent, else the capability's value. */
int kvm_check_extension(unsigned capability);
/* KVM_ENABLE_CAP on the VM with up to two arguments. */
int kvm_enable_capability(unsigned capability, uint64_t argument0, uint64_t argument1);

/* KVM_GET_SUPPORTED_CPUID: entries for leaf and subleaf (subleaf ignored where KVM says so); zeros if it has none. */
void kvm_supported_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/* --- in-kernel interrupt controllers: accel/kvm/irqchip.c --- */

/* Before any vCPU: makes them in the kernel. Big lock held for this and what follows, unless it says otherwise. */
bool kvm_irqchip_create(GError **error);
/* The 8259s' and the IOAPIC's registers; chip_id says whose. */
bool kvm_irqchip_get(struct kvm_irqchip *chip, GError **error);
bool kvm_irqchip_set(struct kvm_irqchip *chip, GError **error);
/* Raises or lowers a GSI (KVM_IRQ_LINE): 0..15 reach i8259 and IOAPIC as routed, 16..23 the IOAPIC. */
void kvm_irq_line(unsigned gsi, bool level);
/* Sends an MSI (KVM_SIGNAL_MSI). Any thread. */
void kvm_signal_msi(uint64_t address, uint32_t data);

/* --- eventfds that the kernel signals for a guest's write: accel/kvm/ioeventfd.c. Big lock held --- */

/* The owner fills in the first part, and keeps it where it is while it is added. */
struct kvm_write_event {
    struct memory_region *region;
    uint64_t offset;
    uint8_t size;  /* of the writes that count; 0: any, where the kernel can */
    bool match;    /* only those of `data` */
    uint64_t data;
    int fd;

    bool added, assigned, pending, is_port;
    uint64_t address; /* while assigned */
    struct kvm_write_event *next;
};

/*
 * From now on the kernel signals `fd` for such writes, wherever the region is mapped, and the region's handler sees
 * them no more. Where the kernel cannot, or there is no KVM, the handler still does.
 */
void kvm_write_event_add(struct kvm_write_event *event);
void kvm_write_event_remove(struct kvm_write_event *event);

/* --- eventfds that interrupt the guest: accel/kvm/irqchip.c. Big lock held; who signals them needs no lock --- */

/* A GSI that sends this message, or -errno. */
int kvm_msi_route_add(uint64_t address, uint32_t data);
void kvm_msi_route_remove(int gsi);
/* Signals of `fd` raise the GSI from now on, one that is pending included; or not any more, once those are delivered. */
int kvm_irqfd_assign(int gsi, int fd);
void kvm_irqfd_remove(int gsi, int fd);

#endif
