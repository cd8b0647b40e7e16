/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-balloon-pci": the memory balloon as a PCI function, with its properties. */
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-pci.h"

struct virtio_balloon_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_balloon balloon;
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

static const struct virtio_pci_ops balloon_pci_ops = {
    .pci = VIRTIO_PCI_FUNCTION(0x1002, 0x00ff),
    .device_offset = offsetof(struct virtio_balloon_pci, balloon.vdev),
    .realize = virtio_balloon_realize,
    .unrealize = virtio_balloon_unrealize,
};

const struct device_type virtio_balloon_pci_type = {
    VIRTIO_PCI_TYPE("virtio-balloon", struct virtio_balloon_pci, &balloon_pci_ops, 1),
    .category = "Misc",
    .description = "Memory balloon: inflate, deflate, statistics, free page hints, bitmaps and reporting",
    .properties = properties,
    .dynamic = dynamic_properties,
};
