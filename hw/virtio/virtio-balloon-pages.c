/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that the guest gives to the host (VIRTIO 1.2, 5.5.6.1 and 5.5.6.5), and takes back.
 *
 *   inflate, deflate   the driver sends arrays of 32-bit page numbers (4 KiB pages, whatever the guest's own size),
 *                      or bitmaps, which virtio-balloon-bitmap.c reads; inflated pages go back to the host, deflated
 *                      ones come back on their own when they are touched
 *   reporting          writable buffers that are free memory: the host takes them, the guest may use them again as
 *                      soon as the buffer is returned
 *
 * A discarded page reads as zero from then on: that is a write as far as migration and decoded code are concerned,
 * and is marked as one. Left out: MUST_TELL_HOST (nothing here needs to be told before the guest uses a page).
 */
#include "hw/virtio/virtio-balloon.h"
#include "trace/hw_virtio.h"

#define PFNS_PER_BATCH    1024
#define BYTES_PER_DISCARD (64ull << 10) /* what a system call counts for at least */

/* A page that must read as the guest's poison may not become one of zeros. */
bool balloon_may_become_zero(const struct virtio_balloon *b)
{
    return !virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_POISON) || b->poison_val == 0;
}

/* Discards [gpa, gpa + length) as far as it is RAM; whole pages. */
static void discard_range(const struct flat_view *view, hwaddr gpa, uint64_t length, enum absent_reason reason)
{
    while (length) {
        uint64_t n = length, offset;
        struct ram_block *block;
        g_autoptr(GError) error = NULL;

        if (!memory_translate(view, gpa, &n, true, &block, &offset)) {
            guest_error("virtio-balloon: page 0x%" G_GINT64_MODIFIER "x is not RAM", gpa);
            n = MIN(length, memory_gap(view, gpa));
        } else if ((offset | n) % GUEST_PAGE_SIZE) {
            guest_error("virtio-balloon: 0x%" G_GINT64_MODIFIER "x is not whole pages", gpa);
        } else if (!ram_block_discard(block, offset, n, &error)) {
            guest_error("%s", error->message); /* huge pages, say: the page stays, nothing else is lost */
        } else {
            /*
             * In this order: a sync that took the mark before would have it in its bitmap, lose it to the absence,
             * and not have armed yet when the guest, which has the page back by then, writes it.
             */
            free_page_absent(block, offset, n, reason);
            ram_block_mark_dirty(block, offset, n);
        }
        gpa += n;
        length -= n;
    }
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void inflate_range(const struct flat_view *view, hwaddr gpa, uint64_t length, uint64_t *budget)
{
    trace_virtio_balloon_inflate(gpa, length);
    discard_range(view, gpa, length, ABSENT_INFLATED);
    *budget -= MIN(*budget, MAX(length, BYTES_PER_DISCARD));
}

/* Page numbers come in any order; neighbours are discarded in one go. Nothing is done with those that come out. */
static void handle_pfns(uint32_t *pfns, unsigned count, bool inflate, uint64_t *budget)
{
    struct flat_view *view = flat_view_get(&address_space_memory);

    if (inflate) {
        qsort(pfns, count, sizeof(*pfns), compare_u32);
    }
    for (unsigned i = 0, run; i < count; i += run) {
        hwaddr gpa = (hwaddr)pfns[i] << VIRTIO_BALLOON_PFN_SHIFT;
        uint64_t length;

        for (run = 1; i + run < count && pfns[i + run] - pfns[i + run - 1] <= 1; run++) {
            /* a neighbour, or the same once more */
        }
        length = ((uint64_t)pfns[i + run - 1] - pfns[i] + 1) << VIRTIO_BALLOON_PFN_SHIFT;
        if (inflate) {
            inflate_range(view, gpa, length, budget);
        } else {
            trace_virtio_balloon_deflate(gpa, length);
        }
    }
    flat_view_put(view);
}

static void inflate_run(hwaddr gpa, uint64_t length, uint64_t *budget)
{
    struct flat_view *view = flat_view_get(&address_space_memory);

    inflate_range(view, gpa, length, budget);
    flat_view_put(view);
}

static void deflate_run(hwaddr gpa, uint64_t length, uint64_t *budget)
{
    trace_virtio_balloon_deflate(gpa, length);
}

static bool handle_page_bitmap(struct virtio_balloon *b, struct virtqueue *vq, enum balloon_queue role,
                               uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[role];
    bool more = balloon_cursor_next(cursor, vq);

    if (more && !balloon_bitmap_next_runs(cursor, role == BALLOON_INFLATE ? inflate_run : deflate_run, budget)) {
        balloon_cursor_finish(cursor, vq);
        virtqueue_notify(vq);
    }
    return more;
}

static bool handle_pfn_array(struct virtio_balloon *b, struct virtqueue *vq, enum balloon_queue role,
                             uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[role];
    uint32_t pfns[PFNS_PER_BATCH];
    bool more = balloon_cursor_next(cursor, vq);

    if (more) {
        size_t n = virtqueue_element_read(&cursor->element, cursor->offset, pfns, sizeof(pfns));

        cursor->offset += n;
        handle_pfns(pfns, n / sizeof(*pfns), role == BALLOON_INFLATE, budget);
        if (n < sizeof(pfns) || cursor->offset >= cursor->element.out_length) {
            balloon_cursor_finish(cursor, vq);
            virtqueue_notify(vq);
        }
    }
    return more;
}

bool balloon_pages_handle(struct virtio_balloon *b, struct virtqueue *vq, enum balloon_queue role, uint64_t *budget)
{
    return virtio_has_feature(&b->vdev, VIRTIO_BALLOON_F_PAGE_BITMAP) ? handle_page_bitmap(b, vq, role, budget)
                                                                       : handle_pfn_array(b, vq, role, budget);
}

/* ---- Free page reporting ---- */

/* Whole pages within one writable segment, from `skip` bytes on, at most `limit`; returns the bytes dealt with. */
static uint64_t handle_reported_segment(struct virtio_balloon *b, const struct virtio_segment *segment, uint64_t skip,
                                        uint64_t limit)
{
    uint64_t length = MIN(segment->length - skip, limit);
    hwaddr start = (segment->gpa + skip + GUEST_PAGE_SIZE - 1) & ~(GUEST_PAGE_SIZE - 1);
    hwaddr end = (segment->gpa + skip + length) & ~(GUEST_PAGE_SIZE - 1);

    trace_virtio_balloon_report(segment->gpa + skip, length);
    if (start < end && balloon_may_become_zero(b)) {
        struct flat_view *view = flat_view_get(&address_space_memory);

        discard_range(view, start, end - start, ABSENT_REPORTED);
        flat_view_put(view);
    }
    return length;
}

bool balloon_report_handle(struct virtio_balloon *b, struct virtqueue *vq, uint64_t *budget)
{
    struct balloon_cursor *cursor = &b->cursors[BALLOON_REPORT];
    const struct virtio_segment *segments;
    uint64_t before = 0;

    if (!balloon_cursor_next(cursor, vq)) {
        return false;
    }
    segments = cursor->element.segments + cursor->element.out_count;
    for (unsigned i = 0; i < cursor->element.in_count && *budget; i++) {
        if (cursor->offset < before + segments[i].length) {
            uint64_t n = handle_reported_segment(b, &segments[i], cursor->offset - before, *budget);

            cursor->offset += n;
            *budget -= MIN(*budget, MAX(n, BYTES_PER_DISCARD));
        }
        before += segments[i].length;
    }
    if (cursor->offset >= cursor->element.in_length) {
        balloon_cursor_finish(cursor, vq);
        virtqueue_notify(vq);
    }
    return true;
}
