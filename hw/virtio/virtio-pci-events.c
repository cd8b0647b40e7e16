/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks and calls that KVM carries between guest and queue: the kernel signals the queue's eventfd for a kick
 * (KVM_IOEVENTFD), so that the vCPU goes on at once, and turns the signal of another into the queue's MSI-X message
 * (KVM_IRQFD), so that an iothread interrupts the guest without the big lock.
 *
 * Kicks: while the queue is served; the signal of one that comes too late is found when it is served again, as the ring
 * is. Calls: while an iothread serves the queue and its vector can be sent. An interrupt that an iothread signals as
 * the vector is just being masked stays in the eventfd: it is taken from there as the route goes, or by the kernel when
 * it comes back. With MSI-X drivers do not read the ISR, so calls leave it alone.
 */
#include "hw/virtio/virtio-pci.h"
#include <linux/virtio_pci.h>

static struct virtio_pci *proxy_of(const struct virtqueue *vq)
{
    return (struct virtio_pci *)vq->vdev->device;
}

/* --- Kicks --- */

static void kicks_start(struct virtio_pci *proxy, struct virtqueue *vq)
{
    struct virtio_pci_events *events = &proxy->events[vq->index];

    if (proxy->modern) {
        events->modern = (struct kvm_write_event) {
            .region = &proxy->notify, .offset = vq->index * VIRTIO_PCI_NOTIFY_MULTIPLIER, .fd = vq->kick.fd,
        };
        kvm_write_event_add(&events->modern);
    }
    if (proxy->legacy) {
        events->legacy = (struct kvm_write_event) {
            .region = &proxy->legacy_bar, .offset = VIRTIO_PCI_QUEUE_NOTIFY, .size = 2, .match = true,
            .data = vq->index, .fd = vq->kick.fd,
        };
        kvm_write_event_add(&events->legacy);
    }
}

static void kicks_stop(struct virtio_pci *proxy, struct virtqueue *vq)
{
    kvm_write_event_remove(&proxy->events[vq->index].modern);
    kvm_write_event_remove(&proxy->events[vq->index].legacy);
}

/* --- Calls --- */

static void call_unbind(struct virtio_pci_events *events, struct virtqueue *vq)
{
    __atomic_store_n(&vq->call_ready, false, __ATOMIC_RELEASE);
    kvm_irqfd_remove(events->gsi, vq->call.fd);
    kvm_msi_route_remove(events->gsi);
    events->gsi = 0;
    if (event_notifier_test_and_clear(&vq->call)) {
        __atomic_store_n(&vq->interrupt_wanted, true, __ATOMIC_RELEASE);
        event_notifier_set(&vq->vdev->deferred);
    }
}

static void call_bind(struct virtio_pci_events *events, struct virtqueue *vq, uint64_t address, uint32_t data)
{
    int gsi = kvm_msi_route_add(address, data);

    if (gsi < 0) {
        return; /* the main loop interrupts, as without KVM */
    }
    if (kvm_irqfd_assign(gsi, vq->call.fd) < 0) {
        kvm_msi_route_remove(gsi);
        return;
    }
    events->gsi = gsi;
    events->address = address;
    events->data = data;
    __atomic_store_n(&vq->call_ready, true, __ATOMIC_RELEASE);
}

static void call_update(struct virtio_pci *proxy, struct virtqueue *vq)
{
    struct virtio_pci_events *events = &proxy->events[vq->index];
    uint64_t address;
    uint32_t data;
    bool want = vq->source && vq->iothread && msix_message(&proxy->pci, vq->vector, &address, &data);

    if (events->gsi && !(want && address == events->address && data == events->data)) {
        call_unbind(events, vq);
    }
    if (want && !events->gsi) {
        call_bind(events, vq, address, data);
    }
}

void virtio_pci_vectors_changed(struct pci_device *dev)
{
    struct virtio_pci *proxy = (struct virtio_pci *)dev;

    for (unsigned n = 0; n < proxy->vdev->queue_count; n++) {
        call_update(proxy, &proxy->vdev->queues[n]);
    }
}

void virtio_pci_queue_served(struct virtqueue *vq, bool served)
{
    struct virtio_pci *proxy = proxy_of(vq);

    if (!served) {
        kicks_stop(proxy, vq);
    } else if (proxy->ioeventfd) {
        kicks_start(proxy, vq);
    }
    call_update(proxy, vq);
}
