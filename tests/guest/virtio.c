/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hardware.h"
#include "virtio.h"

#define RESET_TICKS 5000000000ull
#define VECTOR_CONFIG 0x90
#define VECTOR_QUEUE 0x91
#define VECTOR_INTX 0x92
#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_ISR 3
#define CAP_DEVICE 4

volatile uint32_t virtio_config_interrupts, virtio_queue_interrupts;
static volatile uint8_t *intx_isr;

static void on_config(struct trap_frame *frame)
{
    virtio_config_interrupts++;
    apic_write(APIC_EOI, 0);
}

static void on_queue(struct trap_frame *frame)
{
    virtio_queue_interrupts++;
    apic_write(APIC_EOI, 0);
}

/* Reading the ISR takes the line back, before the EOI that would otherwise see it still up. */
static void on_intx(struct trap_frame *frame)
{
    uint8_t isr = mmio_read8(intx_isr);
    virtio_queue_interrupts += isr & 1;
    virtio_config_interrupts += isr >> 1 & 1;
    apic_write(APIC_EOI, 0);
}

bool virtio_find(uint16_t type, struct virtio_device *dev)
{
    if (!pci_find(0x1af4, 0x1040 + type, &dev->pci) && !pci_find(0x1af4, 0x1002, &dev->pci)) {
        return false;
    }
    pci_write(&dev->pci, PCI_COMMAND, 2,
              pci_read(&dev->pci, PCI_COMMAND, 2) | PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    for (unsigned at = 0; (at = pci_capability(&dev->pci, PCI_CAP_VENDOR, at));) {
        uint64_t base = pci_bar(&dev->pci, pci_read(&dev->pci, at + 4, 1));
        volatile uint8_t *where = (volatile uint8_t *)(base + pci_read(&dev->pci, at + 8, 4));
        if (!base) {
            continue;
        }
        switch (pci_read(&dev->pci, at + 3, 1)) {
        case CAP_COMMON:
            dev->common = where;
            break;
        case CAP_NOTIFY:
            dev->notify = where;
            dev->notify_multiplier = pci_read(&dev->pci, at + 16, 4);
            break;
        case CAP_ISR:
            dev->isr = where;
            break;
        case CAP_DEVICE:
            dev->config = where;
            break;
        }
    }
    return dev->common && dev->notify && dev->isr && dev->config;
}

/* If it fails it says so, and whatever comes next fails, too. */
void virtio_reset(struct virtio_device *dev)
{
    mmio_write8(dev->common + COMMON_STATUS, 0);
    for (uint64_t t = rdtsc(); mmio_read8(dev->common + COMMON_STATUS);) {
        if (rdtsc() - t > RESET_TICKS) {
            print("fail the device does not reset: its status is 0x%x\n", mmio_read8(dev->common + COMMON_STATUS));
            return;
        }
        cpu_pause();
    }
}

static void add_status(struct virtio_device *dev, uint8_t bits)
{
    mmio_write8(dev->common + COMMON_STATUS, mmio_read8(dev->common + COMMON_STATUS) | bits);
}

static bool setup_msix(struct virtio_device *dev)
{
    unsigned cap = pci_capability(&dev->pci, PCI_CAP_MSIX, 0);
    CHECK(cap, "no MSI-X capability");
    uint32_t table = pci_read(&dev->pci, cap + 4, 4);
    volatile uint32_t *entries = (volatile uint32_t *)(pci_bar(&dev->pci, table & 7) + (table & ~7u));
    for (int i = 0; i < 2; i++) {
        entries[i * 4] = APIC | (apic_read(APIC_ID) >> 24) << 12;
        entries[i * 4 + 1] = 0;
        entries[i * 4 + 2] = VECTOR_CONFIG + i;
        entries[i * 4 + 3] = 0;
    }
    pci_write(&dev->pci, cap + 2, 2, 0x8000);
    mmio_write16(dev->common + COMMON_MSIX_CONFIG, 0);
    CHECK(mmio_read16(dev->common + COMMON_MSIX_CONFIG) == 0, "the device refuses the vector");
    return true;
}

static bool setup_interrupts(struct virtio_device *dev)
{
    unsigned cap = pci_capability(&dev->pci, PCI_CAP_MSIX, 0);
    apic_write(APIC_SPURIOUS, 0x1ff); /* on; its timer may be running */
    trap_set_handler(VECTOR_CONFIG, on_config);
    trap_set_handler(VECTOR_QUEUE, on_queue);
    trap_set_handler(VECTOR_INTX, on_intx);
    if (cap) {
        pci_write(&dev->pci, cap + 2, 2, 0);
    }
    if (dev->interrupts == VIRTIO_MSIX) {
        return setup_msix(dev);
    }
    if (dev->interrupts == VIRTIO_INTX) {
        unsigned line = pci_read(&dev->pci, 0x3c, 1);
        CHECK(line && line < 16, "interrupt line %u", line);
        intx_isr = dev->isr;
        ioapic_route(line, VECTOR_INTX | IOAPIC_LEVEL);
    }
    return true;
}

bool virtio_begin(struct virtio_device *dev, uint64_t wanted, enum virtio_interrupts interrupts)
{
    dev->interrupts = interrupts;
    virtio_reset(dev);
    add_status(dev, VIRTIO_ACKNOWLEDGE);
    add_status(dev, VIRTIO_DRIVER);
    dev->offered = 0;
    for (int i = 0; i < 2; i++) {
        mmio_write32(dev->common + COMMON_DEVICE_SELECT, i);
        dev->offered |= (uint64_t)mmio_read32(dev->common + COMMON_DEVICE_FEATURE) << 32 * i;
    }
    CHECK((dev->offered & wanted) == wanted, "features 0x%lx wanted, 0x%lx offered", wanted, dev->offered);
    dev->features = wanted;
    for (int i = 0; i < 2; i++) {
        mmio_write32(dev->common + COMMON_DRIVER_SELECT, i);
        mmio_write32(dev->common + COMMON_DRIVER_FEATURE, wanted >> 32 * i);
    }
    add_status(dev, VIRTIO_FEATURES_OK);
    CHECK(mmio_read8(dev->common + COMMON_STATUS) & VIRTIO_FEATURES_OK, "features 0x%lx refused", wanted);
    return setup_interrupts(dev);
}

bool virtio_queue_setup(struct virtio_device *dev, unsigned index, struct virtio_queue *q)
{
    mmio_write16(dev->common + COMMON_QUEUE_SELECT, index);
    unsigned size = mmio_read16(dev->common + COMMON_QUEUE_SIZE);
    CHECK(size && mmio_read16(dev->common + COMMON_QUEUES) > index, "no queue %u", index);
    size = size > QUEUE_MAX ? QUEUE_MAX : size;
    mmio_write16(dev->common + COMMON_QUEUE_SIZE, size);
    if (!q->desc) {
        q->desc = page_alloc(1);
        q->avail = page_alloc(1);
        q->used = page_alloc(1);
    }
    memset((void *)q->avail, 0, PAGE_SIZE);
    memset((void *)q->used, 0, PAGE_SIZE);
    q->index = index;
    q->size = size;
    q->added = q->seen = 0;
    q->event_idx = dev->features & VIRTIO_F_EVENT_IDX;
    if (dev->interrupts == VIRTIO_POLLED) {
        q->avail[0] = 1; /* no interrupts, please */
    }
    if (dev->interrupts == VIRTIO_MSIX) {
        mmio_write16(dev->common + COMMON_QUEUE_MSIX, 1);
        CHECK(mmio_read16(dev->common + COMMON_QUEUE_MSIX) == 1, "the device refuses the vector");
    }
    mmio_write64(dev->common + COMMON_QUEUE_DESC, (uint64_t)q->desc);
    mmio_write64(dev->common + COMMON_QUEUE_AVAIL, (uint64_t)q->avail);
    mmio_write64(dev->common + COMMON_QUEUE_USED, (uint64_t)q->used);
    q->doorbell = (volatile uint16_t *)(dev->notify +
                                        mmio_read16(dev->common + COMMON_QUEUE_NOTIFY_OFF) * dev->notify_multiplier);
    mmio_write16(dev->common + COMMON_QUEUE_ENABLE, 1);
    return true;
}

void virtio_go(struct virtio_device *dev)
{
    add_status(dev, VIRTIO_DRIVER_OK);
}

void virtio_set_desc(struct virtio_queue *q, unsigned n, const volatile void *at, uint32_t length, uint16_t flags,
                     uint16_t next)
{
    q->desc[n] = (struct virtio_desc){ (uint64_t)at, length, flags, next };
}

void virtio_publish(struct virtio_queue *q, uint16_t head)
{
    q->avail[2 + q->added % q->size] = head;
    barrier();
    q->avail[1] = ++q->added;
}

/* Always rings: a device must bear more bells than it asked for. */
void virtio_kick(struct virtio_queue *q)
{
    __asm__ volatile("mfence" ::: "memory");
    *q->doorbell = q->index;
}

bool virtio_used(struct virtio_queue *q, uint32_t *head)
{
    if (q->used[1] == q->seen) {
        return false;
    }
    barrier();
    *head = *(volatile uint32_t *)&q->used[2 + q->seen % q->size * 4];
    q->seen++;
    if (q->event_idx) {
        q->avail[2 + q->size] = q->seen; /* used_event: interrupt me for the next */
    }
    return true;
}

bool virtio_finish(struct virtio_queue *q, uint64_t ticks)
{
    uint32_t head;
    for (uint64_t t = rdtsc(); q->seen != q->added;) {
        if (virtio_used(q, &head)) {
            continue;
        }
        if (rdtsc() - t > ticks) {
            return false;
        }
        __asm__ volatile("sti; pause; pause; cli" ::: "memory");
    }
    return true;
}
