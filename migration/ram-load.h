/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiving side of RAM's section. Private to migration/. */
#ifndef FERRY_MIGRATION_RAM_LOAD_H
#define FERRY_MIGRATION_RAM_LOAD_H

#include "migration/stream.h"

struct ram_load;

/* `capabilities`: a set of enum stream_capability, for what may be in the stream or missing from it. */
struct ram_load *ram_load_new(unsigned capabilities);
void ram_load_free(struct ram_load *load);
/* The body of one RAM section (START, PART or END), up to its end mark. */
bool ram_load_section(struct ram_load *load, struct stream *s, GError **error);
/* All RAM is here, before the guest runs. False: no block list has come, so the stream held no RAM. */
bool ram_load_complete(struct ram_load *load, GError **error);

#endif
