/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_ACCEL_QTEST_INTERNAL_H
#define FERRY_ACCEL_QTEST_INTERNAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The virtual clock of -accel qtest: stands still but for these. */
bool qtest_clock_in_use(void);
/* Moves it to `ns` (never back), running what expires on the way at its own time. */
void qtest_clock_move(int64_t ns);

/* Carries out one command (words of a line); the answer without newline is appended to `reply`. */
void qtest_command(char **words, GString *reply);
/* Sends a line that no command asked for: "IRQ raise 4". */
void qtest_send_event(const char *line);

#endif
