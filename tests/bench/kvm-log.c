/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What KVM's dirty log costs for guest memory that nobody touches: to start logging, to protect what the start left
 * unprotected, to sync, and to stop. Needs /dev/kvm. `kvm-log KIND GIB`, with KIND one of those below;
 * tests/bench/kvm-bench runs it for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "accel/kvm.h"
#include "accel/kvm/internal.h"
#include "memory/memory.h"
#include "migration/page-map.h"
#include "util/keyval.h"
#include "util/main-loop.h"

#define REPEATS 7 /* the least of so many counts: what is more is the machine's other work */

static const struct kind {
    const char *name, *options;
    uint64_t protect; /* what of manual protection the kernel is said to offer */
} kinds[] = {
    { "initially-set", "kvm", KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
    { "manual", "kvm", KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
    { "plain", "kvm", 0 },
    { "ring", "kvm,dirty-ring-size=4096", 0 },
};
static const struct kind *kind;

/* Wins over the library's: a kernel of the kind that is asked for. */
int kvm_check_extension(unsigned capability)
{
    int offered = MAX(kvm_system_ioctl(KVM_CHECK_EXTENSION, (void *)(uintptr_t)capability), 0);

    return capability == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 ? offered & (int)kind->protect : offered;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

static double since(double *start)
{
    double before = *start;

    *start = now_ms();
    return *start - before;
}

/* As migration does it (page_map_sync()). */
static void sync_log(struct ram_block *block, unsigned long *into)
{
    uint64_t pages = ram_block_pages(block);

    accel_dirty_refresh();
    for (uint64_t first = 0; first < pages; first += PAGE_MAP_SLICE) {
        accel_dirty_take(block, DIRTY_CLIENT_MIGRATION, first, MIN(PAGE_MAP_SLICE, pages - first), into);
    }
    accel_dirty_arm();
}

enum step { START, PROTECT, FIRST_SYNC, SYNC, STOP, STEPS };
static const char *const step_names[STEPS] = { "start", "protect", "first_sync", "sync", "stop" };

/* Logging once: from on to off, what each step takes. */
static void log_once(struct ram_block *block, unsigned long *into, double took[STEPS])
{
    GError *error = NULL;
    double start;

    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    start = now_ms();
    if (!accel->dirty_log_start(&error)) {
        error_report_free(error);
        exit(1);
    }
    took[START] = since(&start);
    accel->dirty_log_protect();
    took[PROTECT] = since(&start);
    sync_log(block, into); /* bitmaps, the kernel's and ours, are touched for the first time */
    took[FIRST_SYNC] = since(&start);
    sync_log(block, into);
    took[SYNC] = since(&start);
    accel->dirty_log_stop();
    took[STOP] = since(&start);
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
}

static void measure(struct ram_block *block)
{
    unsigned long *into = bitmap_new(ram_block_pages(block));
    double least[STEPS], took[STEPS];

    log_once(block, into, least);
    for (int i = 1; i < REPEATS; i++) {
        log_once(block, into, took);
        for (int step = 0; step < STEPS; step++) {
            least[step] = MIN(least[step], took[step]);
        }
    }
    for (int step = 0; step < STEPS; step++) {
        printf("%s_ms %.3f%c", step_names[step], least[step], step == STEPS - 1 ? '\n' : ' ');
    }
    bitmap_free(into, ram_block_pages(block));
}

static bool set_up(uint64_t bytes, struct ram_block **block, GError **error)
{
    static struct memory_region region;
    struct keyval *options = keyval_parse("-accel", kind->options, "accel", error);

    if (!options) {
        return false;
    }
    keyval_get(options, "accel");
    accel = &accel_kvm;
    if (!accel->init(options, error) || !(*block = ram_block_new("pc.ram", bytes, error))) {
        return false;
    }
    memory_region_init_ram(&region, *block, "pc.ram", bytes);
    memory_region_add(&system_memory, 0, &region, 0);
    return true;
}

int main(int argc, char **argv)
{
    struct ram_block *block;
    GError *error = NULL;

    for (size_t i = 0; argc == 3 && i < G_N_ELEMENTS(kinds); i++) {
        kind = strcmp(argv[1], kinds[i].name) ? kind : &kinds[i];
    }
    uint64_t gib = kind ? strtoull(argv[2], NULL, 10) : 0;
    if (!gib) {
        fprintf(stderr, "usage: kvm-log initially-set|manual|plain|ring GIB\n");
        return 1;
    }
    big_lock();
    memory_init();
    if (!set_up(gib << 30, &block, &error)) {
        error_report_free(error);
        return 1;
    }
    measure(block);
    return 0;
}
