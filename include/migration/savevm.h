/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream as a whole: its header, RAM's parts, the devices' sections, its end and its description.
 *
 *   "QEVM" 3 | configuration | START ram | PART ram … | END ram | FULL device … | EOF | description (JSON)
 */
#ifndef FERRY_MIGRATION_SAVEVM_H
#define FERRY_MIGRATION_SAVEVM_H

#include "migration/stream.h"

/* The machine type's name, in each stream's configuration section; set once by migration_init(). */
extern const char *savevm_machine_name;

/* The guest's UUID, in the order of its text; NULL: it was given none. */
extern const uint8_t *savevm_uuid;

/* Capabilities that change the stream, all of them our own: bit n of a set is capability n. */
enum stream_capability {
    STREAM_SKIP_ZERO_PAGES,  /* pages of zeros may be missing: the receiver begins with blocks of zeros */
    STREAM_ZERO_PAGE_RANGES, /* one record may stand for many pages of zeros */
    STREAM_CAPABILITIES
};

/* ---- saving ---- */

/* `with_uuid`: the receiver shall see that the guest is meant for it; without effect on a guest that has no UUID. */
void savevm_put_header(struct stream *s, unsigned capabilities, bool with_uuid);
/* The mark (SECTION_START, PART, END) of RAM's section in front, and its footer behind. */
void savevm_start_ram(struct stream *s, int mark);
void savevm_end_ram(struct stream *s);
void savevm_put_command(struct stream *s, uint16_t command, const void *data, uint16_t length);
/*
 * All devices' sections, EOF and the description, into `s` (over memory, so that the big lock is not held while the
 * channel is written). VM stopped, big lock held. `progress` (NULL: none) is called after each section.
 */
typedef void savevm_progress_fn(void *opaque, struct stream *s);
bool savevm_put_devices(struct stream *s, savevm_progress_fn *progress, void *opaque, GError **error);

/* ---- loading ---- */

struct ram_load;

struct loadvm_ops {
    void (*open_return_path)(void *opaque);
    void (*ping)(void *opaque, uint32_t value);
};

/*
 * Loads a whole stream. Without the big lock, which is taken for devices' sections only (and let go while the channel
 * makes them wait). `capabilities`: the sender must have the same. `ops` may be NULL. False: the machine is in no
 * usable state.
 */
bool loadvm_run(struct stream *s, unsigned capabilities, const struct loadvm_ops *ops, void *opaque, GError **error);

#endif
