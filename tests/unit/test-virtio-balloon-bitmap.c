/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bitmaps in the balloon: free pages on request, inflate and deflate, hostile pieces, which source is asked. */
#include "balloon-bench.h"

#define BITMAP_OPTIONS PROPERTIES("free-page-bitmap=on", "page-bitmap=on")
#define REQUEST (CONFIG_REG + VIRTIO_BALLOON_BITMAP_CONFIG)
#define QUEUE   2 /* inflate, deflate and this one are negotiated */
#define HEADER  GUEST_BUFFERS
#define BITS    (GUEST_BUFFERS + 0x10000)

static void begin(uint64_t features, unsigned queues)
{
    start(BITMAP_OPTIONS, features, queues);
    memset(guest_ptr(BITS), 0, VIRTIO_BALLOON_MAX_BITS / 8);
}

static unsigned long *bits(void)
{
    return guest_ptr(BITS);
}

/* Header and bitmap, in descriptors of odd sizes. */
static void offer_raw(unsigned q, struct virtio_balloon_bitmap_header header, uint32_t bytes)
{
    uint32_t part = MIN(bytes / 2 + 1, bytes);

    memcpy(guest_ptr(HEADER), &header, sizeof(header));
    guest_desc(q, 0, HEADER, 10, VRING_DESC_F_NEXT, 1);
    guest_desc(q, 1, HEADER + 10, sizeof(header) - 10, bytes ? VRING_DESC_F_NEXT : 0, 2);
    guest_desc(q, 2, BITS, part, bytes > part ? VRING_DESC_F_NEXT : 0, 3);
    guest_desc(q, 3, BITS + part, bytes - part, 0, 0);
    guest_offer(q, 0);
    guest_kick(q);
}

static void send_raw(unsigned q, struct virtio_balloon_bitmap_header header, uint32_t bytes)
{
    offer_raw(q, header, bytes);
    g_assert_true(guest_wait_used(q, 1));
}

static void send_piece(unsigned q, uint32_t id, uint64_t first, uint32_t count, uint8_t shift)
{
    send_raw(q, (struct virtio_balloon_bitmap_header){ .id = id, .page_shift = shift, .first = first, .bits = count },
             (count + 7) / 8);
}

static void send_end(uint32_t id, uint64_t free_pages)
{
    struct virtio_balloon_bitmap_end *end = guest_ptr(BITS);

    *end = (struct virtio_balloon_bitmap_end){ .free_pages = free_pages };
    send_raw(QUEUE, (struct virtio_balloon_bitmap_header){ .id = id, .type = VIRTIO_BALLOON_END },
             sizeof(struct virtio_balloon_bitmap_end));
}

static bool is_free(uint64_t page)
{
    return bitmap_test(record.free, page);
}

static void test_request(void)
{
    uint32_t id;

    begin(F(FREE_PAGE_BITMAP), 3);
    g_assert_cmphex(reg_read(REQUEST, 4), ==, 0);
    start_request(41);
    id = reg_read(REQUEST, 4);
    g_assert_cmphex(id, !=, 0);
    g_assert_cmphex(guest_isr() & 2, ==, 2);
    bits()[0] = 0x5;
    bits()[1] = 1ul << 63;
    send_piece(QUEUE, id, 0x1000, 128, 12);
    g_assert_true(is_free(0x1000) && is_free(0x1002) && is_free(0x1000 + 127));
    g_assert_cmpuint(record.bitmap_pages, ==, 3);
    g_assert_cmpuint(provider->guest_free(provider), ==, UINT64_MAX);
    send_end(id, 3);
    g_assert_cmpuint(stopped_id, ==, 41);
    g_assert_cmpuint(provider->guest_free(provider), ==, 3 * 4096);
    provider->stop(provider);
    g_assert_cmphex(reg_read(REQUEST, 4), ==, 0);
    provider->done(provider);
    start_request(42);
    g_assert_cmphex(reg_read(REQUEST, 4), ==, id + 1);
    guest_unplug();
}

/* Any first page, any number of bits, larger pages: each lands where it belongs, and nowhere else. */
static void test_places(void)
{
    static const struct {
        uint64_t first;
        uint32_t count;
        uint8_t shift;
    } pieces[] = { { 0x1001, 1, 12 }, { 0x1023, 200, 12 }, { 0x801, 70000, 12 }, { 0x3fc1, 63, 12 },
                   { 9, 5, 21 },      { 1, 2, 24 },        { 0, 16384, 12 } };

    begin(F(FREE_PAGE_BITMAP), 3);
    start_request(7);
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        unsigned expand = pieces[i].shift - 12;
        uint64_t expected = 0;

        record_clear();
        for (uint32_t w = 0; w < BITMAP_WORDS(pieces[i].count); w++) {
            bits()[w] = 0x9249249249249249ul << w % 3;
        }
        send_piece(QUEUE, reg_read(REQUEST, 4), pieces[i].first, pieces[i].count, pieces[i].shift);
        for (uint64_t page = 0; page < GUEST_RAM >> GUEST_PAGE_BITS; page++) {
            uint64_t n = (page >> expand) - pieces[i].first;
            bool free = page >> expand >= pieces[i].first && n < pieces[i].count && bitmap_test(bits(), n);

            g_assert_cmpint(is_free(page), ==, free);
            expected += free;
        }
        g_assert_cmpuint(record.bitmap_pages, ==, expected);
    }
    guest_unplug();
}

static void test_ids(void)
{
    uint32_t id;

    begin(F(FREE_PAGE_BITMAP), 3);
    bits()[0] = ~0ul;
    send_piece(QUEUE, 0, 0x1000, 64, 12);
    send_piece(QUEUE, 1, 0x1000, 64, 12);
    start_request(7);
    id = reg_read(REQUEST, 4);
    send_piece(QUEUE, id - 1, 0x1000, 64, 12);
    send_end(id + 1, 64);
    g_assert_cmpuint(stopped_id, ==, 0);
    g_assert_cmpuint(record.bitmap_pages, ==, 0);
    g_assert_cmpuint(record.late_ranges, ==, 3);
    provider->stop(provider);
    send_piece(QUEUE, id, 0x1000, 64, 12);
    g_assert_cmpuint(record.bitmap_pages, ==, 0);
    set_vm_running(false);
    set_vm_running(true);
    start_request(8);
    g_assert_cmpuint(reg_read(REQUEST, 4), ==, id + 1);
    set_vm_running(false);
    g_assert_cmpuint(stopped_id, ==, 8);
    g_assert_cmpint(stopped_why, ==, FREE_PAGE_STATE_VM_STOPPED);
    guest_unplug();
    vm_running = true;
}

static void test_malformed(void)
{
    uint32_t id;

    begin(F(FREE_PAGE_BITMAP), 3);
    start_request(7);
    id = reg_read(REQUEST, 4);
    memset(bits(), 0xff, 4096);
    const struct virtio_balloon_bitmap_header bad[] = {
        { .id = id, .page_shift = 12, .first = 0, .bits = 0 },
        { .id = id, .page_shift = 12, .first = 0, .bits = VIRTIO_BALLOON_MAX_BITS + 1 },
        { .id = id, .page_shift = 12, .first = 0, .bits = UINT32_MAX },
        { .id = id, .page_shift = 11, .first = 0, .bits = 64 },
        { .id = id, .page_shift = 25, .first = 0, .bits = 64 },
        { .id = id, .page_shift = 255, .first = 0, .bits = 64 },
        { .id = id, .page_shift = 12, .first = UINT64_MAX >> 12, .bits = 64 },
        { .id = id, .page_shift = 12, .first = UINT64_MAX, .bits = 64 },
        { .id = id, .page_shift = 12, .type = 2, .first = 0, .bits = 64 },
        { .id = id, .page_shift = 12, .first = 0, .bits = 513 * 8 }, /* longer than its chain */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        send_raw(QUEUE, bad[i], 512);
    }
    g_assert_cmpuint(record.rejected[FREE_PAGE_MALFORMED], ==, G_N_ELEMENTS(bad));
    guest_send(QUEUE, 0, HEADER, 23, false);
    guest_kick(QUEUE);
    g_assert_true(guest_wait_used(QUEUE, 1));
    send_raw(QUEUE, (struct virtio_balloon_bitmap_header){ .id = id, .type = VIRTIO_BALLOON_END }, 31);
    g_assert_cmpuint(record.rejected[FREE_PAGE_MALFORMED], ==, G_N_ELEMENTS(bad) + 2);
    g_assert_cmpuint(record.bitmap_pages, ==, 0);
    g_assert_cmpuint(stopped_id, ==, 0);
    g_assert_false(guest_needs_reset());
    guest_unplug();
}

/*
 * All ones, over the end of RAM, into the device's registers, and where nothing ever was: rejected, each stretch at
 * once, however long it is.
 */
static void test_beyond_ram(void)
{
    uint64_t last = GUEST_RAM >> GUEST_PAGE_BITS;

    begin(F(FREE_PAGE_BITMAP), 3);
    start_request(7);
    memset(bits(), 0xff, VIRTIO_BALLOON_MAX_BITS / 8);
    send_piece(QUEUE, reg_read(REQUEST, 4), last - 10, VIRTIO_BALLOON_MAX_BITS, 12);
    g_assert_cmpuint(record.bitmap_pages, ==, 10);
    g_assert_cmpuint(record.rejected[FREE_PAGE_NO_RAM], ==, 1);
    send_piece(QUEUE, reg_read(REQUEST, 4), 1ull << 18, VIRTIO_BALLOON_MAX_BITS, 24); /* 16 TiB */
    g_assert_cmpuint(record.rejected[FREE_PAGE_NO_RAM], ==, 2);
    send_piece(QUEUE, reg_read(REQUEST, 4), GUEST_BAR >> 12, 64, 12);
    send_piece(QUEUE, reg_read(REQUEST, 4), 1ull << 39, 64, 12);
    g_assert_cmpuint(record.bitmap_pages, ==, 10);
    send_piece(QUEUE, reg_read(REQUEST, 4), 0, 16, 24);
    g_assert_cmpuint(record.bitmap_pages, ==, 10 + last);
    guest_unplug();
}

/* A long piece takes several turns; a stop in the middle puts the chain back, and it counts anew. */
static void test_stop_in_the_middle(void)
{
    begin(F(PAGE_BITMAP), 2);
    memset(guest_ptr(0x3f00000), 0xaa, 0x100000);
    struct virtio_balloon_bitmap_header header = { .page_shift = 12, .first = 0x1000, .bits = 0x3000 };

    memcpy(guest_ptr(HEADER), &header, sizeof(header));
    guest_desc(0, 0, HEADER, sizeof(header), VRING_DESC_F_NEXT, 1);
    guest_desc(0, 1, BITS, VIRTIO_BALLOON_MAX_BITS / 8, 0, 0);
    memset(bits(), 0xaa, VIRTIO_BALLOON_MAX_BITS / 8); /* every other page, each a run of its own */
    guest_offer(0, 0);
    guest_kick(0);
    g_assert_cmpuint(guest_used(0), ==, 0);
    set_vm_running(false);
    guest_settle();
    g_assert_cmpuint(guest_used(0), ==, 0);
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x3fff000), ==, 0xaa);
    memset(bits(), 0x80, VIRTIO_BALLOON_MAX_BITS / 8);
    set_vm_running(true);
    g_assert_true(guest_wait_used(0, 1));
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x3fff000), ==, 0);
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x3ffd000), ==, 0xaa);
    guest_unplug();
}

static void test_inflate(void)
{
    begin(F(PAGE_BITMAP), 2);
    memset(guest_ptr(0x1000000), 0xaa, 0x200000);
    bits()[0] = ~0ul << 60;
    bits()[1] = 0xf;
    bits()[2] = 2;
    send_piece(BALLOON_INFLATE, 0, 0x1000, 192, 12);
    for (unsigned page = 0; page < 200; page++) {
        bool inflated = (page >= 60 && page < 68) || page == 129;

        g_assert_cmphex(*(uint8_t *)guest_ptr(0x1000000 + page * 4096), ==, inflated ? 0 : 0xaa);
    }
    g_assert_cmpuint(record.absent_bytes[ABSENT_INFLATED], ==, 9 * 4096);
    memset(guest_ptr(0x103c000), 0x55, 4096);
    send_piece(BALLOON_DEFLATE, 0, 0x1000, 192, 12);
    g_assert_cmphex(*(uint8_t *)guest_ptr(0x103c000), ==, 0x55);

    /* What is no piece, or an end, takes nothing. */
    record_clear();
    send_raw(BALLOON_INFLATE, (struct virtio_balloon_bitmap_header){ .type = VIRTIO_BALLOON_END }, 32);
    send_raw(BALLOON_INFLATE,
             (struct virtio_balloon_bitmap_header){ .page_shift = 12, .first = 0x1000, .bits = 999 }, 8);

    /* Nor do 16 TiB of nothing, which take no time. */
    memset(bits(), 0xff, VIRTIO_BALLOON_MAX_BITS / 8);
    send_piece(BALLOON_INFLATE, 0, 1ull << 18, VIRTIO_BALLOON_MAX_BITS, 24);
    g_assert_cmpuint(record.absent_bytes[ABSENT_INFLATED], ==, 0);
    g_assert_false(guest_needs_reset());
    guest_unplug();
}

/* The bitmap is asked if the guest knows it, else hints; poison that is not zero speaks against both. */
static void test_sources(void)
{
    const char *const *both = PROPERTIES("free-page-bitmap=on", "free-page-hint=on");

    start(both, F(FREE_PAGE_BITMAP) | F(FREE_PAGE_HINT), 4);
    start_request(5);
    g_assert_cmphex(reg_read(REQUEST, 4), !=, 0);
    g_assert_cmphex(reg_read(COMMAND, 4), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    guest_unplug();

    start(both, F(FREE_PAGE_HINT), 3);
    start_request(5);
    g_assert_cmphex(reg_read(REQUEST, 4), ==, 0);
    g_assert_cmphex(reg_read(COMMAND, 4), >, VIRTIO_BALLOON_CMD_ID_DONE);
    guest_unplug();

    start(both, F(FREE_PAGE_BITMAP) | F(FREE_PAGE_HINT) | F(PAGE_POISON), 4);
    start_request(5);
    g_assert_cmphex(reg_read(REQUEST, 4), !=, 0);
    g_assert_true(provider->poison);
    provider->done(provider);
    reg_write(POISON, 0xaa, 4);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_POISONED);
    guest_unplug();

    start(both, 0, 2);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_NOT_NEGOTIATED);
    guest_unplug();
    start(NULL, 0, 2);
    g_assert_cmpint(provider->ready(provider), ==, FREE_PAGE_STATE_NOT_OFFERED);
    guest_unplug();
}

/* What the guest is asked to drop goes with the request and ends with it; it cannot claim more than was asked for. */
static void test_drop_caches(void)
{
    struct virtio_balloon_bitmap_end *end = guest_ptr(BITS);

    begin(F(FREE_PAGE_BITMAP), 3);
    provider->drop_caches = GUEST_DROP_CACHES_ALL;
    start_request(5);
    g_assert_cmphex(reg_read(REQUEST + 4, 4), ==, 3);
    provider->stop(provider);
    g_assert_cmphex(reg_read(REQUEST + 4, 4), ==, 0);
    provider->drop_caches = GUEST_DROP_CACHES_SLAB;
    start_request(6);
    g_assert_cmphex(reg_read(REQUEST + 4, 4), ==, 2);
    *end = (struct virtio_balloon_bitmap_end){ .dropped = 0xff, .refused = 0xf1, .dropped_pages = 100 };
    send_raw(QUEUE,
             (struct virtio_balloon_bitmap_header){ .id = reg_read(REQUEST, 4), .type = VIRTIO_BALLOON_END }, 32);
    g_assert_cmpuint(drop_record.dropped, ==, GUEST_DROP_CACHES_SLAB);
    g_assert_cmpuint(drop_record.refused, ==, GUEST_DROP_CACHES_NONE);
    g_assert_cmpuint(drop_record.freed, ==, 100 * 4096);
    guest_unplug();
}

/* An iothread takes the end; meanwhile somebody asks what it said. */
static void test_iothread(void)
{
    struct iothread *iothread = iothread_new("io0", NULL);
    struct virtio_balloon_bitmap_end *end = guest_ptr(BITS);

    start(PROPERTIES("free-page-bitmap=on", "iothread=io0"), F(FREE_PAGE_BITMAP), 3);
    for (uint32_t i = 1; i <= 50; i++) {
        provider->drop_caches = i % 4;
        provider->sample(provider);
        start_request(i);
        *end = (struct virtio_balloon_bitmap_end){ .free_pages = i, .dropped = i % 4 };
        offer_raw(QUEUE, (struct virtio_balloon_bitmap_header){ .id = reg_read(REQUEST, 4),
                                                                .type = VIRTIO_BALLOON_END }, sizeof(*end));
        for (int n = 0; n < 100000 && provider->guest_free(provider) == UINT64_MAX; n++) {
            g_usleep(10);
        }
        g_assert_cmpuint(provider->guest_free(provider), ==, i * 4096);
        provider->stop(provider);
        g_assert_true(guest_wait_used(QUEUE, 1));
    }
    guest_unplug();
    g_assert_true(iothread_delete(iothread, NULL));
}

/* A guest that only shares, or a host that wants it so: the full size is no news, anything less has no effect. */
static void check_keeps_its_memory(const char *const *properties, uint64_t features, const char *why)
{
    g_autoptr(GError) error = NULL;
    BalloonInfo *info;

    start(properties, features, 2);
    qmp_balloon(GUEST_RAM, &error);
    g_assert_no_error(error);
    qmp_balloon(GUEST_RAM / 2, &error);
    g_assert_nonnull(strstr(error->message, why));
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, 0);
    info = qmp_query_balloon(NULL);
    g_assert_cmpint(info->share_only, ==, features != 0);
    g_assert_cmpint(info->fixed_size, ==, features == 0);
    qapi_free_BalloonInfo(info);
    guest_unplug();
}

static void test_keeps_its_memory(void)
{
    check_keeps_its_memory(PROPERTIES("share-only=on"), F(SHARE_ONLY), "share_only=1");
    check_keeps_its_memory(PROPERTIES("fixed-size=on"), 0, "fixed-size=on");

    start(PROPERTIES("share-only=on"), 0, 2); /* the guest's choice */
    qmp_balloon(GUEST_RAM / 2, NULL);
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, GUEST_RAM / 2 >> 12);
    guest_start(F(SHARE_ONLY), 2); /* another driver has chosen otherwise */
    g_assert_cmphex(reg_read(CONFIG_REG, 4), ==, 0);
    guest_unplug();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    guest_init();
    device_types_set(types);
    g_test_add_func("/balloon/bitmap/request", test_request);
    g_test_add_func("/balloon/bitmap/places", test_places);
    g_test_add_func("/balloon/bitmap/ids", test_ids);
    g_test_add_func("/balloon/bitmap/malformed", test_malformed);
    g_test_add_func("/balloon/bitmap/beyond-ram", test_beyond_ram);
    g_test_add_func("/balloon/bitmap/stop-in-the-middle", test_stop_in_the_middle);
    g_test_add_func("/balloon/bitmap/inflate", test_inflate);
    g_test_add_func("/balloon/bitmap/sources", test_sources);
    g_test_add_func("/balloon/bitmap/drop-caches", test_drop_caches);
    g_test_add_func("/balloon/bitmap/iothread", test_iothread);
    g_test_add_func("/balloon/keeps-its-memory", test_keeps_its_memory);
    return g_test_run();
}
