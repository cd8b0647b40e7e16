/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entropy device, without its transport (VIRTIO 1.2, 5.4). */
#ifndef FERRY_HW_VIRTIO_VIRTIO_RNG_H
#define FERRY_HW_VIRTIO_VIRTIO_RNG_H

#include "hw/virtio/virtio.h"
#include "system/rng.h"
#include "util/clock.h"

struct virtio_rng {
    struct virtio_device vdev; /* first */

    /* Properties. */
    char *rng_id;              /* NULL: the host's kernel */
    uint64_t max_bytes;        /* that the guest gets in a period */
    uint32_t period_ms;

    struct rng *rng;           /* NULL: not realized */
    bool held;                 /* the object, by us */
    uint64_t quota;            /* left of max_bytes */
    struct timer refill;       /* pending: a period that has given something */
};

bool virtio_rng_realize(struct virtio_device *vdev, struct device *device,
                        const struct virtio_transport_ops *transport, GError **error);
void virtio_rng_unrealize(struct virtio_device *vdev);

extern const struct device_type virtio_rng_pci_type;

#endif
