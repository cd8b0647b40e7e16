/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random pieces of a bitmap, for migrations in bulk: with holes, overlapping, changing while they are read, of large
 * pages; and pieces that must have no effect, which call free what is in use.
 */
#include "balloon-bitmap.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct virtio_queue *const q = &balloon.bitmap;

static void send_cut(struct bitmap_slot *slot)
{
    bitmap_send(q, slot, bitmap_bytes(slot), random_below(0, bitmap_bytes(slot)));
}

/* A piece that begins somewhere before the chunk and has its page `n`, if `has` says so. Sent with the lock held. */
static struct bitmap_slot *send_some(uint64_t first, uint64_t at, uint64_t pages, uint64_t one_in)
{
    struct bitmap_slot *slot = bitmap_slot(q);
    uint64_t skew = random_below(0, PIECE_SKEW);
    if (!slot) {
        return NULL;
    }
    slot->header.first = at / PAGE_SIZE - skew;
    ledger_lock();
    for (uint64_t n = 0; n < pages; n++) {
        if (random_below(0, one_in) == 0) {
            bitmap_set(slot, skew + n, 1);
            ledger_give(first + n, 1);
        }
    }
    slot->header.bits += slot->header.bits == 0; /* of a page that is not free */
    send_cut(slot);
    ledger_unlock();
    return slot;
}

static bool scattered(uint64_t first, uint64_t at, uint64_t pages)
{
    bool ok = send_some(first, at, pages, 1 + random_below(0, 8));
    ledger_rewrite(first, pages, 1 + random_below(0, 8));
    return ok;
}

static bool overlapping(uint64_t first, uint64_t at, uint64_t pages)
{
    for (unsigned n = 0; n < 3; n++) {
        if (!send_some(first, at, pages, 2)) {
            return false;
        }
        ledger_rewrite(first, pages, 4);
    }
    return true;
}

/* Pages come and go in the piece, and are used again, while the host may be reading it. */
static bool changing(uint64_t first, uint64_t at, uint64_t pages)
{
    struct bitmap_slot *slot = send_some(first, at, pages, 1);
    for (unsigned n = 0; slot && n < 8; n++) {
        bitmap_flicker(slot, 1 + random_below(0, 20));
        ledger_rewrite(first, pages, 8);
    }
    return slot;
}

/* What of the chunk is whole pages of 8 KiB to 4 MiB. */
static bool large(uint64_t first, uint64_t at, uint64_t pages)
{
    unsigned shift = 1 + random_below(0, 10);
    uint64_t unit = 1ull << shift, number = at / PAGE_SIZE, skip = -number & (unit - 1),
             count = pages > skip ? (pages - skip) >> shift : 0;
    struct bitmap_slot *slot = count ? bitmap_slot(q) : NULL;
    if (!slot) {
        return !count;
    }
    slot->header.page_shift = 12 + shift;
    slot->header.first = (number + skip) >> shift;
    bitmap_set(slot, 0, count);
    ledger_lock();
    ledger_give(first + skip, count << shift);
    send_cut(slot);
    ledger_unlock();
    ledger_rewrite(first, pages, 1 + random_below(0, 8));
    return true;
}

/* --- Pieces without an effect: their pages are in use --- */

static bool send_used(struct bitmap_header header, uint64_t at, uint64_t pages)
{
    header.first = header.first ? header.first : at / PAGE_SIZE;
    return bitmap_ones(&header, (pages + 7) / 8);
}

/* Ids that were, or will not be for long. */
static bool wrong_id(uint64_t first, uint64_t at, uint64_t pages)
{
    const uint32_t ids[] = { answer_command() - 1, answer_command() + 0x10000, 0xffffffff, 0 };
    pages = random_used(pages, &at);
    return send_used((struct bitmap_header){ .id = ids[random_below(0, COUNT_OF(ids))], .page_shift = 12,
                                             .bits = pages }, at, pages);
}

/* Each of these is ignored whole. */
static bool malformed(uint64_t first, uint64_t at, uint64_t pages)
{
    pages = random_used(pages, &at);
    const struct bitmap_header bad[] = {
        { .page_shift = 12, .bits = 0 },
        { .page_shift = 12, .bits = (1 << 20) + 1 },
        { .page_shift = 12, .bits = ~0u },
        { .page_shift = 12, .bits = pages + 8 },
        { .page_shift = 11, .bits = pages },
        { .page_shift = 25, .bits = 1, .first = at >> 25 },
        { .page_shift = 255, .bits = pages },
        { .page_shift = 12, .bits = pages, .type = 2 },
        { .page_shift = 12, .bits = pages, .type = 0xffff },
        { .page_shift = 12, .bits = 64, .first = (1ull << 52) - 1 },
        { .page_shift = 12, .bits = 64, .first = ~0ull },
    };
    struct bitmap_header header = bad[random_below(0, COUNT_OF(bad))];
    header.id = bitmap_id();
    return send_used(header, at, pages);
}

/* What is not RAM, behind the end and in the board's windows. */
bool bitmap_wild(uint32_t id, const struct page_range *range)
{
    uint64_t end = ((ram[ram_count - 1].end + 0xfffff) >> 20) << 8; /* behind the firmware's tables, too */
    const struct bitmap_header wild[] = {
        { .page_shift = 12, .first = end, .bits = 1 << 20 }, { .page_shift = 12, .first = 0xfee00, .bits = 64 },
        { .page_shift = 12, .first = 0xfffc0, .bits = 64 },  { .page_shift = 12, .first = 0xa0, .bits = 32 },
        { .page_shift = 24, .first = end, .bits = 1 << 20 },
    };
    struct bitmap_header header = wild[random_below(0, COUNT_OF(wild))];
    header.id = id;
    return bitmap_ones(&header, 131072);
}

/* Which leaves the device as it is, unlike what hints can do. */
static bool beyond(uint64_t first, uint64_t at, uint64_t pages) { return bitmap_wild(bitmap_id(), NULL); }

const struct random_act bitmap_acts[] = {
    { 8, scattered }, { 4, overlapping }, { 4, changing }, { 4, large },
    { 2, wrong_id },  { 2, malformed },   { 1, beyond },   { 0, NULL },
};
