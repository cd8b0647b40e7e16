/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps (docs/specs/virtio-balloon-bitmap.rst): pieces under a request's id, then an end; inflate and deflate by
 * bitmap. A few pieces are in flight, each in the slot that its number in the ring names.
 */
#include "balloon-bitmap.h"
#include "hardware.h"

#define CONFIG_REQUEST 64
#define SLOTS 8
#define SLOT_DESCS 3
#define END_BYTES 32
#define WAIT_TICKS 20000000000ull

static uint32_t open_id;
static struct bitmap_slot sharing[SLOTS], moving[SLOTS];

/* --- Pieces --- */

uint32_t bitmap_id(void) { return open_id; }

struct bitmap_slot *bitmap_slot(struct virtio_queue *q)
{
    if (!answer_room(q, SLOTS)) {
        return NULL;
    }
    struct bitmap_slot *slot = &(q == &balloon.bitmap ? sharing : moving)[q->added % SLOTS];
    memset(slot, 0, sizeof(*slot));
    slot->header.page_shift = 12;
    slot->header.id = open_id;
    return slot;
}

void bitmap_set(struct bitmap_slot *slot, uint64_t first, uint64_t count)
{
    for (uint64_t bit = first; bit < first + count; bit++) {
        slot->words[bit / 64] |= 1ull << bit % 64;
    }
    slot->header.bits = first + count;
}

uint32_t bitmap_bytes(const struct bitmap_slot *slot) { return (slot->header.bits + 7) / 8; }

static void set_header(struct virtio_queue *q, unsigned n, const struct bitmap_header *header, unsigned next)
{
    virtio_set_desc(q, n, header, sizeof(*header), VIRTIO_DESC_NEXT, next);
}

static void publish(struct virtio_queue *q, unsigned n)
{
    virtio_publish(q, n);
    virtio_kick(q);
    answer_counts.buffers++;
}

void bitmap_send(struct virtio_queue *q, struct bitmap_slot *slot, uint32_t bytes, uint32_t cut)
{
    unsigned n = q->added % SLOTS * SLOT_DESCS;
    set_header(q, n, &slot->header, cut ? n + 1 : n + 2);
    virtio_set_desc(q, n + 1, slot->words, cut, VIRTIO_DESC_NEXT, n + 2);
    virtio_set_desc(q, n + 2, (uint8_t *)slot->words + cut, bytes - cut, 0, 0);
    publish(q, n);
}

bool bitmap_ones(const struct bitmap_header *header, uint32_t bytes)
{
    static uint8_t ones[131072];
    struct virtio_queue *q = &balloon.bitmap;
    struct bitmap_slot *slot = bitmap_slot(q);
    if (!slot) {
        return false;
    }
    memset(ones, 0xff, sizeof(ones));
    slot->header = *header;
    unsigned n = q->added % SLOTS * SLOT_DESCS;
    set_header(q, n, &slot->header, n + 1);
    virtio_set_desc(q, n + 1, ones, bytes, 0, 0);
    publish(q, n);
    return true;
}

void bitmap_flicker(struct bitmap_slot *slot, int turns)
{
    static uint64_t given[sizeof(slot->words) / 8];
    struct virtio_queue *q = &balloon.bitmap;
    memcpy(given, slot->words, sizeof(given));
    for (int turn = 0; turn < turns && q->used[1] != q->added; turn++) {
        for (unsigned w = 0; w < sizeof(given) / 8; w++) {
            uint64_t some = turn % 3 ? 0x5a5a5a5a5a5a5a5aull << turn % 48 : ~0ull;
            *(volatile uint64_t *)&slot->words[w] = given[w] & some;
        }
    }
}

/* Neighbours as one piece, whose first bit stands for the page `skew` before them. */
static struct bitmap_slot *send_run(struct virtio_queue *q, uint64_t at, uint64_t pages, unsigned skew)
{
    struct bitmap_slot *slot = bitmap_slot(q);
    if (slot) {
        slot->header.first = at / PAGE_SIZE - skew;
        bitmap_set(slot, skew, pages);
        bitmap_send(q, slot, bitmap_bytes(slot), bitmap_bytes(slot) / 3);
    }
    return slot;
}

/* --- Answers --- */

static bool bitmap_begin(uint32_t id)
{
    open_id = id;
    return true;
}

static bool bitmap_pages(uint64_t at, uint64_t pages) { return send_run(&balloon.bitmap, at, pages, 0); }

static bool bitmap_end(void)
{
    struct bitmap_slot *slot = bitmap_slot(&balloon.bitmap);
    if (slot) {
        slot->header.type = BITMAP_END;
        bitmap_send(&balloon.bitmap, slot, END_BYTES, 0);
    }
    return slot;
}

/* The header, then bytes of the bitmap, all of ones as far as the range goes. */
static struct virtio_desc bitmap_part(uint32_t id, const struct page_range *range, unsigned i, unsigned parts)
{
    static struct bitmap_header header;
    static uint8_t byte = 0xff;
    if (i > 0) {
        return (struct virtio_desc){ (uint64_t)&byte, 1, 0, 0 };
    }
    uint64_t at, pages = neighbours(range->first, range->count, &at);
    header = (struct bitmap_header){ .id = id, .page_shift = 12, .first = at / PAGE_SIZE,
                                     .bits = pages < (parts - 1) * 8 ? pages : (parts - 1) * 8 };
    return (struct virtio_desc){ (uint64_t)&header, sizeof(header), 0, 0 };
}

/* --- Inflate and deflate --- */

bool balloon_move_bitmap(struct virtio_queue *q, uint64_t first, uint64_t count)
{
    open_id = 0;
    for (uint64_t n = 0, at, pages; n < count; n += pages) {
        pages = neighbours(first + n, count - n < PIECE_PAGES ? count - n : PIECE_PAGES, &at);
        if (!send_run(q, at, pages, 0)) {
            return false;
        }
    }
    return virtio_finish(q, WAIT_TICKS);
}

/* --- Strange answers --- */

static bool for_each_run(uint32_t id, const struct page_range *range, unsigned skew, int flicker)
{
    bitmap_begin(id);
    for (uint64_t n = 0, at, pages; n < range->count; n += pages) {
        pages = neighbours(range->first + n, range->count - n < PIECE_PAGES ? range->count - n : PIECE_PAGES, &at);
        struct bitmap_slot *slot = send_run(&balloon.bitmap, at, pages, skew);
        if (!slot) {
            return false;
        }
        bitmap_flicker(slot, flicker);
    }
    return true;
}

/* The same pages again and again, at other places of other pieces. */
static bool overlap(uint32_t id, const struct page_range *range)
{
    for (unsigned skew = 0; skew < 192; skew += 37) {
        if (!for_each_run(id, range, skew, 0)) {
            return false;
        }
    }
    return bitmap_end();
}

/* Bits come and go while the host reads, all of pages that are free. */
static bool changing(uint32_t id, const struct page_range *range)
{
    return for_each_run(id, range, 0, 2000) && bitmap_end();
}

/* Everything that there is, and what there is not; the guest itself included. */
static bool all_ones(uint32_t id, const struct page_range *range)
{
    for (uint64_t first = 0; first < 4 << 20; first += 1 << 20) {
        struct bitmap_header header = { .id = id, .page_shift = 12, .first = first, .bits = 1 << 20 };
        if (!bitmap_ones(&header, 131072)) {
            return false;
        }
    }
    return answer_all(id, range);
}

/* Outside RAM, over its end, in registers, wrapping; for the rest, what is free. */
static bool beyond(uint32_t id, const struct page_range *range)
{
    uint64_t top = (ram[ram_count - 1].end + 0xfffff) / 0x100000 * 0x100; /* behind the firmware's tables, too */
    const struct bitmap_header bad[] = {
        { .id = id, .page_shift = 12, .first = top, .bits = 1 << 20 },
        { .id = id, .page_shift = 12, .first = 0xfee00, .bits = 64 },
        { .id = id, .page_shift = 12, .first = 1ull << 36, .bits = 1 << 20 },
        { .id = id, .page_shift = 24, .first = 1ull << 20, .bits = 1 << 20 },
        { .id = id, .page_shift = 12, .first = 0xfffffffffffffull, .bits = 64 },
        { .id = id, .page_shift = 12, .first = 0xffffffffffffffffull, .bits = 64 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!bitmap_ones(&bad[i], 131072)) {
            return false;
        }
    }
    return answer_all(id, range);
}

static bool malformed(uint32_t id, const struct page_range *range)
{
    uint64_t first = (uint64_t)test_page(range->first) / PAGE_SIZE;
    const struct bitmap_header bad[] = {
        { .id = id, .page_shift = 12, .first = first, .bits = 0 },
        { .id = id, .page_shift = 12, .first = first, .bits = 0xffffffff },
        { .id = id, .page_shift = 12, .first = first, .bits = 1000 }, /* 8 bytes follow */
        { .id = id, .page_shift = 0, .first = first, .bits = 64 },
        { .id = id, .page_shift = 63, .first = 0, .bits = 1 },
        { .id = id, .page_shift = 255, .first = 0, .bits = 1 },
        { .id = id, .page_shift = 12, .type = 7, .first = first, .bits = 64 },
        { .id = id, .type = BITMAP_END },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!bitmap_ones(&bad[i], 8)) {
            return false;
        }
    }
    return answer_all(id, range);
}

static const struct answer_mode modes[] = {
    { .name = "overlap", .help = "sends all several times, at other places", .request = overlap },
    { .name = "changing", .help = "changes pieces while they are read", .request = changing },
    { .name = "allones", .help = "calls everything free, itself included", .request = all_ones },
    { .name = "beyond", .help = "calls free what is not RAM", .request = beyond },
    { .name = "malformed", .help = "headers that nobody would send", .request = malformed },
    { .name = NULL },
};

const struct protocol bitmap_protocol = {
    .feature = BALLOON_FREE_PAGE_BITMAP,
    .queue = &balloon.bitmap,
    .command_at = CONFIG_REQUEST,
    .idle = 0,
    .in_flight = SLOTS,
    .chunk_pages = PIECE_PAGES,
    .begin = bitmap_begin,
    .pages = bitmap_pages,
    .end = bitmap_end,
    .part = bitmap_part,
    .modes = modes,
    .acts = bitmap_acts,
    .wild = bitmap_wild,
};
