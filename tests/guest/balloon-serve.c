/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answering requests for free pages (VIRTIO 1.2, 5.5.6.4): watches the command id, and answers each new one in the
 * way that `balloon serve MODE` names, until a byte comes on the serial port. Between requests the processors sleep:
 * a timer wakes each every millisecond.
 */
#include "balloon.h"
#include "smp.h"

#define TIMER_VECTOR 0x93
#define CHUNK_PAGES 1024 /* 4 MiB, as Linux hints */
#define HINT_TICKS 20000000000ull

struct hint_counts hint_counts;
static uint32_t id_words[QUEUE_MAX];
static uint16_t next_slot;
static volatile bool over; /* a byte has come */
static bool forget_asked;

static bool serving_ends(void)
{
    if (!over && serial_pending()) {
        forget_asked = serial_getc() == 'f';
        over = !forget_asked;
    }
    return over;
}

void hint_collect(void)
{
    uint32_t head;
    while (virtio_used(&balloon.hint, &head)) {
        hint_counts.returned++;
    }
}

/* Waits for a free descriptor: the ring is worked off in order as far as this driver is concerned. */
static bool hint_slot(uint16_t *slot)
{
    struct virtio_queue *q = &balloon.hint;
    for (uint64_t t = rdtsc(); (uint16_t)(q->added - q->seen) >= q->size;) {
        hint_collect();
        if (rdtsc() - t > HINT_TICKS || serving_ends()) {
            return false;
        }
        __asm__ volatile("sti; pause; pause; cli" ::: "memory");
    }
    *slot = next_slot++ % q->size;
    return true;
}

bool hint_id(uint32_t id)
{
    uint16_t slot;
    if (!hint_slot(&slot)) {
        return false;
    }
    id_words[slot] = id;
    virtio_set_desc(&balloon.hint, slot, &id_words[slot], 4, 0, 0);
    virtio_publish(&balloon.hint, slot);
    virtio_kick(&balloon.hint);
    return true;
}

bool hint_range(uint64_t at, uint32_t length)
{
    uint16_t slot;
    if (!hint_slot(&slot)) {
        return false;
    }
    virtio_set_desc(&balloon.hint, slot, (void *)at, length, VIRTIO_DESC_WRITE, 0);
    virtio_publish(&balloon.hint, slot);
    virtio_kick(&balloon.hint);
    hint_counts.buffers++;
    hint_collect();
    return true;
}

uint64_t hint_neighbours(uint64_t n, uint64_t limit, uint64_t *at)
{
    uint64_t pages = 1;
    *at = (uint64_t)test_page(n);
    while (pages < limit && (uint64_t)test_page(n + pages) == *at + pages * PAGE_SIZE) {
        pages++;
    }
    return pages;
}

/* Calls each(chunk, pages) for neighbouring pages of the range, at most CHUNK_PAGES at a time. */
static bool for_each_chunk(const struct hint_range *range, uint64_t limit,
                           bool (*each)(uint64_t first, uint64_t at, uint64_t pages))
{
    for (uint64_t n = 0; n < limit;) {
        uint64_t at,
            pages = hint_neighbours(range->first + n, limit - n < CHUNK_PAGES ? limit - n : CHUNK_PAGES, &at);
        if (!each(range->first + n, at, pages)) {
            return false;
        }
        n += pages;
    }
    return true;
}

static bool hint_chunk(uint64_t first, uint64_t at, uint64_t pages)
{
    return hint_range(at, pages * PAGE_SIZE);
}

bool hint_pages(uint32_t id, const struct hint_range *range)
{
    return hint_id(id) && for_each_chunk(range, range->count, hint_chunk) && hint_id(COMMAND_STOP);
}

/* --- Guests that mean well --- */

static uint64_t generation;

/* What `fill FIRST COUNT` would write, with the generation as its seed. */
static bool rewrite_chunk(uint64_t first, uint64_t at, uint64_t pages)
{
    for (uint64_t n = 0; n < pages; n++) {
        fill_page(first + n, generation);
    }
    return true;
}

static bool hint_and_take_back(uint64_t first, uint64_t at, uint64_t pages)
{
    return hint_range(at, pages * PAGE_SIZE) && rewrite_chunk(first, at, pages);
}

/*
 * Uses each chunk again before the host can have looked at it: `verify` with seed 1000 + requests must find the new
 * data.
 */
static bool take_back(uint32_t id, const struct hint_range *range)
{
    generation = 1000 + hint_counts.requests;
    return hint_id(id) && for_each_chunk(range, range->count, hint_and_take_back) && hint_id(COMMAND_STOP);
}

/* init_on_alloc: pages are allocated, so zeroed, before they are hinted. */
static bool zero_and_hint(uint64_t first, uint64_t at, uint64_t pages)
{
    memset((void *)at, 0, pages * PAGE_SIZE);
    return hint_range(at, pages * PAGE_SIZE);
}

static bool zeroing(uint32_t id, const struct hint_range *range)
{
    return hint_id(id) && for_each_chunk(range, range->count, zero_and_hint) && hint_id(COMMAND_STOP);
}

/* The same, but every other chunk is in use again at once. */
static bool zero_hint_use(uint64_t first, uint64_t at, uint64_t pages)
{
    memset((void *)at, 0, pages * PAGE_SIZE);
    return hint_range(at, pages * PAGE_SIZE) && rewrite_chunk(first, at, pages);
}

static bool zeroing_takeback(uint32_t id, const struct hint_range *range)
{
    generation = 1000 + hint_counts.requests;
    return hint_id(id) && for_each_chunk(range, range->count, zero_hint_use) && hint_id(COMMAND_STOP);
}

/* --- Guests that are slow, forgetful or confused --- */

static bool silent(uint32_t id, const struct hint_range *range) { return true; }

static bool half(uint32_t id, const struct hint_range *range)
{
    return hint_id(id) && for_each_chunk(range, range->count / 2, hint_chunk);
}

static bool nostop(uint32_t id, const struct hint_range *range)
{
    return hint_id(id) && for_each_chunk(range, range->count, hint_chunk);
}

static bool wrongid(uint32_t id, const struct hint_range *range)
{
    struct hint_range rest = *range;
    return hint_pages(id + 1, range) && hint_pages(id - 1, &rest) && hint_pages(COMMAND_DONE, range) &&
           hint_pages(0xffffffff, range);
}

/* Buffers before any id, then ids without buffers. */
static bool noid(uint32_t id, const struct hint_range *range)
{
    return for_each_chunk(range, range->count, hint_chunk) && hint_id(COMMAND_STOP) && hint_id(COMMAND_STOP);
}

/* Reuses the pages first, then hints them under the dead id: none of it may count. */
static bool late(uint32_t id, const struct hint_range *range)
{
    generation = 1000 + hint_counts.requests;
    for_each_chunk(range, range->count, rewrite_chunk);
    return hint_pages(id, range);
}

bool hint_restart(void)
{
    next_slot = 0;
    return balloon_start(balloon.dev.features, balloon.dev.interrupts); /* resets it first */
}

static bool reset_in_the_middle(uint32_t id, const struct hint_range *range)
{
    if (!half(id, range)) {
        return false;
    }
    virtio_reset(&balloon.dev);
    hint_counts.resets++;
    generation = 1000 + hint_counts.requests;
    for_each_chunk(range, range->count, rewrite_chunk); /* the driver is gone, and its pages are in use */
    return hint_restart();
}

static const struct hint_mode modes[] = {
    { .name = "good", .help = "hints all, keeps them until DONE", .request = hint_pages },
    { .name = "takeback", .help = "writes to each page right after hinting it", .request = take_back },
    { .name = "zeroing", .help = "zeroes pages, then hints them", .request = zeroing },
    { .name = "zerotakeback", .help = "zeroes pages, hints them, writes to them", .request = zeroing_takeback },
    { .name = "silent", .help = "answers nothing", .request = silent },
    { .name = "half", .help = "hints half, says no more", .request = half },
    { .name = "nostop", .help = "hints all, never stops", .request = nostop },
    { .name = "late", .help = "answers when it is over", .request = silent, .ended = late },
    { .name = "wrongid", .help = "answers under other ids", .request = wrongid },
    { .name = "noid", .help = "hints without an id", .request = noid },
    { .name = "reset", .help = "resets the device in the middle", .request = reset_in_the_middle },
    { .name = "random", .help = "anything, while all processors write", .request = random_request,
      .meanwhile = random_meanwhile, .prepare = random_prepare, .forget = random_forget },
    { .name = NULL },
};

const struct hint_mode *hint_find_mode(const struct hint_mode *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static void start_timer(void)
{
    apic_setup();
    trap_set_handler(TIMER_VECTOR, irq_count_apic);
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR | APIC_PERIODIC);
    apic_write(APIC_TIMER_INITIAL, 1000000);
}

/* One look at the host's command. */
static bool serve_command(const struct hint_mode *mode, const struct hint_range *range, uint32_t *current)
{
    uint32_t command = balloon_command(), before = *current;
    if (command == before) {
        return true;
    }
    *current = command;
    if (before > COMMAND_DONE && mode->ended && !mode->ended(before, range)) {
        return false;
    }
    if (command > COMMAND_DONE) {
        hint_counts.requests++;
        return mode->request(command, range);
    }
    hint_counts.dones += command == COMMAND_DONE;
    hint_counts.stops += command == COMMAND_STOP;
    return true;
}

static void serve(const struct hint_mode *mode, const struct hint_range *range)
{
    uint32_t current = balloon_command();
    bool ok = true;
    while (ok && !serving_ends()) {
        hint_collect();
        ok = serve_command(mode, range, &current);
        if (forget_asked && mode->forget) {
            mode->forget();
        }
        forget_asked = false;
        if (balloon_command() == current) {
            ok = ok && (!mode->meanwhile || mode->meanwhile(0, range));
            irq_wait();
        }
    }
    if (!ok && !over) {
        print("stuck\n");
    }
}

static struct {
    void (*serve)(const struct hint_mode *mode, const struct hint_range *range);
    const struct hint_mode *mode;
    struct hint_range range;
} serving;

static bool serve_on(unsigned cpu)
{
    bool ok = true;
    if (cpu && !serving.mode->meanwhile) {
        return true;
    }
    start_timer();
    if (cpu == 0) {
        serving.serve(serving.mode, &serving.range);
        while (!serving_ends()) {
            irq_wait();
        }
    }
    for (unsigned n = 0; ok && !over; n++) {
        ok = serving.mode->meanwhile(cpu, &serving.range);
        if (n % 4 == 0) {
            irq_wait();
        }
    }
    apic_write(APIC_LVT_TIMER, APIC_MASKED);
    irq_disable();
    return ok;
}

bool serve_until_told(void (*serve)(const struct hint_mode *mode, const struct hint_range *range),
                      const struct hint_mode *mode, const struct hint_range *range)
{
    serving.serve = serve;
    serving.mode = mode;
    serving.range = *range;
    memset(&hint_counts, 0, sizeof(hint_counts));
    over = forget_asked = false;
    print("serving\n");
    bool ok = smp_run(serve_on);
    print("requests %lu stops %lu dones %lu buffers %lu returned %lu resets %lu interrupts %u %u\n",
          hint_counts.requests, hint_counts.stops, hint_counts.dones, hint_counts.buffers, hint_counts.returned,
          hint_counts.resets, virtio_config_interrupts, virtio_queue_interrupts);
    return ok;
}

bool run_serve(int argc, char **argv)
{
    CHECK(argc > 1 && (balloon.dev.features & BALLOON_HINT), "serve needs a mode, and hints negotiated");
    const struct hint_mode *mode = hint_find_mode(modes, argv[1]);
    mode = mode ? mode : hint_find_mode(hostile_modes, argv[1]);
    CHECK(mode, "no mode %s", argv[1]);
    struct hint_range range = { argc > 2 ? parse_number(argv[2]) : 0,
                                argc > 3 ? parse_number(argv[3]) : test_pages() };
    CHECK(range.first + range.count <= test_pages(), "only %lu pages", test_pages());
    if (mode->prepare && !mode->prepare(&range, argc > 4 ? parse_number(argv[4]) : 1)) {
        return false;
    }
    return serve_until_told(serve, mode, &range);
}
