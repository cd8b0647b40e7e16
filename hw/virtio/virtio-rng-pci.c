/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "virtio-rng-pci": the entropy device as a PCI function, with its properties. */
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-rng.h"

struct virtio_rng_pci {
    struct virtio_pci proxy; /* first */
    struct virtio_rng rng;
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

static const struct virtio_pci_ops rng_pci_ops = {
    .pci = VIRTIO_PCI_FUNCTION(0x1005, 0x00ff),
    .device_offset = offsetof(struct virtio_rng_pci, rng.vdev),
    .realize = virtio_rng_realize,
    .unrealize = virtio_rng_unrealize,
};

const struct device_type virtio_rng_pci_type = {
    VIRTIO_PCI_TYPE("virtio-rng", struct virtio_rng_pci, &rng_pci_ops, 1),
    .category = "Misc",
    .description = "Entropy for the guest",
    .properties = properties,
};
