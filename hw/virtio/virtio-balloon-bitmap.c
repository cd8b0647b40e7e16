/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps of pages: free pages on request, inflate and deflate (docs/specs/virtio-balloon-bitmap.rst). The
 * host publishes an id in the configuration; the driver sends pieces of a bitmap under it, then an end. It
 * keeps nothing for us, so that there is no "done"; what it writes meanwhile is told by the dirty log
 * (docs/free-pages.rst, rules 1 to 3).
 *
 *   chain: header | bitmap, over any descriptors     worked off by the chunk: FREE_PAGE_BITS pages, one log fetch
 *
 * Guest memory changes under our eyes: the header is read once, and each chunk is copied before anything
 * looks at it.
 */
#include <string.h>

#include "hw/virtio/virtio-balloon.h"
#include "trace/hw_virtio.h"

#define HEADER_SIZE sizeof(struct virtio_balloon_bitmap_header)
#define CHUNK_WORDS (FREE_PAGE_BITS / BITS_PER_LONG)

/* The operator's words are the protocol's bits. */
G_STATIC_ASSERT(GUEST_DROP_CACHES_PAGECACHE == VIRTIO_BALLOON_DROP_PAGECACHE &&
                GUEST_DROP_CACHES_SLAB == VIRTIO_BALLOON_DROP_SLAB &&
                GUEST_DROP_CACHES_ALL == (VIRTIO_BALLOON_DROP_PAGECACHE | VIRTIO_BALLOON_DROP_SLAB));

/* A part of a piece, in pages of 4 KiB. */
struct chunk {
    uint64_t first; /* page number in guest-physical memory of bit 0 */
    unsigned count;
    unsigned long padded[CHUNK_WORDS + 2]; /* between a word of zeros on either side, for those who shift */
    unsigned long *words;
};

/* ---- Pieces ---- */

static unsigned piece_expand(const struct balloon_piece *piece)
{
    return piece->shift - GUEST_PAGE_BITS;
}

/* Reads the header of the chain in hand. False: it is not for us. */
static bool piece_begin(struct balloon_cursor *cursor, bool end_allowed)
{
    struct virtio_balloon_bitmap_header header;
    struct balloon_piece *piece = &cursor->piece;

    if (virtqueue_element_read(&cursor->element, 0, &header, HEADER_SIZE) < HEADER_SIZE) {
        return false;
    }
    *piece = (struct balloon_piece){ .id = header.id, .end = header.type == VIRTIO_BALLOON_END };
    if (piece->end) {
        return end_allowed;
    }
    if (header.type != VIRTIO_BALLOON_PIECE || header.page_shift < GUEST_PAGE_BITS ||
        header.page_shift > VIRTIO_BALLOON_MAX_SHIFT || !header.bits || header.bits > VIRTIO_BALLOON_MAX_BITS ||
        header.first > (UINT64_MAX >> header.page_shift) - header.bits ||
        cursor->element.out_length < HEADER_SIZE + (header.bits + 7) / 8) {
        return false;
    }
    piece->shift = header.page_shift;
    piece->first = header.first << piece_expand(piece);
    piece->pages = (uint64_t)header.bits << piece_expand(piece);
    return true;
}

/* Each bit of `from` as 1 << expand bits. */
static void expand_bits(unsigned long *to, const unsigned long *from, unsigned bits, unsigned expand)
{
    for (unsigned bit = 0; bit < bits; bit++) {
        if (bitmap_test(from, bit)) {
            bitmap_set(to, (uint64_t)bit << expand, 1ull << expand);
        }
    }
}

/* The chunk that holds page `cursor->offset` of the piece; what the guest took from under us reads as not free. */
static void chunk_load(const struct balloon_cursor *cursor, struct chunk *chunk)
{
    const struct balloon_piece *piece = &cursor->piece;
    unsigned expand = piece_expand(piece);
    uint64_t start = cursor->offset - cursor->offset % FREE_PAGE_BITS;
    unsigned long raw[CHUNK_WORDS] = { 0 };

    chunk->first = piece->first + start;
    chunk->count = MIN(piece->pages - start, FREE_PAGE_BITS);
    chunk->words = chunk->padded + 1;
    memset(chunk->padded, 0, sizeof(chunk->padded));
    virtqueue_element_read(&cursor->element, HEADER_SIZE + (start >> expand) / 8, expand ? raw : chunk->words,
                           ((chunk->count >> expand) + 7) / 8);
    if (expand) {
        expand_bits(chunk->words, raw, chunk->count >> expand, expand);
    }
}

/*
 * The chunk was worked off. What follows and is not RAM is not looked at: a header of a few bytes can speak of far
 * more of that than a guest has memory.
 */
static void chunk_done(struct balloon_cursor *cursor, const struct chunk *chunk)
{
    uint64_t end = chunk->first + chunk->count, gap;
    struct flat_view *view = flat_view_get(&address_space_memory);

    gap = memory_gap(view, end << GUEST_PAGE_BITS) >> GUEST_PAGE_BITS;
    flat_view_put(view);
    cursor->offset = MIN(end - cursor->piece.first + gap, cursor->piece.pages);
}

/* 64 bits from `at` on, which may be up to a word before the first. */
static unsigned long chunk_bits(const struct chunk *chunk, int64_t at)
{
    uint64_t from = at + BITS_PER_LONG;
    const unsigned long *words = chunk->padded + from / BITS_PER_LONG;
    unsigned shift = from % BITS_PER_LONG;

    return shift ? words[0] >> shift | words[1] << (BITS_PER_LONG - shift) : words[0];
}

/* ---- Free pages ---- */

/* The migration's id if `id` is what is open now, else 0. */
static uint32_t open_request(struct virtio_balloon *b, uint32_t id)
{
    uint32_t request;

    g_mutex_lock(&b->hint_lock);
    request = id == b->bitmap_id ? b->bitmap_request : 0;
    g_mutex_unlock(&b->hint_lock);
    return request;
}

/*
 * Pages [at, at + count) of the chunk are RAM from page `page` of `block` on: its words, as the block's
 * bitmaps lie.
 */
static bool share_pages(uint32_t request, const struct chunk *chunk, unsigned at, unsigned count,
                        struct ram_block *block, uint64_t page)
{
    unsigned long words[CHUNK_WORDS];
    unsigned skew = page % BITS_PER_LONG;

    for (unsigned w = 0; w < BITMAP_WORDS(skew + count); w++) {
        words[w] = chunk_bits(chunk, (int64_t)at - skew + w * BITS_PER_LONG);
    }
    words[0] &= ~0ul << skew;
    return free_page_bitmap(request, block, page - skew, skew + count, words) == FREE_PAGE_TAKEN;
}

/* False: it came too late. No request is 0, so that what comes under a wrong id is counted as late there. */
static bool share_chunk(struct virtio_balloon *b, uint32_t id, const struct chunk *chunk)
{
    struct flat_view *view = flat_view_get(&address_space_memory);
    uint32_t request = open_request(b, id);
    bool taken = true;
    unsigned n;

    for (unsigned at = 0; taken && (at = bitmap_next_set(chunk->words, chunk->count, at)) < chunk->count; at += n) {
        uint64_t length = (uint64_t)MIN(chunk->count - at, FREE_PAGE_BITS - BITS_PER_LONG) << GUEST_PAGE_BITS, offset;
        hwaddr gpa = (chunk->first + at) << GUEST_PAGE_BITS;
        struct ram_block *block;

        if (memory_translate(view, gpa, &length, true, &block, &offset) &&
            offset % GUEST_PAGE_SIZE == 0 && length >= GUEST_PAGE_SIZE) {
            n = length >> GUEST_PAGE_BITS;
            taken = share_pages(request, chunk, at, n, block, offset >> GUEST_PAGE_BITS);
        } else {
            free_page_rejected(FREE_PAGE_NO_RAM);
            n = MIN(chunk->count - at, MAX(memory_gap(view, gpa) >> GUEST_PAGE_BITS, 1));
        }
    }
    flat_view_put(view);
    trace_virtio_balloon_bitmap(id, chunk->first, chunk->count, taken);
    return taken;
}

/* The same for an end, which also says what is free, and may say what was dropped of `drop`. */
static uint32_t end_request(struct virtio_balloon *b, uint32_t id, uint64_t free_pages, uint32_t *drop)
{
    uint32_t request;

    g_mutex_lock(&b->hint_lock);
    request = id == b->bitmap_id ? b->bitmap_request : 0;
    *drop = b->bitmap_drop;
    if (request && b->bitmap_guest_free == UINT64_MAX) {
        b->bitmap_guest_free = MIN(free_pages, ram_total() >> GUEST_PAGE_BITS) << GUEST_PAGE_BITS;
    }
    g_mutex_unlock(&b->hint_lock);
    return request;
}

static void take_end(struct virtio_balloon *b, const struct balloon_cursor *cursor)
{
    struct virtio_balloon_bitmap_end end;
    uint32_t request, drop;

    if (virtqueue_element_read(&cursor->element, HEADER_SIZE, &end, sizeof(end)) < sizeof(end)) {
        free_page_rejected(FREE_PAGE_MALFORMED);
        return;
    }
    trace_virtio_balloon_bitmap_end(cursor->piece.id, end.free_pages, end.walk_ns, end.dropped, end.refused,
                                    end.dropped_pages);
    request = end_request(b, cursor->piece.id, end.free_pages, &drop);
    if (request) {
        if (drop) {
            free_page_guest_dropped(request, end.dropped & drop, end.refused & drop,
                                    MIN(end.dropped_pages, ram_total() >> GUEST_PAGE_BITS) << GUEST_PAGE_BITS);
        }
        free_page_guest_stopped(request);
    }
}

/* One chunk, or what is malformed; true: the chain is worked off. */
static bool take_step(struct virtio_balloon *b, struct balloon_cursor *cursor)
{
    struct chunk chunk;

    if (cursor->offset == 0 && !piece_begin(cursor, true)) {
        free_page_rejected(FREE_PAGE_MALFORMED);
        return true;
    }
    if (cursor->piece.end) {
        take_end(b, cursor);
        return true;
    }
    chunk_load(cursor, &chunk);
    chunk_done(cursor, &chunk);
    return !share_chunk(b, cursor->piece.id, &chunk) || cursor->offset >= cursor->piece.pages;
}

bool balloon_bitmap_handle(struct virtio_balloon *b, struct virtqueue *vq)
{
    struct balloon_cursor *cursor = &b->cursors[BALLOON_BITMAP];

    if (!balloon_answer_next(b, cursor, vq)) {
        return false;
    }
    if (take_step(b, cursor)) {
        balloon_cursor_finish(cursor, vq);
        virtqueue_notify(vq);
    }
    return true;
}

/* ---- Inflate and deflate ---- */

bool balloon_bitmap_next_runs(struct balloon_cursor *cursor, balloon_run_fn *run, uint64_t *budget)
{
    struct chunk chunk;

    if (cursor->offset == 0 && !piece_begin(cursor, false)) {
        guest_error("virtio-balloon: a malformed bitmap of pages");
        return false;
    }
    chunk_load(cursor, &chunk);
    for (unsigned at = cursor->offset % FREE_PAGE_BITS, end; at < chunk.count && *budget; at = end) {
        at = bitmap_next_set(chunk.words, chunk.count, at);
        end = bitmap_next_clear(chunk.words, chunk.count, at);
        if (end > at) {
            run((chunk.first + at) << GUEST_PAGE_BITS, (uint64_t)(end - at) << GUEST_PAGE_BITS, budget);
        }
        cursor->offset = chunk.first - cursor->piece.first + end;
    }
    if (cursor->offset == chunk.first - cursor->piece.first + chunk.count) {
        chunk_done(cursor, &chunk);
    }
    return cursor->offset < cursor->piece.pages;
}

/* ---- The big lock's side: requests ---- */

static struct virtio_balloon *balloon_of(struct free_page_provider *provider)
{
    return (struct virtio_balloon *)((char *)provider - offsetof(struct virtio_balloon, bitmap_provider));
}

void balloon_bitmap_config(struct virtio_balloon *b, struct virtio_balloon_bitmap_config *config)
{
    g_mutex_lock(&b->hint_lock);
    config->request_id = b->bitmap_request ? b->bitmap_id : 0;
    config->drop_caches = b->bitmap_drop;
    g_mutex_unlock(&b->hint_lock);
}

/* Returns the migration's id that was open until now, 0 if none was. */
static uint32_t set_request(struct virtio_balloon *b, uint32_t request, uint32_t drop)
{
    uint32_t before;

    g_mutex_lock(&b->hint_lock);
    before = b->bitmap_request;
    b->bitmap_request = request;
    b->bitmap_drop = drop;
    if (request) {
        b->bitmap_id = MAX(b->bitmap_id + 1, 1); /* 0 says that there is none */
    }
    g_mutex_unlock(&b->hint_lock);
    return before;
}

static FreePageState provider_ready(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);

    return balloon_provider_ready(b, b->free_page_bitmap, BALLOON_BITMAP);
}

static void provider_start(struct free_page_provider *provider, uint32_t id)
{
    struct virtio_balloon *b = balloon_of(provider);

    provider->poison = virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_POISON);
    set_request(b, id, provider->drop_caches);
    trace_virtio_balloon_bitmap_request(id, b->bitmap_id);
    virtio_notify_config(&b->vdev);
}

static void provider_stop(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);

    if (set_request(b, 0, 0)) {
        virtio_notify_config(&b->vdev);
    }
}

/* There are no pages to give back: the guest never took them out of use. */
static void provider_done(struct free_page_provider *provider)
{
    provider_stop(provider);
}

/* The answer itself says what is free. */
static void provider_sample(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);

    g_mutex_lock(&b->hint_lock);
    b->bitmap_guest_free = UINT64_MAX;
    g_mutex_unlock(&b->hint_lock);
}

static void provider_drain(struct free_page_provider *provider)
{
    balloon_return_chain(balloon_of(provider), BALLOON_BITMAP);
}

static uint64_t provider_guest_free(struct free_page_provider *provider)
{
    struct virtio_balloon *b = balloon_of(provider);
    uint64_t bytes;

    g_mutex_lock(&b->hint_lock);
    bytes = b->bitmap_guest_free;
    g_mutex_unlock(&b->hint_lock);
    return bytes;
}

void balloon_bitmap_stop(struct virtio_balloon *b, FreePageState why)
{
    uint32_t open = set_request(b, 0, 0);

    if (open) {
        free_page_device_stopped(open, why);
    }
}

void balloon_bitmap_init(struct virtio_balloon *b)
{
    b->bitmap_guest_free = UINT64_MAX;
    b->bitmap_provider = (struct free_page_provider){
        .name = "virtio-balloon bitmap",
        .ready = provider_ready,
        .start = provider_start,
        .sample = provider_sample,
        .guest_free = provider_guest_free,
        .stop = provider_stop,
        .done = provider_done,
        .drain = provider_drain,
    };
}
