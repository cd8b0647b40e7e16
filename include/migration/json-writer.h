/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes JSON text front to back, for the description that ends a stream: commas and quotes are seen to. */
#ifndef FERRY_MIGRATION_JSON_WRITER_H
#define FERRY_MIGRATION_JSON_WRITER_H

#include <glib.h>
#include <stdint.h>

struct json_writer;

struct json_writer *json_writer_new(void);
void json_writer_free(struct json_writer *w);
/* `name` is NULL within arrays and for the outermost value. */
void json_writer_start_object(struct json_writer *w, const char *name);
void json_writer_end_object(struct json_writer *w);
void json_writer_start_array(struct json_writer *w, const char *name);
void json_writer_end_array(struct json_writer *w);
void json_writer_int(struct json_writer *w, const char *name, int64_t value);
void json_writer_string(struct json_writer *w, const char *name, const char *value);
/* What was written so far. */
const char *json_writer_text(const struct json_writer *w);
size_t json_writer_length(const struct json_writer *w);

#endif
