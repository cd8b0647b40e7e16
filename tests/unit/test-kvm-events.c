/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Eventfds that KVM signals for writes, and that interrupt: under a kernel made up, whose ioctls win over the library's. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "accel/kvm.h"
#include "device-bench.h"
#include "memory/memory.h"

static GArray *assigned; /* struct kvm_ioeventfd */
static struct kvm_irqfd last_irqfd;
static GArray *messages; /* struct kvm_irq_routing_entry, those of type MSI */
static unsigned lines;   /* entries of other types */
static unsigned room = 8;

bool kvm_enabled(void)
{
    return true;
}

bool kvm_irqchip_in_kernel(void)
{
    return true;
}

int kvm_check_extension(unsigned capability)
{
    return 1;
}

static int find(const struct kvm_ioeventfd *event)
{
    for (guint i = 0; i < assigned->len; i++) {
        const struct kvm_ioeventfd *each = &g_array_index(assigned, struct kvm_ioeventfd, i);
        bool port = event->flags & KVM_IOEVENTFD_FLAG_PIO;
        if (each->addr == event->addr && each->datamatch == event->datamatch &&
            port == !!(each->flags & KVM_IOEVENTFD_FLAG_PIO)) {
            return (int)i;
        }
    }
    return -1;
}

static int ioeventfd(const struct kvm_ioeventfd *event)
{
    int at = find(event);

    if (event->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
        g_assert_cmpint(at, >=, 0);
        g_assert_cmpint(g_array_index(assigned, struct kvm_ioeventfd, at).fd, ==, event->fd);
        g_array_remove_index(assigned, (guint)at);
        return 0;
    }
    if (at >= 0) {
        return -EEXIST;
    }
    if (assigned->len >= room) {
        return -ENOSPC;
    }
    g_array_append_val(assigned, *event);
    return 0;
}

static int routing(const struct kvm_irq_routing *table)
{
    g_array_set_size(messages, 0);
    lines = 0;
    for (uint32_t i = 0; i < table->nr; i++) {
        if (table->entries[i].type == KVM_IRQ_ROUTING_MSI) {
            g_array_append_val(messages, table->entries[i]);
        } else {
            lines++;
        }
    }
    return 0;
}

int kvm_vm_ioctl(unsigned long request, void *argument)
{
    switch (request) {
    case KVM_IOEVENTFD: return ioeventfd(argument);
    case KVM_CREATE_IRQCHIP: return 0;
    case KVM_SET_GSI_ROUTING: return routing(argument);
    case KVM_IRQFD: last_irqfd = *(struct kvm_irqfd *)argument; return 0;
    default: return -ENOTTY;
    }
}

/* --- writes --- */

static void ignore(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
}

static const struct memory_region_ops ops = { .write = ignore };

static void check_at(guint i, uint64_t address, int fd)
{
    g_assert_cmpuint(assigned->len, >, i);
    g_assert_cmphex(g_array_index(assigned, struct kvm_ioeventfd, i).addr, ==, address);
    g_assert_cmpint(g_array_index(assigned, struct kvm_ioeventfd, i).fd, ==, fd);
}

static void test_follows_its_region(void)
{
    struct memory_region mr;
    struct kvm_write_event event = { .region = &mr, .offset = 0x10, .fd = 7 };

    memory_region_init_io(&mr, &ops, NULL, "test", 0x100);
    kvm_write_event_add(&event);
    g_assert_cmpuint(assigned->len, ==, 0); /* nowhere yet */
    memory_region_add(&system_memory, 0xe0000000, &mr, 0);
    check_at(0, 0xe0000010, 7);
    g_assert_cmphex(g_array_index(assigned, struct kvm_ioeventfd, 0).flags, ==, 0);
    memory_region_set_address(&mr, 0xe1000000);
    g_assert_cmpuint(assigned->len, ==, 1);
    check_at(0, 0xe1000010, 7);
    memory_region_set_enabled(&mr, false);
    g_assert_cmpuint(assigned->len, ==, 0);
    memory_region_set_enabled(&mr, true);
    check_at(0, 0xe1000010, 7);
    kvm_write_event_remove(&event);
    g_assert_cmpuint(assigned->len, ==, 0);
    kvm_write_event_remove(&event); /* no matter */
    memory_region_remove(&mr);
    memory_region_cleanup(&mr);
}

static void test_ports_change_places(void)
{
    struct memory_region a, b;
    struct kvm_write_event first = { .region = &a, .offset = 16, .size = 2, .match = true, .data = 3, .fd = 7 };
    struct kvm_write_event second = { .region = &b, .offset = 16, .size = 2, .match = true, .data = 3, .fd = 8 };

    memory_region_init_io(&a, &ops, NULL, "a", 32);
    memory_region_init_io(&b, &ops, NULL, "b", 32);
    memory_region_add(&system_io, 0xc000, &a, 0);
    memory_region_add(&system_io, 0xc020, &b, 0);
    kvm_write_event_add(&first);
    kvm_write_event_add(&second);
    check_at(0, 0xc010, 7);
    check_at(1, 0xc030, 8);
    g_assert_cmphex(g_array_index(assigned, struct kvm_ioeventfd, 0).flags, ==,
                    KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH);
    g_assert_cmpuint(g_array_index(assigned, struct kvm_ioeventfd, 0).len, ==, 2);
    memory_transaction_begin();
    memory_region_set_address(&a, 0xc020);
    memory_region_set_address(&b, 0xc000);
    memory_transaction_commit();
    g_assert_cmpuint(assigned->len, ==, 2);
    g_assert_true(first.assigned && second.assigned);
    g_assert_cmphex(first.address, ==, 0xc030);
    g_assert_cmphex(second.address, ==, 0xc010);
    kvm_write_event_remove(&first);
    kvm_write_event_remove(&second);
    memory_region_remove(&a);
    memory_region_remove(&b);
    memory_region_cleanup(&a);
    memory_region_cleanup(&b);
}

static void test_refused(void)
{
    struct memory_region mr;
    struct kvm_write_event event = { .region = &mr, .fd = 7 };

    memory_region_init_io(&mr, &ops, NULL, "test", 0x100);
    memory_region_add(&system_memory, 0xe0000000, &mr, 0);
    room = 0;
    kvm_write_event_add(&event);
    g_assert_false(event.assigned);
    room = 8;
    memory_region_set_address(&mr, 0xe1000000); /* and tried again */
    check_at(0, 0xe1000000, 7);
    kvm_write_event_remove(&event);
    g_assert_cmpuint(assigned->len, ==, 0);
    memory_region_remove(&mr);
    memory_region_cleanup(&mr);
}

/* --- messages --- */

static void test_routes(void)
{
    int first, second;

    g_assert_true(kvm_irqchip_create(NULL));
    g_assert_cmpuint(lines, ==, 16 + 23); /* the 8259s' and all pins of the IOAPIC but one */
    first = kvm_msi_route_add(0xfee01000, 0x4041);
    second = kvm_msi_route_add(0x1fee02000, 0x4042);
    g_assert_cmpint(first, ==, 24);
    g_assert_cmpint(second, ==, 25);
    g_assert_cmpuint(messages->len, ==, 2);
    g_assert_cmphex(g_array_index(messages, struct kvm_irq_routing_entry, 1).u.msi.address_hi, ==, 1);
    g_assert_cmphex(g_array_index(messages, struct kvm_irq_routing_entry, 1).u.msi.data, ==, 0x4042);
    kvm_msi_route_remove(first);
    g_assert_cmpuint(messages->len, ==, 1);
    g_assert_cmpint(kvm_msi_route_add(0xfee03000, 1), ==, first); /* numbers are used again */
    g_assert_cmpuint(messages->len, ==, 2);
    g_assert_cmpuint(lines, ==, 16 + 23);
    g_assert_cmpint(kvm_irqfd_assign(first, 9), ==, 0);
    g_assert_cmphex(last_irqfd.gsi << 8 | last_irqfd.fd, ==, 24 << 8 | 9);
    kvm_irqfd_remove(first, 9);
    g_assert_cmphex(last_irqfd.flags, ==, KVM_IRQFD_FLAG_DEASSIGN);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init();
    assigned = g_array_new(false, false, sizeof(struct kvm_ioeventfd));
    messages = g_array_new(false, false, sizeof(struct kvm_irq_routing_entry));
    g_test_add_func("/kvm-events/follows-its-region", test_follows_its_region);
    g_test_add_func("/kvm-events/ports-change-places", test_ports_change_places);
    g_test_add_func("/kvm-events/refused", test_refused);
    g_test_add_func("/kvm-events/routes", test_routes);
    return g_test_run();
}
