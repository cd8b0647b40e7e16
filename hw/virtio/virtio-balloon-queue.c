/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balloon's queues: which are there and in what order, chains that are worked off over several calls, and whether
 * the guest can be asked by one of them.
 */
#include "hw/virtio/virtio-balloon.h"

static bool has_queue(const struct virtio_balloon *b, enum balloon_queue role)
{
    static const uint8_t feature[BALLOON_QUEUES] = {
        [BALLOON_STATISTICS] = VIRTIO_BALLOON_F_STATS_VQ,
        [BALLOON_HINT] = VIRTIO_BALLOON_F_FREE_PAGE_HINT,
        [BALLOON_REPORT] = VIRTIO_BALLOON_F_REPORTING,
        [BALLOON_BITMAP] = VIRTIO_BALLOON_F_FREE_PAGE_BITMAP,
    };

    return role <= BALLOON_DEFLATE || virtio_has_feature(&b->vdev, feature[role]);
}

enum balloon_queue balloon_queue_role(const struct virtio_balloon *b, unsigned index)
{
    for (unsigned role = 0; role < BALLOON_QUEUES; role++) {
        if (has_queue(b, role) && index-- == 0) {
            return role;
        }
    }
    return BALLOON_QUEUES;
}

struct virtqueue *balloon_queue_find(struct virtio_balloon *b, enum balloon_queue role)
{
    unsigned index = 0;

    for (unsigned before = 0; before < role; before++) {
        index += has_queue(b, before);
    }
    return has_queue(b, role) ? virtio_queue(&b->vdev, index) : NULL;
}

bool balloon_cursor_next(struct balloon_cursor *cursor, struct virtqueue *vq)
{
    if (!cursor->held) {
        cursor->held = virtqueue_pop(vq, &cursor->element);
        cursor->offset = 0;
    }
    return cursor->held;
}

bool balloon_answer_next(struct virtio_balloon *b, struct balloon_cursor *cursor, struct virtqueue *vq)
{
    bool more = balloon_cursor_next(cursor, vq);

    if (!more && virtio_is_broken(&b->vdev)) { /* by this chain: a broken queue is not looked at again */
        free_page_rejected(FREE_PAGE_MALFORMED);
    }
    return more;
}

void balloon_cursor_finish(struct balloon_cursor *cursor, struct virtqueue *vq)
{
    cursor->held = false;
    virtqueue_push(vq, cursor->element.head, 0);
}

FreePageState balloon_provider_ready(struct virtio_balloon *b, bool offered, enum balloon_queue role)
{
    struct virtqueue *vq = balloon_queue_find(b, role);

    if (!offered) {
        return FREE_PAGE_STATE_NOT_OFFERED;
    }
    if (!b->vdev.vm_running) {
        return FREE_PAGE_STATE_VM_STOPPED;
    }
    if (virtio_is_broken(&b->vdev)) {
        return FREE_PAGE_STATE_BROKEN;
    }
    if (!b->vdev.running) {
        return FREE_PAGE_STATE_NO_DRIVER;
    }
    if (!balloon_may_become_zero(b)) { /* free pages stay where they are, and the destination's may hold zeros */
        return FREE_PAGE_STATE_POISONED;
    }
    return !vq                   ? FREE_PAGE_STATE_NOT_NEGOTIATED
           : virtqueue_ready(vq) ? FREE_PAGE_STATE_ACTIVE
                                 : FREE_PAGE_STATE_NO_DRIVER;
}

struct held_chain {
    struct balloon_cursor *cursor;
    struct virtqueue *vq;
};

static void return_chain(void *opaque)
{
    struct held_chain *chain = opaque;

    if (chain->cursor->held) {
        balloon_cursor_finish(chain->cursor, chain->vq);
        virtqueue_notify(chain->vq);
    }
}

void balloon_return_chain(struct virtio_balloon *b, enum balloon_queue role)
{
    struct held_chain chain = { &b->cursors[role], balloon_queue_find(b, role) };

    if (chain.vq) {
        virtio_queue_run(chain.vq, return_chain, &chain);
    }
}
