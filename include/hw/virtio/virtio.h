/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio devices (VIRTIO 1.2): what lies between a transport (virtio-pci) and a device (virtio-balloon).
 *
 *   driver -> transport registers -> struct virtio_device (status, features, configuration) -> device's callbacks
 *   driver -> ring in guest RAM -> struct virtqueue: pop, push, notify -> transport's interrupt
 *
 * Locking. Everything runs with the big lock held, with one exception: a queue that is bound to an iothread belongs
 * to that thread while the device runs (DRIVER_OK and the VM not stopped). Its handler then runs there without the
 * big lock and must never take it, since whoever stops the queue holds the big lock and waits for the handler.
 */
#ifndef FERRY_HW_VIRTIO_VIRTIO_H
#define FERRY_HW_VIRTIO_VIRTIO_H

#include "hw/core/device.h"
#include "memory/memory.h"
#include "system/runstate.h"
#include "util/event-notifier.h"
#include "util/iothread.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#define VIRTIO_QUEUE_MAX      1024 /* queues that a stream describes */
#define VIRTQUEUE_MAX_SIZE    1024 /* descriptors of a ring, and of an indirect table */
#define VIRTIO_CONFIG_MAX     256
#define VIRTIO_NO_VECTOR      0xffff
#define VIRTIO_F_NOTIFY_ON_EMPTY_BIT 24
#define VIRTIO_F_ANY_LAYOUT_BIT      27
#define VIRTIO_F_BAD_FEATURE_BIT     30 /* legacy drivers that accept it are broken */
#define VIRTIO_F_RING_RESET_BIT      40
#define VIRTIO_FEATURE(bit) (1ull << (bit))

struct virtio_device;
struct virtqueue;
struct stream;

/* One descriptor of a chain: wholly in RAM when it was popped. Later the memory map may change: translate again. */
struct virtio_segment {
    hwaddr gpa;
    uint32_t length;
};

/* A chain that was popped; `segments` lie in the queue and hold until its next pop. */
struct virtqueue_element {
    uint16_t head;
    unsigned out_count, in_count;           /* readable ones first, then writable ones */
    const struct virtio_segment *segments;
    uint64_t out_length, in_length;
};

struct virtqueue {
    struct virtio_device *vdev;
    unsigned index;
    uint16_t num, num_default;   /* ring size now and after reset; 0: no such queue */
    hwaddr desc, avail, used;    /* desc 0: not set up */
    uint16_t vector;             /* MSI-X */
    uint16_t last_avail;         /* next avail entry to pop */
    uint16_t used_idx;           /* next used entry to write */
    uint16_t in_use;             /* popped and not yet pushed */
    uint16_t signalled_used;     /* used_idx at the last interrupt, if `signalled_valid` */
    bool signalled_valid;
    bool notification;           /* the driver is to kick */
    struct virtio_segment *segments; /* the last chain */

    struct event_notifier kick;
    GSource *source;             /* watches `kick`; exists while the queue is served */
    struct iothread *iothread;   /* which owns the queue meanwhile; NULL: the main loop */
    bool interrupt_wanted;       /* atomic: the iothread asks the main loop for the queue's interrupt */
    struct event_notifier call;  /* interrupts by itself, */
    bool call_ready;             /* while the transport says so: the iothread need not ask. Atomic */
};

struct virtio_device_ops {
    uint16_t device_id;          /* VIRTIO_ID_* */
    const char *name;            /* "virtio-balloon": names the regions */
    const struct vmstate_description *vmsd; /* the device's own part of the stream */
    void (*get_config)(struct virtio_device *vdev, uint8_t *config);
    void (*set_config)(struct virtio_device *vdev, const uint8_t *config);
    /* What a stream says of it, its length too; features and the device's own fields are loaded. May be NULL. */
    void (*config_loaded)(struct virtio_device *vdev, const uint8_t *config, uint32_t length);
    /*
     * Pops, handles and pushes a bounded number of chains; true: there is more (it is called again soon). On the
     * queue's thread.
     */
    bool (*handle_queue)(struct virtio_device *vdev, struct virtqueue *vq);
    /* Which thread serves the queue from now on; NULL: the main loop. May be NULL itself. */
    struct iothread *(*queue_iothread)(struct virtio_device *vdev, const struct virtqueue *vq);
    /* One queue alone is reset (VIRTIO_F_RING_RESET); it is stopped. May be NULL. */
    void (*reset_queue)(struct virtio_device *vdev, struct virtqueue *vq);
    /* The driver gave up or starts over: forget what it said. Its queues are stopped. */
    void (*reset)(struct virtio_device *vdev);
    /* Device runs (DRIVER_OK, VM running) or does not any more; before queues start, after they have stopped. */
    void (*running_changed)(struct virtio_device *vdev, bool running);
    /* Everything is loaded, rings included. */
    bool (*post_load)(struct virtio_device *vdev, GError **error);
};

struct virtio_transport_ops {
    /* Raises the interrupt of a queue's or the configuration's vector; `isr` holds the reason by then. */
    void (*notify)(struct virtio_device *vdev, uint16_t vector);
    /* The queue is served from now on, or not any more: whether its kicks and calls can do without us. May be NULL. */
    void (*queue_served)(struct virtqueue *vq, bool served);
    bool (*dma_enabled)(const struct virtio_device *vdev);
    void (*save_config)(struct virtio_device *vdev, struct stream *s);
    bool (*load_config)(struct virtio_device *vdev, struct stream *s, GError **error);
    void (*save_queue)(struct virtqueue *vq, struct stream *s);
    bool (*load_queue)(struct virtqueue *vq, struct stream *s, GError **error);
    /* "virtio/extra_state" */
    const struct vmstate_description *extra_state;
    void *(*extra_opaque)(struct virtio_device *vdev);
};

struct virtio_device {
    const struct virtio_device_ops *ops;
    const struct virtio_transport_ops *transport;
    struct device *device;       /* for names */
    uint8_t status;              /* VIRTIO_CONFIG_S_* */
    uint8_t isr;                 /* bit 0: a queue, bit 1: the configuration */
    uint16_t queue_select;
    uint64_t host_features, guest_features;
    uint32_t config_length;
    uint16_t config_vector;
    uint32_t generation;         /* of the configuration */
    bool broken;                 /* the driver broke the rules: nothing happens until it resets. Atomic */
    bool broken_reported;
    bool vm_running, running;    /* running: DRIVER_OK and VM running */
    bool started;                /* vmstate "virtio/started" */
    bool disabled;               /* vmstate "virtio/disabled": the peer's name for no bus mastering */
    unsigned queue_count;
    struct virtqueue *queues;
    struct runstate_listener listener;
    struct event_notifier deferred; /* what iothreads leave to the main loop */
    guint deferred_source;
};

bool virtio_init(struct virtio_device *vdev, struct device *device, const struct virtio_device_ops *ops,
                 const struct virtio_transport_ops *transport, uint32_t config_length, GError **error);
void virtio_cleanup(struct virtio_device *vdev);
/* "/machine/peripheral/ID/virtio-backend", as QMP names the device behind its transport; NULL: the board's own. */
char *virtio_backend_path(const struct device *device);
/* Realize time only; queues get indexes in order. */
bool virtio_add_queue(struct virtio_device *vdev, uint16_t size, GError **error);

static inline bool virtio_has_feature(const struct virtio_device *vdev, unsigned bit)
{
    return vdev->guest_features >> bit & 1;
}

/* ---- For transports ---- */
void virtio_update_running(struct virtio_device *vdev); /* dma_enabled() may have changed */
void virtio_reset(struct virtio_device *vdev);
void virtio_set_status(struct virtio_device *vdev, uint8_t status);
void virtio_set_features(struct virtio_device *vdev, uint64_t features);
uint32_t virtio_config_read(struct virtio_device *vdev, uint32_t offset, unsigned size);
void virtio_config_write(struct virtio_device *vdev, uint32_t offset, uint32_t value, unsigned size);
/* NULL: no such queue. */
struct virtqueue *virtio_queue(struct virtio_device *vdev, unsigned index);
/* Ring set-up; refused (guest_error) while the device runs. Legacy: one page-aligned area; 0 tears the queue down. */
void virtio_queue_set_rings(struct virtqueue *vq, hwaddr desc, hwaddr avail, hwaddr used);
void virtio_queue_set_legacy_address(struct virtqueue *vq, hwaddr desc);
bool virtio_queue_set_size(struct virtqueue *vq, uint16_t num);
void virtio_queue_reset(struct virtqueue *vq); /* VIRTIO_F_RING_RESET */
void virtio_queue_notify(struct virtio_device *vdev, unsigned index); /* the driver's kick */
/* The queue may run now that it is enabled. */
void virtio_queue_enable(struct virtqueue *vq);

/* ---- For devices ---- */
void virtio_notify_config(struct virtio_device *vdev); /* big lock */
/* The driver broke the specification: the device needs a reset from now on. Any thread that may touch the queue. */
void virtio_error(struct virtio_device *vdev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static inline bool virtio_is_broken(const struct virtio_device *vdev)
{
    return __atomic_load_n(&vdev->broken, __ATOMIC_ACQUIRE);
}

/* False: nothing there, or the device has just become broken. */
bool virtqueue_pop(struct virtqueue *vq, struct virtqueue_element *element);
/*
 * Gives a chain back with `written` bytes in its writable part; the driver sees it at once, hears of it by
 * virtqueue_notify.
 */
void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t written);
/*
 * The same for several chains that the driver must see at once (a packet over merged buffers): virtqueue_push() is
 * virtqueue_fill(…, 0) and virtqueue_flush(…, 1). `ahead`: how many were filled before this one.
 */
void virtqueue_fill(struct virtqueue *vq, uint16_t head, uint32_t written, uint16_t ahead);
void virtqueue_flush(struct virtqueue *vq, uint16_t count);
void virtqueue_notify(struct virtqueue *vq);
/* Takes the last `count` pops back, as if they had not been. */
void virtqueue_rewind(struct virtqueue *vq, unsigned count);
bool virtqueue_empty(struct virtqueue *vq);
/* Whether the driver need kick. Turn on, then look at the ring again. */
void virtqueue_set_notification(struct virtqueue *vq, bool on);
bool virtqueue_ready(const struct virtqueue *vq); /* set up, device neither broken nor reset */

/* Copies from the readable part at `offset`; returns how many bytes there were. */
size_t virtqueue_element_read(const struct virtqueue_element *element, uint64_t offset, void *data, size_t length);
/* Copies into the writable part, marking what it writes dirty. */
size_t virtqueue_element_write(const struct virtqueue_element *element, uint64_t offset, const void *data,
                               size_t length);

/* Guest RAM in pieces; false: some byte is not RAM (nothing further is done). */
bool guest_ram_read(const struct flat_view *view, hwaddr gpa, void *data, uint64_t length);
bool guest_ram_write(const struct flat_view *view, hwaddr gpa, const void *data, uint64_t length);
bool guest_ram_check(const struct flat_view *view, hwaddr gpa, uint64_t length, bool writable);

/* For virtio.c: ring indexes after a load or set-up. False: the ring in guest memory contradicts what was loaded. */
bool virtqueue_sync_indexes(struct virtqueue *vq);
void virtqueue_clear(struct virtqueue *vq); /* as after reset */

/* Stops (waiting for a handler in hand) or starts the queue's thread, as the device's state wants it. */
void virtio_queue_update(struct virtqueue *vq);
/* Runs `callback` where the queue is served, so that no handler of it runs meanwhile, and waits. Big lock held. */
void virtio_queue_run(struct virtqueue *vq, void (*callback)(void *opaque), void *opaque);

/* ---- The stream: the body that every virtio device has ---- */
void virtio_save(struct virtio_device *vdev, struct stream *s);
bool virtio_load(struct virtio_device *vdev, struct stream *s, GError **error);

#endif
