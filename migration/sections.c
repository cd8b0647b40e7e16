/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of sections that vmstate_register() fills: by priority, then by age. Big lock held for all of it. */
#include <string.h>

#include "migration/sections.h"

#define FIRST_SECTION_ID 4 /* 2 is RAM's; QEMU's own streams begin their devices here too */

static GPtrArray *sections;
static uint32_t next_section_id = FIRST_SECTION_ID;

static void section_free(gpointer data)
{
    struct section *section = data;

    g_free(section->idstr);
    g_free(section);
}

unsigned sections_count(void)
{
    return sections ? sections->len : 0;
}

struct section *sections_get(unsigned index)
{
    return g_ptr_array_index(sections, index);
}

struct section *sections_find_other(const char *idstr, int instance_id, GHashTable *but)
{
    for (unsigned i = 0; i < sections_count(); i++) {
        struct section *section = sections_get(i);

        if (section->instance_id == instance_id && !strcmp(section->idstr, idstr) &&
            (!but || !g_hash_table_contains(but, section))) {
            return section;
        }
    }
    return NULL;
}

struct section *sections_find(const char *idstr, int instance_id)
{
    return sections_find_other(idstr, instance_id, NULL);
}

static int next_instance(const char *idstr)
{
    int next = 0;

    for (unsigned i = 0; i < sections_count(); i++) {
        struct section *section = sections_get(i);

        if (!strcmp(section->idstr, idstr)) {
            next = MAX(next, section->instance_id + 1);
        }
    }
    return next;
}

bool vmstate_register(const char *idstr, int instance_id, const struct vmstate_description *vmsd, void *opaque,
                      GError **error)
{
    struct section *section;
    unsigned at = 0;

    if (strlen(idstr) > 255) {
        return error_setf(error, "the section name '%s' is longer than 255 bytes", idstr);
    }
    if (instance_id < 0) {
        instance_id = next_instance(idstr);
    } else if (!vmsd->by_order && sections_find(idstr, instance_id)) {
        return error_setf(error, "there is a section '%s' with instance %d already", idstr, instance_id);
    }
    if (!sections) {
        sections = g_ptr_array_new_with_free_func(section_free);
    }
    section = g_new0(struct section, 1);
    *section = (struct section){ .idstr = g_strdup(idstr), .instance_id = instance_id,
                                 .section_id = next_section_id++, .vmsd = vmsd, .opaque = opaque };
    while (at < sections->len && sections_get(at)->vmsd->priority >= vmsd->priority) {
        at++;
    }
    g_ptr_array_insert(sections, at, section);
    return true;
}

void vmstate_unregister(const struct vmstate_description *vmsd, void *opaque)
{
    for (unsigned i = sections_count(); i-- > 0;) {
        if (sections_get(i)->vmsd == vmsd && sections_get(i)->opaque == opaque) {
            g_ptr_array_remove_index(sections, i);
        }
    }
}
