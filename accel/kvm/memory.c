/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory in the kernel: one slot for each stretch of RAM in the flat view, and its dirty log.
 *
 * Slots follow the flat view by difference. New ones are added while vCPUs run; one that goes, or changes, leaves a
 * gap in which an instruction fetch would fail, so vCPUs are kept out of the kernel meanwhile.
 *
 * The dirty log has two stages: the kernel's, per slot, and the block's own marks, which devices write to as well. A
 * fetch moves bits from the first to the second, and what it takes from the kernel's it has marked before: so a bit
 * is in one of the two at any time. With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 the fetch clears just the words of the
 * range that was asked for, in the same section as it marks them, and write-protects those only; without, the kernel
 * hands out and clears the whole slot at once. Clearing by larger chunks than what was marked would lose writes.
 *
 * KVM_GET_DIRTY_LOG copies the bits of a whole slot, and rings make all vCPUs leave the guest: so the fetches of a
 * batch share one look, made by the first of them after kvm_dirty_log_refresh(). A page written after the look keeps
 * its bit in the kernel, unless it had one by then and is marked with it.
 */
#include "accel/kvm/internal.h"

#include "memory/memory.h"
#include "util/main-loop.h"

#define MIN_SLOTS 32
/* KVM_CLEAR_DIRTY_LOG takes whole 64-page units. */
#define UNIT 64ull
/* Pages write-protected in one go as logging starts: short holds of the kernel's MMU lock. */
#define CLEAR_STEP (1ull << 18)

#define ROUND_UP(n, unit) (((n) + (unit) - 1) / (unit) * (unit))

struct slot {
    bool used;
    uint64_t gpa, size; /* bytes, whole pages */
    struct ram_block *block;
    uint64_t offset;    /* of the first byte in the block */
    bool readonly;
    unsigned long *log; /* while logging: of the last look, what is not yet cleared; one bit per page */
    uint64_t look;      /* number of that look */
    uint64_t protected; /* pages from the first on, whose writes are logged */
};

/* Guards the slots and the kernel's dirty log. Within the big lock and migration's bitmap lock; innermost. */
static GMutex slots_lock;
static struct slot *slots;
static unsigned slot_limit; /* the kernel takes tens of thousands */
static unsigned slots_end;  /* one behind the last that is used */
static bool logging, manual_protect, initially_set;
static uint64_t look_wanted = 1; /* atomic: the number of the look that fetches must be of, or newer */
static uint64_t ring_look;

#define SLOT_FOREACH(slot) \
    for (struct slot *slot = slots; slot < slots + slots_end; slot++) \
        if (slot->used)

static uint64_t slot_pages(const struct slot *slot)
{
    return slot->size >> GUEST_PAGE_BITS;
}

static void log_allocate(struct slot *slot)
{
    slot->log = slot->log ? slot->log : g_new0(unsigned long, ROUND_UP(slot_pages(slot), UNIT) / BITS_PER_LONG);
}

static void must(int result, const struct slot *slot, const char *what)
{
    if (result < 0) { /* the guest would go on without its memory, or its writes unseen */
        g_error("kvm: %s fails for guest memory at 0x%" G_GINT64_MODIFIER "x (0x%" G_GINT64_MODIFIER "x bytes): %s",
                what, slot->gpa, slot->size, g_strerror(-result));
    }
}

static void slot_set(const struct slot *slot, uint64_t size)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot - slots,
        .flags = (slot->readonly ? KVM_MEM_READONLY : 0) | (logging ? KVM_MEM_LOG_DIRTY_PAGES : 0),
        .guest_phys_addr = slot->gpa,
        .memory_size = size,
        .userspace_addr = (uint64_t)(uintptr_t)slot->block->host + slot->offset,
    };

    must(kvm_vm_ioctl(KVM_SET_USER_MEMORY_REGION, &region), slot, "KVM_SET_USER_MEMORY_REGION");
}

/* --- the dirty log --- */

/* Clears pages [first, first + count) of the slot as its buffer has them; both in whole units but for the slot's end. */
static void log_clear(struct slot *slot, uint64_t first, uint64_t count)
{
    struct kvm_clear_dirty_log clear = {
        .slot = slot - slots,
        .first_page = first,
        .num_pages = count,
        .dirty_bitmap = slot->log + first / BITS_PER_LONG,
    };

    must(kvm_vm_ioctl(KVM_CLEAR_DIRTY_LOG, &clear), slot, "KVM_CLEAR_DIRTY_LOG");
}

/* Moves the kernel's bits of slot pages [first, last) into the block's marks, run by run: a guest's writes lie together. */
static void log_mark(const struct slot *slot, uint64_t first, uint64_t last)
{
    uint64_t base = slot->offset >> GUEST_PAGE_BITS;

    for (uint64_t page = first; (page = bitmap_next_set(slot->log, last, page)) < last;) {
        uint64_t end = bitmap_next_clear(slot->log, last, page);

        ram_block_mark_pages_dirty(slot->block, DIRTY_CLIENT_MIGRATION, base + page, end - page);
        page = end;
    }
}

/* Slots lock held. */
static void log_look(struct slot *slot)
{
    struct kvm_dirty_log get = { .slot = slot - slots, .dirty_bitmap = slot->log };
    uint64_t wanted_look = __atomic_load_n(&look_wanted, __ATOMIC_SEQ_CST);

    if (slot->look == wanted_look) {
        return;
    }
    slot->look = wanted_look;
    must(kvm_vm_ioctl(KVM_GET_DIRTY_LOG, &get), slot, "KVM_GET_DIRTY_LOG");
    if (!manual_protect) {
        log_mark(slot, 0, slot_pages(slot));
        memset(slot->log, 0, ROUND_UP(slot_pages(slot), UNIT) / 8);
    }
}

static bool log_is_clean(const struct slot *slot, uint64_t first, uint64_t last)
{
    unsigned long any = 0;

    for (uint64_t word = first / BITS_PER_LONG; word * BITS_PER_LONG < last; word++) {
        any |= slot->log[word];
    }
    return !any;
}

/* Slots lock held. */
static void log_fetch(struct slot *slot, uint64_t first, uint64_t last)
{
    log_look(slot);
    first = first / UNIT * UNIT;
    last = MIN(ROUND_UP(last, UNIT), slot_pages(slot));
    if (log_is_clean(slot, first, last)) {
        return;
    }
    log_mark(slot, first, last);
    log_clear(slot, first, last - first);
    memset(slot->log + first / BITS_PER_LONG, 0, ROUND_UP(last - first, UNIT) / 8);
}

void kvm_slot_mark(unsigned number, uint64_t page)
{
    const struct slot *slot = number < slots_end ? &slots[number] : NULL;

    if (slot && slot->used && logging && page < slot_pages(slot)) {
        ram_block_mark_dirty_client(slot->block, DIRTY_CLIENT_MIGRATION, (slot->offset >> GUEST_PAGE_BITS) + page);
    }
}

/*
 * With initially-all-set logs, clearing is what protects. Some pages more of a slot; false: all of it is protected.
 * What was written before is lost with the bits: the caller takes all of the slot as written. Slots lock held.
 */
static bool log_protect_step(struct slot *slot)
{
    uint64_t first = slot->protected, count = MIN(CLEAR_STEP, slot_pages(slot) - first);

    if (!count) {
        return false;
    }
    unsigned long *words = slot->log + first / BITS_PER_LONG;
    memset(words, 0xff, ROUND_UP(count, UNIT) / 8);
    log_clear(slot, first, count);
    memset(words, 0, ROUND_UP(count, UNIT) / 8);
    slot->protected += count;
    return true;
}

static void log_begin(struct slot *slot)
{
    log_allocate(slot);
    slot_set(slot, slot->size);
    slot->protected = initially_set ? 0 : slot_pages(slot);
}

/* One step, wherever one is due. A topology change or another fetch may come between two. */
static bool protect_step(void)
{
    bool more = false;

    g_mutex_lock(&slots_lock);
    SLOT_FOREACH (slot) {
        more = more || (logging && log_protect_step(slot));
    }
    g_mutex_unlock(&slots_lock);
    return more;
}

void kvm_dirty_log_protect(void)
{
    while (protect_step()) {
    }
}

bool kvm_dirty_log_start(GError **error)
{
    g_mutex_lock(&slots_lock);
    logging = true;
    SLOT_FOREACH (slot) {
        log_begin(slot);
    }
    g_mutex_unlock(&slots_lock);
    return true;
}

void kvm_dirty_log_stop(void)
{
    g_mutex_lock(&slots_lock);
    logging = false;
    SLOT_FOREACH (slot) {
        slot_set(slot, slot->size);
        g_clear_pointer(&slot->log, g_free);
    }
    g_mutex_unlock(&slots_lock);
}

void kvm_dirty_ring_full(struct x86_cpu *cpu)
{
    g_mutex_lock(&slots_lock);
    kvm_ring_harvest();
    g_mutex_unlock(&slots_lock);
}

/*
 * The lock: whoever harvests, a sync or a vCPU whose ring is full, goes through all vCPUs' rings under it, and must not
 * find one that is being unmapped. And nobody else will find what is still in this one.
 */
struct kvm_cpu *kvm_dirty_log_forget(struct x86_cpu *cpu)
{
    g_mutex_lock(&slots_lock);
    kvm_ring_harvest();
    kvm_ring_unmap(cpu->kvm);
    struct kvm_cpu *k = kvm_gate_forget(cpu);
    g_mutex_unlock(&slots_lock);
    return k;
}

void kvm_dirty_log_refresh(void)
{
    __atomic_add_fetch(&look_wanted, 1, __ATOMIC_SEQ_CST);
}

/*
 * Rings: between its mark and the reset a page is written without a trace, and a vCPU that harvests its full ring may
 * be there while another thread takes the mark. Bitmaps: whoever takes a mark has fetched, and cleared, itself.
 */
void kvm_dirty_log_arm(void)
{
    g_mutex_lock(&slots_lock);
    g_mutex_unlock(&slots_lock);
}

/* What the hardware has logged is in the rings once the vCPUs have left the guest. */
static void fetch_rings(void)
{
    uint64_t wanted_look = __atomic_load_n(&look_wanted, __ATOMIC_SEQ_CST);

    if (__atomic_load_n(&ring_look, __ATOMIC_ACQUIRE) == wanted_look) {
        return;
    }
    kvm_quiesce_begin();
    kvm_quiesce_end();
    g_mutex_lock(&slots_lock);
    kvm_ring_harvest();
    __atomic_store_n(&ring_look, wanted_look, __ATOMIC_RELEASE);
    g_mutex_unlock(&slots_lock);
}

void kvm_dirty_log_fetch(struct ram_block *block, uint64_t first, uint64_t count)
{
    if (kvm_options.dirty_ring_size) {
        fetch_rings();
        return;
    }
    g_mutex_lock(&slots_lock);
    SLOT_FOREACH (slot) {
        uint64_t base = slot->offset >> GUEST_PAGE_BITS;
        if (logging && slot->block == block && first + count > base && first < base + slot_pages(slot)) {
            log_fetch(slot, MAX(first, base) - base, MIN(first + count - base, slot_pages(slot)));
        }
    }
    g_mutex_unlock(&slots_lock);
}

/* --- slots follow the flat view --- */

/* What a range of the view wants of a slot; false: it is not RAM, or less than a page. */
static bool wanted(const struct flat_range *range, struct slot *want)
{
    uint64_t start = ROUND_UP(range->start, GUEST_PAGE_SIZE);
    uint64_t end = (range->end + 1) & ~(GUEST_PAGE_SIZE - 1);

    if (range->mr->kind != MEMORY_REGION_RAM || range->end == UINT64_MAX || end <= start) {
        return false;
    }
    *want = (struct slot) {
        .used = true,
        .gpa = start,
        .size = end - start,
        .block = range->mr->block,
        .offset = range->offset + (start - range->start),
        .readonly = range->readonly,
    };
    return true;
}

static bool same(const struct slot *a, const struct slot *b)
{
    return a->used && b->used && a->gpa == b->gpa && a->size == b->size && a->block == b->block &&
           a->offset == b->offset && a->readonly == b->readonly;
}

static bool view_wants(const struct flat_view *view, const struct slot *slot)
{
    for (unsigned i = 0; i < view->count; i++) {
        struct slot want;
        if (wanted(&view->ranges[i], &want) && same(&want, slot)) {
            return true;
        }
    }
    return false;
}

static struct slot *find_same(const struct slot *want)
{
    SLOT_FOREACH (slot) {
        if (same(slot, want)) {
            return slot;
        }
    }
    return NULL;
}

static struct slot *find_free(void)
{
    for (unsigned i = 0; i < slots_end; i++) {
        if (!slots[i].used) {
            return &slots[i];
        }
    }
    if (slots_end == slot_limit) {
        g_error("kvm: all %u memory slots are taken", slot_limit);
    }
    return &slots[slots_end++];
}

static void remove_slot(struct slot *slot)
{
    if (logging && kvm_options.dirty_ring_size) { /* no vCPU runs: nothing comes after it */
        kvm_ring_harvest();
    } else if (logging) {
        kvm_dirty_log_refresh();
        log_fetch(slot, 0, slot_pages(slot));
    }
    slot_set(slot, 0);
    g_free(slot->log);
    *slot = (struct slot) { 0 };
    while (slots_end && !slots[slots_end - 1].used) {
        slots_end--;
    }
}

/* Slots that are in the way go first. */
static void update_slots(const struct flat_view *view)
{
    SLOT_FOREACH (slot) {
        if (!view_wants(view, slot)) {
            remove_slot(slot);
        }
    }
    for (unsigned i = 0; i < view->count; i++) {
        struct slot want;
        if (wanted(&view->ranges[i], &want) && !find_same(&want)) {
            struct slot *slot = find_free();
            *slot = want;
            if (logging) {
                log_begin(slot);
                while (log_protect_step(slot)) {
                }
                /* what was written before it was protected, and whatever migration knows of another place */
                ram_block_mark_dirty(slot->block, slot->offset, slot->size);
            } else {
                slot_set(slot, slot->size);
            }
        }
    }
}

static bool some_go(const struct flat_view *view)
{
    SLOT_FOREACH (slot) {
        if (!view_wants(view, slot)) {
            return true;
        }
    }
    return false;
}

static void topology_changed(struct memory_listener *listener, struct address_space *as, struct flat_view *old_view,
                             struct flat_view *new_view)
{
    if (as != &address_space_memory) {
        return;
    }
    bool quiesce = some_go(new_view);
    if (quiesce) {
        kvm_quiesce_begin();
    }
    g_mutex_lock(&slots_lock);
    update_slots(new_view);
    g_mutex_unlock(&slots_lock);
    if (quiesce) {
        kvm_quiesce_end();
    }
}

static struct memory_listener listener = { .changed = topology_changed };

bool kvm_memory_init(GError **error)
{
    uint64_t protect = kvm_check_extension(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
    uint64_t flags = protect & (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);

    slot_limit = MAX(kvm_check_extension(KVM_CAP_NR_MEMSLOTS), MIN_SLOTS);
    slots = g_new0(struct slot, slot_limit);
    if (kvm_options.dirty_ring_size) {
        if (!kvm_ring_init(error)) {
            return false;
        }
    } else if (flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE &&
        kvm_enable_capability(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, flags, 0) == 0) {
        manual_protect = true;
        initially_set = flags & KVM_DIRTY_LOG_INITIALLY_SET;
    }
    memory_listener_add(&listener);
    return true;
}
