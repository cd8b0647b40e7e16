/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes what is around the pages of a stream: header, marks and footers, devices, end and description. */
#include <string.h>

#include "migration/json-writer.h"
#include "migration/savevm.h"
#include "migration/sections.h"
#include "util/bitmap.h"
#include "util/uuid.h"

const char *savevm_machine_name = "none";
const uint8_t *savevm_uuid;

const char *const stream_capability_names[STREAM_CAPABILITIES] = {
    [STREAM_SKIP_ZERO_PAGES] = "skip-zero-pages",
    [STREAM_ZERO_PAGE_RANGES] = "zero-page-ranges",
};

static void put_capabilities(struct stream *s, unsigned capabilities)
{
    stream_put_u8(s, SECTION_SUBSECTION);
    stream_put_counted_string(s, SUBSECTION_CAPABILITIES);
    stream_put_u32(s, 1);
    stream_put_u32(s, __builtin_popcount(capabilities));
    for (int i = 0; i < STREAM_CAPABILITIES; i++) {
        if (capabilities & BIT(i)) {
            stream_put_counted_string(s, stream_capability_names[i]);
        }
    }
}

static void put_uuid(struct stream *s)
{
    stream_put_u8(s, SECTION_SUBSECTION);
    stream_put_counted_string(s, SUBSECTION_UUID);
    stream_put_u32(s, 1);
    stream_put_buffer(s, savevm_uuid, UUID_BYTES);
}

void savevm_put_header(struct stream *s, unsigned capabilities, bool with_uuid)
{
    stream_put_u32(s, STREAM_MAGIC);
    stream_put_u32(s, STREAM_VERSION);
    stream_put_u8(s, SECTION_CONFIGURATION);
    stream_put_u32(s, strlen(savevm_machine_name));
    stream_put_buffer(s, savevm_machine_name, strlen(savevm_machine_name));
    if (capabilities) {
        put_capabilities(s, capabilities);
    }
    if (with_uuid && savevm_uuid) {
        put_uuid(s);
    }
}

static void put_footer(struct stream *s, uint32_t section_id)
{
    stream_put_u8(s, SECTION_FOOTER);
    stream_put_u32(s, section_id);
}

void savevm_start_ram(struct stream *s, int mark)
{
    stream_put_u8(s, mark);
    stream_put_u32(s, RAM_SECTION_ID);
    if (mark == SECTION_START) {
        stream_put_counted_string(s, RAM_SECTION_NAME);
        stream_put_u32(s, 0);
        stream_put_u32(s, RAM_SECTION_VERSION);
    }
}

void savevm_end_ram(struct stream *s)
{
    put_footer(s, RAM_SECTION_ID);
}

void savevm_put_command(struct stream *s, uint16_t command, const void *data, uint16_t length)
{
    stream_put_u8(s, SECTION_COMMAND);
    stream_put_u16(s, command);
    stream_put_u16(s, length);
    stream_put_buffer(s, data, length);
}

static bool put_section(struct stream *s, struct section *section, struct json_writer *description, GError **error)
{
    json_writer_start_object(description, NULL);
    json_writer_string(description, "name", section->idstr);
    json_writer_int(description, "instance_id", section->instance_id);
    stream_put_u8(s, SECTION_FULL);
    stream_put_u32(s, section->section_id);
    stream_put_counted_string(s, section->idstr);
    stream_put_u32(s, section->instance_id);
    stream_put_u32(s, section->vmsd->version);
    if (!vmstate_save_body(s, section->vmsd, section->opaque, description, error)) {
        g_prefix_error(error, "cannot save section '%s', instance %d: ", section->idstr, section->instance_id);
        return false;
    }
    put_footer(s, section->section_id);
    json_writer_end_object(description);
    return true;
}

bool savevm_put_devices(struct stream *s, savevm_progress_fn *progress, void *opaque, GError **error)
{
    struct json_writer *description = json_writer_new();
    bool ok = true;

    json_writer_start_object(description, NULL);
    json_writer_int(description, "page_size", 4096);
    json_writer_start_array(description, "devices");
    for (unsigned i = 0; ok && i < sections_count(); i++) {
        struct section *section = sections_get(i);

        if (!section->vmsd->needed || section->vmsd->needed(section->opaque)) {
            ok = put_section(s, section, description, error);
            if (ok && progress) {
                progress(opaque, s);
            }
        }
    }
    json_writer_end_array(description);
    json_writer_end_object(description);
    if (ok) {
        stream_put_u8(s, SECTION_EOF);
        stream_put_u8(s, SECTION_DESCRIPTION);
        stream_put_u32(s, json_writer_length(description));
        stream_put_buffer(s, json_writer_text(description), json_writer_length(description));
    }
    json_writer_free(description);
    return ok;
}
