/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hot plug at the registers that the DSDT's methods use, with QMP on the other side. */
#include <linux/pci_regs.h>
#include <string.h>

#include "libferry-qtest.h"

#define UP 0xae00
#define DOWN 0xae04
#define EJECT 0xae08
#define ENABLED 0xae0c
#define SELECT 0xae10
#define INDEX 0xae14
#define GPE_STATUS 0xafe0
#define GPE_ENABLE 0xafe2
#define SCI 9
#define ADD(_id, _slot) \
    "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"virtio-balloon-pci\", \"id\": \"" _id \
    "\", \"bus\": \"pci.0\", \"addr\": \"" _slot "\", \"free-page-hint\": true}}"
#define ADD_TO(_driver, _members) \
    "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"" _driver "\"" _members "}}"
#define DELETE(_id) "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"" _id "\"}}"

static uint32_t config_read(struct qtest *q, unsigned slot, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000u | slot << 11 | reg);
    return qtest_inl(q, 0xcfc);
}

static void config_write(struct qtest *q, unsigned slot, unsigned reg, uint32_t value)
{
    qtest_outl(q, 0xcf8, 0x80000000u | slot << 11 | reg);
    qtest_outl(q, 0xcfc, value);
}

static void refused(struct qtest *q, const char *command, const char *class, const char *description)
{
    JsonObject *reply = qtest_qmp(q, command);
    JsonObject *error = json_object_has_member(reply, "error") ? json_object_get_object_member(reply, "error") : NULL;

    if (!error) {
        g_error("%s: not refused", command);
    }
    g_assert_cmpstr(json_object_get_string_member(error, "class"), ==, class);
    if (!strstr(json_object_get_string_member(error, "desc"), description)) {
        g_error("%s: %s", command, json_object_get_string_member(error, "desc"));
    }
    json_object_unref(reply);
}

static void deleted(struct qtest *q, const char *device, const char *path)
{
    JsonObject *event = qtest_qmp_event(q, "DEVICE_DELETED");
    JsonObject *data = json_object_get_object_member(event, "data");

    g_assert_cmpstr(json_object_get_string_member(data, "path"), ==, path);
    g_assert_true(json_object_has_member(data, "device") == (device != NULL));
    if (device) {
        g_assert_cmpstr(json_object_get_string_member(data, "device"), ==, device);
    }
    json_object_unref(event);
}

static void two_deleted(struct qtest *q, const char *id)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    g_autofree char *backend = g_strdup_printf("%s/virtio-backend", path);

    deleted(q, NULL, backend);
    deleted(q, id, path);
}

/* Values as stock's PIIX4 gives them. */
static void test_registers(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci,id=cold,addr=5");

    qtest_irq_intercept_in(q, "ioapic");
    g_assert_cmphex(qtest_inl(q, UP), ==, 0);
    g_assert_cmphex(qtest_inl(q, DOWN), ==, 0);
    g_assert_cmphex(qtest_inl(q, EJECT), ==, 0);
    g_assert_cmphex(qtest_inl(q, ENABLED), ==, 0xfffffffc); /* not host bridge and PIIX */
    g_assert_cmphex(qtest_inl(q, SELECT), ==, 0);
    g_assert_cmphex(qtest_inl(q, 0xae18), ==, 0xffffffff);
    qtest_outb(q, GPE_ENABLE, 2);
    g_assert_false(qtest_irq_level(q, SCI));

    qtest_qmp_ok(q, DELETE("cold"));
    g_assert_cmphex(qtest_inl(q, DOWN), ==, 1 << 5);
    g_assert_cmphex(qtest_inb(q, GPE_STATUS), ==, 2);
    g_assert_true(qtest_irq_level(q, SCI));
    qtest_outb(q, GPE_STATUS, 2);
    g_assert_false(qtest_irq_level(q, SCI));
    g_assert_cmphex(qtest_inl(q, DOWN), ==, 1 << 5); /* reading does not clear it */

    qtest_outl(q, SELECT, 1); /* a bus that is not there */
    g_assert_cmphex(qtest_inl(q, DOWN), ==, 0);
    g_assert_cmphex(qtest_inl(q, ENABLED), ==, 0xffffffff);
    qtest_outl(q, EJECT, 1 << 5);
    qtest_outl(q, SELECT, 256); /* a number that no bus has */
    g_assert_cmphex(qtest_inl(q, SELECT), ==, 0);
    g_assert_cmphex(qtest_inl(q, ENABLED), ==, 0);
    qtest_outl(q, SELECT, 0);
    g_assert_cmphex(config_read(q, 5, PCI_VENDOR_ID), ==, 0x10021af4);

    qtest_outb(q, EJECT, 1 << 5); /* not a whole register */
    g_assert_cmphex(qtest_inw(q, DOWN), ==, 0);
    g_assert_cmphex(config_read(q, 5, PCI_VENDOR_ID), ==, 0x10021af4);
    qtest_outl(q, INDEX, 1 << 5);
    g_assert_cmphex(qtest_inl(q, INDEX), ==, 0);
    qtest_outl(q, EJECT, 0xffffffe0); /* the lowest counts */
    two_deleted(q, "cold");
    g_assert_cmphex(config_read(q, 5, PCI_VENDOR_ID), ==, 0xffffffff);
    g_assert_cmphex(qtest_inl(q, DOWN), ==, 0);

    qtest_qmp_ok(q, ADD("hot", "0x5"));
    g_assert_true(qtest_irq_level(q, SCI));
    g_assert_cmphex(qtest_inl(q, UP), ==, 1 << 5);
    g_assert_cmphex(qtest_inl(q, UP), ==, 0);
    g_assert_cmphex(config_read(q, 5, PCI_VENDOR_ID), ==, 0x10021af4);
    qtest_quit(q);
}

/* What comes is as after power-up: nothing decodes until the guest says where. */
static void test_plug(void)
{
    struct qtest *q = qtest_start(NULL);

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(q, ADD("hot", "6"));
        g_assert_cmphex(config_read(q, 6, PCI_COMMAND) & 7, ==, 0);
        g_assert_cmphex(config_read(q, 6, PCI_BASE_ADDRESS_0), ==, 1);
        g_assert_cmphex(config_read(q, 6, PCI_BASE_ADDRESS_4), ==, 0xc);
        config_write(q, 6, PCI_BASE_ADDRESS_4, 0xe0000000);
        g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0xffffffff);
        config_write(q, 6, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
        g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0); /* device_feature_select */
        refused(q, ADD("hot", "7"), "GenericError", "Duplicate device ID 'hot'");
        refused(q, ADD("more", "6"), "GenericError", "in use by virtio-balloon-pci,id=hot");
        qtest_qmp_ok(q, DELETE("hot"));
        refused(q, DELETE("hot"), "GenericError", "Device hot is already in the process of unplug");
        refused(q, DELETE("/machine/peripheral/hot"), "GenericError", "already in the process of unplug");
        qtest_outl(q, EJECT, 1 << 6);
        two_deleted(q, "hot");
        g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0xffffffff);
        g_assert_cmphex(config_read(q, 6, PCI_VENDOR_ID), ==, 0xffffffff);
        refused(q, DELETE("hot"), "DeviceNotFound", "Device 'hot' not found");
    }
    qtest_quit(q);
}

/* Several at once, which leave in another order than they came in; a network card whose peer stays. */
static void test_other_types(void)
{
    struct qtest *q = qtest_start("-object rng-builtin,id=rng0 -netdev user,id=net0");

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(q, ADD_TO("virtio-rng-pci", ", \"id\": \"a\", \"rng\": \"rng0\", \"addr\": \"5\""));
        qtest_qmp_ok(q, ADD_TO("virtio-net-pci", ", \"id\": \"b\", \"netdev\": \"net0\", \"addr\": \"6\""));
        qtest_qmp_ok(q, ADD_TO("virtio-rng-pci", ", \"id\": \"c\", \"rng\": \"rng0\", \"addr\": \"7\""));
        g_assert_cmphex(qtest_inl(q, UP), ==, 0xe0);
        g_assert_cmphex(config_read(q, 6, PCI_VENDOR_ID), ==, 0x10001af4);
        qtest_qmp_ok(q, DELETE("b"));
        qtest_outl(q, EJECT, 1 << 6);
        two_deleted(q, "b");
        qtest_outl(q, EJECT, 1 << 5);
        two_deleted(q, "a");
        g_assert_cmphex(config_read(q, 7, PCI_VENDOR_ID), ==, 0x10051af4);
        qtest_outl(q, EJECT, 1 << 7);
        two_deleted(q, "c");
    }
    qtest_quit(q);
}

/* A device without an id has a path; a guest may let go of what nobody wants back. */
static void test_anonymous(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci,addr=5");

    qtest_outl(q, EJECT, 1 << 5);
    deleted(q, NULL, "/machine/peripheral-anon/device[0]/virtio-backend");
    deleted(q, NULL, "/machine/peripheral-anon/device[0]");
    qtest_qmp_ok(q, ADD_TO("virtio-balloon-pci", ""));
    refused(q, DELETE("/machine/peripheral-anon/device[0]"), "DeviceNotFound", "not found");
    qtest_qmp_ok(q, DELETE("/machine/peripheral-anon/device[1]"));
    qtest_outl(q, EJECT, qtest_inl(q, DOWN));
    deleted(q, NULL, "/machine/peripheral-anon/device[1]/virtio-backend");
    qtest_quit(q);
}

/* A reset is an answer to device_del: whoever starts over holds nothing. */
static void test_reset(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci,id=cold,addr=5");

    qtest_qmp_ok(q, DELETE("cold"));
    qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
    two_deleted(q, "cold");
    g_assert_cmphex(qtest_inl(q, DOWN), ==, 0);
    qtest_qmp_ok(q, ADD("hot", "5"));
    qtest_qmp_ok(q, "{\"execute\": \"system_reset\"}");
    json_object_unref(qtest_qmp_event(q, "RESET"));
    json_object_unref(qtest_qmp_event(q, "RESET"));
    g_assert_cmphex(config_read(q, 5, PCI_COMMAND) & 3, ==, 3); /* the firmware's stand-in has found it */
    g_assert_cmphex(qtest_inl(q, UP), ==, 0);
    qtest_quit(q);
}

/* The guest writes whatever it likes. */
static void test_hostile(void)
{
    struct qtest *q = qtest_start("-device virtio-balloon-pci,id=cold,addr=5");
    GRand *random = g_rand_new_with_seed(6);

    for (unsigned slot = 0; slot < 2; slot++) { /* what belongs to the board stays */
        qtest_outl(q, EJECT, 1u << slot);
        g_assert_cmphex(config_read(q, slot, PCI_VENDOR_ID) & 0xffff, ==, 0x8086);
    }
    for (unsigned i = 0; i < 32; i++) {
        qtest_outl(q, EJECT, 1u << i);
        qtest_outl(q, EJECT, 1u << i);
    }
    two_deleted(q, "cold");
    for (unsigned i = 0; i < 2000; i++) {
        uint16_t port = 0xae00 + g_rand_int_range(random, 0, 0x18);
        uint32_t value = g_rand_int(random) >> g_rand_int_range(random, 0, 32);

        if (i % 100 == 0) {
            json_object_unref(qtest_qmp(q, ADD("hot", "5"))); /* it may still be there */
        }
        switch (g_rand_int_range(random, 0, 4)) {
        case 0: qtest_outb(q, port, value); break;
        case 1: qtest_outw(q, port, value); break;
        case 2: qtest_outl(q, port, value); break;
        case 3: qtest_inl(q, port); break;
        }
    }
    g_rand_free(random);
    g_assert_cmphex(config_read(q, 1, PCI_VENDOR_ID) & 0xffff, ==, 0x8086);
    qtest_quit(q);
}

static void test_refused(void)
{
    struct qtest *q = qtest_start(NULL);

    refused(q, "{\"execute\": \"device_add\"}", "GenericError", "Parameter 'driver' is missing");
    refused(q, ADD_TO("nonsense", ""), "GenericError", "'nonsense' is not a valid device model name");
    refused(q, ADD_TO("PIIX4_PM", ""), "GenericError", "Parameter 'driver' expects a pluggable device type");
    refused(q, ADD_TO("pvpanic", ""), "GenericError", "Bus 'isa.0' does not support hotplugging");
    refused(q, ADD_TO("virtio-balloon-pci", ", \"bus\": \"pci.7\""), "GenericError", "Bus 'pci.7' not found");
    refused(q, ADD_TO("virtio-balloon-pci", ", \"bus\": \"isa.0\""), "GenericError", "can't go on ISA bus");
    refused(q, ADD_TO("virtio-balloon-pci", ", \"x\": {\"y\": 1}"), "GenericError",
            "Property 'virtio-balloon-pci.x.y' not found");
    refused(q, ADD("9", "5"), "GenericError", "Parameter 'id' expects an identifier");
    refused(q, ADD("hot", "1"), "GenericError", "PCI: slot 1 function 0 not available");
    refused(q, ADD("hot", "5.1"), "GenericError", "needs a function 0 with multifunction=on");
    qtest_qmp_ok(q, ADD("hot", "5"));
    refused(q, ADD("more", "5.1"), "GenericError", "slot 5 function 0 already occupied by virtio-balloon-pci");
    refused(q, ADD("more", "6"), "GenericError", "Another balloon device");
    refused(q, DELETE(""), "DeviceNotFound", "Device '' not found");
    refused(q, DELETE("/machine/peripheral/no"), "DeviceNotFound", "Device '/machine/peripheral/no' not found");
    refused(q, DELETE("/machine"), "GenericError", "/machine is not a hotpluggable device");
    refused(q, DELETE("/machine/unattached/device[1]"), "GenericError", "does not support hotplugging");
    qtest_quit(q);

    q = qtest_start("-machine acpi=off -device virtio-balloon-pci,id=cold");
    refused(q, DELETE("cold"), "GenericError", "Bus 'pci.0' does not support hotplugging");
    refused(q, ADD("hot", "5"), "GenericError", "Bus 'pci.0' does not support hotplugging");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/hotplug/registers", test_registers);
    g_test_add_func("/qtest/hotplug/plug", test_plug);
    g_test_add_func("/qtest/hotplug/other-types", test_other_types);
    g_test_add_func("/qtest/hotplug/anonymous", test_anonymous);
    g_test_add_func("/qtest/hotplug/reset", test_reset);
    g_test_add_func("/qtest/hotplug/hostile", test_hostile);
    g_test_add_func("/qtest/hotplug/refused", test_refused);
    return g_test_run();
}
