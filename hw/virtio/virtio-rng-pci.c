/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-rng-pci": the entropy device as a PCI function, with its properties and its section of the stream. */
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-rng.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

struct virtio_rng_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_rng rng;
};

static bool rng_pci_realize(struct pci_device *dev, GError **error)
{
    struct virtio_rng_pci *p = (struct virtio_rng_pci *)dev;

    if (!virtio_pci_check(&p->proxy, &p->rng.vdev, error)) {
        return false;
    }
    if (!virtio_rng_realize(&p->rng, &dev->device, &virtio_pci_transport_ops, error)) {
        virtio_rng_unrealize(&p->rng);
        return false;
    }
    if (!virtio_pci_plug(&p->proxy, error)) {
        virtio_pci_unplug(&p->proxy);
        virtio_rng_unrealize(&p->rng);
        return false;
    }
    return true;
}

static void rng_pci_unrealize(struct pci_device *dev)
{
    struct virtio_rng_pci *p = (struct virtio_rng_pci *)dev;

    virtio_rng_unrealize(&p->rng);
    virtio_pci_unplug(&p->proxy);
}

static void rng_pci_reset(struct device *dev)
{
    virtio_pci_reset(&((struct virtio_rng_pci *)dev)->proxy);
}

/* ---- The section: one hand-made field ---- */

static void section_put(struct stream *s, const void *element, size_t size, const struct vmstate_field *field)
{
    virtio_save(&((struct virtio_rng_pci *)element)->rng.vdev, s);
}

static bool section_get(struct stream *s, void *element, size_t size, const struct vmstate_field *field,
                        GError **error)
{
    return virtio_load(&((struct virtio_rng_pci *)element)->rng.vdev, s, error);
}

static const struct vmstate_info section_info = { .name = "virtio", .get = section_get, .put = section_put };

static const struct vmstate_description vmstate_virtio_rng = {
    .name = "virtio-rng",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        VMSTATE_CUSTOM_WHOLE("virtio", struct virtio_rng_pci, section_info),
        VMSTATE_END,
    },
};

/* ---- The type ---- */

static const struct property properties[] = {
    VIRTIO_PCI_PROPERTIES(struct virtio_rng_pci, proxy, 2),
    PROPERTY(STRING, "rng", struct virtio_rng_pci, rng.rng_id, 0,
             "The -object rng-random or rng-builtin that gives; none: the host's kernel"),
    PROPERTY(UINT64, "max-bytes", struct virtio_rng_pci, rng.max_bytes, INT64_MAX, "Bytes in a period, at most"),
    PROPERTY(UINT32, "period", struct virtio_rng_pci, rng.period_ms, 1 << 16, "Milliseconds"),
    PROPERTY_END,
};

static const struct pci_device_ops rng_pci_ops = {
    .vendor_id = 0x1af4,
    .device_id = 0x1005,
    .class_id = 0x00ff,
    .realize = rng_pci_realize,
    .unrealize = rng_pci_unrealize,
    .config_read = virtio_pci_config_read,
    .config_write = virtio_pci_config_write,
};

const struct device_type virtio_rng_pci_type = {
    .name = "virtio-rng-pci",
    .alias = "virtio-rng",
    .parents = (const char *const[]){ "virtio-rng-pci-base", "virtio-pci", NULL },
    .bus = "PCI",
    .category = "Misc",
    .description = "Entropy for the guest",
    .size = sizeof(struct virtio_rng_pci),
    .user_creatable = true,
    .hotpluggable = true,
    .backend = "virtio-backend",
    .properties = properties,
    .vmstate = &vmstate_virtio_rng,
    .ops = &rng_pci_ops,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset = rng_pci_reset,
};
