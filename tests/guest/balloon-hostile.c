/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers that no driver would give: the host must survive each, and migrate the guest all the same. */
#include "balloon.h"

#define END_TICKS 3000000000ull

static struct virtio_queue *const q = &balloon.hint;
static uint32_t word;

static uint64_t top_of_memory(void) { return ram[ram_count - 1].end; }

/* One descriptor as it is written, whatever it says; does not wait for it to come back. */
static void offer(unsigned head)
{
    virtio_publish(q, head);
    virtio_kick(q);
    hint_counts.buffers++;
    for (uint64_t t = rdtsc(); q->used[1] != q->added && rdtsc() - t < END_TICKS / 10;) {
        cpu_pause();
    }
    hint_collect();
}

/* Outside RAM, in ROM, in registers, over the end, wrapping. */
static bool addresses(uint32_t id, const struct hint_range *range)
{
    const uint64_t at[] = {
        top_of_memory(), top_of_memory() - PAGE_SIZE, 0xa0000, 0xf0000, 0xfee00000, 0xfec00000,
        (uint64_t)balloon.dev.common,
        0xfffc0000, 0xfffff000, 1ull << 39, 1ull << 52, 0x8000000000000000ull, 0xfffffffffffff000ull,
        0xfffffffffffffffull,
    };
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        if (!hint_id(id) || !hint_range(at[i], 2 * PAGE_SIZE) || !hint_range(at[i], 0xfffff000)) {
            return false;
        }
    }
    return hint_id(COMMAND_STOP);
}

/* Nothing, one byte, all bits, not whole pages. */
static bool lengths(uint32_t id, const struct hint_range *range)
{
    static const uint32_t sizes[] = { 0, 1, 4095, 4097, 8191, 0x80000000u, 0xffffffffu };
    uint64_t at = (uint64_t)test_page(range->first);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned shift = 0; shift < 3; shift++) {
            if (!hint_id(id) || !hint_range(at + shift, sizes[i])) {
                return false;
            }
        }
    }
    return hint_id(COMMAND_STOP);
}

/* A chain that leads back to its own start. */
static bool loop(uint32_t id, const struct hint_range *range)
{
    hint_id(id);
    virtio_set_desc(q, 10, test_page(range->first), PAGE_SIZE, VIRTIO_DESC_WRITE | VIRTIO_DESC_NEXT, 11);
    virtio_set_desc(q, 11, test_page(range->first + 1), PAGE_SIZE, VIRTIO_DESC_WRITE | VIRTIO_DESC_NEXT, 10);
    offer(10);
    return true;
}

/* Next and head numbers outside the table. */
static bool numbers(uint32_t id, const struct hint_range *range)
{
    hint_id(id);
    virtio_set_desc(q, 10, test_page(range->first), PAGE_SIZE, VIRTIO_DESC_WRITE | VIRTIO_DESC_NEXT, 0xffff);
    offer(10);
    offer(0xffff);
    return true;
}

/* An indirect table in place of memory; in MMIO; of odd size; inside another; longer than the queue. */
static bool indirect(uint32_t id, const struct hint_range *range)
{
    static struct virtio_desc table[1024];
    uint64_t features = balloon.dev.features;
    for (int turn = 0; turn < 6; turn++) {
        hint_id(id);
        for (unsigned i = 0; i < 1024; i++) {
            table[i] = (struct virtio_desc){ (uint64_t)test_page(range->first), PAGE_SIZE,
                                             VIRTIO_DESC_WRITE | VIRTIO_DESC_NEXT, i + 1 };
        }
        if (turn == 0) {
            virtio_set_desc(q, 10, (void *)top_of_memory(), 64, VIRTIO_DESC_INDIRECT, 0);
        } else if (turn == 1) {
            virtio_set_desc(q, 10, balloon.dev.common, 64, VIRTIO_DESC_INDIRECT, 0);
        } else if (turn == 2) {
            virtio_set_desc(q, 10, table, 17, VIRTIO_DESC_INDIRECT, 0);
        } else if (turn == 3) {
            table[0] = (struct virtio_desc){ (uint64_t)table, 64, VIRTIO_DESC_INDIRECT, 0 };
            virtio_set_desc(q, 10, table, 64, VIRTIO_DESC_INDIRECT, 0);
        } else if (turn == 4) {
            virtio_set_desc(q, 10, table, sizeof(table), VIRTIO_DESC_INDIRECT, 0);
        } else {
            virtio_set_desc(q, 10, table, 0, VIRTIO_DESC_INDIRECT, 0);
        }
        offer(10);
        if (mmio_read8(balloon.dev.common + COMMON_STATUS) & VIRTIO_NEEDS_RESET) {
            hint_counts.resets++;
            if (!balloon_start(features, balloon.dev.interrupts)) {
                return false;
            }
        }
    }
    return true;
}

/* The id in a writable buffer; free memory as readable ones; both in one chain, in the wrong order. */
static bool directions(uint32_t id, const struct hint_range *range)
{
    word = id;
    virtio_set_desc(q, 10, &word, 4, VIRTIO_DESC_WRITE, 0);
    offer(10);
    virtio_set_desc(q, 10, test_page(range->first), 4 << 20, 0, 0);
    offer(10);
    virtio_set_desc(q, 10, test_page(range->first), PAGE_SIZE, VIRTIO_DESC_WRITE | VIRTIO_DESC_NEXT, 11);
    virtio_set_desc(q, 11, &word, 4, 0, 0);
    offer(10);
    return true;
}

/* Far more available than there are. */
static bool flood(uint32_t id, const struct hint_range *range)
{
    hint_id(id);
    q->added += 30000;
    virtio_publish(q, 0);
    virtio_kick(q);
    return true;
}

/* A driver that knows what it has done, and does not wait to be told. */
static bool restart(uint32_t id, const struct hint_range *range)
{
    for (int n = 0; n < 20; n++) {
        flood(id, range);
        if (!hint_restart()) {
            return false;
        }
        hint_counts.resets++;
    }
    return true;
}

static bool million(uint32_t id, const struct hint_range *range)
{
    bool ok = hint_id(id);
    for (int n = 0; ok && n < 1000000 && balloon_command() == id; n += 256) {
        for (int i = 0; ok && i < 256; i++) {
            ok = hint_range((uint64_t)test_page(range->first), PAGE_SIZE);
        }
    }
    return ok && hint_id(COMMAND_STOP);
}

/* ROM, the windows of the board, and what wraps around: none of it is RAM, and all else stays as it is. */
static bool windows(uint32_t id, const struct hint_range *range)
{
    const uint64_t at[] = { 0xa0000, 0xfec00000, 0xfee00000, 0xfffc0000, 0xfffff000, (uint64_t)balloon.dev.common,
                            top_of_memory(), ~0ull << 12, ~0ull, ~0ull - 2 * PAGE_SIZE + 1 };
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        if (!hint_id(id)) {
            return false;
        }
        virtio_set_desc(q, 10, (void *)at[i], 2 * PAGE_SIZE, VIRTIO_DESC_WRITE, 0);
        offer(10);
        if (mmio_read8(balloon.dev.common + COMMON_STATUS) & VIRTIO_NEEDS_RESET && !hint_restart()) {
            return false;
        }
    }
    return true;
}

/* As long as the ring, which is allowed; then one that would be longer, and so comes back to where it has been. */
static bool longchain(uint32_t id, const struct hint_range *range)
{
    hint_id(id);
    for (int turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < q->size; i++) {
            bool last = i == q->size - 1 && turn == 0;
            virtio_set_desc(q, i, test_page(range->first + i), PAGE_SIZE,
                            VIRTIO_DESC_WRITE | (last ? 0 : VIRTIO_DESC_NEXT), (i + 1) % q->size);
        }
        offer(0);
    }
    return true;
}

/* Reset, and nobody there: the pages are in use again. */
static bool unbind(uint32_t id, const struct hint_range *range)
{
    bool ok = hint_id(id) && hint_range((uint64_t)test_page(range->first), 1024 * PAGE_SIZE);
    virtio_reset(&balloon.dev);
    hint_counts.resets++;
    for (uint64_t n = 0; n < range->count; n++) {
        fill_page(range->first + n, 1001);
    }
    return ok;
}

/* --- Several processors at once --- */

static uint32_t noise(unsigned cpu)
{
    static uint32_t state[16];
    state[cpu] = (state[cpu] ? state[cpu] : cpu + 1) * 1664525 + 1013904223;
    return state[cpu] >> 8;
}

/* Descriptors, indexes and heads change while the device reads them; what they call free is within the range. */
static bool scribble_ring(unsigned cpu, const struct hint_range *range)
{
    for (int n = 0; cpu && n < 64; n++) {
        virtio_set_desc(q, noise(cpu) % q->size, test_page(range->first + noise(cpu) % (range->count - 8)),
                        noise(cpu) % (8 * PAGE_SIZE), noise(cpu) % 4 ? VIRTIO_DESC_WRITE : noise(cpu) % 8,
                        noise(cpu) % (q->size + 1));
        if (noise(cpu) % 16 == 0) {
            q->avail[noise(cpu) % 2 ? 1 : 2 + noise(cpu) % q->size] = noise(cpu) % q->size;
        }
    }
    virtio_kick(q);
    return true;
}

static bool scribble_registers(unsigned cpu, const struct hint_range *range)
{
    static const uint8_t registers16[] = { COMMON_MSIX_CONFIG, COMMON_QUEUE_SELECT, COMMON_QUEUE_SIZE,
                                           COMMON_QUEUE_ENABLE };
    for (int n = 0; cpu && n < 8; n++) {
        mmio_write32(balloon.dev.config + noise(cpu) % 4 * 4, noise(cpu));
        mmio_write16(balloon.dev.common + registers16[noise(cpu) % sizeof(registers16)], noise(cpu));
        mmio_write64(balloon.dev.common + COMMON_QUEUE_DESC + noise(cpu) % 3 * 8, (uint64_t)test_page(range->first));
        if (noise(cpu) % 64 == 0) {
            mmio_write8(balloon.dev.common + COMMON_STATUS, noise(cpu) % 16);
        }
    }
    return true;
}

/* Hints as well as it can meanwhile, and starts the device anew if it has to. */
static bool persist(uint32_t id, const struct hint_range *range)
{
    word = id;
    virtio_set_desc(q, 0, &word, 4, 0, 0);
    offer(0);
    for (uint64_t n = 0; n < 64; n++) {
        virtio_set_desc(q, 1, test_page(range->first + n * 8), 8 * PAGE_SIZE, VIRTIO_DESC_WRITE, 0);
        offer(1);
        if (mmio_read8(balloon.dev.common + COMMON_STATUS) & VIRTIO_NEEDS_RESET) {
            hint_counts.resets++;
            virtio_reset(&balloon.dev);
        }
        if (q->used[1] != q->added) {
            return true; /* nobody is there any more */
        }
    }
    return true;
}

/*
 * Everything that the guest has, itself included. What it then finds at the other end is its own fault; the host must
 * not mind.
 */
static bool inuse(uint32_t id, const struct hint_range *range)
{
    return hint_id(id) && hint_range(1 << 20, 0xffffffff & ~0xfffu) && hint_range(0, 0xa0000) &&
           hint_pages(id, range);
}

/* Registers written while a request is open. */
static bool registers(uint32_t id, const struct hint_range *range)
{
    bool ok = hint_id(id) && hint_range((uint64_t)test_page(range->first), PAGE_SIZE);
    for (uint32_t v = 0; v < 64; v++) {
        mmio_write32(balloon.dev.config + v % 8 * 4, v * 0x01010101u);
        mmio_write8(balloon.dev.config + v % 16, v);
        mmio_write16(balloon.dev.common + COMMON_QUEUE_SELECT, v);
        mmio_write16(balloon.dev.common + COMMON_QUEUE_SIZE, v * 3);
        mmio_write64(balloon.dev.common + COMMON_QUEUE_DESC, 0xffffffffffffff00ull + v);
        mmio_write16(balloon.dev.common + COMMON_QUEUE_ENABLE, 1);
        mmio_write16(balloon.dev.common + COMMON_MSIX_CONFIG, v * 77);
    }
    return ok && hint_range((uint64_t)test_page(range->first), PAGE_SIZE);
}

/* The rings move to where nothing is, and the device is told of new buffers. */
static bool rings(uint32_t id, const struct hint_range *range)
{
    mmio_write16(balloon.dev.common + COMMON_QUEUE_SELECT, q->index);
    mmio_write64(balloon.dev.common + COMMON_QUEUE_AVAIL, top_of_memory() + 0x10000000);
    mmio_write64(balloon.dev.common + COMMON_QUEUE_USED, (uint64_t)balloon.dev.common);
    virtio_kick(q);
    offer(0);
    return true;
}

static bool disable(uint32_t id, const struct hint_range *range)
{
    bool ok = hint_id(id);
    mmio_write16(balloon.dev.common + COMMON_QUEUE_SELECT, q->index);
    mmio_write16(balloon.dev.common + COMMON_QUEUE_ENABLE, 0);
    offer(0);
    return ok;
}

/* Its registers vanish from the bus, and DMA is forbidden, in the middle of a round. */
static bool pcioff(uint32_t id, const struct hint_range *range)
{
    bool ok = hint_id(id) && hint_range((uint64_t)test_page(range->first), PAGE_SIZE);
    pci_write(&balloon.dev.pci, PCI_COMMAND, 2, 0);
    offer(0);
    for (uint64_t t = rdtsc(); rdtsc() - t < END_TICKS / 10;) {
        cpu_pause();
    }
    pci_write(&balloon.dev.pci, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    return ok && hint_id(COMMAND_STOP);
}

const struct hint_mode hostile_modes[] = {
    { .name = "addresses", .help = "hints what is not RAM", .request = addresses },
    { .name = "lengths", .help = "odd lengths", .request = lengths },
    { .name = "loop", .help = "a chain without an end", .request = loop },
    { .name = "numbers", .help = "descriptors outside the table", .request = numbers },
    { .name = "indirect", .help = "bad indirect tables", .request = indirect },
    { .name = "directions", .help = "buffers the wrong way round", .request = directions },
    { .name = "flood", .help = "more available than the ring holds", .request = flood },
    { .name = "restart", .help = "breaks the device and resets it at once", .request = restart },
    { .name = "windows", .help = "hints what is not RAM, and no RAM", .request = windows },
    { .name = "longchain", .help = "a chain as long as the ring, and a longer one", .request = longchain },
    { .name = "unbind", .help = "resets the device and leaves it", .request = unbind },
    { .name = "scribblering", .help = "all processors write the ring", .request = persist, .meanwhile = scribble_ring },
    { .name = "scribbleregisters", .help = "all processors write registers", .request = persist, .meanwhile = scribble_registers },
    { .name = "million", .help = "one page, a million times", .request = million },
    { .name = "inuse", .help = "hints what it uses", .request = inuse },
    { .name = "registers", .help = "writes registers meanwhile", .request = registers },
    { .name = "rings", .help = "moves the rings to nowhere", .request = rings },
    { .name = "disable", .help = "disables the queue", .request = disable },
    { .name = "pcioff", .help = "takes the device off the bus", .request = pcioff },
    { .name = NULL },
};
