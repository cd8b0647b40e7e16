/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answering requests for free pages: `balloon serve MODE FIRST COUNT [SEED]` by hints, `balloon share ...` by
 * bitmaps. Watches what the host wants, and answers each new request in the way that MODE names, until a byte comes
 * on the serial port. Between requests the processors sleep: a timer wakes each every millisecond.
 */
#include "balloon.h"
#include "smp.h"

#define TIMER_VECTOR 0x93
#define ROOM_TICKS 20000000000ull
#define OFFER_TICKS 300000000ull

struct answer_counts answer_counts;
const struct protocol *protocol = &hint_protocol;
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

/* --- What answers are made of --- */

uint32_t answer_command(void) { return mmio_read32(balloon.dev.config + protocol->command_at); }

static void collect(struct virtio_queue *q)
{
    uint32_t head;
    while (virtio_used(q, &head)) {
        answer_counts.returned++;
    }
}

void answer_collect(void) { collect(protocol->queue); }

bool answer_room(struct virtio_queue *q, unsigned limit)
{
    limit = limit < q->size ? limit : q->size;
    for (uint64_t t = rdtsc(); (uint16_t)(q->added - q->seen) >= limit;) {
        collect(q);
        if (rdtsc() - t > ROOM_TICKS || serving_ends()) {
            return false;
        }
        __asm__ volatile("sti; pause; pause; cli" ::: "memory");
    }
    return true;
}

void answer_offer(unsigned head)
{
    struct virtio_queue *q = protocol->queue;
    virtio_publish(q, head);
    virtio_kick(q);
    answer_counts.buffers++;
    for (uint64_t t = rdtsc(); q->used[1] != q->added && rdtsc() - t < OFFER_TICKS;) {
        cpu_pause();
    }
    answer_collect();
}

uint64_t neighbours(uint64_t n, uint64_t limit, uint64_t *at)
{
    uint64_t pages = 1;
    *at = (uint64_t)test_page(n);
    while (pages < limit && (uint64_t)test_page(n + pages) == *at + pages * PAGE_SIZE) {
        pages++;
    }
    return pages;
}

/* Calls each() for neighbouring pages of the range, a chunk at a time. */
static bool for_each_chunk(const struct page_range *range, uint64_t limit,
                           bool (*each)(uint64_t first, uint64_t at, uint64_t pages))
{
    for (uint64_t n = 0; n < limit;) {
        uint64_t left = limit - n, at,
            pages = neighbours(range->first + n, left < protocol->chunk_pages ? left : protocol->chunk_pages, &at);
        if (!each(range->first + n, at, pages)) {
            return false;
        }
        n += pages;
    }
    return true;
}

static bool send_chunk(uint64_t first, uint64_t at, uint64_t pages) { return protocol->pages(at, pages); }

bool answer_pages(const struct page_range *range, uint64_t count) { return for_each_chunk(range, count, send_chunk); }

static bool answer_with(uint32_t id, const struct page_range *range,
                        bool (*each)(uint64_t first, uint64_t at, uint64_t pages))
{
    return protocol->begin(id) && for_each_chunk(range, range->count, each) && protocol->end();
}

bool answer_all(uint32_t id, const struct page_range *range) { return answer_with(id, range, send_chunk); }

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

static bool send_and_rewrite(uint64_t first, uint64_t at, uint64_t pages)
{
    return protocol->pages(at, pages) && rewrite_chunk(first, at, pages);
}

/*
 * Uses each chunk again before the host can have looked at it: `verify` with seed 1000 + requests must find the new
 * data.
 */
static bool take_back(uint32_t id, const struct page_range *range)
{
    generation = 1000 + answer_counts.requests;
    return answer_with(id, range, send_and_rewrite);
}

/* init_on_alloc: pages are allocated, so zeroed, before they are told. */
static bool zero_and_send(uint64_t first, uint64_t at, uint64_t pages)
{
    memset((void *)at, 0, pages * PAGE_SIZE);
    return protocol->pages(at, pages);
}

static bool zeroing(uint32_t id, const struct page_range *range) { return answer_with(id, range, zero_and_send); }

/* The same, but each chunk is in use again at once. */
static bool zero_send_rewrite(uint64_t first, uint64_t at, uint64_t pages)
{
    return zero_and_send(first, at, pages) && rewrite_chunk(first, at, pages);
}

static bool zeroing_takeback(uint32_t id, const struct page_range *range)
{
    generation = 1000 + answer_counts.requests;
    return answer_with(id, range, zero_send_rewrite);
}

/* --- Guests that are slow, forgetful or confused --- */

static bool silent(uint32_t id, const struct page_range *range) { return true; }

static bool half(uint32_t id, const struct page_range *range)
{
    return protocol->begin(id) && answer_pages(range, range->count / 2);
}

static bool noend(uint32_t id, const struct page_range *range)
{
    return protocol->begin(id) && answer_pages(range, range->count);
}

static bool wrongid(uint32_t id, const struct page_range *range)
{
    return answer_all(id + 1, range) && answer_all(id - 1, range) && answer_all(protocol->idle, range) &&
           answer_all(0xffffffff, range);
}

/* Reuses the pages first, then tells them under the dead id: none of it may count. */
static bool late(uint32_t id, const struct page_range *range)
{
    generation = 1000 + answer_counts.requests;
    for_each_chunk(range, range->count, rewrite_chunk);
    return answer_all(id, range);
}

/* The driver goes, and its pages are in use; the one that comes knows nothing of the request, or goes on with it. */
static bool reset_in_the_middle(uint32_t id, const struct page_range *range)
{
    if (!half(id, range)) {
        return false;
    }
    virtio_reset(&balloon.dev);
    answer_counts.resets++;
    generation = 1000 + answer_counts.requests;
    for_each_chunk(range, range->count, rewrite_chunk);
    return balloon_restart();
}

static bool reset_and_go_on(uint32_t id, const struct page_range *range)
{
    return reset_in_the_middle(id, range) && answer_all(id, range);
}

static const struct answer_mode common_modes[] = {
    { .name = "good", .help = "tells all", .request = answer_all },
    { .name = "takeback", .help = "writes to each page right after telling it", .request = take_back },
    { .name = "zeroing", .help = "zeroes pages, then tells them", .request = zeroing },
    { .name = "zerotakeback", .help = "zeroes pages, tells them, writes to them", .request = zeroing_takeback },
    { .name = "silent", .help = "answers nothing", .request = silent },
    { .name = "half", .help = "tells half, says no more", .request = half },
    { .name = "noend", .help = "tells all, never ends", .request = noend },
    { .name = "late", .help = "answers when it is over", .request = silent, .ended = late },
    { .name = "wrongid", .help = "answers under other ids", .request = wrongid },
    { .name = "reset", .help = "resets the device in the middle", .request = reset_in_the_middle },
    { .name = "resetgoon", .help = "the same, and goes on under the old id", .request = reset_and_go_on },
    { .name = "random", .help = "anything, while all processors write", .request = random_request,
      .meanwhile = random_meanwhile, .prepare = random_prepare, .forget = random_forget },
    { .name = NULL },
};

static const struct answer_mode *find_mode(const struct answer_mode *table, const char *name)
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

static struct {
    const struct answer_mode *mode;
    struct page_range range;
} serving;

/* One look at what the host wants. */
static bool serve_command(uint32_t *current)
{
    uint32_t command = answer_command(), before = *current;
    if (command == before) {
        return true;
    }
    *current = command;
    if (before > protocol->idle && serving.mode->ended && !serving.mode->ended(before, &serving.range)) {
        return false;
    }
    if (command > protocol->idle) {
        answer_counts.requests++;
        return serving.mode->request(command, &serving.range);
    }
    answer_counts.stops += command == COMMAND_STOP;
    answer_counts.dones += command != COMMAND_STOP;
    return true;
}

static void serve(void)
{
    uint32_t current = answer_command() > protocol->idle ? protocol->idle : answer_command();
    bool ok = true;
    while (ok && !serving_ends()) {
        answer_collect();
        ok = serve_command(&current);
        if (forget_asked && serving.mode->forget) {
            serving.mode->forget();
        }
        forget_asked = false;
        if (answer_command() == current) {
            ok = ok && (!serving.mode->meanwhile || serving.mode->meanwhile(0, &serving.range));
            irq_wait();
        }
    }
    if (!ok && !over) {
        print("stuck\n");
    }
}

static bool serve_on(unsigned cpu)
{
    bool ok = true;
    if (cpu && !serving.mode->meanwhile) {
        return true;
    }
    start_timer();
    if (cpu == 0) {
        serve();
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

static bool serve_until_told(void)
{
    memset(&answer_counts, 0, sizeof(answer_counts));
    over = forget_asked = false;
    print("serving\n");
    bool ok = smp_run(serve_on);
    over = false;
    print("requests %lu stops %lu dones %lu buffers %lu returned %lu resets %lu interrupts %u %u\n",
          answer_counts.requests, answer_counts.stops, answer_counts.dones, answer_counts.buffers,
          answer_counts.returned, answer_counts.resets, virtio_config_interrupts, virtio_queue_interrupts);
    return ok;
}

bool run_serve(int argc, char **argv)
{
    protocol = strcmp(argv[0], "share") == 0 ? &bitmap_protocol : &hint_protocol;
    CHECK(argc > 1 && (balloon.dev.features & protocol->feature), "%s needs a mode, and its feature negotiated",
          argv[0]);
    const struct answer_mode *mode = find_mode(common_modes, argv[1]);
    mode = mode ? mode : find_mode(protocol->modes, argv[1]);
    mode = mode ? mode : find_mode(hostile_modes, argv[1]);
    CHECK(mode, "no mode %s", argv[1]);
    struct page_range range = { argc > 2 ? parse_number(argv[2]) : 0,
                                argc > 3 ? parse_number(argv[3]) : test_pages() };
    CHECK(range.first + range.count <= test_pages(), "only %lu pages", test_pages());
    if (mode->prepare && !mode->prepare(&range, argc > 4 ? parse_number(argv[4]) : 1)) {
        return false;
    }
    serving.mode = mode;
    serving.range = range;
    return serve_until_told();
}
