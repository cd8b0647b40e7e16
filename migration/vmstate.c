/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks vmstate tables: saves, loads and describes the fields and subsections of one description. Which
 * descriptions a stream has, and in what order, is savevm.c's and loadvm.c's business.
 */
#include <string.h>

#include "migration/json-writer.h"
#include "migration/stream.h"
#include "migration/vmstate.h"
#include "util/bitmap.h"

#define SUBSECTION_MARK 0x05
#define NESTING_LIMIT   16 /* tables are ours, but a cycle in them should not end in a stack overflow */

static bool field_exists(const struct vmstate_field *field, const void *opaque, int version)
{
    return field->version <= version && (!field->exists || field->exists(opaque, version));
}

/* Where the first element lies. */
static uint8_t *field_base(const struct vmstate_field *field, const void *opaque)
{
    uint8_t *base = (uint8_t *)opaque + field->offset;

    return field->flags & VMS_POINTER ? *(uint8_t **)base : base;
}

static uint64_t read_count(const struct vmstate_field *field, const void *opaque)
{
    const void *at = (const uint8_t *)opaque + field->count_offset;

    switch (field->count_size) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        return *(const uint16_t *)at;
    case 4:
        return *(const uint32_t *)at;
    default:
        return *(const uint64_t *)at;
    }
}

/* How many elements, and how large each is. A count from the stream is checked against the table's. */
static bool field_extent(const struct vmstate_field *field, const void *opaque, uint32_t *count, size_t *size,
                         GError **error)
{
    uint64_t n;

    *size = field->size;
    *count = field->flags & VMS_ARRAY ? field->count : 1;
    if (!(field->flags & (VMS_VARRAY | VMS_VBUFFER))) {
        return true;
    }
    n = read_count(field, opaque);
    if (n > field->count) {
        return error_setf(error, "%" G_GUINT64_FORMAT " elements are more than the %u that fit", n, field->count);
    }
    if (field->flags & VMS_VBUFFER) {
        *size = n;
    } else {
        *count = n;
    }
    return true;
}

static void *field_element(const struct vmstate_field *field, uint8_t *base, size_t size, uint32_t index)
{
    return field->flags & VMS_ARRAY_OF_POINTERS ? ((void **)base)[index] : base + size * index;
}

/* ---- saving ---- */

static bool save_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque,
                      struct json_writer *description, int depth, GError **error);

static bool save_element(struct stream *s, const struct vmstate_field *field, void *element, size_t size,
                         struct json_writer *description, int depth, GError **error)
{
    if (field->flags & VMS_STRUCT) {
        return save_body(s, field->vmsd, element, description, depth + 1, error);
    }
    if (field->info->put) {
        field->info->put(s, element, size, field);
    } else {
        stream_put_buffer(s, element, size);
    }
    return true;
}

/*
 * An array is described once, with its length, if all its elements must look alike: nothing in them depends on
 * their content.
 */
static bool elements_alike(const struct vmstate_description *vmsd)
{
    if (vmsd->subsections) {
        return false;
    }
    for (const struct vmstate_field *f = vmsd->fields; f && f->name; f++) {
        if (f->exists || f->flags & (VMS_VARRAY | VMS_VBUFFER) ||
            (f->flags & VMS_STRUCT && !elements_alike(f->vmsd))) {
            return false;
        }
    }
    return true;
}

/*
 * Fields of one name (variants by version or condition) are told apart as name[0], name[1]. Few tables have any, and
 * comparing all names with each other took longer than saving: a hash rules out most.
 */
#define NAME_BITS 1024

struct names {
    unsigned long once[NAME_BITS / BITS_PER_LONG], twice[NAME_BITS / BITS_PER_LONG];
};

static unsigned name_bit(const char *name)
{
    unsigned hash = 0;

    for (; *name; name++) {
        hash = hash * 33 + (unsigned char)*name;
    }
    return hash % NAME_BITS;
}

static void names_collect(struct names *names, const struct vmstate_description *vmsd)
{
    memset(names, 0, sizeof(*names));
    for (const struct vmstate_field *f = vmsd->fields; f && f->name; f++) {
        unsigned bit = name_bit(f->name);

        bitmap_set(bitmap_test(names->once, bit) ? names->twice : names->once, bit, 1);
    }
}

/* The name itself, or one in *allocated. */
static const char *described_name(const struct names *names, const struct vmstate_description *vmsd,
                                  const struct vmstate_field *field, char **allocated)
{
    int same = 0, before = 0;

    if (!bitmap_test(names->twice, name_bit(field->name))) {
        return field->name;
    }
    for (const struct vmstate_field *f = vmsd->fields; f->name; f++) {
        if (!strcmp(f->name, field->name)) {
            before += f < field;
            same++;
        }
    }
    if (same == 1) {
        return field->name;
    }
    return *allocated = g_strdup_printf("%s[%d]", field->name, before);
}

static void describe_start(struct json_writer *w, const char *name, const struct vmstate_field *field,
                           uint32_t index, uint32_t count, bool compressed)
{
    json_writer_start_object(w, NULL);
    json_writer_string(w, "name", name);
    if (compressed) {
        json_writer_int(w, "array_len", count);
    } else if (count > 1) {
        json_writer_int(w, "index", index);
    }
    if (field->flags & VMS_STRUCT) {
        json_writer_string(w, "type", "struct");
        json_writer_start_object(w, "struct");
    } else if (field->flags & VMS_EQUAL) {
        g_autofree char *type = g_strconcat(field->info->name, " equal", NULL);

        json_writer_string(w, "type", type);
    } else {
        json_writer_string(w, "type", field->info->name);
    }
}

static void describe_end(struct json_writer *w, const struct vmstate_field *field, uint64_t size)
{
    if (field->flags & VMS_STRUCT) {
        json_writer_end_object(w);
    }
    json_writer_int(w, "size", size);
    json_writer_end_object(w);
}

/* `name`: as it is described. */
static bool save_field(struct stream *s, const struct vmstate_field *field, const char *name, void *opaque,
                       struct json_writer *description, int depth, GError **error)
{
    bool compressed;
    uint32_t count;
    uint8_t *base;
    size_t size;

    if (!field_extent(field, opaque, &count, &size, error)) {
        return false;
    }
    base = field_base(field, opaque);
    compressed = count > 1 && !(field->flags & VMS_STRUCT && !elements_alike(field->vmsd)) && !field->exists;
    for (uint32_t i = 0; i < count; i++) {
        struct json_writer *w = compressed && i ? NULL : description;
        void *element = field_element(field, base, size, i);
        uint64_t before = stream_position(s);

        if (!element) {
            return error_setf(error, "element %u is missing", i);
        }
        if (w) {
            describe_start(w, name, field, i, count, compressed);
        }
        if (!save_element(s, field, element, size, w, depth, error)) {
            return false;
        }
        if (w) {
            describe_end(w, field, stream_position(s) - before);
        }
    }
    return true;
}

static bool save_subsections(struct stream *s, const struct vmstate_description *vmsd, void *opaque,
                             struct json_writer *description, int depth, GError **error)
{
    bool any = false;

    for (int i = 0; vmsd->subsections && vmsd->subsections[i]; i++) {
        const struct vmstate_description *sub = vmsd->subsections[i];

        if (sub->needed && !sub->needed(opaque)) {
            continue;
        }
        if (description) {
            if (!any) {
                json_writer_start_array(description, "subsections");
            }
            json_writer_start_object(description, NULL);
        }
        any = true;
        stream_put_u8(s, SUBSECTION_MARK);
        stream_put_counted_string(s, sub->name);
        stream_put_u32(s, sub->version);
        if (!save_body(s, sub, opaque, description, depth + 1, error)) {
            return false;
        }
        if (description) {
            json_writer_end_object(description);
        }
    }
    if (any && description) {
        json_writer_end_array(description);
    }
    return true;
}

static bool save_fields(struct stream *s, const struct vmstate_description *vmsd, void *opaque,
                        struct json_writer *description, int depth, GError **error)
{
    struct names names;

    if (description) {
        names_collect(&names, vmsd);
    }
    for (const struct vmstate_field *field = vmsd->fields; field && field->name; field++) {
        g_autofree char *allocated = NULL;

        if (field_exists(field, opaque, vmsd->version) &&
            !save_field(s, field, description ? described_name(&names, vmsd, field, &allocated) : NULL, opaque,
                        description, depth, error)) {
            g_prefix_error(error, "%s.%s: ", vmsd->name, field->name);
            return false;
        }
    }
    return true;
}

static bool save_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque,
                      struct json_writer *description, int depth, GError **error)
{
    g_assert(depth < NESTING_LIMIT);
    if (vmsd->pre_save && !vmsd->pre_save(opaque, error)) {
        g_prefix_error(error, "%s: ", vmsd->name);
        return false;
    }
    if (description) {
        json_writer_string(description, "vmsd_name", vmsd->name);
        json_writer_int(description, "version", vmsd->version);
        json_writer_start_array(description, "fields");
    }
    if (!save_fields(s, vmsd, opaque, description, depth, error)) {
        return false;
    }
    if (description) {
        json_writer_end_array(description);
    }
    return save_subsections(s, vmsd, opaque, description, depth, error);
}

bool vmstate_save_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque,
                       struct json_writer *description, GError **error)
{
    return save_body(s, vmsd, opaque, description, 0, error);
}

/* ---- loading ---- */

static bool load_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque, int version, int depth,
                      GError **error);

static bool load_info(struct stream *s, const struct vmstate_field *field, void *element, size_t size,
                      GError **error)
{
    if (field->info->get) {
        return field->info->get(s, element, size, field, error);
    }
    stream_get_buffer(s, element, size);
    return true;
}

/* The element keeps its value; what comes must be the same. */
static bool load_equal(struct stream *s, const struct vmstate_field *field, void *element, size_t size,
                       GError **error)
{
    g_autofree uint8_t *loaded = g_malloc0(size);

    if (!load_info(s, field, loaded, size, error)) {
        return false;
    }
    if (!stream_error(s) && memcmp(loaded, element, size)) {
        int64_t here = 0, there = 0;

        memcpy(&here, element, MIN(size, sizeof(here)));
        memcpy(&there, loaded, MIN(size, sizeof(there)));
        return error_setf(error, "the stream has %" G_GINT64_FORMAT ", this machine %" G_GINT64_FORMAT, there, here);
    }
    return true;
}

static bool load_field(struct stream *s, const struct vmstate_field *field, void *opaque, int depth, GError **error)
{
    uint32_t count;
    uint8_t *base;
    size_t size;

    if (!field_extent(field, opaque, &count, &size, error)) {
        return false;
    }
    base = field_base(field, opaque);
    for (uint32_t i = 0; i < count; i++) {
        void *element = field_element(field, base, size, i);
        bool ok;

        if (!element) {
            return error_setf(error, "element %u is missing here", i);
        }
        if (field->flags & VMS_STRUCT) {
            ok = load_body(s, field->vmsd, element, field->vmsd->version, depth + 1, error);
        } else if (field->flags & VMS_EQUAL) {
            ok = load_equal(s, field, element, size, error);
        } else {
            ok = load_info(s, field, element, size, error);
        }
        if (ok && stream_error(s)) {
            ok = error_setf(error, "%s", stream_error(s)->message);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/*
 * The name of the subsection of `vmsd` that comes next, without taking it. Nothing in the encoding closes a nested
 * struct, so a subsection belongs to the innermost description whose name begins its own.
 */
static bool peek_subsection(struct stream *s, const struct vmstate_description *vmsd, char name[256])
{
    int length;

    if (stream_peek_u8(s, 0) != SUBSECTION_MARK) {
        return false;
    }
    length = stream_peek_u8(s, 1);
    if (length < (int)strlen(vmsd->name) + 1) {
        return false;
    }
    for (int i = 0; i < length; i++) {
        int c = stream_peek_u8(s, 2 + i);

        if (c <= 0) {
            return false;
        }
        name[i] = c;
    }
    name[length] = 0;
    return g_str_has_prefix(name, vmsd->name);
}

static const struct vmstate_description *find_subsection(const struct vmstate_description *vmsd, const char *name)
{
    for (int i = 0; vmsd->subsections && vmsd->subsections[i]; i++) {
        if (!strcmp(vmsd->subsections[i]->name, name)) {
            return vmsd->subsections[i];
        }
    }
    return NULL;
}

static bool load_subsections(struct stream *s, const struct vmstate_description *vmsd, void *opaque, int depth,
                             GError **error)
{
    const struct vmstate_description *sub;
    uint32_t version;
    char name[256];

    while (peek_subsection(s, vmsd, name)) {
        sub = find_subsection(vmsd, name);
        if (!sub) {
            return error_setf(error, "%s: subsection '%s' is not known here", vmsd->name, name);
        }
        stream_get_u8(s);
        stream_get_counted_string(s, name);
        version = stream_get_u32(s);
        if (stream_error(s)) {
            return error_setf(error, "%s: %s", name, stream_error(s)->message);
        }
        if (!load_body(s, sub, opaque, version, depth + 1, error)) {
            return false;
        }
    }
    return true;
}

static bool check_version(const struct vmstate_description *vmsd, int version, GError **error)
{
    if (version > vmsd->version) {
        return error_setf(error, "%s: version %d is newer than %d, the newest that is known here", vmsd->name,
                          version, vmsd->version);
    }
    if (version < vmsd->minimum_version) {
        return error_setf(error, "%s: version %d is older than %d, the oldest that is known here", vmsd->name,
                          version, vmsd->minimum_version);
    }
    return true;
}

static bool load_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque, int version, int depth,
                      GError **error)
{
    g_assert(depth < NESTING_LIMIT);
    if (!check_version(vmsd, version, error)) {
        return false;
    }
    if (vmsd->pre_load && !vmsd->pre_load(opaque, error)) {
        g_prefix_error(error, "%s: ", vmsd->name);
        return false;
    }
    for (const struct vmstate_field *field = vmsd->fields; field && field->name; field++) {
        if (field_exists(field, opaque, version) && !load_field(s, field, opaque, depth, error)) {
            g_prefix_error(error, "%s.%s: ", vmsd->name, field->name);
            return false;
        }
    }
    if (!load_subsections(s, vmsd, opaque, depth, error)) {
        return false;
    }
    if (vmsd->post_load && !vmsd->post_load(opaque, version, error)) {
        g_prefix_error(error, "%s: ", vmsd->name);
        return false;
    }
    return true;
}

bool vmstate_load_body(struct stream *s, const struct vmstate_description *vmsd, void *opaque, int version,
                       GError **error)
{
    return load_body(s, vmsd, opaque, version, 0, error);
}
