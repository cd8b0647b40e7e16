/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device types, properties, buses, reset, machine types. */
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "hw/core/reset.h"
#include "migration/vmstate.h"
#include "qapi/qapi-events.h"
#include "util/main-loop.h"

struct toy {
    struct device dev;
    int32_t addr;
    bool flag;
    uint8_t small;
    uint16_t medium;
    uint32_t large;
    uint64_t huge;
    uint64_t size;
    int32_t number;
    char *text;
    int choice;
    bool fail;
    struct bus bus;
};

static GString *events;

static const struct bus_type child_bus_type = { .name = "Child" };

static bool toy_realize(struct device *dev, GError **error)
{
    struct toy *toy = (struct toy *)dev;
    if (toy->fail) {
        return error_setf(error, "toy fails as asked");
    }
    g_string_append_printf(events, "+%s ", dev->id);
    return true;
}

static void toy_unrealize(struct device *dev)
{
    g_string_append_printf(events, "-%s ", dev->id);
}

static void toy_reset(struct device *dev)
{
    g_string_append_printf(events, "!%s ", dev->id);
}

static bool parent_realize(struct device *dev, GError **error)
{
    struct toy *toy = (struct toy *)dev;
    bus_init(&toy->bus, &child_bus_type, dev, "child.0");
    return toy_realize(dev, error);
}

static void parent_unrealize(struct device *dev)
{
    bus_cleanup(&((struct toy *)dev)->bus);
    toy_unrealize(dev);
}

static const struct property toy_properties[] = {
    PROPERTY(BOOL, "flag", struct toy, flag, true, "a flag"),
    PROPERTY(UINT8, "small", struct toy, small, 7, NULL),
    PROPERTY(UINT16, "medium", struct toy, medium, 0xffff, NULL),
    PROPERTY(UINT32, "large", struct toy, large, 0, NULL),
    PROPERTY(UINT64, "huge", struct toy, huge, 1ull << 40, NULL),
    PROPERTY(SIZE, "size", struct toy, size, 4096, "bytes"),
    PROPERTY(INT32, "number", struct toy, number, (uint64_t)-5, NULL),
    PROPERTY(ON_OFF_AUTO, "choice", struct toy, choice, ON_OFF_AUTO_AUTO, NULL),
    PROPERTY(BOOL, "fail", struct toy, fail, false, NULL),
    { .name = "text", .kind = PROPERTY_STRING, .offset = offsetof(struct toy, text), .default_string = "hello" },
    PROPERTY_END
};

static const struct property slot_properties[] = {
    PROPERTY(PCI_DEVFN, "addr", struct toy, addr, (uint64_t)-1, "slot"),
    PROPERTY_END
};

/* The registry is migration's; here it is enough to see what is registered under which name. */
static char *registered;
static bool refuse_registration;

bool vmstate_register(const char *idstr, int instance_id, const struct vmstate_description *vmsd, void *opaque,
                      GError **error)
{
    if (refuse_registration) {
        return error_setf(error, "section '%s' refused", idstr);
    }
    g_free(registered);
    registered = g_strdup_printf("%s %d", idstr, instance_id);
    return true;
}

void vmstate_unregister(const struct vmstate_description *vmsd, void *opaque)
{
    g_clear_pointer(&registered, g_free);
}

static const struct vmstate_field toy_fields[] = { VMSTATE_END };
static const struct vmstate_description toy_vmstate = { .name = "toy", .version = 1, .fields = toy_fields };

static const struct device_type toy_type = {
    .name = "toy", .alias = "plaything", .bus = "Slot", .category = "Misc", .description = "A toy",
    .size = sizeof(struct toy), .user_creatable = true, .properties = toy_properties, .vmstate = &toy_vmstate,
    .realize = toy_realize, .unrealize = toy_unrealize, .reset = toy_reset, .hotpluggable = true, .backend = "inside",
};
static const struct device_type parent_type = {
    .name = "parent", .bus = "Slot", .category = "Bridge", .size = sizeof(struct toy), .user_creatable = true,
    .properties = toy_properties, .no_state = "test", .realize = parent_realize, .unrealize = parent_unrealize,
    .reset = toy_reset,
};
static const struct device_type child_type = {
    .name = "child", .bus = "Child", .size = sizeof(struct toy), .no_state = "test", .realize = toy_realize,
    .unrealize = toy_unrealize, .reset = toy_reset,
};
static const struct device_type *const types[] = { &toy_type, &parent_type, &child_type, NULL };

static bool slot_plug(struct bus *bus, struct device *dev, GError **error)
{
    struct toy *toy = (struct toy *)dev;
    toy->addr = toy->addr < 0 ? (int32_t)bus->children->len << 3 : toy->addr;
    for (guint i = 0; i < bus->children->len; i++) {
        if (((struct toy *)bus->children->pdata[i])->addr == toy->addr) {
            return error_setf(error, "slot %d is taken", toy->addr >> 3);
        }
    }
    return true;
}

static char *slot_path(struct device *dev)
{
    return g_strdup_printf("0000:00:%02x.0", ((struct toy *)dev)->addr >> 3);
}

static void slot_describe(struct device *dev, GString *text)
{
    g_string_append_printf(text, "at slot %d\n", ((struct toy *)dev)->addr >> 3);
}

static void slot_reset(struct bus *bus)
{
    g_string_append(events, "!bus ");
}

static const struct bus_type slot_bus_type = {
    .name = "Slot", .device_properties = slot_properties, .plug = slot_plug, .device_path = slot_path,
    .describe = slot_describe, .reset = slot_reset,
};
static struct bus slots;

/* The guest: what it is told of. */
static void slot_plugged(void *opaque, struct device *dev)
{
    g_string_append_printf(events, "plugged(%s,%s) ", dev->id, (const char *)opaque);
}

static void slot_request_unplug(void *opaque, struct device *dev)
{
    g_string_append_printf(events, "please(%s,%s) ", dev->id, (const char *)opaque);
}

static const struct hotplug_ops slot_hotplug = { .plugged = slot_plugged, .request_unplug = slot_request_unplug };

/* The monitor. */
void qapi_event_send_device_deleted(const char *device, const char *path)
{
    g_string_append_printf(events, "deleted(%s,%s) ", device ? device : "", path);
}

static struct device *make(const struct device_type *type, const char *id)
{
    g_autoptr(GError) error = NULL;
    struct device *dev = device_new(type, &error);
    g_assert_no_error(error);
    g_assert_true(device_set_id(dev, id, &error));
    return dev;
}

static void expect_events(const char *expected)
{
    g_assert_cmpstr(events->str, ==, expected);
    g_string_truncate(events, 0);
}

static void test_properties(void)
{
    static const struct {
        const char *name, *initial, *good, *printed, *bad;
    } cases[] = {
        { "flag", "true", "off", "false", "2" },
        { "small", "7", "0xff", "255", "256" },
        { "medium", "65535", "0", "0", "-1" },
        { "large", "0", "4294967295", "4294967295", "4294967296" },
        { "huge", "1099511627776", "18446744073709551615", "18446744073709551615", "x" },
        { "size", "4096", "2M", "2097152", "2Q" },
        { "number", "-5", "-2147483648", "-2147483648", "-2147483649" },
        { "choice", "auto", "on", "on", "maybe" },
        { "text", "hello", "a,b", "a,b", NULL },
        { "addr", "<unset>", "1f.7", "1f.7", "20" },
        { "addr", "<unset>", "0x2", "02.0", "1.8" },
        { "addr", "<unset>", "-1", "<unset>", "1.2.3" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        struct device *dev = device_new(&toy_type, NULL);
        g_autofree char *initial = device_get_property(dev, cases[i].name, &error);
        g_assert_cmpstr(initial, ==, cases[i].initial);
        g_assert_true(device_set_property(dev, cases[i].name, cases[i].good, &error));
        if (cases[i].bad) {
            g_assert_false(device_set_property(dev, cases[i].name, cases[i].bad, &error));
            g_assert_nonnull(strstr(error->message, "'toy."));
            g_assert_nonnull(strstr(error->message, cases[i].bad));
        }
        g_autofree char *printed = device_get_property(dev, cases[i].name, NULL);
        g_assert_cmpstr(printed, ==, cases[i].printed);
        device_free(dev);
    }
    g_autoptr(GError) error = NULL;
    struct device *dev = device_new(&toy_type, NULL);
    g_assert_false(device_set_property(dev, "wheels", "4", &error));
    g_assert_nonnull(strstr(error->message, "'toy.wheels'"));
    device_free(dev);
}

static void test_life(void)
{
    g_autoptr(GError) error = NULL;
    struct device *a = make(&toy_type, "a"), *b = make(&toy_type, "b");
    g_assert_true(device_realize(a, NULL, &error));
    g_assert_true(a->realized && a->parent_bus == &slots);
    g_assert_cmpstr(registered, ==, "0000:00:00.0/toy -1");
    g_assert_false(device_set_property(a, "small", "1", &error));
    g_assert_nonnull(strstr(error->message, "toy.small"));
    g_clear_error(&error);

    /* Failures at each step leave nothing behind but the device. */
    device_set(b, "addr", "0");
    g_assert_false(device_realize(b, NULL, &error));
    g_assert_nonnull(strstr(error->message, "slot 0 is taken"));
    g_clear_error(&error);
    device_set(b, "addr", "5");
    device_set(b, "fail", "on");
    g_assert_false(device_realize(b, NULL, &error));
    g_assert_nonnull(strstr(error->message, "as asked"));
    g_clear_error(&error);
    g_assert_cmpuint(slots.children->len, ==, 1);
    g_assert_false(device_realize(b, &system_bus, &error));
    g_assert_nonnull(strstr(error->message, "'toy'"));
    g_clear_error(&error);
    slots.full = true;
    g_assert_false(device_realize(b, &slots, &error));
    g_clear_error(&error);
    g_assert_false(device_realize(b, NULL, &error));
    g_clear_error(&error);
    slots.full = false;

    device_set(b, "fail", "off");
    refuse_registration = true;
    g_assert_false(device_realize(b, &slots, &error));
    refuse_registration = false;
    g_assert_nonnull(strstr(error->message, "'0000:00:05.0/toy'"));
    g_clear_error(&error);
    g_assert_cmpuint(slots.children->len, ==, 1);
    expect_events("+a +b -b ");
    g_assert_true(device_realize(b, &slots, &error));
    expect_events("+b ");
    g_assert_cmpstr(registered, ==, "0000:00:05.0/toy -1");
    device_unrealize(b);
    g_assert_null(registered);
    g_assert_false(b->realized);
    g_assert_true(device_realize(b, &slots, &error)); /* and again */
    device_free(a);
    device_free(b);
    expect_events("-b +b -a -b ");
    g_assert_cmpuint(slots.children->len, ==, 0);
}

static void refused(struct device *dev, struct bus *bus, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(dev->realized ? device_request_unplug(dev, &error) : device_realize(dev, bus, &error));
    g_assert_cmpstr(error->message, ==, why);
}

static void test_hotplug(void)
{
    struct device *cold = make(&toy_type, "cold"), *hot = make(&toy_type, "hot");
    struct device *other = make(&parent_type, "other");
    g_assert_true(device_realize(cold, &slots, NULL));
    hot->hotplugged = other->hotplugged = true;
    refused(hot, &slots, "Bus 'slot.0' does not support hotplugging");
    refused(hot, NULL, "Bus 'slot.0' does not support hotplugging");
    refused(cold, NULL, "Bus 'slot.0' does not support hotplugging");

    slots.hotplug = &slot_hotplug;
    slots.hotplug_opaque = "slots";
    refused(other, &slots, "Device 'parent' does not support hotplugging");
    other->hotplugged = false;
    g_assert_true(device_realize(other, &slots, NULL));
    refused(other, NULL, "Device 'parent' does not support hotplugging");
    expect_events("+cold +other ");

    g_assert_true(device_realize(hot, &slots, NULL));
    expect_events("+hot !hot plugged(hot,slots) ");
    g_assert_true(device_request_unplug(hot, NULL));
    g_assert_true(device_request_unplug(cold, NULL)); /* what was there from the beginning can go as well */
    g_assert_true(hot->unplug_pending && cold->unplug_pending);
    expect_events("please(hot,slots) please(cold,slots) ");
    device_unplug(hot);
    device_unplug(cold);
    expect_events("-hot deleted(,/machine/peripheral/hot/inside) deleted(hot,/machine/peripheral/hot) "
                  "-cold deleted(,/machine/peripheral/cold/inside) deleted(cold,/machine/peripheral/cold) ");
    g_assert_null(device_find("hot"));
    device_free(other);
    expect_events("-other ");
    slots.hotplug = NULL;
}

static void test_paths(void)
{
    struct device *dev = device_new(&toy_type, NULL);
    g_assert_null(device_path(dev)); /* the board's */
    dev->from_user = true;
    dev->anonymous = 3;
    g_autofree char *anonymous = device_path(dev);
    g_assert_cmpstr(anonymous, ==, "/machine/peripheral-anon/device[3]");
    g_assert_true(device_set_id(dev, "x", NULL));
    g_autofree char *named = device_path(dev);
    g_assert_cmpstr(named, ==, "/machine/peripheral/x");
    device_free(dev);
}

static void test_ids(void)
{
    static const char *const bad[] = { "", "1a", "a b", "a/b", "-a", "ä" };
    g_autoptr(GError) error = NULL;
    struct device *a = make(&toy_type, "balloon0"), *b = make(&toy_type, "b-._9");
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(device_set_id(b, bad[i], &error));
        g_clear_error(&error);
    }
    g_assert_false(device_set_id(b, "balloon0", &error));
    g_assert_nonnull(strstr(error->message, "balloon0"));
    g_assert_true(device_find("balloon0") == a);
    g_assert_true(device_find("b-._9") == b);
    device_free(a);
    g_assert_null(device_find("balloon0"));
    device_free(b);
}

static void count_handler(void *opaque)
{
    g_string_append(events, opaque);
}

static void test_tree_and_reset(void)
{
    struct device *parent = make(&parent_type, "p"), *child = make(&child_type, "c"), *toy = make(&toy_type, "t");
    g_assert_true(device_realize(parent, NULL, NULL));
    g_assert_true(device_realize(child, bus_find("child.0"), NULL));
    g_assert_true(device_realize(toy, NULL, NULL));
    expect_events("+p +c +t ");
    reset_register(count_handler, "1 ");
    reset_register(count_handler, "2 ");
    reset_register(count_handler, "3 ");
    reset_unregister(count_handler, "2 ");
    reset_all();
    expect_events("1 3 !c !p !t !bus ");
    reset_unregister(count_handler, "1 ");
    reset_unregister(count_handler, "3 ");

    g_autofree char *text = device_tree_describe();
    g_assert_nonnull(strstr(text, "bus: main-system-bus\n  type System\n"));
    device_free(parent); /* takes its child along */
    expect_events("-c -p ");
    g_assert_null(device_find("c"));
    g_assert_null(bus_find("child.0"));
    device_free(toy);
    expect_events("-t ");
}

static void test_describe(void)
{
    struct device *host = device_new(&parent_type, NULL);
    g_assert_true(device_set_id(host, "h", NULL));
    g_assert_true(device_realize(host, NULL, NULL));
    g_autofree char *help = device_type_help("plaything");
    g_assert_nonnull(strstr(help, "toy options:\n  addr=<int32>"));
    g_assert_nonnull(strstr(help, "  size=<size>            - bytes (default: 4096)\n"));
    g_assert_null(device_type_help("nothing"));
    g_autofree char *list = device_list_help();
    g_assert_cmpstr(list, ==, "Misc devices:\nname \"toy\", bus Slot, alias \"plaything\", desc \"A toy\"\n\n"
                              "Bridge devices:\nname \"parent\", bus Slot\n");
    device_free(host);
    g_string_truncate(events, 0);
}

static void test_globals(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(device_add_global("nonsense", &error));
    g_clear_error(&error);
    g_assert_false(device_add_global("driver=toy,property=small", &error));
    g_clear_error(&error);
    g_assert_true(device_add_global("plaything.text=a,b=c", &error));
    g_assert_true(device_add_global("driver=toy,property=small,value=9", &error));
    struct device *dev = device_new(&toy_type, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(((struct toy *)dev)->text, ==, "a,b=c");
    g_assert_cmpint(((struct toy *)dev)->small, ==, 9);
    device_free(dev);
    g_assert_true(device_add_global("toy.small=1000", &error));
    g_assert_null(device_new(&toy_type, &error));
    g_assert_nonnull(strstr(error->message, "-global toy.small=1000"));
    g_clear_error(&error);
    g_assert_true(device_add_global("toy.small=3", &error));
}

static void test_machines(void)
{
    static const struct machine_type pc = { .name = "pc-i440fx-7.2", .alias = "pc", .description = "Standard PC",
                                            .is_default = true };
    static const struct machine_type none = { .name = "none", .description = "empty machine" };
    static const struct machine_type *const machines[] = { &none, &pc, NULL };
    g_assert_null(machine_type_default());
    machine_types_set(machines);
    g_assert_true(machine_type_find("pc") == &pc && machine_type_find("pc-i440fx-7.2") == &pc);
    g_assert_true(machine_type_default() == &pc);
    g_assert_null(machine_type_find("q35"));
    g_autofree char *help = machine_help();
    g_assert_cmpstr(help, ==, "Supported machines are:\n"
                              "none                 empty machine\n"
                              "pc                   Standard PC (alias of pc-i440fx-7.2)\n"
                              "pc-i440fx-7.2        Standard PC (default)\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    events = g_string_new(NULL);
    device_types_set(types);
    bus_init(&slots, &slot_bus_type, NULL, "slot.0");
    /* The bus hangs under nothing: reset and description reach it through a device of the system bus. */
    struct device host = { .buses = g_ptr_array_new() };
    static const struct device_type host_type = { .name = "host", .size = sizeof(struct device), .no_state = "test" };
    host.type = &host_type;
    host.parent_bus = &system_bus;
    g_ptr_array_add(host.buses, &slots);
    g_ptr_array_add(system_bus.children, &host);
    g_test_add_func("/device/properties", test_properties);
    g_test_add_func("/device/life", test_life);
    g_test_add_func("/device/hotplug", test_hotplug);
    g_test_add_func("/device/paths", test_paths);
    g_test_add_func("/device/ids", test_ids);
    g_test_add_func("/device/tree-and-reset", test_tree_and_reset);
    g_test_add_func("/device/describe", test_describe);
    g_test_add_func("/device/globals", test_globals);
    g_test_add_func("/machine/types", test_machines);
    return g_test_run();
}
