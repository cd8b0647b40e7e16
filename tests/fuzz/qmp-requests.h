/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP requests made up from the schema: valid, or wrong in one or two places. */
#ifndef FERRY_FUZZ_QMP_REQUESTS_H
#define FERRY_FUZZ_QMP_REQUESTS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Appends one request and a line end. */
void qmp_request_append(GString *out, GRand *rand);

/*
 * False if the text names a command that must not run here (qmp-requests.c says which and why), or may hide one behind
 * escapes.
 */
bool qmp_requests_harmless(const char *text, size_t length);

#endif
