/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers that no driver would give, by either protocol: the host must survive each, and migrate the guest all the
 * same. What belongs to one protocol only is in its own file.
 */
#include "balloon.h"

#define END_TICKS 300000000ull
#define SPARE 100 /* a descriptor that no well-meant chain of ours uses at the time */

static uint64_t top_of_memory(void) { return ram[ram_count - 1].end; }

static void set_part(unsigned n, uint32_t id, const struct page_range *range, unsigned i, unsigned parts,
                     uint16_t flags, uint16_t next)
{
    struct virtio_desc desc = protocol->part(id, range, i, parts);
    desc.flags ^= flags;
    desc.next = next;
    protocol->queue->desc[n] = desc;
}

/* A chain that tells of pages at the range's beginning, and that anyone may offer. */
static void set_spare(uint32_t id, const struct page_range *range)
{
    set_part(SPARE, id, range, 0, 2, VIRTIO_DESC_NEXT, SPARE + 1);
    set_part(SPARE + 1, id, range, 1, 2, 0, 0);
}

static bool send_page(const struct page_range *range)
{
    return protocol->pages((uint64_t)test_page(range->first), 1);
}

/* A chain that leads back to its own start. */
static bool loop(uint32_t id, const struct page_range *range)
{
    protocol->begin(id);
    set_part(SPARE, id, range, 1, 3, VIRTIO_DESC_NEXT, SPARE + 1);
    set_part(SPARE + 1, id, range, 2, 3, VIRTIO_DESC_NEXT, SPARE);
    answer_offer(SPARE);
    return true;
}

/* Next and head numbers outside the table. */
static bool numbers(uint32_t id, const struct page_range *range)
{
    protocol->begin(id);
    set_part(SPARE, id, range, 1, 2, VIRTIO_DESC_NEXT, 0xffff);
    answer_offer(SPARE);
    answer_offer(0xffff);
    return true;
}

/* An indirect table in place of memory; in MMIO; of odd size; inside another; longer than the queue; empty. */
static bool indirect(uint32_t id, const struct page_range *range)
{
    static struct virtio_desc table[1024];
    const struct {
        const volatile void *at;
        uint32_t length;
    } turns[] = { { (void *)top_of_memory(), 64 }, { balloon.dev.common, 64 }, { table, 17 },
                  { table, 64 },                   { table, sizeof(table) },   { table, 0 } };
    for (unsigned turn = 0; turn < sizeof(turns) / sizeof(turns[0]); turn++) {
        protocol->begin(id);
        for (unsigned i = 0; i < 1024; i++) {
            table[i] = protocol->part(id, range, 1, 2);
            table[i].flags |= VIRTIO_DESC_NEXT;
            table[i].next = i + 1;
        }
        if (turn == 3) {
            table[0] = (struct virtio_desc){ (uint64_t)table, 64, VIRTIO_DESC_INDIRECT, 0 };
        }
        virtio_set_desc(protocol->queue, SPARE, turns[turn].at, turns[turn].length, VIRTIO_DESC_INDIRECT, 0);
        answer_offer(SPARE);
        if (balloon_is_broken()) {
            answer_counts.resets++;
            if (!balloon_restart()) {
                return false;
            }
        }
    }
    return true;
}

/* What is to be read in a writable buffer; what is to be written in a readable one; the wrong order. */
static bool directions(uint32_t id, const struct page_range *range)
{
    for (unsigned i = 0; i < 2; i++) {
        set_part(SPARE, id, range, i, 2, VIRTIO_DESC_WRITE, 0);
        answer_offer(SPARE);
    }
    set_part(SPARE, id, range, 1, 2, VIRTIO_DESC_NEXT, SPARE + 1);
    set_part(SPARE + 1, id, range, 0, 2, 0, 0);
    answer_offer(SPARE);
    return true;
}

/* Far more available than there are. */
static bool flood(uint32_t id, const struct page_range *range)
{
    protocol->begin(id);
    set_spare(id, range);
    protocol->queue->added += 30000;
    virtio_publish(protocol->queue, SPARE);
    virtio_kick(protocol->queue);
    return true;
}

/* A driver that knows what it has done, and does not wait to be told. */
static bool restart(uint32_t id, const struct page_range *range)
{
    for (int n = 0; n < 20; n++) {
        flood(id, range);
        if (!balloon_restart()) {
            return false;
        }
        answer_counts.resets++;
    }
    return true;
}

static bool million(uint32_t id, const struct page_range *range)
{
    bool ok = protocol->begin(id);
    for (int n = 0; ok && n < 1000000 && answer_command() == id; n += 256) {
        for (int i = 0; ok && i < 256; i++) {
            ok = send_page(range);
        }
    }
    return ok && protocol->end();
}

/* As long as the ring, which is allowed; then one that would be longer, and so comes back to where it has been. */
static bool longchain(uint32_t id, const struct page_range *range)
{
    unsigned size = protocol->queue->size;
    protocol->begin(id);
    for (int turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < size; i++) {
            bool last = i == size - 1 && turn == 0;
            set_part(i, id, range, i, size, last ? 0 : VIRTIO_DESC_NEXT, (i + 1) % size);
        }
        answer_offer(0);
    }
    return true;
}

/* Reset, and nobody there: the pages are in use again. */
static bool unbind(uint32_t id, const struct page_range *range)
{
    bool ok = protocol->begin(id) && protocol->pages((uint64_t)test_page(range->first), 1024);
    virtio_reset(&balloon.dev);
    answer_counts.resets++;
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
static bool scribble_ring(unsigned cpu, const struct page_range *range)
{
    struct virtio_queue *q = protocol->queue;
    struct page_range inner = { range->first, range->count - 8 };
    uint32_t id = answer_command();
    for (int n = 0; cpu && n < 64; n++) {
        struct virtio_desc desc = protocol->part(id, &inner, noise(cpu) % range->count, q->size);
        desc.length = noise(cpu) % 4 ? desc.length : noise(cpu) % (8 * PAGE_SIZE);
        desc.flags = noise(cpu) % 4 ? desc.flags | (noise(cpu) & VIRTIO_DESC_NEXT) : noise(cpu) % 8;
        desc.next = noise(cpu) % (q->size + 1);
        q->desc[noise(cpu) % q->size] = desc;
        if (noise(cpu) % 16 == 0) {
            q->avail[noise(cpu) % 2 ? 1 : 2 + noise(cpu) % q->size] = noise(cpu) % q->size;
        }
    }
    virtio_kick(q);
    return true;
}

static bool scribble_registers(unsigned cpu, const struct page_range *range)
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

/* Answers as well as it can meanwhile, and starts the device anew if it has to. */
static bool persist(uint32_t id, const struct page_range *range)
{
    for (uint64_t n = 0; n < 64; n++) {
        struct page_range some = { range->first + n * 8, 8 };
        set_spare(id, &some);
        answer_offer(SPARE);
        if (balloon_is_broken()) {
            answer_counts.resets++;
            virtio_reset(&balloon.dev);
        }
        if (protocol->queue->used[1] != protocol->queue->added) {
            return true; /* nobody is there any more */
        }
    }
    return true;
}

/* Registers written while a request is open. */
static bool registers(uint32_t id, const struct page_range *range)
{
    bool ok = protocol->begin(id) && send_page(range);
    for (uint32_t v = 0; v < 64; v++) {
        mmio_write32(balloon.dev.config + v % 20 * 4, v * 0x01010101u);
        mmio_write8(balloon.dev.config + v % 80, v);
        mmio_write16(balloon.dev.common + COMMON_QUEUE_SELECT, v);
        mmio_write16(balloon.dev.common + COMMON_QUEUE_SIZE, v * 3);
        mmio_write64(balloon.dev.common + COMMON_QUEUE_DESC, 0xffffffffffffff00ull + v);
        mmio_write16(balloon.dev.common + COMMON_QUEUE_ENABLE, 1);
        mmio_write16(balloon.dev.common + COMMON_MSIX_CONFIG, v * 77);
    }
    return ok && send_page(range);
}

/* The rings move to where nothing is, and the device is told of new buffers. */
static bool rings(uint32_t id, const struct page_range *range)
{
    mmio_write16(balloon.dev.common + COMMON_QUEUE_SELECT, protocol->queue->index);
    mmio_write64(balloon.dev.common + COMMON_QUEUE_AVAIL, top_of_memory() + 0x10000000);
    mmio_write64(balloon.dev.common + COMMON_QUEUE_USED, (uint64_t)balloon.dev.common);
    set_spare(id, range);
    answer_offer(SPARE);
    return true;
}

static bool disable(uint32_t id, const struct page_range *range)
{
    bool ok = protocol->begin(id);
    set_spare(id, range);
    mmio_write16(balloon.dev.common + COMMON_QUEUE_SELECT, protocol->queue->index);
    mmio_write16(balloon.dev.common + COMMON_QUEUE_ENABLE, 0);
    answer_offer(SPARE);
    return ok;
}

/* Its registers vanish from the bus, and DMA is forbidden, in the middle of a round. */
static bool pcioff(uint32_t id, const struct page_range *range)
{
    bool ok = protocol->begin(id) && send_page(range);
    set_spare(id, range);
    pci_write(&balloon.dev.pci, PCI_COMMAND, 2, 0);
    answer_offer(SPARE);
    for (uint64_t t = rdtsc(); rdtsc() - t < END_TICKS;) {
        cpu_pause();
    }
    pci_write(&balloon.dev.pci, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    return ok && protocol->end();
}

const struct answer_mode hostile_modes[] = {
    { .name = "loop", .help = "a chain without an end", .request = loop },
    { .name = "numbers", .help = "descriptors outside the table", .request = numbers },
    { .name = "indirect", .help = "bad indirect tables", .request = indirect },
    { .name = "directions", .help = "buffers the wrong way round", .request = directions },
    { .name = "flood", .help = "more available than the ring holds", .request = flood },
    { .name = "restart", .help = "breaks the device and resets it at once", .request = restart },
    { .name = "longchain", .help = "a chain as long as the ring, and a longer one", .request = longchain },
    { .name = "unbind", .help = "resets the device and leaves it", .request = unbind },
    { .name = "scribblering", .help = "all processors write the ring", .request = persist,
      .meanwhile = scribble_ring },
    { .name = "scribbleregisters", .help = "all processors write registers", .request = persist,
      .meanwhile = scribble_registers },
    { .name = "million", .help = "one page, a million times", .request = million },
    { .name = "registers", .help = "writes registers meanwhile", .request = registers },
    { .name = "rings", .help = "moves the rings to nowhere", .request = rings },
    { .name = "disable", .help = "disables the queue", .request = disable },
    { .name = "pcioff", .help = "takes the device off the bus", .request = pcioff },
    { .name = NULL },
};
