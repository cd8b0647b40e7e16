/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Free page hints (VIRTIO 1.2, 5.5.6.4): an id, then writable buffers that are free memory, then id 0. */
#include "balloon.h"

static struct virtio_queue *const q = &balloon.hint;

/* The ring is worked off in order as far as this driver is concerned. */
static bool send_next(const volatile void *at, uint32_t length, uint16_t flags)
{
    static uint16_t next;
    if (!answer_room(q, q->size)) {
        return false;
    }
    unsigned n = next++ % q->size;
    virtio_set_desc(q, n, at, length, flags, 0);
    virtio_publish(q, n);
    virtio_kick(q);
    return true;
}

static bool hint_id(uint32_t id)
{
    static uint32_t words[QUEUE_MAX];
    static unsigned next;
    if (!answer_room(q, q->size)) {
        return false;
    }
    uint32_t *word = &words[next++ % QUEUE_MAX];
    *word = id;
    return send_next(word, 4, 0);
}

static bool hint_stop(void) { return hint_id(COMMAND_STOP); }

static bool hint_bytes(uint64_t at, uint32_t length)
{
    bool ok = send_next((void *)at, length, VIRTIO_DESC_WRITE);
    answer_counts.buffers += ok;
    answer_collect();
    return ok;
}

static bool hint_pages(uint64_t at, uint64_t pages) { return hint_bytes(at, pages * PAGE_SIZE); }

/* The id, then pages. */
static struct virtio_desc hint_part(uint32_t id, const struct page_range *range, unsigned i, unsigned parts)
{
    static uint32_t word;
    word = id;
    return i == 0 ? (struct virtio_desc){ (uint64_t)&word, 4, 0, 0 }
                  : (struct virtio_desc){ (uint64_t)test_page(range->first + (i - 1) % range->count), PAGE_SIZE,
                                          VIRTIO_DESC_WRITE, 0 };
}

/* --- Strange answers --- */

/* Outside RAM, in ROM, in registers, over the end, wrapping. */
static bool addresses(uint32_t id, const struct page_range *range)
{
    const uint64_t at[] = {
        ram[ram_count - 1].end, ram[ram_count - 1].end - PAGE_SIZE, 0xa0000, 0xf0000, 0xfee00000, 0xfec00000,
        (uint64_t)balloon.dev.common,
        0xfffc0000, 0xfffff000, 1ull << 39, 1ull << 52, 0x8000000000000000ull, 0xfffffffffffff000ull,
        0xfffffffffffffffull,
    };
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        if (!hint_id(id) || !hint_bytes(at[i], 2 * PAGE_SIZE) || !hint_bytes(at[i], 0xfffff000)) {
            return false;
        }
    }
    return hint_stop();
}

/* Nothing, one byte, all bits, not whole pages. */
static bool lengths(uint32_t id, const struct page_range *range)
{
    static const uint32_t sizes[] = { 0, 1, 4095, 4097, 8191, 0x80000000u, 0xffffffffu };
    uint64_t at = (uint64_t)test_page(range->first);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned shift = 0; shift < 3; shift++) {
            if (!hint_id(id) || !hint_bytes(at + shift, sizes[i])) {
                return false;
            }
        }
    }
    return hint_stop();
}

/* ROM, the windows of the board, and what wraps around: none of it is RAM, and all else stays as it is. */
static bool windows(uint32_t id, const struct page_range *range)
{
    const uint64_t at[] = { 0xa0000, 0xfec00000, 0xfee00000, 0xfffc0000, 0xfffff000, (uint64_t)balloon.dev.common,
                            ram[ram_count - 1].end, ~0ull << 12, ~0ull, ~0ull - 2 * PAGE_SIZE + 1 };
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        if (!hint_id(id)) {
            return false;
        }
        virtio_set_desc(q, 10, (void *)at[i], 2 * PAGE_SIZE, VIRTIO_DESC_WRITE, 0);
        answer_offer(10);
        if (balloon_is_broken() && !balloon_restart()) {
            return false;
        }
    }
    return true;
}

/*
 * Everything that the guest has, itself included. What it then finds at the other end is its own fault; the host must
 * not mind.
 */
static bool inuse(uint32_t id, const struct page_range *range)
{
    return hint_id(id) && hint_bytes(1 << 20, 0xffffffff & ~0xfffu) && hint_bytes(0, 0xa0000) &&
           answer_all(id, range);
}

/* Buffers before any id, then ids without buffers. */
static bool noid(uint32_t id, const struct page_range *range)
{
    return answer_pages(range, range->count) && hint_stop() && hint_stop();
}

/* --- Random ones --- */

/* The pages at both ends are in part free, so they are not. */
static bool hint_inside(uint64_t first, uint64_t at, uint64_t pages)
{
    uint64_t skip = 1 + random_below(0, PAGE_SIZE - 1), end = 1 + random_below(0, PAGE_SIZE - 1);
    if (pages < 3) {
        return true;
    }
    ledger_lock();
    ledger_give(first + 1, pages - 2);
    bool ok = hint_bytes(at + skip, pages * PAGE_SIZE - skip - end);
    ledger_unlock();
    return ok;
}

/* Not a whole page, so nothing is free. */
static bool hint_nothing(uint64_t first, uint64_t at, uint64_t pages)
{
    return hint_bytes(at + 1 + random_below(0, PAGE_SIZE - 1), PAGE_SIZE) &&
           hint_bytes(at, 1 + random_below(0, PAGE_SIZE - 1));
}

/* What is not RAM, or nothing at all: the device does not go on after that. */
static bool hint_wild(uint32_t id, const struct page_range *range)
{
    uint64_t end = ram[ram_count - 1].end + (1 << 20); /* ACPI tables follow what is free for all: RAM, too */
    const uint64_t wild[] = { end,  end + random_below(0, 1ull << 40), 0xa0000, 0xfee00000, 0xfffc0000, ~0xfffull,
                              ~0ull };
    return hint_bytes(wild[random_below(0, sizeof(wild) / sizeof(wild[0]))], random_below(0, 3) * PAGE_SIZE);
}

static const struct random_act acts[] = { { 2, hint_inside }, { 1, hint_nothing }, { 0, NULL } };

static const struct answer_mode modes[] = {
    { .name = "noid", .help = "hints without an id", .request = noid },
    { .name = "addresses", .help = "hints what is not RAM", .request = addresses },
    { .name = "lengths", .help = "odd lengths", .request = lengths },
    { .name = "windows", .help = "hints what is not RAM, and no RAM", .request = windows },
    { .name = "inuse", .help = "hints what it uses", .request = inuse },
    { .name = NULL },
};

const struct protocol hint_protocol = {
    .feature = BALLOON_HINT,
    .queue = &balloon.hint,
    .command_at = CONFIG_COMMAND,
    .idle = COMMAND_DONE,
    .in_flight = QUEUE_MAX,
    .chunk_pages = 1024, /* 4 MiB, as Linux hints */
    .begin = hint_id,
    .pages = hint_pages,
    .end = hint_stop,
    .part = hint_part,
    .modes = modes,
    .acts = acts,
    .wild = hint_wild,
};
