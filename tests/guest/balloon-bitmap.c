/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps (docs/specs/virtio-balloon-bitmap.rst): `balloon share MODE FIRST COUNT` answers requests for free
 * pages in the way that MODE names, until a byte comes on the serial port; inflate and deflate by bitmap.
 * Pieces of 4096 pages, a few in flight.
 */
#include "balloon.h"
#include "hardware.h"

#define CONFIG_REQUEST 64
#define PIECE_PAGES 4096
#define SLOTS 8
#define PIECE 0
#define END 1
#define WAIT_TICKS 20000000000ull

struct header {
    uint32_t id;
    uint16_t type;
    uint8_t page_shift, reserved;
    uint64_t first;
    uint32_t bits, reserved2;
};
static struct slot {
    struct header header;
    uint64_t words[PIECE_PAGES / 64];
} slots[SLOTS];

static uint64_t pfn_of(uint64_t page) { return (uint64_t)test_page(page) / PAGE_SIZE; }

/* Waits until the device has given the slot's last chain back. False: it does not, or somebody wants us to end. */
static bool take_slot(struct virtio_queue *q, struct slot **slot)
{
    uint32_t head;
    for (uint64_t t = rdtsc(); (uint16_t)(q->added - q->seen) >= SLOTS;) {
        if (virtio_used(q, &head)) {
            hint_counts.returned++;
            continue;
        }
        if (rdtsc() - t > WAIT_TICKS || serial_pending()) {
            return false;
        }
        __asm__ volatile("sti; pause; pause; cli" ::: "memory");
    }
    *slot = &slots[q->added % SLOTS];
    memset(*slot, 0, sizeof(**slot));
    (*slot)->header.page_shift = 12;
    return true;
}

/* Header, then `bytes` of the bitmap in two descriptors. */
static void send_slot(struct virtio_queue *q, struct slot *slot, uint32_t bytes)
{
    unsigned n = (slot - slots) * 3;
    uint32_t part = bytes / 3;
    virtio_set_desc(q, n, &slot->header, sizeof(slot->header), bytes ? VIRTIO_DESC_NEXT : 0, part ? n + 1 : n + 2);
    virtio_set_desc(q, n + 1, slot->words, part, VIRTIO_DESC_NEXT, n + 2);
    virtio_set_desc(q, n + 2, (uint8_t *)slot->words + part, bytes - part, 0, 0);
    virtio_publish(q, n);
    virtio_kick(q);
    hint_counts.buffers++;
}

static bool send_end(uint32_t id)
{
    struct slot *slot;
    if (!take_slot(&balloon.bitmap, &slot)) {
        return false;
    }
    slot->header.id = id;
    slot->header.type = END;
    send_slot(&balloon.bitmap, slot, 32);
    return true;
}

/* Test pages [first, first + count) as pieces, each followed by after(). `skew`: what the first bit stands before. */
static bool send_pages(struct virtio_queue *q, uint32_t id, const struct hint_range *range, uint64_t count,
                       uint64_t skew, void (*after)(struct slot *slot, uint64_t first, uint64_t pages))
{
    struct slot *slot;
    for (uint64_t n = 0, start; n < count;) {
        uint64_t base = pfn_of(range->first + n) - skew;
        if (!take_slot(q, &slot)) {
            return false;
        }
        for (start = n; n < count && pfn_of(range->first + n) - base < PIECE_PAGES; n++) {
            uint64_t bit = pfn_of(range->first + n) - base;
            slot->words[bit / 64] |= 1ull << bit % 64;
            slot->header.bits = bit + 1;
        }
        slot->header.id = id;
        slot->header.first = base;
        send_slot(q, slot, (slot->header.bits + 7) / 8);
        if (after) {
            after(slot, range->first + start, n - start);
        }
    }
    return true;
}

static bool share(uint32_t id, const struct hint_range *range)
{
    return send_pages(&balloon.bitmap, id, range, range->count, 0, NULL) && send_end(id);
}

bool balloon_move_bitmap(struct virtio_queue *q, uint64_t first, uint64_t count)
{
    struct hint_range range = { first, count };
    return send_pages(q, 0, &range, count, 0, NULL) && virtio_finish(q, WAIT_TICKS);
}

/* --- Guests that mean well --- */

static uint64_t generation;

static void use_again(struct slot *slot, uint64_t first, uint64_t pages)
{
    for (uint64_t n = first; n < first + pages; n++) {
        fill_page(n, generation);
    }
}

/* Pages are in use again before the piece is acknowledged. */
static bool take_back(uint32_t id, const struct hint_range *range)
{
    generation = 1000 + hint_counts.requests;
    return send_pages(&balloon.bitmap, id, range, range->count, 0, use_again) && send_end(id);
}

/* The same pages again and again, at other places of other pieces. */
static bool overlap(uint32_t id, const struct hint_range *range)
{
    for (uint64_t skew = 0; skew < 192; skew += 37) {
        if (!send_pages(&balloon.bitmap, id, range, range->count, skew, NULL)) {
            return false;
        }
    }
    return send_end(id);
}

/* Bits come and go while the host reads, all of pages that are free. */
static void flicker(struct slot *slot, uint64_t first, uint64_t pages)
{
    struct virtio_queue *q = &balloon.bitmap;
    for (int turn = 0; turn < 2000 && q->used[1] != q->added; turn++) {
        for (unsigned w = 0; w < slot->header.bits / 64; w++) {
            *(volatile uint64_t *)&slot->words[w] ^= 0x5a5aull << turn % 48;
        }
    }
}

static bool changing(uint32_t id, const struct hint_range *range)
{
    return send_pages(&balloon.bitmap, id, range, range->count, 0, flicker) && send_end(id);
}

/* --- Guests that are slow or confused --- */

static bool silent(uint32_t id, const struct hint_range *range) { return true; }

static bool noend(uint32_t id, const struct hint_range *range)
{
    return send_pages(&balloon.bitmap, id, range, range->count, 0, NULL);
}

static bool wrongid(uint32_t id, const struct hint_range *range)
{
    return share(id + 1, range) && share(id - 1, range) && share(0, range) && share(0xffffffff, range);
}

/* After the request was cancelled: the pages are in use by then. */
static bool late(uint32_t id, const struct hint_range *range)
{
    generation = 1000 + hint_counts.requests;
    use_again(NULL, range->first, range->count);
    return share(id, range);
}

static bool reset_in_the_middle(uint32_t id, const struct hint_range *range)
{
    uint64_t features = balloon.dev.features;
    if (!send_pages(&balloon.bitmap, id, range, range->count / 2, 0, NULL)) {
        return false;
    }
    virtio_reset(&balloon.dev);
    hint_counts.resets++;
    generation = 1000 + hint_counts.requests;
    use_again(NULL, range->first, range->count);
    return balloon_start(features, balloon.dev.interrupts) && share(id, range);
}

/* --- Guests that mean ill --- */

/* One header and a bitmap of all ones, `bytes` of it. */
static bool send_ones(const struct header *header, uint32_t bytes)
{
    static uint8_t ones[131072];
    struct virtio_queue *q = &balloon.bitmap;
    struct slot *slot;
    if (!take_slot(q, &slot)) {
        return false;
    }
    memset(ones, 0xff, sizeof(ones));
    slot->header = *header;
    virtio_set_desc(q, (slot - slots) * 3, &slot->header, sizeof(slot->header), VIRTIO_DESC_NEXT,
                    (slot - slots) * 3 + 1);
    virtio_set_desc(q, (slot - slots) * 3 + 1, ones, bytes, 0, 0);
    virtio_publish(q, (slot - slots) * 3);
    virtio_kick(q);
    hint_counts.buffers++;
    return true;
}

/* Everything that there is, and what there is not; the guest itself included. */
static bool all_ones(uint32_t id, const struct hint_range *range)
{
    for (uint64_t first = 0; first < 4 << 20; first += 1 << 20) {
        struct header header = { .id = id, .page_shift = 12, .first = first, .bits = 1 << 20 };
        if (!send_ones(&header, 131072)) {
            return false;
        }
    }
    return share(id, range);
}

/* Outside RAM, over its end, in registers, wrapping; for the rest, what is free. */
static bool beyond(uint32_t id, const struct hint_range *range)
{
    uint64_t top = (ram[ram_count - 1].end + 0xfffff) / 0x100000 * 0x100; /* behind the firmware's tables, too */
    const struct header bad[] = {
        { .id = id, .page_shift = 12, .first = top, .bits = 1 << 20 },
        { .id = id, .page_shift = 12, .first = 0xfee00, .bits = 64 },
        { .id = id, .page_shift = 12, .first = 1ull << 36, .bits = 1 << 20 },
        { .id = id, .page_shift = 24, .first = 1ull << 20, .bits = 1 << 20 },
        { .id = id, .page_shift = 12, .first = 0xfffffffffffffull, .bits = 64 },
        { .id = id, .page_shift = 12, .first = 0xffffffffffffffffull, .bits = 64 },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!send_ones(&bad[i], 131072)) {
            return false;
        }
    }
    return share(id, range);
}

static bool malformed(uint32_t id, const struct hint_range *range)
{
    uint64_t first = pfn_of(range->first);
    const struct header bad[] = {
        { .id = id, .page_shift = 12, .first = first, .bits = 0 },
        { .id = id, .page_shift = 12, .first = first, .bits = 0xffffffff },
        { .id = id, .page_shift = 12, .first = first, .bits = 1000 }, /* 8 bytes follow */
        { .id = id, .page_shift = 0, .first = first, .bits = 64 },
        { .id = id, .page_shift = 63, .first = 0, .bits = 1 },
        { .id = id, .page_shift = 255, .first = 0, .bits = 1 },
        { .id = id, .page_shift = 12, .type = 7, .first = first, .bits = 64 },
        { .id = id, .type = END },
    };
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!send_ones(&bad[i], 8)) {
            return false;
        }
    }
    return share(id, range);
}

/* A hundred thousand pieces, one bit each. */
static bool crumbs(uint32_t id, const struct hint_range *range)
{
    struct header header = { .id = id, .page_shift = 12, .bits = 1 };
    for (uint64_t n = 0; n < 100000 && mmio_read32(balloon.dev.config + CONFIG_REQUEST) == id; n++) {
        header.first = pfn_of(range->first + n % range->count);
        if (!send_ones(&header, 1)) {
            return false;
        }
    }
    return send_end(id);
}

static const struct hint_mode modes[] = {
    { "good", "sends all", share, NULL },
    { "takeback", "writes to each page right after its piece was sent", take_back, NULL },
    { "overlap", "sends all several times, at other places", overlap, NULL },
    { "changing", "changes pieces while they are read", changing, NULL },
    { "silent", "answers nothing", silent, NULL },
    { "noend", "sends all, never ends", noend, NULL },
    { "wrongid", "answers under other ids", wrongid, NULL },
    { "late", "answers when it is over", silent, late },
    { "reset", "resets the device in the middle", reset_in_the_middle, NULL },
    { "allones", "calls everything free, itself included", all_ones, NULL },
    { "beyond", "calls free what is not RAM", beyond, NULL },
    { "malformed", "headers that nobody would send", malformed, NULL },
    { "crumbs", "a piece per page, a hundred thousand", crumbs, NULL },
    { NULL, NULL, NULL, NULL },
};

static void answer_requests(const struct hint_mode *mode, const struct hint_range *range)
{
    uint32_t current = 0;
    bool ok = true;
    while (ok && !serial_pending()) {
        uint32_t id = mmio_read32(balloon.dev.config + CONFIG_REQUEST), head;
        while (virtio_used(&balloon.bitmap, &head)) {
            hint_counts.returned++;
        }
        if (id == current) {
            irq_wait();
            continue;
        }
        if (current && mode->ended) {
            ok = mode->ended(current, range);
        }
        current = id;
        hint_counts.stops += id == 0;
        if (id) {
            hint_counts.requests++;
            ok = ok && mode->request(id, range);
        }
    }
    if (!ok) {
        print("stuck\n");
    }
}

bool run_share(int argc, char **argv)
{
    CHECK(argc > 1 && (balloon.dev.features & BALLOON_FREE_PAGE_BITMAP),
          "share needs a mode, and the bitmap negotiated");
    const struct hint_mode *mode = hint_find_mode(modes, argv[1]);
    CHECK(mode, "no mode %s", argv[1]);
    struct hint_range range = { argc > 2 ? parse_number(argv[2]) : 0,
                                argc > 3 ? parse_number(argv[3]) : test_pages() };
    CHECK(range.first + range.count <= test_pages(), "only %lu pages", test_pages());
    return serve_until_told(answer_requests, mode, &range);
}
