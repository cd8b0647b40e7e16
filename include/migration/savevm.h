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

/* ---- saving ---- */

/* `skip_zero`: say that zero pages may be missing (which only our own receiver takes). */
void savevm_put_header(struct stream *s, bool skip_zero);
/* The mark (SECTION_START, PART, END) of RAM's section in front, and its footer behind. */
void savevm_start_ram(struct stream *s, int mark);
void savevm_end_ram(struct stream *s);
void savevm_put_command(struct stream *s, uint16_t command, const void *data, uint16_t length);
/*
 * All devices' sections, EOF and the description, into `s` (over memory, so that the big lock is not held while the
 * channel is written). VM stopped, big lock held.
 */
bool savevm_put_devices(struct stream *s, GError **error);

/* ---- loading ---- */

struct ram_load;

struct loadvm_ops {
    void (*open_return_path)(void *opaque);
    void (*ping)(void *opaque, uint32_t value);
};

/*
 * Loads a whole stream. Without the big lock, which is taken for devices' sections only (and let go while the channel
 * makes them wait). `ops` may be NULL. False: the machine is in no usable state.
 */
bool loadvm_run(struct stream *s, const struct loadvm_ops *ops, void *opaque, GError **error);

#endif
