/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon: starting it, inflating, deflating, statistics, reports. */
#include "balloon.h"
#include "hardware.h"

#define WAIT_TICKS 60000000000ull
#define PFNS 256

struct balloon balloon;

static const struct {
    const char *name;
    uint64_t bits;
} feature_names[] = {
    { "stats", BALLOON_STATS },   { "oom", BALLOON_OOM },           { "hint", BALLOON_HINT },          { "poison", BALLOON_POISON },
    { "report", BALLOON_REPORTING }, { "event", VIRTIO_F_EVENT_IDX }, { "indirect", VIRTIO_F_INDIRECT },
    { "bitmap", BALLOON_FREE_PAGE_BITMAP }, { "pagebitmap", BALLOON_PAGE_BITMAP }, { "shareonly", BALLOON_SHARE_ONLY },
};
#define FEATURES (sizeof(feature_names) / sizeof(feature_names[0]))

/* Queues are numbered among the negotiated ones only. */
bool balloon_start(uint64_t features, enum virtio_interrupts interrupts)
{
    struct virtio_device *dev = &balloon.dev;
    unsigned n = 0;
    balloon.ready = false;
    if (!virtio_begin(dev, features | VIRTIO_F_VERSION_1, interrupts) ||
        !virtio_queue_setup(dev, n++, &balloon.inflate) || !virtio_queue_setup(dev, n++, &balloon.deflate) ||
        ((features & BALLOON_STATS) && !virtio_queue_setup(dev, n++, &balloon.stats)) ||
        ((features & BALLOON_HINT) && !virtio_queue_setup(dev, n++, &balloon.hint)) ||
        ((features & BALLOON_REPORTING) && !virtio_queue_setup(dev, n++, &balloon.report)) ||
        ((features & BALLOON_FREE_PAGE_BITMAP) && !virtio_queue_setup(dev, n++, &balloon.bitmap))) {
        return false;
    }
    virtio_go(dev);
    balloon.ready = true;
    return true;
}

bool balloon_restart(void)
{
    return balloon_start(balloon.dev.features, balloon.dev.interrupts); /* resets it first */
}

bool balloon_is_broken(void)
{
    return mmio_read8(balloon.dev.common + COMMON_STATUS) & VIRTIO_NEEDS_RESET;
}

static bool run_init(int argc, char **argv)
{
    uint64_t features = 0;
    enum virtio_interrupts interrupts = VIRTIO_POLLED;
    CHECK(virtio_find(5, &balloon.dev), "no balloon, or no modern registers");
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "msix") == 0) {
            interrupts = VIRTIO_MSIX;
        } else if (strcmp(argv[i], "intx") == 0) {
            interrupts = VIRTIO_INTX;
        } else {
            unsigned f = 0;
            while (f < FEATURES && strcmp(feature_names[f].name, argv[i]) != 0) {
                f++;
            }
            CHECK(f < FEATURES, "no feature %s", argv[i]);
            features |= feature_names[f].bits;
        }
    }
    return balloon_start(features, interrupts);
}

static bool send_chain(struct virtio_queue *q, const void *data, uint32_t length)
{
    virtio_set_desc(q, 0, data, length, 0, 0);
    virtio_publish(q, 0);
    virtio_kick(q);
    CHECK(virtio_finish(q, WAIT_TICKS), "queue %u does not answer", q->index);
    return true;
}

/* Test pages [first, first + count) by bitmap, or by arrays of page numbers, 256 at a time as Linux does. */
static bool move_pages(struct virtio_queue *q, uint64_t first, uint64_t count, int sign)
{
    static uint32_t pfns[PFNS];
    bool by_bitmap = balloon.dev.features & BALLOON_PAGE_BITMAP;
    CHECK(first + count <= test_pages(), "only %lu pages", test_pages());
    CHECK(!by_bitmap || balloon_move_bitmap(q, first, count), "queue %u does not answer", q->index);
    for (uint64_t done = by_bitmap ? count : 0; done < count;) {
        unsigned n = 0;
        for (; n < PFNS && done + n < count; n++) {
            pfns[n] = (uint64_t)test_page(first + done + n) / PAGE_SIZE;
        }
        if (!send_chain(q, pfns, n * 4)) {
            return false;
        }
        done += n;
    }
    mmio_write32(balloon.dev.config + CONFIG_ACTUAL,
                 mmio_read32(balloon.dev.config + CONFIG_ACTUAL) + sign * (int64_t)count);
    return true;
}

bool balloon_inflate(uint64_t first, uint64_t count) { return move_pages(&balloon.inflate, first, count, 1); }
bool balloon_deflate(uint64_t first, uint64_t count) { return move_pages(&balloon.deflate, first, count, -1); }

/* Free page reports: writable buffers of 4 MiB that the host may throw away at once. */
bool balloon_report(uint64_t first, uint64_t count)
{
    CHECK(balloon.dev.features & BALLOON_REPORTING, "reporting is not negotiated");
    for (uint64_t n = first; n < first + count; n += 1024) {
        uint32_t pages = first + count - n < 1024 ? first + count - n : 1024;
        virtio_set_desc(&balloon.report, 0, test_page(n), pages * PAGE_SIZE, VIRTIO_DESC_WRITE, 0);
        virtio_publish(&balloon.report, 0);
        virtio_kick(&balloon.report);
        CHECK(virtio_finish(&balloon.report, WAIT_TICKS), "the report queue does not answer");
    }
    return true;
}

/*
 * Statistics: offers the buffer once; each time that it comes back, the next ones follow. `balloon stats N` answers N
 * times.
 */
static bool run_stats(uint64_t answers, uint64_t value)
{
    static struct {
        uint16_t tag;
        uint64_t value;
    } __attribute__((packed)) stats[3];
    CHECK(balloon.dev.features & BALLOON_STATS, "statistics are not negotiated");
    for (uint64_t n = 0; n <= answers; n++) {
        for (unsigned i = 0; i < 3; i++) {
            stats[i].tag = 4 + i; /* free, total, available */
            stats[i].value = value + n + i * 1000;
        }
        virtio_set_desc(&balloon.stats, 0, stats, sizeof(stats), 0, 0);
        virtio_publish(&balloon.stats, 0);
        virtio_kick(&balloon.stats);
        if (n < answers) {
            CHECK(virtio_finish(&balloon.stats, WAIT_TICKS), "nobody asked for statistics");
        }
    }
    return true;
}

/* What the guest fills its free pages with. */
static bool run_poison(uint64_t value, uint64_t unused)
{
    CHECK(balloon.dev.features & BALLOON_POISON, "poison is not negotiated");
    mmio_write32(balloon.dev.config + CONFIG_POISON, value);
    return true;
}

static bool run_config(void)
{
    irq_enable(); /* what has come meanwhile is counted */
    irq_disable();
    print("num_pages %u actual %u command %u poison 0x%x status 0x%x interrupts %u %u\n",
          mmio_read32(balloon.dev.config + CONFIG_NUM_PAGES), mmio_read32(balloon.dev.config + CONFIG_ACTUAL),
          mmio_read32(balloon.dev.config + CONFIG_COMMAND), mmio_read32(balloon.dev.config + CONFIG_POISON),
          mmio_read8(balloon.dev.common + COMMON_STATUS), virtio_config_interrupts, virtio_queue_interrupts);
    return true;
}

bool run_serve(int argc, char **argv);

static bool run_balloon(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool (*run)(uint64_t a, uint64_t b);
    } ranges[] = { { "inflate", balloon_inflate },
                   { "deflate", balloon_deflate },
                   { "report", balloon_report },
                   { "stats", run_stats },
                   { "poison", run_poison } };
    CHECK(argc > 1, "balloon init|config|inflate|deflate|report|stats|poison|serve|share");
    if (strcmp(argv[1], "init") == 0) {
        return run_init(argc, argv);
    }
    CHECK(balloon.ready, "balloon init first");
    if (strcmp(argv[1], "config") == 0) {
        return run_config();
    }
    if (strcmp(argv[1], "serve") == 0 || strcmp(argv[1], "share") == 0) {
        return run_serve(argc - 1, argv + 1);
    }
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (strcmp(argv[1], ranges[i].name) == 0) {
            return ranges[i].run(argc > 2 ? parse_number(argv[2]) : 0, argc > 3 ? parse_number(argv[3]) : 0);
        }
    }
    CHECK(false, "balloon %s?", argv[1]);
    return false;
}

const struct command balloon_commands[] = {
    { "balloon",
      "init [stats oom hint poison report bitmap pagebitmap shareonly event indirect msix intx] | config |"
      " inflate FIRST COUNT | deflate FIRST COUNT | report FIRST COUNT | stats ANSWERS VALUE | poison VALUE |"
      " serve|share MODE FIRST COUNT [SEED]",
      run_balloon },
    { NULL, NULL, NULL },
};
