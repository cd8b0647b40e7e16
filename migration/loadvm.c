/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a stream. Whoever sends it is a stranger: marks may come in any order, names may be unknown, lengths wild.
 * An error names the section, and the field where there is one.
 */
#include <string.h>

#include "migration/ram-load.h"
#include "migration/savevm.h"
#include "migration/sections.h"
#include "trace/migration.h"
#include "util/bitmap.h"
#include "util/main-loop.h"
#include "util/uuid.h"

#define MACHINE_NAME_LIMIT 255
#define DESCRIPTION_LIMIT  (64u << 20)

struct loadvm {
    struct stream *s;
    const struct loadvm_ops *ops;
    void *opaque;
    struct ram_load *ram;
    bool ram_open;      /* START came, END did not */
    bool ram_done;
    uint32_t ram_id;    /* the sender's number for RAM's section */
    unsigned capabilities;      /* ours */
    unsigned sent_capabilities; /* the sender's */
    GHashTable *loaded; /* struct section * that came already */
};

static bool failed(struct loadvm *l, GError **error)
{
    const GError *stream = stream_error(l->s);

    return stream && !error_setf(error, "%s", stream->message);
}

/* ---- configuration ---- */

static bool load_capabilities(struct loadvm *l, GError **error)
{
    uint32_t count = stream_get_u32(l->s);
    char name[256];

    for (; count && stream_get_counted_string(l->s, name); count--) {
        int i = 0;

        while (i < STREAM_CAPABILITIES && strcmp(name, stream_capability_names[i])) {
            i++;
        }
        if (i == STREAM_CAPABILITIES) {
            g_autofree char *printable = g_strescape(name, NULL);

            return error_setf(error, "the sender wants capability '%s', which is not supported", printable);
        }
        l->sent_capabilities |= BIT(i);
    }
    return true;
}

/* As QEMU does with those that change its stream: nobody guesses what the other end meant. */
static bool check_capabilities(const struct loadvm *l, GError **error)
{
    for (int i = 0; i < STREAM_CAPABILITIES; i++) {
        if ((l->capabilities ^ l->sent_capabilities) & BIT(i)) {
            bool here = l->capabilities & BIT(i);

            return error_setf(error,
                              "capability '%s' is %s here and %s at the sender: it should be the same at both ends",
                              stream_capability_names[i], here ? "on" : "off", here ? "off" : "on");
        }
    }
    return true;
}

/* The sender was told to make sure (validate-uuid). Where we were given none there is nothing to compare, as in QEMU. */
static bool load_uuid(struct loadvm *l, GError **error)
{
    uint8_t uuid[UUID_BYTES];

    stream_get_buffer(l->s, uuid, sizeof(uuid));
    if (stream_error(l->s) || !savevm_uuid || !memcmp(uuid, savevm_uuid, sizeof(uuid))) {
        return true;
    }
    g_autofree char *theirs = uuid_format(uuid), *ours = uuid_format(savevm_uuid);

    return error_setf(error, "the guest that comes has UUID %s, this machine was made for %s", theirs, ours);
}

static bool load_configuration_subsection(struct loadvm *l, GError **error)
{
    char name[256];
    uint32_t version;

    stream_get_counted_string(l->s, name);
    version = stream_get_u32(l->s);
    if (failed(l, error)) {
        return false;
    }
    if (version != 1) {
        return error_setf(error, "'%s' has version %u, known here is 1", name, version);
    }
    if (!strcmp(name, SUBSECTION_CAPABILITIES)) {
        return load_capabilities(l, error);
    } else if (!strcmp(name, "configuration/target-page-bits")) {
        uint32_t bits = stream_get_u32(l->s);

        if (bits != 12 && !stream_error(l->s)) {
            return error_setf(error, "the sender's pages have 2^%u bytes, ours 2^12", bits);
        }
    } else if (!strcmp(name, SUBSECTION_UUID)) {
        return load_uuid(l, error);
    } else {
        return error_setf(error, "'%s' is not known here", name);
    }
    return true;
}

static bool load_configuration(struct loadvm *l, GError **error)
{
    char name[MACHINE_NAME_LIMIT + 1];
    uint32_t length = stream_get_u32(l->s);

    if (length > MACHINE_NAME_LIMIT) {
        return error_setf(error, "a machine type's name of %u bytes", length);
    }
    stream_get_buffer(l->s, name, length);
    name[length] = 0;
    if (failed(l, error)) {
        return false;
    }
    if (strcmp(name, savevm_machine_name)) {
        g_autofree char *printable = g_strescape(name, NULL);

        return error_setf(error, "the machine that comes is of type '%s', this one is '%s'", printable,
                          savevm_machine_name);
    }
    while (stream_peek_u8(l->s, 0) == SECTION_SUBSECTION) {
        stream_get_u8(l->s);
        if (!load_configuration_subsection(l, error)) {
            return false;
        }
    }
    return !failed(l, error) && check_capabilities(l, error);
}

static bool load_header(struct loadvm *l, GError **error)
{
    uint32_t magic = stream_get_u32(l->s);
    uint32_t version = stream_get_u32(l->s);

    if (failed(l, error)) {
        return false;
    }
    if (magic != STREAM_MAGIC) {
        return error_setf(error, "this is no migration stream (it begins with 0x%08x, not with \"QEVM\")", magic);
    }
    if (version != STREAM_VERSION) {
        return error_setf(error, "a migration stream of version %u; known here is %u", version, STREAM_VERSION);
    }
    if (stream_get_u8(l->s) != SECTION_CONFIGURATION) {
        return !failed(l, error) && error_setf(error, "the stream has no configuration section");
    }
    if (!load_configuration(l, error)) {
        g_prefix_error(error, "configuration section: ");
        return false;
    }
    return true;
}

/* ---- sections ---- */

static bool load_footer(struct loadvm *l, uint32_t section_id, GError **error)
{
    uint8_t mark = stream_get_u8(l->s);
    uint32_t id = stream_get_u32(l->s);

    if (failed(l, error)) {
        return false;
    }
    if (mark != SECTION_FOOTER || id != section_id) {
        return error_setf(error, "no footer where it should end (0x%02x, section %u instead of %u)", mark, id,
                          section_id);
    }
    return true;
}

static bool load_device(struct loadvm *l, struct section *section, uint32_t section_id, uint32_t version,
                        GError **error)
{
    if (!g_hash_table_add(l->loaded, section)) {
        return error_setf(error, "it comes twice");
    }
    return vmstate_load_body(l->s, section->vmsd, section->opaque, version, error) &&
           load_footer(l, section_id, error);
}

/* One that came already if there is no other: load_device() says so. */
static struct section *find_unloaded(struct loadvm *l, const char *idstr, int instance_id)
{
    struct section *section = sections_find_other(idstr, instance_id, l->loaded);

    return section ? section : sections_find(idstr, instance_id);
}

/* Devices are the big lock's; RAM is not. */
static bool load_full(struct loadvm *l, uint32_t section_id, GError **error)
{
    uint32_t instance_id, version;
    struct section *section;
    char idstr[256];
    bool ok;

    stream_get_counted_string(l->s, idstr);
    instance_id = stream_get_u32(l->s);
    version = stream_get_u32(l->s);
    if (failed(l, error)) {
        return false;
    }
    trace_migration_load_section(idstr, instance_id, version);
    big_lock();
    section = find_unloaded(l, idstr, instance_id);
    if (!section) {
        g_autofree char *printable = g_strescape(idstr, NULL);

        ok = error_setf(error,
                        "section '%s', instance %u, is not known here: is this machine built like the sender's?",
                        printable, instance_id);
    } else {
        ok = load_device(l, section, section_id, version, error);
        if (!ok) {
            g_prefix_error(error, "section '%s', instance %u: ", idstr, instance_id);
        }
    }
    big_unlock();
    return ok;
}

static bool load_ram(struct loadvm *l, uint32_t section_id, GError **error)
{
    if (!ram_load_section(l->ram, l->s, error) || !load_footer(l, section_id, error)) {
        g_prefix_error(error, "section 'ram': ");
        return false;
    }
    return true;
}

static bool load_start(struct loadvm *l, uint32_t section_id, GError **error)
{
    uint32_t instance_id, version;
    char idstr[256];

    stream_get_counted_string(l->s, idstr);
    instance_id = stream_get_u32(l->s);
    version = stream_get_u32(l->s);
    if (failed(l, error)) {
        return false;
    }
    if (strcmp(idstr, RAM_SECTION_NAME) || instance_id) {
        g_autofree char *printable = g_strescape(idstr, NULL);

        return error_setf(error, "section '%s', instance %u, is not known here as one in parts", printable,
                          instance_id);
    }
    if (version != RAM_SECTION_VERSION) {
        return error_setf(error, "section 'ram': version %u, known here is %u", version, RAM_SECTION_VERSION);
    }
    if (l->ram_open || l->ram_done) {
        return error_setf(error, "section 'ram': it starts twice");
    }
    l->ram_open = true;
    l->ram_id = section_id;
    return load_ram(l, section_id, error);
}

static bool load_more(struct loadvm *l, uint32_t section_id, int mark, GError **error)
{
    if (!l->ram_open || section_id != l->ram_id) {
        return error_setf(error, "a part of section %u, which was not started", section_id);
    }
    if (mark == SECTION_END) {
        l->ram_open = false;
        l->ram_done = true;
    }
    return load_ram(l, section_id, error);
}

static bool load_command(struct loadvm *l, GError **error)
{
    uint16_t command = stream_get_u16(l->s);
    uint16_t length = stream_get_u16(l->s);

    if (failed(l, error)) {
        return false;
    }
    if (command == STREAM_COMMAND_OPEN_RETURN_PATH && length == 0) {
        if (l->ops && l->ops->open_return_path) {
            l->ops->open_return_path(l->opaque);
        }
        return true;
    }
    if (command == STREAM_COMMAND_PING && length == 4) {
        uint32_t value = stream_get_u32(l->s);

        if (l->ops && l->ops->ping && !stream_error(l->s)) {
            l->ops->ping(l->opaque, value);
        }
        return true;
    }
    return error_setf(error, "command %u with %u bytes is not supported", command, length);
}

static bool load_section(struct loadvm *l, int mark, GError **error)
{
    uint32_t section_id;

    if (mark == SECTION_COMMAND) {
        return load_command(l, error);
    }
    if (mark < SECTION_START || mark > SECTION_FULL) {
        return error_setf(error, "no section begins with 0x%02x (after %" G_GUINT64_FORMAT " bytes)", mark,
                          stream_position(l->s));
    }
    section_id = stream_get_u32(l->s);
    if (failed(l, error)) {
        return false;
    }
    switch (mark) {
    case SECTION_START:
        return load_start(l, section_id, error);
    case SECTION_FULL:
        return load_full(l, section_id, error);
    default:
        return load_more(l, section_id, mark, error);
    }
}

/*
 * The description is for people; but a sender whose last bytes did not leave runs its guest on, so a stream without
 * its end must not start a second one.
 */
static bool load_description(struct loadvm *l, GError **error)
{
    uint8_t mark = stream_get_u8(l->s);
    uint32_t length = stream_get_u32(l->s);
    char drop[4096];

    if (!failed(l, error) && (mark != SECTION_DESCRIPTION || length > DESCRIPTION_LIMIT)) {
        return error_setf(error, "no description at the end (0x%02x, %u bytes)", mark, length);
    }
    for (uint32_t n; length && !stream_error(l->s); length -= n) {
        n = MIN(length, sizeof(drop));
        stream_get_buffer(l->s, drop, n);
    }
    if (stream_error(l->s)) {
        g_clear_error(error);
        return error_setf(error, "description: %s", stream_error(l->s)->message);
    }
    return true;
}

static bool load_sections(struct loadvm *l, GError **error)
{
    for (;;) {
        int mark = stream_get_u8(l->s);

        if (failed(l, error)) {
            return false;
        }
        if (mark == SECTION_EOF) {
            break;
        }
        if (!load_section(l, mark, error)) {
            return false;
        }
        if (failed(l, error)) {
            return false;
        }
    }
    if (!l->ram_done) {
        return error_setf(error, "the stream ends without all of section 'ram'");
    }
    return ram_load_complete(l->ram, error) && load_description(l, error);
}

bool loadvm_run(struct stream *s, unsigned capabilities, const struct loadvm_ops *ops, void *opaque, GError **error)
{
    struct loadvm l = { .s = s, .capabilities = capabilities, .ops = ops, .opaque = opaque };
    bool ok;

    if (!load_header(&l, error)) {
        return false;
    }
    l.ram = ram_load_new(capabilities);
    l.loaded = g_hash_table_new(NULL, NULL);
    ok = load_sections(&l, error);
    g_hash_table_destroy(l.loaded);
    ram_load_free(l.ram);
    return ok;
}
