/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver of virtio-blk for its tests: an image of letters, requests in one shape, and a look at both. */
#ifndef FERRY_TESTS_BLK_DRIVER_H
#define FERRY_TESTS_BLK_DRIVER_H

#include <linux/virtio_blk.h>
#include <string.h>

#include "libferry-virtio.h"

#define MIB     (1u << 20)
#define RAM     (32ull * MIB)
#define SECTORS (8 * MIB / 512)
/* A request's parts, by its first descriptor. */
#define HEADER(n) (0x180000ull + 0x100 * (n))
#define STATUS(n) (HEADER(n) + 0x80)
#define DATA    0x200000ull
#define OTHER   0x400000ull /* data of another request */
#define SLOT    2
#define NOT_YET 0xaa /* a status that nobody has written */

#define RING_RESET (1ull << 40)
#define INDIRECT_DESC (1ull << VIRTIO_RING_F_INDIRECT_DESC)
#define DISCARDS (1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES)

static struct qtest *q;
static struct virtio_driver d;
static char *image;

/* ---- The machine ---- */

#define FILE_NODE "-blockdev driver=file,node-name=n0,discard=unmap,filename=%s "
/* Every write fails. */
#define FAILING_NODE FILE_NODE "-blockdev driver=blkdebug,node-name=d0,image=n0,inject-error.0.event=none," \
    "inject-error.0.iotype=write,inject-error.0.errno=5 "
#define DISK "-device virtio-blk-pci,id=disk0,serial=FERRY-QTEST,addr=2,drive="

static inline void make_image(void)
{
    g_autofree uint8_t *data = g_malloc0(SECTORS * 512);

    image = image ? image : qtest_path("disk");
    for (unsigned sector = 0; sector < SECTORS; sector++) {
        memset(data + sector * 512, 'a' + (int)(sector % 26), 512);
    }
    g_assert_true(g_file_set_contents(image, (char *)data, SECTORS * 512, NULL));
}

static inline void start_machine(const char *args)
{
    g_autofree char *all = g_strdup_printf(args, image);

    q = qtest_start(all);
    virtio_driver_init(&d, q, SLOT);
}

static inline void start(const char *args, uint64_t features)
{
    make_image();
    start_machine(args);
    virtio_driver_start(&d, features, 1);
}

/* `length` bytes of the image at `sector` are all `byte`. */
static inline bool image_is(uint64_t sector, size_t length, uint8_t byte)
{
    g_autofree char *data = NULL;
    gsize whole;

    g_assert_true(g_file_get_contents(image, &data, &whole, NULL));
    g_assert_cmpuint(whole, ==, SECTORS * 512);
    for (size_t i = 0; i < length; i++) {
        if ((uint8_t)data[sector * 512 + i] != byte) {
            return false;
        }
    }
    return true;
}

static inline bool ram_is(uint64_t address, size_t length, uint8_t byte)
{
    g_autofree uint8_t *data = g_malloc(length);

    qtest_memread(q, address, data, length);
    return length == 0 || (data[0] == byte && !memcmp(data, data + 1, length - 1));
}

/* ---- Requests ---- */

static inline void put_header(unsigned head, uint32_t type, uint64_t sector)
{
    struct virtio_blk_outhdr header = { .type = type, .sector = sector };

    qtest_memwrite(q, HEADER(head), &header, sizeof(header));
    qtest_writeb(q, STATUS(head), NOT_YET);
}

static inline void offer(unsigned head, uint32_t type, uint64_t sector, uint64_t address, uint32_t length)
{
    bool reads = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
    struct vring_desc descs[3] = { { HEADER(head), sizeof(struct virtio_blk_outhdr), 0, 0 } };
    unsigned n = 1;

    put_header(head, type, sector);
    if (length) {
        descs[n++] = (struct vring_desc){ address, length, reads ? WRITE : 0, 0 };
    }
    descs[n++] = (struct vring_desc){ STATUS(head), 1, WRITE, 0 };
    virtio_driver_chain(&d, 0, head, descs, n);
    virtio_driver_offer(&d, 0, (uint16_t)head);
    virtio_driver_kick(&d, 0);
}

static inline uint8_t status_of(unsigned head)
{
    return qtest_readb(q, STATUS(head));
}

static inline uint8_t request(uint32_t type, uint64_t sector, uint64_t address, uint32_t length)
{
    offer(0, type, sector, address, length);
    virtio_driver_wait(&d, 0, 1);
    return status_of(0);
}

/* The device does what it should, whatever was before. */
static inline void check_works(void)
{
    static uint8_t byte = 0x10;

    byte++;
    qtest_memset(q, DATA, byte, 8192);
    g_assert_cmpuint(request(VIRTIO_BLK_T_OUT, 64, DATA, 8192), ==, VIRTIO_BLK_S_OK);
    g_assert_true(image_is(64, 8192, byte));
    qtest_memset(q, DATA, 0, 8192);
    g_assert_cmpuint(request(VIRTIO_BLK_T_IN, 64, DATA, 8192), ==, VIRTIO_BLK_S_OK);
    g_assert_cmpuint(virtio_driver_used(&d, 0).len, ==, 8193);
    g_assert_true(ram_is(DATA, 8192, byte));
}

#define GOOD_HEADER { HEADER(0), 16, 0, 0 }
#define GOOD_STATUS { STATUS(0), 1, WRITE, 0 }

/* ---- Cases ---- */

#define IOTHREAD "-object iothread,id=io0 " FILE_NODE DISK "n0,iothread=io0"

/* A case with the queues in the main loop, and in an iothread. */
static inline void add(const char *name, void (*function)(const void *args))
{
    g_autofree char *plain = g_strconcat("/qtest/virtio-blk/", name, NULL);
    g_autofree char *thread = g_strconcat(plain, "/iothread", NULL);

    g_test_add_data_func(plain, FILE_NODE DISK "n0", function);
    g_test_add_data_func(thread, IOTHREAD, function);
}

#endif
