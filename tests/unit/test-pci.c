/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration space, BARs, INTx, MSI-X, resources, state: a bus with toy functions on it. */
#include <string.h>

#include "hw/core/device.h"
#include "hw/pci/pci.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "util/main-loop.h"

#define ADDRESS(slot, fn, reg) ((uint32_t)((slot) << 11 | (fn) << 8 | (reg)))

struct toy {
    struct pci_device pci;
    struct memory_region io, mem, big, msix_bar;
    uint64_t last;
    uint32_t vectors;
    bool fail;
};

static uint64_t toy_read(void *opaque, hwaddr offset, unsigned size)
{
    return 0x11 * (uintptr_t)((struct toy *)opaque)->pci.devfn + offset;
}

static void toy_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    ((struct toy *)opaque)->last = value;
}

static const struct memory_region_ops toy_ops = { .read = toy_read, .write = toy_write };

static bool toy_realize(struct pci_device *dev, GError **error)
{
    struct toy *toy = (struct toy *)dev;

    memory_region_init_io(&toy->io, &toy_ops, toy, "toy-io", 0x40);
    memory_region_init_io(&toy->mem, &toy_ops, toy, "toy-mem", 0x1000);
    memory_region_init_io(&toy->big, &toy_ops, toy, "toy-big", 0x4000);
    pci_register_bar(dev, 0, PCI_BASE_ADDRESS_SPACE_IO, &toy->io);
    pci_register_bar(dev, 1, PCI_BASE_ADDRESS_SPACE_MEMORY, &toy->mem);
    pci_register_bar(dev, 4, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, &toy->big);
    dev->config[PCI_INTERRUPT_PIN] = 1;
    if (toy->vectors) {
        memory_region_init_container(&toy->msix_bar, "toy-msix", 0x1000);
        if (!msix_init(dev, toy->vectors, 2, 0, 0x800, &toy->msix_bar, error)) {
            return false;
        }
        pci_register_bar(dev, 2, PCI_BASE_ADDRESS_SPACE_MEMORY, &toy->msix_bar);
    }
    return !toy->fail || error_setf(error, "toy fails as asked");
}

static const struct pci_device_ops toy_pci_ops = {
    .vendor_id = 0x1234, .device_id = 0x5678, .class_id = 0x00ff, .revision = 3, .realize = toy_realize,
};
static const struct property toy_properties[] = {
    PROPERTY(UINT32, "vectors", struct toy, vectors, 0, ""),
    PROPERTY(BOOL, "fail", struct toy, fail, false, ""),
    PROPERTY_END,
};
static const struct device_type toy_type = {
    .name = "toy", .bus = "PCI", .size = sizeof(struct toy), .properties = toy_properties, .user_creatable = true,
    .no_state = "a toy", .ops = &toy_pci_ops, .realize = pci_device_realize, .unrealize = pci_device_unrealize,
};
static const struct device_type *const types[] = { &toy_type, NULL };

static struct pci_bus bus;
static struct memory_region pci_space;
static bool levels[4];

static int map_irq(struct pci_device *dev, int pin)
{
    return ((dev->devfn >> 3) + pin) & 3;
}

static void set_irq(void *opaque, int line, bool level)
{
    levels[line] = level;
}

static struct toy *toy_new(const char *addr, const char *vectors)
{
    struct device *dev = device_new(&toy_type, NULL);

    device_set(dev, "addr", addr);
    device_set(dev, "vectors", vectors);
    g_assert_true(device_realize(dev, &bus.bus, NULL));
    return (struct toy *)dev;
}

static uint32_t cfg_read(int slot, unsigned reg, unsigned size)
{
    return pci_config_read(&bus, ADDRESS(slot, 0, reg), size);
}

static void cfg_write(int slot, unsigned reg, uint32_t value, unsigned size)
{
    pci_config_write(&bus, ADDRESS(slot, 0, reg), value, size);
}

static uint32_t mem_read(hwaddr gpa)
{
    uint32_t value = 0;

    address_space_read(&address_space_memory, gpa, &value, 4);
    return value;
}

static void test_config(void)
{
    struct toy *toy = toy_new("3", "0");

    g_assert_cmphex(cfg_read(3, 0, 4), ==, 0x56781234);
    g_assert_cmphex(cfg_read(3, PCI_CLASS_REVISION, 4), ==, 0x00ff0003);
    g_assert_cmphex(cfg_read(3, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x11001af4);
    g_assert_cmphex(cfg_read(3, PCI_VENDOR_ID + 1, 1), ==, 0x12);
    cfg_write(3, 0, 0xffffffff, 4); /* identity stays */
    g_assert_cmphex(cfg_read(3, 0, 4), ==, 0x56781234);
    cfg_write(3, PCI_COMMAND, 0xffff, 2);
    g_assert_cmphex(cfg_read(3, PCI_COMMAND, 2), ==, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
                                                         PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
    cfg_write(3, PCI_INTERRUPT_LINE, 0x1f0b, 2); /* line is writable, pin is not */
    g_assert_cmphex(cfg_read(3, PCI_INTERRUPT_LINE, 2), ==, 0x010b);
    /* Nobody there, and another bus. */
    g_assert_cmphex(cfg_read(4, 0, 4), ==, 0xffffffff);
    g_assert_cmphex(pci_config_read(&bus, 1 << 16 | ADDRESS(3, 0, 0), 2), ==, 0xffff);
    pci_config_write(&bus, 1 << 16 | ADDRESS(3, 0, PCI_COMMAND), 0, 2);
    g_assert_cmphex(cfg_read(3, PCI_COMMAND, 1), ==, 7);
    /* Past the end. */
    g_assert_cmphex(pci_default_config_read(&toy->pci, 0xfe, 4), ==, 0xffff0000);
    pci_default_config_write(&toy->pci, 0xfe, 0x01020304, 4);
    g_assert_cmphex(cfg_read(3, 0xfe, 2), ==, 0x0304);
    device_free(&toy->pci.device);
    g_assert_cmphex(cfg_read(3, 0, 4), ==, 0xffffffff);
}

static void test_bars(void)
{
    struct toy *toy = toy_new("3", "0");

    cfg_write(3, PCI_BASE_ADDRESS_0, 0xffffffff, 4);
    g_assert_cmphex(cfg_read(3, PCI_BASE_ADDRESS_0, 4), ==, 0xffffffc1);
    cfg_write(3, PCI_BASE_ADDRESS_4, 0xffffffff, 4);
    cfg_write(3, PCI_BASE_ADDRESS_5, 0xffffffff, 4);
    g_assert_cmphex(cfg_read(3, PCI_BASE_ADDRESS_4, 4), ==, 0xffffc00c);
    g_assert_cmphex(cfg_read(3, PCI_BASE_ADDRESS_5, 4), ==, 0xffffffff);
    cfg_write(3, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    g_assert_cmphex(pci_bar_address(&toy->pci, 0), ==, UINT64_MAX); /* all ones is sizing, no address */
    g_assert_cmphex(pci_bar_address(&toy->pci, 4), ==, UINT64_MAX);

    cfg_write(3, PCI_BASE_ADDRESS_0, 0xc000, 4);
    cfg_write(3, PCI_BASE_ADDRESS_1, 0xfebf0000, 4);
    cfg_write(3, PCI_BASE_ADDRESS_4, 0, 4);
    cfg_write(3, PCI_BASE_ADDRESS_5, 0x20, 4); /* 128 GiB */
    g_assert_cmphex(pci_bar_address(&toy->pci, 0), ==, 0xc000);
    g_assert_cmphex(mem_read(0xfebf0010), ==, 0x11 * 0x18 + 0x10);
    g_assert_cmphex(mem_read(0x2000000020), ==, 0x11 * 0x18 + 0x20);
    cfg_write(3, PCI_COMMAND, PCI_COMMAND_IO, 2);
    g_assert_cmphex(mem_read(0xfebf0010), ==, 0xffffffff);
    device_free(&toy->pci.device);
}

/* RAM wins over a BAR that is placed on it; of two BARs on one place one answers; nothing falls over. */
static void test_overlap(void)
{
    struct ram_block *block = ram_block_new("pc.ram", 1 << 20, NULL);
    struct memory_region ram;
    struct toy *a = toy_new("3", "0"), *b = toy_new("4", "0");

    memory_region_init_ram(&ram, block, "ram", 1 << 20);
    memory_region_add(&system_memory, 0, &ram, 0);
    block->host[0x10010] = 0x5a;
    for (int slot = 3; slot <= 4; slot++) {
        cfg_write(slot, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
        cfg_write(slot, PCI_BASE_ADDRESS_1, 0x10000, 4);
    }
    g_assert_cmphex(mem_read(0x10010) & 0xff, ==, 0x5a);
    g_assert_cmphex(pci_bar_address(&a->pci, 1), ==, 0x10000);
    cfg_write(3, PCI_BASE_ADDRESS_1, 0xe0000000, 4);
    cfg_write(4, PCI_BASE_ADDRESS_1, 0xe0000000, 4);
    g_assert_cmphex(mem_read(0xe0000010), ==, 0x11 * 0x20 + 0x10);
    device_free(&b->pci.device);
    g_assert_cmphex(mem_read(0xe0000010), ==, 0x11 * 0x18 + 0x10);
    device_free(&a->pci.device);
    memory_region_remove(&ram);
    memory_region_cleanup(&ram);
    ram_block_free(block);
}

static void test_intx(void)
{
    struct toy *a = toy_new("3", "0"), *b = toy_new("7", "0"); /* both on line 3 */

    pci_set_irq(&a->pci, true);
    pci_set_irq(&a->pci, true);
    pci_set_irq(&b->pci, true);
    g_assert_true(levels[3]);
    g_assert_cmpint(bus.irq_count[3], ==, 2);
    g_assert_cmphex(cfg_read(3, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
    pci_set_irq(&a->pci, false);
    g_assert_true(levels[3]);
    cfg_write(7, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    g_assert_false(levels[3]);
    g_assert_cmphex(cfg_read(7, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0); /* pending all the same */
    cfg_write(7, PCI_COMMAND, 0, 2);
    g_assert_true(levels[3]);
    pci_device_reset(&b->pci);
    g_assert_false(levels[3]);
    pci_set_irq(&b->pci, true);
    device_free(&b->pci.device); /* unplugged while it asserts */
    g_assert_false(levels[3]);
    g_assert_cmpint(bus.irq_count[3], ==, 0);
    device_free(&a->pci.device);
}

static void test_placement(void)
{
    g_autoptr(GError) error = NULL;
    struct toy *a = toy_new("3", "0"), *fns[2];
    struct device *dev = device_new(&toy_type, NULL);

    device_set(dev, "addr", "3");
    g_assert_false(device_realize(dev, &bus.bus, &error));
    g_assert_nonnull(strstr(error->message, "slot 3 function 0 not available for toy, in use by toy"));
    g_clear_error(&error);
    device_set(dev, "addr", "3.1"); /* function 0 does not say that there are more */
    g_assert_false(device_realize(dev, &bus.bus, &error));
    g_clear_error(&error);
    device_set(dev, "addr", "5");
    device_set(dev, "fail", "on");
    g_assert_false(device_realize(dev, &bus.bus, &error));
    g_assert_cmpstr(error->message, ==, "toy fails as asked");
    g_assert_null(bus.devices[PCI_DEVFN(5, 0)]);
    g_clear_error(&error);
    device_free(dev);

    for (int fn = 0; fn < 2; fn++) {
        dev = device_new(&toy_type, NULL);
        device_set(dev, "addr", fn ? "6.1" : "6.0");
        device_set(dev, "multifunction", fn ? "off" : "on");
        g_assert_true(device_realize(dev, &bus.bus, NULL));
        fns[fn] = (struct toy *)dev;
    }
    g_assert_cmphex(cfg_read(6, PCI_HEADER_TYPE, 1), ==, 0x80);
    g_assert_cmphex(pci_config_read(&bus, ADDRESS(6, 1, 0), 4), ==, 0x56781234);
    dev = device_new(&toy_type, NULL);
    g_assert_true(device_realize(dev, &bus.bus, NULL)); /* the first free slot */
    g_assert_cmphex(((struct toy *)dev)->pci.devfn, ==, 0);
    device_free(dev);
    device_free(&fns[1]->pci.device);
    device_free(&fns[0]->pci.device);
    device_free(&a->pci.device);
}

/* The addresses that a guest finds with SeaBIOS: of the two memory windows the one of smaller alignment is on top. */
static void test_resources(void)
{
    static const uint8_t pirqs[4] = { 10, 10, 11, 11 };
    struct toy *a = toy_new("2", "0"), *b = toy_new("3", "4");

    pci_assign_resources(&bus, 0xe0000000, 0xfec00000, pirqs);
    g_assert_cmphex(pci_bar_address(&a->pci, 0), ==, 0xc000);
    g_assert_cmphex(pci_bar_address(&b->pci, 0), ==, 0xc040);
    g_assert_cmphex(pci_bar_address(&a->pci, 4), ==, 0xfebf4000);
    g_assert_cmphex(pci_bar_address(&b->pci, 4), ==, 0xfebf8000);
    g_assert_cmphex(pci_bar_address(&a->pci, 1), ==, 0xfebfd000);
    g_assert_cmphex(pci_bar_address(&b->pci, 1), ==, 0xfebfe000);
    g_assert_cmphex(pci_bar_address(&b->pci, 2), ==, 0xfebff000);
    g_assert_cmphex(cfg_read(2, PCI_COMMAND, 2), ==, 0x0103);
    g_assert_cmpint(cfg_read(2, PCI_INTERRUPT_LINE, 1), ==, 11);
    pci_assign_resources(&bus, 0xfebff000, 0xfec00000, pirqs); /* too small a window: warned of, survived */
    bus.bus.type->reset(&bus.bus);
    g_assert_cmphex(pci_bar_address(&a->pci, 4), ==, UINT64_MAX);
    device_free(&b->pci.device);
    device_free(&a->pci.device);
}

/* ---- MSI-X ---- */

static unsigned messages;
static uint64_t message_address;
static uint32_t message_data;

static void record_message(uint64_t address, uint32_t data)
{
    messages++;
    message_address = address;
    message_data = data;
}

static void mem_write(hwaddr gpa, uint32_t value)
{
    address_space_write(&address_space_memory, gpa, &value, 4);
}

static unsigned changes;

static void count_change(struct pci_device *dev)
{
    changes++;
}

/* What an eventfd in the kernel may stand for, and that its keeper hears of each change. */
static void test_msix_message(void)
{
    struct toy *toy = toy_new("4", "3");
    uint8_t cap = toy->pci.config[PCI_CAPABILITY_LIST];
    uint64_t address;
    uint32_t data;

    toy->pci.msix_changed = count_change;
    cfg_write(4, PCI_BASE_ADDRESS_2, 0xe0000000, 4);
    cfg_write(4, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    mem_write(0xe0000010, 0xfee01000);
    mem_write(0xe0000018, 0x4041);
    mem_write(0xe000001c, 0);
    g_assert_false(msix_message(&toy->pci, 1, &address, &data)); /* not enabled */
    changes = 0;
    cfg_write(4, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
    g_assert_cmpuint(changes, >, 0);
    g_assert_true(msix_message(&toy->pci, 1, &address, &data));
    g_assert_cmphex(address, ==, 0xfee01000);
    g_assert_cmphex(data, ==, 0x4041);
    g_assert_false(msix_message(&toy->pci, 0, &address, &data)); /* masked */
    g_assert_false(msix_message(&toy->pci, 3, &address, &data)); /* no such vector */
    g_assert_false(msix_message(&toy->pci, 0xffff, &address, &data));
    changes = 0;
    mem_write(0xe0000010, 0xe0000020);
    g_assert_cmpuint(changes, ==, 1);
    g_assert_false(msix_message(&toy->pci, 1, &address, &data)); /* no message: a write to memory */
    mem_write(0xe0000010, 0xfee01000);
    changes = 0;
    cfg_write(4, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_cmpuint(changes, >, 0);
    g_assert_false(msix_message(&toy->pci, 1, &address, &data)); /* no bus mastering */
    device_free(&toy->pci.device);
}

static void test_msix(void)
{
    const hwaddr table = 0xe0000000, pba = 0xe0000800;
    struct toy *toy = toy_new("3", "3");
    uint8_t cap = toy->pci.config[PCI_CAPABILITY_LIST];

    msi_deliver = record_message;
    messages = 0;
    g_assert_cmphex(cfg_read(3, cap, 4), ==, 0x00020011); /* MSI-X, three vectors */
    cfg_write(3, PCI_BASE_ADDRESS_2, table, 4);
    cfg_write(3, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    g_assert_cmphex(mem_read(table + 12), ==, 1); /* masked after reset */
    mem_write(table + 16, 0xfee01000);
    mem_write(table + 24, 0x4041);
    msix_notify(&toy->pci, 1);
    g_assert_cmpuint(messages, ==, 0); /* not enabled */

    cfg_write(3, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
    msix_notify(&toy->pci, 1);
    g_assert_cmpuint(messages, ==, 0);
    g_assert_cmphex(mem_read(pba), ==, 2); /* masked: pending */
    mem_write(pba, 0);
    g_assert_cmphex(mem_read(pba), ==, 2); /* read-only */
    mem_write(table + 28, 0);
    g_assert_cmpuint(messages, ==, 1);
    g_assert_cmphex(message_address, ==, 0xfee01000);
    g_assert_cmphex(message_data, ==, 0x4041);
    g_assert_cmphex(mem_read(pba), ==, 0);

    cfg_write(3, cap + 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
    msix_notify(&toy->pci, 1);
    g_assert_cmpuint(messages, ==, 1);
    cfg_write(3, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
    g_assert_cmpuint(messages, ==, 2);
    mem_write(table + 16, 0xe0000020); /* not the APICs' window: here, the table's own third entry */
    msix_notify(&toy->pci, 1);
    g_assert_cmpuint(messages, ==, 2);
    g_assert_cmphex(mem_read(table + 32), ==, 0x4041);
    mem_write(table + 16, 0xfee01000);
    msix_notify(&toy->pci, 3); /* no such vector */
    msix_notify(&toy->pci, 0xffff);
    cfg_write(3, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    msix_notify(&toy->pci, 1); /* no bus mastering */
    g_assert_cmpuint(messages, ==, 2);
    device_free(&toy->pci.device);
    msi_deliver = NULL;
}

/* ---- State ---- */

static GByteArray *save(const struct vmstate_description *vmsd, void *opaque)
{
    struct stream *s = stream_new_memory_output();
    GByteArray *copy = g_byte_array_new();

    g_assert_true(vmstate_save_body(s, vmsd, opaque, NULL, NULL));
    g_byte_array_append(copy, stream_memory_data(s)->data, stream_memory_data(s)->len);
    stream_free(s);
    return copy;
}

static bool load(const struct vmstate_description *vmsd, void *opaque, const uint8_t *data, size_t length)
{
    struct stream *s = stream_new_memory_input(data, length);
    g_autoptr(GError) error = NULL;
    bool ok = vmstate_load_body(s, vmsd, opaque, vmsd->version, &error);

    g_assert_true(ok || error); /* a failure says why */
    stream_free(s);
    return ok;
}

static void test_state(void)
{
    struct toy *a = toy_new("3", "2"), *b;
    g_autoptr(GByteArray) saved = NULL, lines = NULL, table = NULL;
    struct stream *s = stream_new_memory_output();

    cfg_write(3, PCI_BASE_ADDRESS_1, 0xe0000000, 4);
    cfg_write(3, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    pci_set_irq(&a->pci, true);
    msix_save(&a->pci, s);
    g_assert_cmpuint(stream_memory_data(s)->len, ==, 2 * 16 + 1);
    stream_free(s);
    saved = save(&vmstate_pci_device, &a->pci);
    lines = save(&vmstate_pci_bus, &bus);
    g_assert_cmpuint(saved->len, ==, 4 + 256 + 16);
    g_assert_cmpmem(saved->data, 8, "\0\0\0\2\x34\x12\x78\x56", 8);
    g_assert_cmpmem(saved->data + 260, 16, "\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    g_assert_cmpmem(lines->data, lines->len, "\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 20);
    device_free(&a->pci.device);

    b = toy_new("3", "2");
    g_assert_true(load(&vmstate_pci_bus, &bus, lines->data, lines->len));
    g_assert_true(load(&vmstate_pci_device, &b->pci, saved->data, saved->len));
    g_assert_cmphex(pci_bar_address(&b->pci, 1), ==, 0xe0000000);
    g_assert_cmpuint(b->pci.irq_state, ==, 1);
    pci_set_irq(&b->pci, false);
    g_assert_cmpint(bus.irq_count[3], ==, 0);

    for (size_t length = 0; length < saved->len; length += 7) { /* cut short anywhere */
        g_assert_false(load(&vmstate_pci_device, &b->pci, saved->data, length));
    }
    saved->data[4] ^= 1; /* another vendor */
    g_assert_false(load(&vmstate_pci_device, &b->pci, saved->data, saved->len));
    saved->data[4] ^= 1;
    saved->data[3] = 3; /* a version from the future */
    g_assert_false(load(&vmstate_pci_device, &b->pci, saved->data, saved->len));
    saved->data[3] = 2;
    saved->data[260] = 0x80; /* a level that is none */
    g_assert_false(load(&vmstate_pci_device, &b->pci, saved->data, saved->len));
    lines->data[7] = 0xff;
    lines->data[4] = 0xff; /* a negative count */
    g_assert_false(load(&vmstate_pci_bus, &bus, lines->data, lines->len));
    lines->data[3] = 5; /* another number of lines */
    g_assert_false(load(&vmstate_pci_bus, &bus, lines->data, lines->len));
    device_free(&b->pci.device);
    memset(bus.irq_count, 0, sizeof(bus.irq_count));
}

static void test_describe(void)
{
    struct toy *toy = toy_new("3", "0");
    g_autofree char *text = NULL;

    cfg_write(3, PCI_BASE_ADDRESS_1, 0xe0000000, 4);
    cfg_write(3, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    text = pci_describe(&bus);
    g_assert_nonnull(strstr(text, "Bus  0, device   3, function 0:\n    Class 0255: PCI device 1234:5678\n"));
    g_assert_nonnull(strstr(text, "BAR1: 32 bit memory at 0xe0000000 [0xe0000fff].\n"));
    device_free(&toy->pci.device);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    device_types_set(types);
    memory_region_init_container(&pci_space, "pci", UINT64_MAX);
    memory_region_add(&system_memory, 0, &pci_space, -1);
    pci_bus_init(&bus, NULL, "pci.0", &pci_space, &system_io);
    pci_bus_set_irq(&bus, map_irq, set_irq, NULL);
    g_test_add_func("/pci/config", test_config);
    g_test_add_func("/pci/bars", test_bars);
    g_test_add_func("/pci/overlap", test_overlap);
    g_test_add_func("/pci/intx", test_intx);
    g_test_add_func("/pci/placement", test_placement);
    g_test_add_func("/pci/resources", test_resources);
    g_test_add_func("/pci/msix", test_msix);
    g_test_add_func("/pci/msix-message", test_msix_message);
    g_test_add_func("/pci/state", test_state);
    g_test_add_func("/pci/describe", test_describe);
    return g_test_run();
}
