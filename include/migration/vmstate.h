/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmstate: a device's migrated state as a const table beside its struct. The encoding is QEMU's: fields in table
 * order, big-endian, no padding; subsections behind them.
 *
 * Loading trusts nothing: a field's own check, array bounds, and post_load errors end the load with a message that
 * names section and field.
 */
#ifndef FERRY_MIGRATION_VMSTATE_H
#define FERRY_MIGRATION_VMSTATE_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

struct stream; /* migration/stream.h: a buffered byte channel with a sticky error */
struct vmstate_description;
struct json_writer;
struct vmstate_field;

/* How one element of a field is encoded. get/put: NULL for plain buffers of `size`. */
struct vmstate_info {
    const char *name; /* as the stream's JSON description spells the type: "uint32" */
    bool (*get)(struct stream *s, void *element, size_t size, const struct vmstate_field *field, GError **error);
    void (*put)(struct stream *s, const void *element, size_t size, const struct vmstate_field *field);
};

enum vmstate_flags {
    VMS_SINGLE = 0,
    VMS_ARRAY = 1 << 0,        /* `count` elements in place */
    VMS_STRUCT = 1 << 1,       /* element described by `vmsd` */
    VMS_POINTER = 1 << 2,      /* the struct holds a pointer to the first element */
    VMS_VARRAY = 1 << 3,       /* element count is in the struct at count_offset (count_size bytes), up to `count` */
    VMS_VBUFFER = 1 << 4,      /* one buffer whose length is at count_offset, at most `count` */
    VMS_EQUAL = 1 << 5,        /* the loaded value must equal the one there */
    VMS_ARRAY_OF_POINTERS = 1 << 6, /* elements are pointers to structs */
};

struct vmstate_field {
    const char *name;
    size_t offset, size;      /* of an element */
    uint32_t count;
    size_t count_offset;
    uint8_t count_size;
    enum vmstate_flags flags;
    const struct vmstate_info *info;
    const struct vmstate_description *vmsd;
    int version;              /* first version of the section that has it */
    bool (*exists)(const void *opaque, int version);
};

struct vmstate_description {
    const char *name;
    int version, minimum_version;
    int priority;             /* higher is saved earlier; 0 by default */
    bool by_order;            /* sections may share name and instance: the first of a stream is the first here, … */
    bool (*pre_save)(void *opaque, GError **error);
    bool (*pre_load)(void *opaque, GError **error);
    /* Checks what was loaded against what the device can be, and derives the rest. */
    bool (*post_load)(void *opaque, int version, GError **error);
    bool (*needed)(const void *opaque); /* subsections: whether to send; sections: likewise */
    const struct vmstate_field *fields; /* ends with VMSTATE_END */
    const struct vmstate_description *const *subsections; /* NULL-terminated, or NULL */
};

extern const struct vmstate_info vmstate_info_bool, vmstate_info_uint8, vmstate_info_uint16, vmstate_info_uint32,
    vmstate_info_uint64, vmstate_info_int8, vmstate_info_int16, vmstate_info_int32, vmstate_info_int64,
    vmstate_info_buffer, vmstate_info_unused, vmstate_info_timer /* int64 ns, -1: not pending; struct timer */;

/* 0, if the field is of that type; else it does not compile. */
#define VMSTATE_CHECK_TYPE(_struct, _field, _type) _Generic(&((_struct *)0)->_field, _type *: 0)
#define VMSTATE_ONE(_field, _struct, _type, _info, _version, _exists)                             \
    { .name = #_field, .offset = offsetof(_struct, _field) + VMSTATE_CHECK_TYPE(_struct, _field, _type), \
      .size = sizeof(_type), .info = &(_info), .version = (_version), .exists = (_exists) }
#define VMSTATE_BOOL(f, s) VMSTATE_ONE(f, s, bool, vmstate_info_bool, 0, NULL)
#define VMSTATE_UINT8(f, s) VMSTATE_ONE(f, s, uint8_t, vmstate_info_uint8, 0, NULL)
#define VMSTATE_UINT16(f, s) VMSTATE_ONE(f, s, uint16_t, vmstate_info_uint16, 0, NULL)
#define VMSTATE_UINT32(f, s) VMSTATE_ONE(f, s, uint32_t, vmstate_info_uint32, 0, NULL)
#define VMSTATE_UINT64(f, s) VMSTATE_ONE(f, s, uint64_t, vmstate_info_uint64, 0, NULL)
#define VMSTATE_INT32(f, s) VMSTATE_ONE(f, s, int32_t, vmstate_info_int32, 0, NULL)
#define VMSTATE_INT64(f, s) VMSTATE_ONE(f, s, int64_t, vmstate_info_int64, 0, NULL)
#define VMSTATE_UINT8_V(f, s, v) VMSTATE_ONE(f, s, uint8_t, vmstate_info_uint8, v, NULL)
#define VMSTATE_UINT32_V(f, s, v) VMSTATE_ONE(f, s, uint32_t, vmstate_info_uint32, v, NULL)
#define VMSTATE_UINT64_V(f, s, v) VMSTATE_ONE(f, s, uint64_t, vmstate_info_uint64, v, NULL)
#define VMSTATE_INT8(f, s) VMSTATE_ONE(f, s, int8_t, vmstate_info_int8, 0, NULL)
#define VMSTATE_INT16(f, s) VMSTATE_ONE(f, s, int16_t, vmstate_info_int16, 0, NULL)
#define VMSTATE_UINT16_V(f, s, v) VMSTATE_ONE(f, s, uint16_t, vmstate_info_uint16, v, NULL)
#define VMSTATE_INT32_V(f, s, v) VMSTATE_ONE(f, s, int32_t, vmstate_info_int32, v, NULL)
#define VMSTATE_INT64_V(f, s, v) VMSTATE_ONE(f, s, int64_t, vmstate_info_int64, v, NULL)
#define VMSTATE_TEST(f, s, type, i, e) VMSTATE_ONE(f, s, type, i, 0, e)
#define VMSTATE_TIMER_V(f, s, v) VMSTATE_ONE(f, s, struct timer, vmstate_info_timer, v, NULL)
#define VMSTATE_INT32_EQUAL(f, s)                                                                  \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(int32_t), .info = &vmstate_info_int32, .flags = VMS_EQUAL }
#define VMSTATE_TIMER(f, s) VMSTATE_ONE(f, s, struct timer, vmstate_info_timer, 0, NULL)
#define VMSTATE_ARRAY_OF(f, s, type, n, i)                                                        \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(type), .count = (n), .flags = VMS_ARRAY, .info = &(i) }
#define VMSTATE_UINT8_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, uint8_t, n, vmstate_info_uint8)
#define VMSTATE_UINT16_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, uint16_t, n, vmstate_info_uint16)
#define VMSTATE_UINT32_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, uint32_t, n, vmstate_info_uint32)
#define VMSTATE_UINT64_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, uint64_t, n, vmstate_info_uint64)
#define VMSTATE_INT32_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, int32_t, n, vmstate_info_int32)
#define VMSTATE_INT64_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, int64_t, n, vmstate_info_int64)
#define VMSTATE_BOOL_ARRAY(f, s, n) VMSTATE_ARRAY_OF(f, s, bool, n, vmstate_info_bool)
#define VMSTATE_BUFFER(f, s)                                                                      \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(((s *)0)->f), .info = &vmstate_info_buffer }
#define VMSTATE_STRUCT(f, s, d)                                                                   \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(((s *)0)->f), .flags = VMS_STRUCT, .vmsd = &(d) }
#define VMSTATE_STRUCT_ARRAY(f, s, n, d)                                                          \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(((s *)0)->f[0]), .count = (n),         \
      .flags = VMS_STRUCT | VMS_ARRAY, .vmsd = &(d) }
/*
 * A field whose encoding is the caller's `info`; the element is the field, or the whole struct (hand-made sections).
 */
#define VMSTATE_CUSTOM(f, s, i)                                                                   \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(((s *)0)->f), .info = &(i) }
#define VMSTATE_CUSTOM_WHOLE(n, s, i) { .name = (n), .offset = 0, .size = sizeof(s), .info = &(i) }
/* Under another name than the member's, as the stream's description has it. */
#define VMSTATE_NAMED(n, f, s, type, i)                                                           \
    { .name = (n), .offset = offsetof(s, f) + VMSTATE_CHECK_TYPE(s, f, type), .size = sizeof(type), .info = &(i) }
/* The struct holds a pointer to the element. */
#define VMSTATE_STRUCT_POINTER(f, s, type, d)                                                     \
    { .name = #f, .offset = offsetof(s, f) + VMSTATE_CHECK_TYPE(s, f, type *), .size = sizeof(type), \
      .flags = VMS_STRUCT | VMS_POINTER, .vmsd = &(d) }
/* As many structs of the array as the integer member `n` says, at most as many as there are. */
#define VMSTATE_STRUCT_VARRAY(f, s, n, d)                                                         \
    { .name = #f, .offset = offsetof(s, f), .size = sizeof(((s *)0)->f[0]),                       \
      .count = sizeof(((s *)0)->f) / sizeof(((s *)0)->f[0]), .count_offset = offsetof(s, n),      \
      .count_size = sizeof(((s *)0)->n), .flags = VMS_STRUCT | VMS_VARRAY, .vmsd = &(d) }
/* `n` bytes of zeros, ignored on load. */
#define VMSTATE_UNUSED(n) { .name = "unused", .size = (n), .info = &vmstate_info_unused }
#define VMSTATE_UNUSED_TEST(n, e) { .name = "unused", .size = (n), .info = &vmstate_info_unused, .exists = (e) }
#define VMSTATE_END { .name = NULL }

/*
 * A section of the stream: `idstr` (copied; "0000:00:02.0/virtio-balloon") and an instance id (-1: the next free).
 * Saved in order of priority, then registration. Big lock held.
 */
bool vmstate_register(const char *idstr, int instance_id, const struct vmstate_description *vmsd, void *opaque,
                      GError **error);
void vmstate_unregister(const struct vmstate_description *vmsd, void *opaque);

/* Saves or loads one description's body, for sections whose format is hand-made (virtio) and for tests. */
bool vmstate_save_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque,
                       struct json_writer *description, GError **error);
bool vmstate_load_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque, int version,
                       GError **error);

#endif
