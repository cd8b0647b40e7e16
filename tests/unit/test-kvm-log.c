/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM's memory slots and its dirty log under a kernel made up, whose ioctls win over the library's. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#include "accel/kvm/internal.h"
#include "memory/memory.h"
#include "util/main-loop.h"

#define BLOCK_PAGES 256u
#define BLOCK_SIZE (BLOCK_PAGES * GUEST_PAGE_SIZE)
#define RING_ENTRIES 1024u
#define SLOTS 8
#define WORDS (BLOCK_PAGES / BITS_PER_LONG)

/* --- the kernel --- */

static unsigned long kernel_log[SLOTS][WORDS];
static struct kvm_userspace_memory_region kernel_slots[SLOTS];
static struct kvm_clear_dirty_log last_clear;
static unsigned long cleared[WORDS]; /* by the last */
static unsigned looks, clears, resets;

static int set_slot(const struct kvm_userspace_memory_region *region)
{
    g_assert_cmpuint(region->slot, <, SLOTS);
    kernel_slots[region->slot] = *region;
    return 0;
}

static int get_log(const struct kvm_dirty_log *get)
{
    g_assert_cmpuint(get->slot, <, SLOTS);
    looks++;
    memcpy(get->dirty_bitmap, kernel_log[get->slot], kernel_slots[get->slot].memory_size >> GUEST_PAGE_BITS >> 3);
    return 0;
}

/* As Linux checks it: whole units, but for the slot's end. */
static int clear_log(const struct kvm_clear_dirty_log *clear)
{
    uint64_t pages = kernel_slots[clear->slot].memory_size >> GUEST_PAGE_BITS;
    const unsigned long *bits = clear->dirty_bitmap;

    if (clear->first_page % 64 || clear->first_page > pages || clear->num_pages > pages - clear->first_page ||
        (clear->num_pages % 64 && clear->num_pages != pages - clear->first_page)) {
        return -EINVAL;
    }
    clears++;
    last_clear = *clear;
    for (uint64_t word = 0; word < (clear->num_pages + 63) / 64; word++) {
        cleared[word] = bits[word];
        kernel_log[clear->slot][clear->first_page / 64 + word] &= ~bits[word];
    }
    return 0;
}

int kvm_vm_ioctl(unsigned long request, void *argument)
{
    switch (request) {
    case KVM_SET_USER_MEMORY_REGION: return set_slot(argument);
    case KVM_GET_DIRTY_LOG: return get_log(argument);
    case KVM_CLEAR_DIRTY_LOG: return clear_log(argument);
    case KVM_RESET_DIRTY_RINGS: resets++; return 1;
    default: return -ENOTTY;
    }
}

int kvm_check_extension(unsigned capability)
{
    switch (capability) {
    case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: return KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
    case KVM_CAP_NR_MEMSLOTS: return 32764;
    default: return 0;
    }
}

int kvm_enable_capability(unsigned capability, uint64_t argument0, uint64_t argument1)
{
    return 0;
}

/* --- the machine --- */

static struct ram_block *block;
static struct memory_region ram;

static void set_up(void)
{
    GError *error = NULL;

    memory_init();
    g_assert_true(kvm_memory_init(&error));
    block = ram_block_new("pc.ram", BLOCK_SIZE, &error);
    g_assert_no_error(error);
    memory_region_init_ram(&ram, block, "pc.ram", BLOCK_SIZE);
    memory_region_add(&system_memory, 0, &ram, 0);
}

static void log_on(uint64_t ring_size)
{
    GError *error = NULL;

    kvm_options.dirty_ring_size = ring_size;
    memset(kernel_log, 0, sizeof(kernel_log));
    dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    g_assert_true(accel_kvm.dirty_log_start(&error));
    accel_kvm.dirty_log_protect();
    g_assert_cmphex(kernel_slots[0].flags, ==, KVM_MEM_LOG_DIRTY_PAGES);
}

static void log_off(void)
{
    accel_kvm.dirty_log_stop();
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
    kvm_options.dirty_ring_size = 0;
    g_assert_cmphex(kernel_slots[0].flags, ==, 0);
}

static void take(uint64_t first, uint64_t count, unsigned long into[WORDS])
{
    memset(into, 0, WORDS * sizeof(into[0]));
    accel_dirty_take(block, DIRTY_CLIENT_MIGRATION, first, count, into);
}

/* --- slots --- */

/* The kernel takes tens of thousands; what is in use stays together, as each fetch goes through it. */
static void test_numbers(void)
{
    struct memory_region more[3];
    struct ram_block *blocks[3];

    for (int i = 0; i < 3; i++) {
        g_autofree char *id = g_strdup_printf("more%d", i);
        blocks[i] = ram_block_new(id, BLOCK_SIZE, NULL);
        memory_region_init_ram(&more[i], blocks[i], id, BLOCK_SIZE);
        memory_region_add(&system_memory, (i + 1) * 2 * BLOCK_SIZE, &more[i], 0);
        g_assert_cmphex(kernel_slots[i + 1].guest_phys_addr, ==, (i + 1) * 2 * BLOCK_SIZE);
    }
    memory_region_remove(&more[1]);
    g_assert_cmpuint(kernel_slots[2].memory_size, ==, 0);
    memory_region_remove(&more[0]);
    memory_region_add(&system_memory, 16 * BLOCK_SIZE, &more[1], 0);
    g_assert_cmphex(kernel_slots[1].guest_phys_addr, ==, 16 * BLOCK_SIZE);
    memory_region_remove(&more[1]);
    memory_region_remove(&more[2]);
    memory_region_add(&system_memory, 16 * BLOCK_SIZE, &more[0], 0);
    g_assert_cmphex(kernel_slots[1].guest_phys_addr, ==, 16 * BLOCK_SIZE);
    memory_region_remove(&more[0]);
    for (int i = 0; i < 3; i++) {
        memory_region_cleanup(&more[i]);
        ram_block_free(blocks[i]);
    }
}

/* --- bitmaps --- */

/* Just what was marked is cleared, in whole units; fetches of a batch share one look. */
static void test_bitmap(void)
{
    unsigned long into[WORDS];

    log_on(0);
    kernel_log[0][0] = BIT(3) | BIT(63);
    kernel_log[0][1] = BIT(6);
    looks = clears = 0;
    accel_kvm.dirty_log_refresh();
    take(2, 3, into);
    g_assert_cmphex(into[0], ==, BIT(3));
    g_assert_cmpuint(clears, ==, 1);
    g_assert_cmpuint(last_clear.first_page, ==, 0);
    g_assert_cmpuint(last_clear.num_pages, ==, 64);
    g_assert_cmphex(cleared[0], ==, BIT(3) | BIT(63));
    g_assert_cmphex(kernel_log[0][1], ==, BIT(6)); /* nobody has marked that yet */
    kernel_log[0][0] = BIT(9);                     /* after the look */
    take(0, BLOCK_PAGES, into);
    g_assert_cmphex(into[0], ==, BIT(63));
    g_assert_cmphex(into[1], ==, BIT(6));
    g_assert_cmphex(kernel_log[0][0], ==, BIT(9));
    g_assert_cmpuint(looks, ==, 1);
    accel_kvm.dirty_log_refresh();
    take(0, BLOCK_PAGES, into);
    g_assert_cmphex(into[0], ==, BIT(9));
    g_assert_cmpuint(looks, ==, 2);
    kernel_log[0][0] = ~0ul << 61 | BIT(5); /* a run over the end of a word */
    kernel_log[0][1] = 7;
    accel_kvm.dirty_log_refresh();
    take(0, BLOCK_PAGES, into);
    g_assert_cmphex(into[0], ==, ~0ul << 61 | BIT(5));
    g_assert_cmphex(into[1], ==, 7);
    clears = 0;
    accel_kvm.dirty_log_refresh();
    take(0, BLOCK_PAGES, into);
    g_assert_cmpuint(clears, ==, 0); /* nothing to clear: the kernel is not asked */
    log_off();
}

/* --- rings --- */

/* A vCPU that has not run yet, with a ring in which the kernel has put `pages`. */
static void ring_vcpu(struct x86_cpu *cpu, unsigned count, const uint32_t pages[])
{
    struct kvm_cpu *k = g_new0(struct kvm_cpu, 1);

    k->fd = -1;
    k->ring = mmap(NULL, RING_ENTRIES * sizeof(*k->ring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(k->ring != MAP_FAILED);
    for (unsigned i = 0; i < count; i++) {
        k->ring[i] = (struct kvm_dirty_gfn){ .flags = KVM_DIRTY_GFN_F_DIRTY, .slot = 0, .offset = pages[i] };
    }
    cpu->kvm = k;
}

static struct x86_cpu *bring_vcpu(void)
{
    vcpus = g_new0(struct x86_cpu *, 1);
    vcpus[0] = g_new0(struct x86_cpu, 1);
    vcpu_count = 1;
    return vcpus[0];
}

static void drop_vcpu(void)
{
    vcpu_count = 0;
    g_free(vcpus[0]);
    g_clear_pointer(&vcpus, g_free);
}

static void test_ring(void)
{
    const uint32_t pages[] = { 5, 200, BLOCK_PAGES };
    struct x86_cpu *cpu = bring_vcpu();
    unsigned long into[WORDS];

    log_on(RING_ENTRIES);
    ring_vcpu(cpu, 3, pages);
    resets = 0;
    accel_kvm.dirty_log_refresh();
    take(0, BLOCK_PAGES, into);
    g_assert_cmphex(into[0], ==, BIT(5));
    g_assert_cmphex(into[3], ==, BIT(200 - 192));
    g_assert_cmpuint(resets, ==, 1);
    g_assert_cmpuint(cpu->kvm->ring[0].flags, ==, KVM_DIRTY_GFN_F_RESET);
    accel_kvm.cpu_destroy(cpu);
    log_off();
    drop_vcpu();
}

/* What it wrote before it went, and nobody has asked for, is not lost with its ring. */
static void test_ring_goes(void)
{
    const uint32_t pages[] = { 7 };
    struct x86_cpu *cpu = bring_vcpu();
    unsigned long into[WORDS];

    log_on(RING_ENTRIES);
    ring_vcpu(cpu, 1, pages);
    accel_kvm.cpu_destroy(cpu);
    g_assert_null(cpu->kvm);
    accel_kvm.dirty_log_refresh();
    take(0, BLOCK_PAGES, into);
    g_assert_cmphex(into[0], ==, BIT(7));
    log_off();
    drop_vcpu();
}

static gpointer sync_for_ever(gpointer done)
{
    unsigned long into[WORDS];

    while (!__atomic_load_n((bool *)done, __ATOMIC_ACQUIRE)) {
        accel_kvm.dirty_log_refresh();
        take(0, BLOCK_PAGES, into);
        accel_kvm.dirty_log_arm();
    }
    return NULL;
}

/* Nobody harvests a ring that is being unmapped. */
static void test_ring_goes_meanwhile(void)
{
    const uint32_t pages[] = { 1, 2, 3 };
    struct x86_cpu *cpu = bring_vcpu();
    bool done = false;

    log_on(RING_ENTRIES);
    for (int i = 0; i < 50; i++) {
        ring_vcpu(cpu, 3, pages);
        __atomic_store_n(&done, false, __ATOMIC_RELEASE);
        GThread *thread = g_thread_new("sync", sync_for_ever, &done);
        g_usleep(200);
        accel_kvm.cpu_destroy(cpu);
        g_usleep(200);
        __atomic_store_n(&done, true, __ATOMIC_RELEASE);
        g_thread_join(thread);
    }
    log_off();
    drop_vcpu();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    big_lock();
    accel = &accel_kvm;
    set_up();
    g_test_add_func("/kvm-log/slots/numbers", test_numbers);
    g_test_add_func("/kvm-log/bitmap", test_bitmap);
    g_test_add_func("/kvm-log/ring/harvest", test_ring);
    g_test_add_func("/kvm-log/ring/vcpu-goes", test_ring_goes);
    g_test_add_func("/kvm-log/ring/vcpu-goes-meanwhile", test_ring_goes_meanwhile);
    return g_test_run();
}
