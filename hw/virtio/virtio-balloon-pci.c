/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-balloon-pci": the memory balloon as a PCI function, with its properties and its section of the stream. */
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-pci.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

struct virtio_balloon_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_balloon balloon;
};

static bool balloon_pci_realize(struct pci_device *dev, GError **error)
{
    struct virtio_balloon_pci *p = (struct virtio_balloon_pci *)dev;

    if (!virtio_pci_check(&p->proxy, &p->balloon.vdev, error)) {
        return false;
    }
    if (!virtio_balloon_realize(&p->balloon, &dev->device, &virtio_pci_transport_ops, error)) {
        virtio_balloon_unrealize(&p->balloon);
        return false;
    }
    if (!virtio_pci_plug(&p->proxy, error)) {
        virtio_pci_unplug(&p->proxy);
        virtio_balloon_unrealize(&p->balloon);
        return false;
    }
    return true;
}

static void balloon_pci_unrealize(struct pci_device *dev)
{
    struct virtio_balloon_pci *p = (struct virtio_balloon_pci *)dev;

    virtio_balloon_unrealize(&p->balloon);
    virtio_pci_unplug(&p->proxy);
}

static void balloon_pci_reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_balloon_pci *)dev)->proxy);
}

/* ---- The section: one hand-made field ---- */

static void section_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    virtio_save(&((struct virtio_balloon_pci *)element)->balloon.vdev, s);
}

static bool section_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                        GError **error)
{
    return virtio_load(&((struct virtio_balloon_pci *)element)->balloon.vdev, s, error);
}

static const struct vmstate_info section_info = { .name = "virtio", .get = section_get, .put = section_put };

static const struct vmstate_description vmstate_virtio_balloon = {
    .name = "virtio-balloon",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        VMSTATE_CUSTOM_WHOLE("virtio", struct virtio_balloon_pci, section_info),
        VMSTATE_END,
    },
};

/* ---- Properties ---- */

static JsonNode *get_stats(struct device *dev, GError **error)
{
    return balloon_stats_get(&((struct virtio_balloon_pci *)dev)->balloon);
}

static JsonNode *get_interval(struct device *dev, GError **error)
{
    return balloon_stats_get_interval(&((struct virtio_balloon_pci *)dev)->balloon);
}

static bool set_interval(struct device *dev, JsonNode *value, GError **error)
{
    return balloon_stats_set_interval(&((struct virtio_balloon_pci *)dev)->balloon, value, error);
}

static const struct dynamic_property dynamic_properties[] = {
    { .name = "guest-stats", .type = "guest statistics", .get = get_stats },
    { .name = "guest-stats-polling-interval", .type = "int", .get = get_interval, .set = set_interval },
    { .name = NULL },
};

static const struct property properties[] = {
    VIRTIO_PCI_PROPERTIES(struct virtio_balloon_pci, proxy, 0),
    PROPERTY(BOOL, "deflate-on-oom", struct virtio_balloon_pci, balloon.deflate_on_oom, false,
             "The guest may take pages back rather than kill a process"),
    PROPERTY(BOOL, "free-page-hint", struct virtio_balloon_pci, balloon.free_page_hint, false,
             "Ask the guest for its free pages when it migrates"),
    PROPERTY(BOOL, "page-poison", struct virtio_balloon_pci, balloon.page_poison, true,
             "Let the guest tell what it fills free pages with"),
    PROPERTY(BOOL, "free-page-reporting", struct virtio_balloon_pci, balloon.free_page_reporting, false,
             "Let the guest report free pages, which go back to the host"),
    PROPERTY(BOOL, "free-page-bitmap", struct virtio_balloon_pci, balloon.free_page_bitmap, false,
             "Ask the guest for a bitmap of its free pages when it migrates (docs/specs/virtio-balloon-bitmap.rst)"),
    PROPERTY(BOOL, "page-bitmap", struct virtio_balloon_pci, balloon.page_bitmap, false,
             "Inflate and deflate by bitmap"),
    PROPERTY(BOOL, "share-only", struct virtio_balloon_pci, balloon.share_only, false,
             "Let the guest choose to tell of its free pages and never to give memory away"),
    PROPERTY(BOOL, "fixed-size", struct virtio_balloon_pci, balloon.fixed_size, false,
             "Refuse to make the guest smaller"),
    PROPERTY(STRING, "iothread", struct virtio_balloon_pci, balloon.iothread_id, 0,
             "The -object iothread that serves free page hints and bitmaps; none: the main loop"),
    PROPERTY_END,
};

/* ---- The type ---- */

static const struct pci_device_ops balloon_pci_ops = {
    .vendor_id = 0x1af4,
    .device_id = 0x1002,
    .class_id = 0x00ff,
    .realize = balloon_pci_realize,
    .unrealize = balloon_pci_unrealize,
    .config_read = virtio_pci_config_read,
    .config_write = virtio_pci_config_write,
};

const struct device_type virtio_balloon_pci_type = {
    .name = "virtio-balloon-pci",
    .alias = "virtio-balloon",
    .parents = (const char *const[]){ "virtio-balloon-pci-base", "virtio-pci", NULL },
    .bus = "PCI",
    .category = "Misc",
    .description = "Memory balloon: inflate, deflate, statistics, free page hints, bitmaps and reporting",
    .size = sizeof(struct virtio_balloon_pci),
    .user_creatable = true,
    .hotpluggable = true,
    .backend = "virtio-backend",
    .properties = properties,
    .dynamic = dynamic_properties,
    .vmstate = &vmstate_virtio_balloon,
    .ops = &balloon_pci_ops,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset = balloon_pci_reset,
};
