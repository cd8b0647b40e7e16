/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM_IOEVENTFD: writes to a place in a region signal an eventfd without leaving the guest. The kernel wants
 * addresses, a device has regions that the guest moves: so each place is looked up again in every new flat view.
 *
 * A refusal (the kernel's table is full) costs speed only: the write then reaches the region's handler.
 */
#include "accel/kvm/internal.h"

#include "memory/memory.h"

static struct kvm_write_event *events;

static bool any_size(void)
{
    static int known = -1;

    known = known < 0 ? kvm_check_extension(KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0 : known;
    return known;
}

static bool call_kernel(const struct kvm_write_event *event, uint32_t flags)
{
    struct kvm_ioeventfd arguments = {
        .addr = event->address,
        .len = event->size || any_size() ? event->size : 2, /* a driver's usual one */
        .datamatch = event->data,
        .fd = event->fd,
        .flags = flags | (event->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
                 (event->is_port ? KVM_IOEVENTFD_FLAG_PIO : 0),
    };

    return kvm_vm_ioctl(KVM_IOEVENTFD, &arguments) == 0;
}

static bool look_up(const struct flat_view *view, const struct kvm_write_event *event, uint64_t *address)
{
    for (unsigned i = 0; i < view->count; i++) {
        const struct flat_range *range = &view->ranges[i];

        if (range->mr == event->region && event->offset >= range->offset &&
            event->offset - range->offset <= range->end - range->start) {
            *address = range->start + (event->offset - range->offset);
            return true;
        }
    }
    return false;
}

static bool find(const struct kvm_write_event *event, uint64_t *address, bool *is_port)
{
    *is_port = look_up(address_space_io.view, event, address);
    return *is_port || look_up(address_space_memory.view, event, address);
}

static void unassign(struct kvm_write_event *event)
{
    if (event->assigned) {
        call_kernel(event, KVM_IOEVENTFD_FLAG_DEASSIGN);
        event->assigned = false;
    }
}

/* False if it is to be assigned, at the address that is now in it. */
static bool settled(struct kvm_write_event *event)
{
    bool is_port;
    uint64_t address;

    if (!find(event, &address, &is_port)) {
        unassign(event);
        return true;
    }
    if (event->assigned && event->address == address && event->is_port == is_port) {
        return true;
    }
    unassign(event);
    event->address = address;
    event->is_port = is_port;
    return false;
}

/* Two devices may have changed places: all that go first. */
static void topology_changed(struct memory_listener *self, struct address_space *as, struct flat_view *old_view,
                             struct flat_view *new_view)
{
    for (struct kvm_write_event *event = events; event; event = event->next) {
        event->pending = !settled(event);
    }
    for (struct kvm_write_event *event = events; event; event = event->next) {
        event->assigned = event->pending ? call_kernel(event, 0) : event->assigned;
        event->pending = false;
    }
}

static struct memory_listener listener = { .changed = topology_changed };

void kvm_write_event_add(struct kvm_write_event *event)
{
    static bool listening;

    if (!kvm_enabled() || !kvm_check_extension(KVM_CAP_IOEVENTFD)) {
        return;
    }
    if (!listening) {
        listening = true;
        memory_listener_add(&listener);
    }
    event->added = true;
    event->assigned = false;
    event->next = events;
    events = event;
    if (!settled(event)) {
        event->assigned = call_kernel(event, 0);
    }
}

void kvm_write_event_remove(struct kvm_write_event *event)
{
    if (!event->added) {
        return;
    }
    unassign(event);
    event->added = false;
    for (struct kvm_write_event **at = &events; *at; at = &(*at)->next) {
        if (*at == event) {
            *at = event->next;
            break;
        }
    }
}
