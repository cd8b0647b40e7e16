/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer of ACPI Machine Language: encodings of ACPI 6.4 chapter 20.2, resource descriptors of chapter 6.4. */
#include <string.h>

#include "hw/acpi/aml.h"

#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_STRING 0x0d
#define OP_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_METHOD 0x14
#define OP_DUAL_NAME 0x2e
#define OP_MULTI_NAME 0x2f
#define OP_EXTENDED 0x5b
#define OP_ARG0 0x68
#define OP_IF 0xa0
#define EXT_MUTEX 0x01
#define EXT_ACQUIRE 0x23
#define EXT_RELEASE 0x27
#define EXT_REGION 0x80
#define EXT_FIELD 0x81
#define EXT_DEVICE 0x82
#define REGION_IO 1
#define REGION_PCI_CONFIG 2
#define FIELD_BYTE_ACCESS 1
#define FIELD_DWORD_ACCESS 3
#define WAIT_FOREVER 0xffff

#define RESOURCE_IRQ 0x22       /* small, 2 bytes */
#define RESOURCE_IO 0x47        /* small, 7 bytes */
#define RESOURCE_END 0x79       /* small, 1 byte: checksum */
#define RESOURCE_DWORD_SPACE 0x87
#define RESOURCE_WORD_SPACE 0x88
#define RESOURCE_INTERRUPT 0x89
#define SPACE_FIXED 0x0c        /* minimum and maximum are fixed; positive decode; producer */

static void put_bytes(struct aml *aml, const void *data, unsigned length)
{
    g_byte_array_append(aml->code, data, length);
}

static void put_u8(struct aml *aml, uint8_t value)
{
    put_bytes(aml, &value, 1);
}

static void put_le(struct aml *aml, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        put_u8(aml, value >> 8 * i);
    }
}

void aml_init(struct aml *aml)
{
    aml->code = g_byte_array_new();
    aml->open = g_array_new(false, false, sizeof(guint));
}

GByteArray *aml_finish(struct aml *aml)
{
    g_assert(aml->open->len == 0);
    g_array_free(aml->open, true);
    return aml->code;
}

/* --- Terms with a length: PkgLength is put in front when the term is closed --- */

static void term_open(struct aml *aml)
{
    guint at = aml->code->len;

    g_array_append_val(aml->open, at);
}

static void insert_bytes(struct aml *aml, unsigned at, const uint8_t *data, unsigned length)
{
    unsigned behind = aml->code->len - at;

    g_byte_array_set_size(aml->code, aml->code->len + length);
    memmove(aml->code->data + at + length, aml->code->data + at, behind);
    memcpy(aml->code->data + at, data, length);
}

/* PkgLength counts itself: one byte up to 63, else a lead byte with 4 bits and one to three more. */
static unsigned encode_length(uint32_t content, uint8_t out[4])
{
    if (content + 1 < 64) {
        out[0] = content + 1;
        return 1;
    }
    for (unsigned bytes = 2;; bytes++) {
        uint32_t total = content + bytes;
        if (total < 1u << (4 + 8 * (bytes - 1))) {
            out[0] = (bytes - 1) << 6 | (total & 0xf);
            for (unsigned i = 1; i < bytes; i++) {
                out[i] = total >> (4 + 8 * (i - 1));
            }
            return bytes;
        }
        g_assert(bytes < 4);
    }
}

void aml_close(struct aml *aml)
{
    uint8_t length[4];

    g_assert(aml->open->len > 0);
    guint at = g_array_index(aml->open, guint, aml->open->len - 1);
    g_array_set_size(aml->open, aml->open->len - 1);
    insert_bytes(aml, at, length, encode_length(aml->code->len - at, length));
}

/* --- Names and integers --- */

static void put_segment(struct aml *aml, const char *segment, unsigned length)
{
    char padded[4] = { '_', '_', '_', '_' };

    g_assert(length >= 1 && length <= 4);
    memcpy(padded, segment, length);
    put_bytes(aml, padded, 4);
}

static void put_name(struct aml *aml, const char *name)
{
    while (*name == '\\' || *name == '^') {
        put_u8(aml, *name++);
    }
    g_auto(GStrv) segments = g_strsplit(name, ".", -1);
    unsigned count = g_strv_length(segments);
    g_assert(count >= 1 && count <= 255);
    if (count == 2) {
        put_u8(aml, OP_DUAL_NAME);
    } else if (count > 2) {
        put_u8(aml, OP_MULTI_NAME);
        put_u8(aml, count);
    }
    for (unsigned i = 0; i < count; i++) {
        put_segment(aml, segments[i], strlen(segments[i]));
    }
}

void aml_integer(struct aml *aml, uint64_t value)
{
    if (value <= 1) {
        put_u8(aml, value); /* ZeroOp, OneOp */
    } else if (value <= UINT8_MAX) {
        put_u8(aml, OP_BYTE);
        put_le(aml, value, 1);
    } else if (value <= UINT16_MAX) {
        put_u8(aml, OP_WORD);
        put_le(aml, value, 2);
    } else if (value <= UINT32_MAX) {
        put_u8(aml, OP_DWORD);
        put_le(aml, value, 4);
    } else {
        put_u8(aml, OP_QWORD);
        put_le(aml, value, 8);
    }
}

/* --- Objects --- */

void aml_scope(struct aml *aml, const char *name)
{
    put_u8(aml, OP_SCOPE);
    term_open(aml);
    put_name(aml, name);
}

void aml_device(struct aml *aml, const char *name)
{
    put_u8(aml, OP_EXTENDED);
    put_u8(aml, EXT_DEVICE);
    term_open(aml);
    put_name(aml, name);
}

void aml_method(struct aml *aml, const char *name, unsigned arguments, bool serialized)
{
    put_u8(aml, OP_METHOD);
    term_open(aml);
    put_name(aml, name);
    put_u8(aml, arguments | (serialized ? 8 : 0));
}

void aml_package(struct aml *aml, unsigned elements)
{
    put_u8(aml, OP_PACKAGE);
    term_open(aml);
    put_u8(aml, elements);
}

void aml_name(struct aml *aml, const char *name)
{
    put_u8(aml, OP_NAME);
    put_name(aml, name);
}

static void put_region(struct aml *aml, const char *name, uint8_t space, uint64_t offset, uint64_t length)
{
    put_u8(aml, OP_EXTENDED);
    put_u8(aml, EXT_REGION);
    put_name(aml, name);
    put_u8(aml, space);
    aml_integer(aml, offset);
    aml_integer(aml, length);
}

void aml_pci_config_region(struct aml *aml, const char *name, uint64_t offset, uint64_t length)
{
    put_region(aml, name, REGION_PCI_CONFIG, offset, length);
}

void aml_io_region(struct aml *aml, const char *name, uint16_t port, uint16_t length)
{
    put_region(aml, name, REGION_IO, port, length);
}

static void put_fields(struct aml *aml, const char *region, const char *const *names, unsigned count, uint8_t access,
                       uint8_t bits)
{
    put_u8(aml, OP_EXTENDED);
    put_u8(aml, EXT_FIELD);
    term_open(aml);
    put_name(aml, region);
    put_u8(aml, access);
    for (unsigned i = 0; i < count; i++) {
        put_segment(aml, names[i], strlen(names[i]));
        put_u8(aml, bits); /* encoded as a PkgLength: below 64 it is one byte */
    }
    aml_close(aml);
}

void aml_byte_fields(struct aml *aml, const char *region, const char *const *names, unsigned count)
{
    put_fields(aml, region, names, count, FIELD_BYTE_ACCESS, 8);
}

void aml_dword_fields(struct aml *aml, const char *region, const char *const *names, unsigned count)
{
    put_fields(aml, region, names, count, FIELD_DWORD_ACCESS, 32);
}

void aml_mutex(struct aml *aml, const char *name)
{
    put_u8(aml, OP_EXTENDED);
    put_u8(aml, EXT_MUTEX);
    put_name(aml, name);
    put_u8(aml, 0); /* its level in an order of mutexes */
}

/* --- Data and expressions --- */

static unsigned hex_digit(char c)
{
    g_assert(g_ascii_isxdigit(c));
    return g_ascii_xdigit_value(c);
}

/* Three letters of five bits each, then four hex digits; big-endian in the integer's bytes. */
void aml_eisa_id(struct aml *aml, const char *id)
{
    g_assert(strlen(id) == 7);
    uint32_t letters = (id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@');
    uint32_t digits = hex_digit(id[3]) << 12 | hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 | hex_digit(id[6]);

    put_u8(aml, OP_DWORD);
    put_le(aml, GUINT32_SWAP_LE_BE(letters << 16 | digits), 4);
}

void aml_string(struct aml *aml, const char *text)
{
    put_u8(aml, OP_STRING);
    put_bytes(aml, text, strlen(text) + 1);
}

void aml_reference(struct aml *aml, const char *name)
{
    put_name(aml, name);
}

void aml_arg(struct aml *aml, unsigned n)
{
    put_u8(aml, OP_ARG0 + n);
}

void aml_op(struct aml *aml, uint8_t opcode)
{
    put_u8(aml, opcode);
}

void aml_acquire(struct aml *aml, const char *mutex)
{
    put_u8(aml, OP_EXTENDED);
    put_u8(aml, EXT_ACQUIRE);
    put_name(aml, mutex);
    put_le(aml, WAIT_FOREVER, 2);
}

void aml_release(struct aml *aml, const char *mutex)
{
    put_u8(aml, OP_EXTENDED);
    put_u8(aml, EXT_RELEASE);
    put_name(aml, mutex);
}

void aml_if(struct aml *aml)
{
    put_u8(aml, OP_IF);
    term_open(aml);
}

/* --- Resource templates: a buffer whose size precedes its bytes --- */

void aml_resources(struct aml *aml)
{
    put_u8(aml, OP_BUFFER);
    term_open(aml); /* the buffer's PkgLength */
    term_open(aml); /* its size, an integer, goes to the same place */
}

void aml_resources_end(struct aml *aml)
{
    put_u8(aml, RESOURCE_END);
    put_u8(aml, 0); /* 0: the sum is not checked */
    guint at = g_array_index(aml->open, guint, aml->open->len - 1);
    uint16_t size = aml->code->len - at;
    uint8_t encoded[3] = { OP_WORD, size & 0xff, size >> 8 };
    g_array_set_size(aml->open, aml->open->len - 1);
    insert_bytes(aml, at, encoded, sizeof(encoded));
    aml_close(aml);
}

void aml_resource_io(struct aml *aml, uint16_t port, uint8_t length)
{
    put_u8(aml, RESOURCE_IO);
    put_u8(aml, 1); /* decodes 16 bits */
    put_le(aml, port, 2);
    put_le(aml, port, 2);
    put_u8(aml, 1); /* alignment */
    put_u8(aml, length);
}

void aml_resource_irq(struct aml *aml, uint8_t irq)
{
    put_u8(aml, RESOURCE_IRQ);
    put_le(aml, 1u << irq, 2);
}

void aml_resource_interrupts(struct aml *aml, const uint32_t *irqs, unsigned count)
{
    put_u8(aml, RESOURCE_INTERRUPT);
    put_le(aml, 2 + 4 * count, 2);
    put_u8(aml, 0x09); /* consumer, level-triggered, active high, shared */
    put_u8(aml, count);
    for (unsigned i = 0; i < count; i++) {
        put_le(aml, irqs[i], 4);
    }
}

void aml_resource_window(struct aml *aml, enum aml_window kind, uint32_t first, uint32_t last)
{
    static const uint8_t type_flags[] = {
        [AML_WINDOW_MEMORY] = 0x01 /* read-write, not cacheable */, [AML_WINDOW_IO] = 0x03 /* whole range */,
        [AML_WINDOW_BUS] = 0x00,
    };
    unsigned bytes = kind == AML_WINDOW_MEMORY ? 4 : 2;

    put_u8(aml, bytes == 4 ? RESOURCE_DWORD_SPACE : RESOURCE_WORD_SPACE);
    put_le(aml, 3 + 5 * bytes, 2);
    put_u8(aml, kind);
    put_u8(aml, SPACE_FIXED);
    put_u8(aml, type_flags[kind]);
    put_le(aml, 0, bytes); /* granularity */
    put_le(aml, first, bytes);
    put_le(aml, last, bytes);
    put_le(aml, 0, bytes); /* translation */
    put_le(aml, (uint64_t)last - first + 1, bytes);
}
