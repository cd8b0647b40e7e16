/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints and single steps, as the accelerators see them. Read by vCPUs; written while all are paused. */
#include "accel/accel.h"
#include "accel/debug.h"
#include "accel/vcpu.h"

bool debug_active;
void (*debug_stop_hook)(struct x86_cpu *cpu);

static GArray *breakpoints; /* of uint64_t; an address may be in it more than once */
static unsigned long offsets[BITMAP_WORDS(GUEST_PAGE_SIZE)]; /* within a page: where some breakpoint is */

static void update_active(void)
{
    debug_active = breakpoints && breakpoints->len;
    VCPU_FOREACH(cpu) {
        debug_active |= cpu->debug_step;
    }
}

/* Blocks are cut before breakpoints when they are decoded. */
static void changed(void)
{
    memset(offsets, 0, sizeof(offsets));
    for (guint i = 0; i < breakpoints->len; i++) {
        uint64_t offset = g_array_index(breakpoints, uint64_t, i) % GUEST_PAGE_SIZE;
        offsets[offset / BITS_PER_LONG] |= BIT(offset % BITS_PER_LONG);
    }
    update_active();
    if (accel->flush) {
        accel->flush();
    }
}

void debug_breakpoint_add(uint64_t address)
{
    if (!breakpoints) {
        breakpoints = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    }
    g_array_append_val(breakpoints, address);
    changed();
}

bool debug_breakpoint_remove(uint64_t address)
{
    for (guint i = 0; breakpoints && i < breakpoints->len; i++) {
        if (g_array_index(breakpoints, uint64_t, i) == address) {
            g_array_remove_index_fast(breakpoints, i);
            changed();
            return true;
        }
    }
    return false;
}

void debug_breakpoints_clear(void)
{
    if (breakpoints && breakpoints->len) {
        g_array_set_size(breakpoints, 0);
        changed();
    }
}

bool debug_page_offset_hit(unsigned offset)
{
    return bitmap_test(offsets, offset % GUEST_PAGE_SIZE);
}

bool debug_breakpoint_at(uint64_t address)
{
    for (guint i = 0; breakpoints && i < breakpoints->len; i++) {
        if (g_array_index(breakpoints, uint64_t, i) == address) {
            return true;
        }
    }
    return false;
}

void debug_release_all(void)
{
    VCPU_FOREACH(cpu) {
        cpu->debug_hold = cpu->debug_step = false;
        cpu->debug_skip = true;
    }
    update_active();
}

void debug_release_step(struct x86_cpu *stepped)
{
    VCPU_FOREACH(cpu) {
        cpu->debug_hold = cpu != stepped;
        cpu->debug_step = cpu->debug_skip = cpu == stepped;
    }
    update_active();
}

void debug_stop(struct x86_cpu *cpu)
{
    cpu->debug_step = false;
    cpu->debug_hold = true;
    if (debug_stop_hook) {
        debug_stop_hook(cpu);
    }
}
