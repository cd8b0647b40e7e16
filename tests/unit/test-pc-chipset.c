/* SPDX-License-Identifier: GPL-2.0-or-later */
/* i440FX, PIIX3 and PIIX4 power management on a bus of their own: ports, routing, windows onto RAM, events, state. */
#include <glib.h>
#include <string.h>

#include "hw/acpi/piix4-pm.h"
#include "hw/core/reset.h"
#include "hw/isa/piix3.h"
#include "hw/pci-host/i440fx.h"
#include "memory/memory.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "util/clock.h"
#include "util/main-loop.h"

#define RAM_SIZE (2ull << 20)

/* --- The board's surroundings --- */

static int resets, shutdowns;
static void (*powerdown)(void *opaque);
static void *powerdown_opaque;
static bool isa_levels[16];

void system_reset_request(ShutdownCause cause)
{
    g_assert_cmpint(cause, ==, SHUTDOWN_CAUSE_GUEST_RESET);
    resets++;
}

void system_shutdown_request(ShutdownCause cause)
{
    g_assert_cmpint(cause, ==, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    shutdowns++;
}

void system_powerdown_notify(void (*handler)(void *opaque), void *opaque)
{
    powerdown = handler;
    powerdown_opaque = opaque;
}

static void set_isa_irq(void *opaque, int n, bool level)
{
    isa_levels[n] = level;
}

/* A PCI function whose pins the test pulls. */
static const struct pci_device_ops pin_ops = { .vendor_id = 0x1234, .device_id = 1, .class_id = 0xff00 };
static const struct device_type pin_type = {
    .name = "test-pin", .bus = "PCI", .size = sizeof(struct pci_device), .no_state = "a test's", .ops = &pin_ops,
    .realize = pci_device_realize, .unrealize = pci_device_unrealize,
};
static const struct device_type *const types[] = {
    &i440fx_pcihost_type, &i440fx_type, &piix3_type, &piix4_pm_type, &pin_type, NULL,
};

static struct irq isa_irqs[16];
static struct memory_region ram_region;
static struct ram_block *ram;
static struct pci_bus *bus;
static struct pci_device *slot2, *slot3;
static int firmware_runs;

static void firmware(void *opaque)
{
    firmware_runs++;
}

static struct pci_device *add_pin(int slot)
{
    struct pci_device *dev = (struct pci_device *)device_new(&pin_type, NULL);
    dev->devfn_property = PCI_DEVFN(slot, 0);
    g_assert_true(device_realize(&dev->device, &bus->bus, NULL));
    dev->config[PCI_INTERRUPT_PIN] = 1;
    return dev;
}

static void build_board(void)
{
    g_autoptr(GError) error = NULL;

    memory_init();
    device_types_set(types);
    ram = ram_block_new("pc.ram", RAM_SIZE, &error);
    g_assert_no_error(error);
    memory_region_init_ram(&ram_region, ram, "pc.ram", RAM_SIZE);
    memory_region_add(&system_memory, 0, &ram_region, 0);
    irq_init_array(isa_irqs, 16, set_isa_irq, NULL);
    bus = i440fx_create(&ram_region, firmware, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(piix3_create(bus, isa_irqs, &error));
    g_assert_true(piix4_pm_create(bus, &isa_irqs[9], &error));
    slot2 = add_pin(2);
    slot3 = add_pin(3);
    reset_all();
}

static void out(uint16_t port, uint32_t value, unsigned size)
{
    flat_view_store(address_space_io.view, port, size, value);
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint64_t value;
    flat_view_load(address_space_io.view, port, size, &value);
    return value;
}

static uint32_t config_address(unsigned slot, unsigned function, unsigned reg)
{
    return 0x80000000 | PCI_DEVFN(slot, function) << 8 | (reg & 0xfc);
}

static uint32_t config_in(unsigned slot, unsigned function, unsigned reg, unsigned size)
{
    out(0xcf8, config_address(slot, function, reg), 4);
    return in(0xcfc + (reg & 3), size);
}

static void config_out(unsigned slot, unsigned function, unsigned reg, uint32_t value, unsigned size)
{
    out(0xcf8, config_address(slot, function, reg), 4);
    out(0xcfc + (reg & 3), value, size);
}

/* --- Tests --- */

static void test_config_ports(void)
{
    reset_all();
    g_assert_cmphex(config_in(0, 0, 0, 4), ==, 0x12378086);
    g_assert_cmphex(config_in(1, 0, 0, 4), ==, 0x70008086);
    g_assert_cmphex(config_in(1, 3, 0, 4), ==, 0x71138086);
    g_assert_cmphex(in(0xcf8, 4), ==, config_address(1, 3, 0)); /* whole, though 0xcf9 lies over it */
    g_assert_cmphex(config_in(1, 0, 2, 2), ==, 0x7000);
    g_assert_cmphex(config_in(1, 0, 3, 1), ==, 0x70);
    g_assert_cmphex(config_in(1, 0, 0x0a, 2), ==, 0x0601);
    g_assert_cmphex(config_in(9, 0, 0, 4), ==, 0xffffffff);
    config_out(1, 0, 0x61, 5, 1);
    g_assert_cmphex(config_in(1, 0, 0x60, 4), ==, 0x0b0b050a);
    /* Narrow writes to the address register are none; disabled means absent. */
    out(0xcf8, 0xaa, 1);
    g_assert_cmphex(in(0xcf8, 4), ==, config_address(1, 0, 0x60));
    out(0xcf8, 0x60, 4);
    g_assert_cmphex(in(0xcfc, 4), ==, 0xffffffff);
}

static void test_reset_control(void)
{
    resets = 0;
    out(0xcf9, 0x02, 1);
    g_assert_cmpint(resets, ==, 0);
    g_assert_cmphex(in(0xcf9, 1), ==, 0x02);
    out(0xcf8, 0x80000400, 4); /* a configuration address with bit 2 of its second byte: no reset */
    g_assert_cmpint(resets, ==, 0);
    out(0xcf9, 0x06, 1);
    g_assert_cmpint(resets, ==, 1);
    reset_all();
    g_assert_cmphex(in(0xcf9, 1), ==, 0);
}

static void test_pirq_routing(void)
{
    reset_all();
    pci_set_irq(slot2, true); /* slot 2 pin A: line 1, interrupt 10 */
    g_assert_true(isa_levels[10]);
    pci_set_irq(slot3, true); /* slot 3: line 2, interrupt 11 */
    g_assert_true(isa_levels[11]);
    config_out(1, 0, 0x62, 10, 1); /* both share 10 */
    g_assert_false(isa_levels[11]);
    pci_set_irq(slot2, false);
    g_assert_true(isa_levels[10]);
    config_out(1, 0, 0x62, 0x80, 1); /* routed nowhere */
    g_assert_false(isa_levels[10]);
    config_out(1, 0, 0x62, 5, 1); /* what is pending arrives by the new route */
    g_assert_true(isa_levels[5]);
    config_out(1, 0, 0x60, 0xffffffff, 4);
    g_assert_false(isa_levels[5]);
    pci_set_irq(slot3, false);
    reset_all();
    g_assert_cmphex(config_in(1, 0, 0x60, 4), ==, 0x0b0b0a0a);
}

static uint8_t peek(hwaddr address)
{
    uint8_t value = 0;
    address_space_read(&address_space_memory, address, &value, 1);
    return value;
}

static void poke(hwaddr address, uint8_t value)
{
    address_space_write(&address_space_memory, address, &value, 1);
}

static void test_pam(void)
{
    reset_all();
    static const hwaddr places[] = { 0xc0000, 0xc7fff, 0xec000, 0xf0000, 0xfffff };
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        poke(places[i], 0x11 + i);
        g_assert_cmphex(peek(places[i]), ==, 0x11 + i);
    }
    config_out(0, 0, 0x59, 0x10, 1); /* 0xf0000: read only */
    poke(0xf0000, 0xee);
    g_assert_cmphex(peek(0xf0000), ==, 0x14);
    config_out(0, 0, 0x5a, 0x03, 1); /* 0xc0000 RAM, 0xc4000 PCI */
    g_assert_cmphex(peek(0xc0000), ==, 0x11);
    g_assert_cmphex(peek(0xc7fff), ==, 0xff);
    poke(0xc7fff, 0xee);
    config_out(0, 0, 0x5a, 0x33, 1);
    g_assert_cmphex(peek(0xc7fff), ==, 0x12);
    config_out(0, 0, 0x5c, 0, 4); /* 0xd0000..0xeffff away at once */
    g_assert_cmphex(peek(0xec000), ==, 0xff);
    reset_all();
    g_assert_cmphex(peek(0xec000), ==, 0x13);
}

static void test_smram(void)
{
    reset_all();
    poke(0xa0000, 0x77);
    g_assert_cmphex(peek(0xa0000), ==, 0xff); /* no VGA */
    config_out(0, 0, 0x72, 0x4a, 1);
    poke(0xa0000, 0x77);
    g_assert_cmphex(peek(0xa0000), ==, 0x77);
    config_out(0, 0, 0x72, 0x5a, 1); /* locked: closes, and stays so */
    g_assert_cmphex(peek(0xa0000), ==, 0xff);
    config_out(0, 0, 0x72, 0x4a, 1);
    g_assert_cmphex(peek(0xa0000), ==, 0xff);
    reset_all();
}

static void test_pm_events(void)
{
    reset_all();
    g_assert_cmphex(config_in(1, 3, 0x40, 4), ==, 0x601);
    out(0xb2, PIIX4_ACPI_ENABLE, 1);
    g_assert_cmphex(in(0x604, 2), ==, 1);
    powerdown(powerdown_opaque); /* not enabled: unnoticed */
    g_assert_cmphex(in(0x600, 2) & 0x100, ==, 0);
    out(0x602, 0x0100, 2);
    powerdown(powerdown_opaque);
    g_assert_cmphex(in(0x600, 2) & 0x100, ==, 0x100);
    g_assert_cmphex(in(0x601, 1), ==, 0x01);
    g_assert_true(isa_levels[9]);
    out(0x601, 0x01, 1); /* write 1 to clear, by bytes */
    g_assert_cmphex(in(0x600, 2) & 0x100, ==, 0);
    g_assert_false(isa_levels[9]);
    out(0xafe2, 0x06, 1);
    g_assert_cmphex(in(0xafe0, 4), ==, 0x00060000);
    out(0xb2, PIIX4_ACPI_DISABLE, 1);
    g_assert_cmphex(in(0x604, 2), ==, 0);
    shutdowns = 0;
    out(0x604, 0x2000 | 5 << 10, 2); /* a sleep state that there is not */
    g_assert_cmpint(shutdowns, ==, 0);
    out(0x604, 0x2001, 2);
    g_assert_cmpint(shutdowns, ==, 1);
}

static int64_t fake_now;

static int64_t fake_clock(void)
{
    return fake_now;
}

static uint64_t fake_ticks(void)
{
    return fake_now;
}

static void test_pm_timer(void)
{
    fake_now = 0;
    reset_all();
    fake_now = 1000000000;
    g_assert_cmpuint(in(0x608, 4), ==, 3579545);
    fake_now = 10ll * 1000000000;
    g_assert_cmpuint(in(0x608, 4), ==, 35795450 & 0xffffff);
    g_assert_cmpuint(in(0x609, 1), ==, 35795450 >> 8 & 0xff);
    out(0x600, 1, 2); /* clear: set again when bit 23 next toggles */
    g_assert_cmphex(in(0x600, 2) & 1, ==, 0);
    out(0x602, 1, 2);
    g_assert_false(isa_levels[9]);
    int64_t deadline = timers_deadline(VM_CLOCK_VIRTUAL);
    g_assert_cmpint(deadline, >, fake_now);
    fake_now = deadline;
    timers_run(VM_CLOCK_VIRTUAL);
    g_assert_cmphex(in(0x600, 2) & 1, ==, 1);
    g_assert_cmpuint(in(0x608, 4) & 0x7fffff, <, 4);
    g_assert_true(isa_levels[9]);
    reset_all();
    g_assert_false(isa_levels[9]);
}

/* The guest may put the PM ports anywhere, over other devices too. */
static void test_pm_moves(void)
{
    reset_all();
    config_out(1, 3, 0x40, 0x1001, 4);
    g_assert_cmphex(in(0x604, 2), ==, 0xffff);
    out(0x1002, 0x20, 2);
    g_assert_cmphex(in(0x1002, 2), ==, 0x20);
    config_out(1, 3, 0x80, 0, 1);
    g_assert_cmphex(in(0x1002, 2), ==, 0xffff);
    config_out(1, 3, 0x80, 1, 1);
    config_out(1, 3, 0x40, 0xcc1, 4); /* 0xcc0..0xcff: the configuration ports win */
    g_assert_cmphex(config_in(1, 3, 0, 4), ==, 0x71138086);
    reset_all();
    g_assert_cmphex(in(0x602, 2), ==, 0);
}

static GByteArray *save(const struct vmstate_description *vmsd, void *opaque)
{
    struct stream *s = stream_new_memory_output();
    GByteArray *data = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    g_assert_true(vmstate_save_body(s, vmsd, opaque, NULL, &error));
    GByteArray *written = stream_memory_data(s);
    g_byte_array_append(data, written->data, written->len);
    stream_free(s);
    return data;
}

static bool load(const struct vmstate_description *vmsd, void *opaque, const uint8_t *data, size_t length,
                 GError **error)
{
    struct stream *s = stream_new_memory_input(data, length);
    bool ok = vmstate_load_body(s, vmsd, opaque, vmsd->version, error);

    stream_free(s);
    return ok;
}

/* What the stream holds is what comes back; its length is QEMU's. */
static void test_state(void)
{
    static const struct {
        const struct device_type *type;
        unsigned slot, function;
        size_t length; /* of QEMU 7.2's section */
    } sections[] = { { &i440fx_type, 0, 0, 277 }, { &piix3_type, 1, 0, 292 }, { &piix4_pm_type, 1, 3, 2432 } };

    reset_all();
    config_out(0, 0, 0x5a, 0x31, 1);
    config_out(1, 0, 0x60, 0x05, 1);
    out(0x602, 0x0120, 2);
    powerdown(powerdown_opaque);
    for (unsigned i = 0; i < G_N_ELEMENTS(sections); i++) {
        const struct vmstate_description *vmsd = sections[i].type->vmstate;
        struct pci_device *dev = bus->devices[PCI_DEVFN(sections[i].slot, sections[i].function)];
        g_autoptr(GByteArray) first = save(vmsd, dev);
        g_autoptr(GError) error = NULL;
        g_assert_cmpuint(first->len, ==, sections[i].length);
        reset_all();
        g_assert_true(load(vmsd, dev, first->data, first->len, &error));
        g_assert_no_error(error);
        g_autoptr(GByteArray) second = save(vmsd, dev);
        g_assert_cmpmem(first->data, first->len, second->data, second->len);
        for (size_t cut = 0; cut < first->len - 24; cut += 1 + first->len / 50) { /* subsections may be missing */
            g_clear_error(&error);
            g_assert_false(load(vmsd, dev, first->data, cut, &error));
            g_assert_nonnull(error);
        }
    }
    reset_all();
}

/* Values that a device cannot have are refused, and what is accepted does no harm. */
static void test_hostile_state(void)
{
    struct pci_device *pm = bus->devices[PCI_DEVFN(1, 3)];
    const struct vmstate_description *vmsd = pm->device.type->vmstate;
    g_autoptr(GByteArray) good = save(vmsd, pm);

    for (unsigned at = 276; at < 360; at++) { /* behind the PCI part, up to the hotplug table */
        static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
        for (unsigned v = 0; v < sizeof(values); v++) {
            g_autofree uint8_t *bad = g_memdup2(good->data, good->len);
            g_autoptr(GError) error = NULL;
            bad[at] = values[v];
            if (load(vmsd, pm, bad, good->len, &error)) {
                out(0x602, 0x0001, 2); /* arms the overflow timer */
                out(0x600, 0xffff, 2);
                in(0x600, 2);
            } else {
                g_assert_nonnull(error);
            }
        }
    }
    reset_all();
}

static void test_firmware_runs_last(void)
{
    firmware_runs = 0;
    reset_all();
    g_assert_cmpint(firmware_runs, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    virtual_clock_set_source(fake_clock, fake_ticks);
    build_board();
    g_test_add_func("/pc-chipset/config-ports", test_config_ports);
    g_test_add_func("/pc-chipset/reset-control", test_reset_control);
    g_test_add_func("/pc-chipset/pirq-routing", test_pirq_routing);
    g_test_add_func("/pc-chipset/pam", test_pam);
    g_test_add_func("/pc-chipset/smram", test_smram);
    g_test_add_func("/pc-chipset/pm-events", test_pm_events);
    g_test_add_func("/pc-chipset/pm-timer", test_pm_timer);
    g_test_add_func("/pc-chipset/pm-moves", test_pm_moves);
    g_test_add_func("/pc-chipset/state", test_state);
    g_test_add_func("/pc-chipset/hostile-state", test_hostile_state);
    g_test_add_func("/pc-chipset/firmware", test_firmware_runs_last);
    return g_test_run();
}
