/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections of a stream: who is registered, and the marks between them. Private to migration/. */
#ifndef FERRY_MIGRATION_SECTIONS_H
#define FERRY_MIGRATION_SECTIONS_H

#include "migration/savevm.h"
#include "migration/stream.h"
#include "migration/vmstate.h"

#define STREAM_MAGIC   0x5145564du /* "QEVM" */
#define STREAM_VERSION 3

/* The byte in front of each part of a stream. */
enum section_mark {
    SECTION_EOF = 0,
    SECTION_START = 1, /* of what is sent in parts: RAM */
    SECTION_PART = 2,
    SECTION_END = 3,
    SECTION_FULL = 4,  /* a device, all at once */
    SECTION_SUBSECTION = 5,
    SECTION_DESCRIPTION = 6,
    SECTION_CONFIGURATION = 7,
    SECTION_COMMAND = 8,
    SECTION_FOOTER = 0x7e
};

enum stream_command {
    STREAM_COMMAND_OPEN_RETURN_PATH = 1,
    STREAM_COMMAND_PING = 2
};

#define RAM_SECTION_ID      2
#define RAM_SECTION_NAME    "ram"
#define RAM_SECTION_VERSION 4

/* Names of the capabilities that both ends must have on, or both off; whoever does not know one refuses its name. */
#define SUBSECTION_CAPABILITIES "configuration/capabilities"
extern const char *const stream_capability_names[STREAM_CAPABILITIES];
/* For whom the guest is meant (validate-uuid). */
#define SUBSECTION_UUID "configuration/uuid"

struct section {
    char *idstr;
    int instance_id;
    uint32_t section_id;
    const struct vmstate_description *vmsd;
    void *opaque;
};

/* In the order that they are saved in. Big lock held. */
unsigned sections_count(void);
struct section *sections_get(unsigned index);
struct section *sections_find(const char *idstr, int instance_id); /* or NULL */
struct section *sections_find_other(const char *idstr, int instance_id, GHashTable *but); /* the first not in that set */

#endif
