/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's memory: map, allocator, and the commands that fill and check it. Sizes are in pages unless said. */
#include "guest.h"

/* struct hvm_start_info and its map, as the PVH boot protocol lays them out. */
struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t modlist, cmdline, rsdp, memmap;
    uint32_t memmap_entries, reserved;
};
struct memmap_entry {
    uint64_t address, size;
    uint32_t type, reserved;
};

extern char guest_end[];
extern uint64_t boot_pml4[512], boot_pdpt[512];
#define BOOT_MAPPED (4ull << 30)
#define ALLOCATOR_BYTES (64ull << 20) /* test memory begins behind it */

struct memory_range ram[16];
int ram_count;
static uint64_t next_free;

/* Maps what lies above 4 GiB one to one; page tables come from the allocator. */
static void map_high(uint64_t end)
{
    for (uint64_t a = BOOT_MAPPED; a < end; a += 1ull << 30) {
        uint64_t *pdpt = boot_pdpt;
        if (a >> 39) {
            uint64_t *slot = &boot_pml4[a >> 39 & 511];
            if (!*slot) {
                *slot = (uint64_t)page_alloc(1) | 7;
            }
            pdpt = (uint64_t *)(*slot & ~0xfffull);
        }
        uint64_t *pd = page_alloc(1);
        for (int i = 0; i < 512; i++) {
            pd[i] = (a + ((uint64_t)i << 21)) | 0x87;
        }
        pdpt[a >> 30 & 511] = (uint64_t)pd | 7;
    }
}

void memory_setup(const void *info_pointer)
{
    const struct start_info *info = info_pointer;
    const struct memmap_entry *map = (const struct memmap_entry *)info->memmap;
    for (uint32_t i = 0; i < info->memmap_entries && ram_count < 16; i++) {
        if (map[i].type == 1 && map[i].address + map[i].size > 1 << 20) {
            uint64_t start = map[i].address < 1 << 20 ? 1 << 20 : map[i].address;
            ram[ram_count++] = (struct memory_range){ (start + 4095) & ~4095ull,
                                                      (map[i].address + map[i].size) & ~4095ull };
        }
    }
    next_free = ((uint64_t)guest_end + 4095) & ~4095ull;
    if (ram_count) {
        map_high(ram[ram_count - 1].end);
    }
}

void *page_alloc(uint64_t pages)
{
    uint64_t at = next_free;
    next_free += pages * PAGE_SIZE;
    memset((void *)at, 0, pages * PAGE_SIZE);
    return (void *)at;
}

uint64_t test_memory_start(void)
{
    return (1ull << 20) + ALLOCATOR_BYTES;
}

uint64_t test_pages(void)
{
    uint64_t n = 0;
    for (int i = 0; i < ram_count; i++) {
        uint64_t start = ram[i].start < test_memory_start() ? test_memory_start() : ram[i].start;
        n += ram[i].end > start ? (ram[i].end - start) / PAGE_SIZE : 0;
    }
    return n;
}

void *test_page(uint64_t n)
{
    for (int i = 0; i < ram_count; i++) {
        uint64_t start = ram[i].start < test_memory_start() ? test_memory_start() : ram[i].start;
        uint64_t pages = ram[i].end > start ? (ram[i].end - start) / PAGE_SIZE : 0;
        if (n < pages) {
            return (void *)(start + n * PAGE_SIZE);
        }
        n -= pages;
    }
    return NULL;
}

static uint64_t pattern(uint64_t page, uint64_t word, uint64_t seed)
{
    uint64_t x = (page << 9 | word) * 0x9e3779b97f4a7c15ull + seed;
    x ^= x >> 29;
    return x * 0xbf58476d1ce4e5b9ull | 1;
}

void fill_page(uint64_t n, uint64_t seed)
{
    uint64_t *p = test_page(n);
    for (int w = 0; w < 512; w += 8) {
        p[w] = pattern(n, w, seed);
    }
}

static bool range_arguments(int argc, char **argv, uint64_t *first, uint64_t *count)
{
    *first = argc > 1 ? parse_number(argv[1]) : 0;
    *count = argc > 2 ? parse_number(argv[2]) : test_pages();
    CHECK(*first <= test_pages() && *count <= test_pages() - *first, "only %lu pages", test_pages());
    return true;
}

/* --- Loops over pages, in ring 3: a host whose KVM interprets ring 0 runs them natively. They cannot print. --- */

struct loop {
    uint64_t first, count, seed;
    uint64_t ticks, due; /* of the time stamp counter: what a page must take at least, and when the next are due */
    bool wrong; /* and what it found */
    uint64_t page, word, value, want;
};

static bool wrong(struct loop *loop, uint64_t page, uint64_t word, uint64_t value, uint64_t want)
{
    loop->wrong = true;
    loop->page = page;
    loop->word = word;
    loop->value = value;
    loop->want = want;
    return false;
}

/* False: a page was wrong. */
static bool run_loop(void (*body)(void *), struct loop *loop)
{
    struct trap_frame frame;
    int vector = user_run(body, loop, &frame);
    CHECK(vector == 0x80, "vector %d at 0x%lx", vector, frame.rip);
    return !loop->wrong;
}

static bool run_range(void (*body)(void *), int argc, char **argv)
{
    struct loop loop = { .seed = argc > 3 ? parse_number(argv[3]) : 1 };
    if (!range_arguments(argc, argv, &loop.first, &loop.count)) {
        return false;
    }
    bool ok = run_loop(body, &loop);
    CHECK(ok, "page %lu at 0x%lx word %lu is 0x%lx, want 0x%lx", loop.page, (uint64_t)test_page(loop.page), loop.word,
          loop.value, loop.want);
    return true;
}

static void fill(void *opaque)
{
    const struct loop *loop = opaque;
    for (uint64_t n = loop->first; n < loop->first + loop->count; n++) {
        fill_page(n, loop->seed);
    }
}

static bool verify_page(struct loop *loop, uint64_t n)
{
    const uint64_t *p = test_page(n);
    for (int w = 0; w < 512; w++) {
        uint64_t want = w % 8 ? 0 : pattern(n, w, loop->seed);
        if (p[w] != want) {
            return wrong(loop, n, w, p[w], want);
        }
    }
    return true;
}

static void verify(void *opaque)
{
    struct loop *loop = opaque;
    for (uint64_t n = loop->first; n < loop->first + loop->count && verify_page(loop, n); n++) {
    }
}

static void zero(void *opaque)
{
    const struct loop *loop = opaque;
    for (uint64_t n = loop->first; n < loop->first + loop->count; n++) {
        memset(test_page(n), 0, PAGE_SIZE);
    }
}

static bool zero_page(struct loop *loop, uint64_t n)
{
    const uint64_t *p = test_page(n);
    for (int w = 0; w < 512; w++) {
        if (p[w]) {
            return wrong(loop, n, w, p[w], 0);
        }
    }
    return true;
}

/* Reads every page once: populates nothing that was not, but touches it all. */
static void check_zero(void *opaque)
{
    struct loop *loop = opaque;
    for (uint64_t n = loop->first; n < loop->first + loop->count && zero_page(loop, n); n++) {
    }
}

static bool run_fill(int argc, char **argv) { return run_range(fill, argc, argv); }
static bool run_verify(int argc, char **argv) { return run_range(verify, argc, argv); }
static bool run_zero(int argc, char **argv) { return run_range(zero, argc, argv); }
static bool run_checkzero(int argc, char **argv) { return run_range(check_zero, argc, argv); }

static bool run_tsc(int argc, char **argv)
{
    print("tsc %lu\n", rdtsc());
    return true;
}

static bool run_pages(int argc, char **argv)
{
    print("pages %lu first 0x%lx\n", test_pages(), test_memory_start());
    return true;
}

#define PACE_PAGES 16 /* the counter is looked at once for so many */

/* No faster than was asked for. What was missed while the machine stood still is not made up for. */
static void keep_pace(struct loop *loop)
{
    uint64_t now = rdtsc();
    while (now < loop->due) {
        cpu_pause();
        now = rdtsc();
    }
    loop->due = now + PACE_PAGES * loop->ticks;
}

/* Every page holds the last sweep's number, `seed`; it is given the next. */
static void sweep(void *opaque)
{
    struct loop *loop = opaque;
    for (uint64_t n = loop->first; n < loop->first + loop->count; n++) {
        if (loop->ticks && n % PACE_PAGES == 0) {
            keep_pace(loop);
        }
        volatile uint64_t *p = test_page(n);
        uint64_t seen = *p;
        if (seen != loop->seed) {
            wrong(loop, n, 0, seen, loop->seed);
            return;
        }
        *p = seen + 1;
    }
}

/*
 * Rewrites pages for ever: each sweep checks that every page holds the last sweep's number, then writes the next.
 * Ends at the next byte from the serial port. With a number of ticks a page takes no less of them. A write lost by a migration shows as a page that holds an older number.
 */
static bool run_writer(int argc, char **argv)
{
    struct loop loop = { .seed = 0 };
    if (!range_arguments(argc, argv, &loop.first, &loop.count)) {
        return false;
    }
    loop.ticks = argc > 3 ? parse_number(argv[3]) : 0;
    for (uint64_t n = loop.first; n < loop.first + loop.count; n++) {
        *(volatile uint64_t *)test_page(n) = 0;
    }
    print("running\n");
    for (; !serial_pending(); loop.seed++) {
        bool ok = run_loop(sweep, &loop);
        CHECK(ok, "lost write: page %lu at 0x%lx holds %lu, want %lu", loop.page, (uint64_t)test_page(loop.page),
              loop.value, loop.want);
    }
    serial_getc();
    print("sweeps %lu\n", loop.seed);
    return true;
}

const struct command memory_commands[] = {
    { "pages", "how much test memory there is", run_pages },
    { "fill", "[first [count [seed]]]: writes a pattern into test pages", run_fill },
    { "verify", "[first [count [seed]]]: checks it", run_verify },
    { "zero", "[first [count]]: writes zeros", run_zero },
    { "checkzero", "[first [count]]: reads, wants zeros", run_checkzero },
    { "writer", "[first [count [ticks]]]: rewrites and verifies until a byte comes", run_writer },
    { "tsc", "the time stamp counter, whose ticks those are", run_tsc },
    { NULL, NULL, NULL },
};
