/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of a bitmap (docs/specs/virtio-balloon-bitmap.rst), for those who make strange ones, too. */
#ifndef BALLOON_BITMAP_H
#define BALLOON_BITMAP_H

#include "balloon.h"

#define PIECE_PAGES 4096
#define PIECE_SKEW 256 /* how far before its first page a piece may begin */
#define BITMAP_PIECE 0
#define BITMAP_END 1

struct bitmap_header {
    uint32_t id;
    uint16_t type;
    uint8_t page_shift, reserved;
    uint64_t first;
    uint32_t bits, reserved2;
};
struct bitmap_slot {
    struct bitmap_header header;
    uint64_t words[(PIECE_PAGES + PIECE_SKEW) / 64];
};

/* The next piece, empty, under the id of the answer in hand; NULL: the device does not take any more. */
struct bitmap_slot *bitmap_slot(struct virtio_queue *q);
void bitmap_set(struct bitmap_slot *slot, uint64_t first, uint64_t count); /* and `bits`, so that it covers them */
/* The header, then `bytes` of the bitmap in two descriptors, the first of `cut` bytes. */
void bitmap_send(struct virtio_queue *q, struct bitmap_slot *slot, uint32_t bytes, uint32_t cut);
uint32_t bitmap_bytes(const struct bitmap_slot *slot); /* that its bits take */
bool bitmap_ones(const struct bitmap_header *header, uint32_t bytes); /* the header, and a bitmap of ones */
uint32_t bitmap_id(void);                              /* of the answer in hand */
/* Bits of what is free come and go, until the host has read them or so many turns are over. */
void bitmap_flicker(struct bitmap_slot *slot, int turns);
extern const struct random_act bitmap_acts[];
bool bitmap_wild(uint32_t id, const struct page_range *range);

#endif
