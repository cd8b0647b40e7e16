/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device types, devices, buses and properties. Everything here runs with the big lock held.
 *
 * A device type is one const struct; hw/i386/device-types.c lists them all. A device's life:
 *   device_new -> device_set_property* -> device_realize -> (reset | run | save | load)* -> device_unrealize
 *   -> device_free
 */
#ifndef FERRY_HW_CORE_DEVICE_H
#define FERRY_HW_CORE_DEVICE_H

#include <stdint.h>

#include "util/error.h"

struct bus;
struct device;
struct vmstate_description;

enum property_kind {
    PROPERTY_BOOL,   /* bool */
    PROPERTY_UINT8,
    PROPERTY_UINT16,
    PROPERTY_UINT32,
    PROPERTY_UINT64,
    PROPERTY_INT32,
    PROPERTY_SIZE,   /* uint64_t, suffixes taken */
    PROPERTY_STRING, /* char *, owned by the device */
    PROPERTY_ON_OFF_AUTO, /* int: enum on_off_auto */
    PROPERTY_PCI_DEVFN,   /* int32_t, "slot[.fn]" in hex; -1: any */
};
enum on_off_auto { ON_OFF_AUTO_AUTO, ON_OFF_AUTO_ON, ON_OFF_AUTO_OFF };

struct property {
    const char *name;
    enum property_kind kind;
    uint32_t offset;         /* in the device's struct */
    uint64_t default_value;  /* numbers, bools */
    const char *default_string;
    const char *description; /* one line for help */
};

#define PROPERTY(_kind, _name, _struct, _field, _default, _description) \
    { .name = _name, .kind = PROPERTY_##_kind, .offset = offsetof(_struct, _field), .default_value = _default, \
      .description = _description }
#define PROPERTY_END { .name = NULL }

/* Properties that are computed: read (and perhaps written) by QMP qom-get/qom-set. */
struct dynamic_property {
    const char *name;
    const char *type;        /* as qom-list prints it */
    /* A JsonNode (json-glib), owned by the caller; NULL and an error if there is none now. */
    struct _JsonNode *(*get)(struct device *dev, GError **error);
    bool (*set)(struct device *dev, struct _JsonNode *value, GError **error);
};

struct device_type {
    const char *name;         /* "virtio-balloon-pci" */
    const char *alias;        /* or NULL */
    /*
     * QEMU's names of what it descends from, below its bus's kind of device, nearest first, NULL last: types that
     * have something in common ("virtio-balloon-pci-base", "virtio-pci"). NULL: just that kind of device.
     */
    const char *const *parents;
    const char *bus;          /* bus type that it plugs into: "PCI", "ISA", …; NULL: the system bus */
    const char *category;     /* "Input", "Misc", "Storage", "Network", …, for -device help */
    const char *description;
    size_t size;              /* of the device's struct, whose first member is struct device */
    bool user_creatable;      /* by -device */
    bool hotpluggable;
    /* QEMU's name of a second object in this one, with a DEVICE_DELETED of its own: "virtio-backend"; or NULL */
    const char *backend;
    const struct property *properties;      /* the bus's own come on top */
    const struct dynamic_property *dynamic; /* or NULL */
    const struct vmstate_description *vmstate; /* NULL with no_state says why */
    const char *no_state;     /* why this device has nothing to migrate */
    const void *ops;          /* the bus type's own operations (struct pci_device_ops, …) */
    bool (*realize)(struct device *dev, GError **error);
    void (*unrealize)(struct device *dev); /* undoes realize; may be NULL */
    void (*reset)(struct device *dev);     /* to the power-on state; may be NULL */
};

struct device {
    const struct device_type *type;
    char *id;                 /* from -device id=, or NULL */
    struct bus *parent_bus;
    GPtrArray *buses;         /* child buses */
    bool realized;
    bool hotplugged;          /* came by device_add, while the machine was there */
    bool unplug_pending;      /* the guest was asked to let it go */
    bool from_user;           /* made by -device or device_add, not by the board */
    int anonymous;            /* N of /machine/peripheral-anon/device[N], of those of the user's without an id */
    char *vmstate_id;         /* section prefix, made by the bus ("0000:00:02.0"), or NULL */
    void *vmstate_opaque;     /* NULL: the device itself */
    int vmstate_instance;     /* -1: the next free one */
};

struct bus_type {
    const char *name; /* "PCI" */
    const char *device_type; /* what devices on it descend from, as QEMU calls it: "pci-device" */
    const struct property *device_properties; /* offsets in the device struct (the bus's device base) */
    /* Wrap the device's realize: place it, check address and collisions. */
    bool (*plug)(struct bus *bus, struct device *dev, GError **error);
    void (*unplug)(struct bus *bus, struct device *dev);
    /* "0000:00:02.0" or NULL; owned by the caller. */
    char *(*device_path)(struct device *dev);
    void (*reset)(struct bus *bus); /* after the devices on it; may be NULL */
    void (*describe)(struct device *dev, GString *text); /* a line for `info qtree`; may be NULL */
};

/* Who tells the guest that devices come and go: the chipset of the board that has the bus. */
struct hotplug_ops {
    /* The device is there and realized. */
    void (*plugged)(void *opaque, struct device *dev);
    /* Asks the guest to let it go; when it has, device_unplug() follows. */
    void (*request_unplug)(void *opaque, struct device *dev);
};

struct bus {
    const struct bus_type *type;
    char *name; /* "pci.0" */
    struct device *parent; /* NULL for the main system bus */
    GPtrArray *children;
    void *opaque;
    bool full;
    const struct hotplug_ops *hotplug; /* NULL: nothing can come or go while the machine is there */
    void *hotplug_opaque;
};

/* The table of all types, set once by the board's program before any device is made. NULL-terminated. */
void device_types_set(const struct device_type *const *types);
const struct device_type *const *device_types(void);
const struct device_type *device_type_find(const char *name); /* by name or alias */

void bus_init(struct bus *bus, const struct bus_type *type, struct device *parent, const char *name);
void bus_cleanup(struct bus *bus); /* frees the devices on it */
/* Makes a bus type's device properties known before there is a bus of it (bus_init does it as well). */
void bus_type_register(const struct bus_type *type);
struct bus *bus_find(const char *name); /* by name, all trees; NULL */
struct bus *bus_find_for_type(const char *bus_type); /* the first that is not full, or NULL */
extern struct bus system_bus;

/* Allocates with defaults set. Global defaults (-global, machine compat) are applied too. Not yet on its bus. */
struct device *device_new(const struct device_type *type, GError **error);
/* `text` as on the command line; errors name type, property, value and what would be right. */
bool device_set_property(struct device *dev, const char *name, const char *text, GError **error);
char *device_get_property(struct device *dev, const char *name, GError **error); /* printed; caller frees */
/* For board code: the property must exist and the value be valid. */
void device_set(struct device *dev, const char *name, const char *text);
/*
 * Plugs into `bus` (NULL: found by type), realizes, registers the vmstate and reset. On error nothing remains but the
 * device.
 */
bool device_realize(struct device *dev, struct bus *bus, GError **error);
void device_unrealize(struct device *dev);
void device_free(struct device *dev); /* unrealizes if need be */
struct device *device_find(const char *id); /* or NULL */
/* The realized ones, in order of creation; false stops. */
void device_foreach(bool (*each)(struct device *dev, void *opaque), void *opaque);
bool device_set_id(struct device *dev, const char *id, GError **error); /* checks form and uniqueness */

/*
 * Hot plug (hotplug.c): a device with `hotplugged` set is told of when it is realized. It goes in two steps: the guest
 * is asked, and when it has let go, or is reset, or lets go by itself, the device goes and DEVICE_DELETED says so.
 */
bool device_request_unplug(struct device *dev, GError **error);
void device_unplug(struct device *dev);
/* "/machine/peripheral/ID"; the caller frees. NULL: the board's. */
char *device_path(const struct device *dev);

/* -global driver.property=value */
bool device_add_global(const char *text, GError **error);
void device_check_globals(void); /* warns of those that no device has taken up */

/* -device TYPE,help and -device help: text for stdout, caller frees; NULL: no such type. */
char *device_type_help(const char *name);
char *device_list_help(void);
char *device_tree_describe(void); /* info qtree */

#endif
