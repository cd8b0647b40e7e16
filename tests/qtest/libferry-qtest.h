/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the devices of a real qemu-system-x86_64 (environment FERRY_BINARY) through -accel qtest: ports, memory,
 * interrupt lines, a clock that moves on command, and QMP. Anything unexpected ends the test program with a message.
 */
#ifndef FERRY_TESTS_LIBFERRY_QTEST_H
#define FERRY_TESTS_LIBFERRY_QTEST_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qtest;

/* Starts `-machine pc -accel qtest -m 32 -nodefaults -display none` and `args` (split as a shell would; or NULL). */
struct qtest *qtest_start(const char *args);
/* Ends it; its exit status must be 0. */
void qtest_quit(struct qtest *q);
/* It ends by itself within ten seconds: the exit status, or -1 for a signal. Frees q. */
int qtest_wait_exit(struct qtest *q);
/* Runs the program with `args` alone until it ends; its exit status (-1: a signal), *err: its standard error. */
int qtest_run(const char *args, char **err);
/* With the arguments bad[i][0] it ends with status 1 and a message that has bad[i][1] in it. */
void qtest_check_refused(const char *const bad[][2], unsigned count);
/* A path in a folder of this test program's own, removed at its end. Owned by the caller. */
char *qtest_path(const char *name);

uint8_t qtest_inb(struct qtest *q, uint16_t port);
uint16_t qtest_inw(struct qtest *q, uint16_t port);
uint32_t qtest_inl(struct qtest *q, uint16_t port);
void qtest_outb(struct qtest *q, uint16_t port, uint8_t value);
void qtest_outw(struct qtest *q, uint16_t port, uint16_t value);
void qtest_outl(struct qtest *q, uint16_t port, uint32_t value);
uint32_t qtest_readl(struct qtest *q, uint64_t address);
uint64_t qtest_readq(struct qtest *q, uint64_t address);
uint8_t qtest_readb(struct qtest *q, uint64_t address);
uint16_t qtest_readw(struct qtest *q, uint64_t address);
void qtest_writeb(struct qtest *q, uint64_t address, uint8_t value);
void qtest_writew(struct qtest *q, uint64_t address, uint16_t value);
void qtest_writel(struct qtest *q, uint64_t address, uint32_t value);
void qtest_writeq(struct qtest *q, uint64_t address, uint64_t value);
void qtest_memread(struct qtest *q, uint64_t address, void *data, size_t length);
void qtest_memwrite(struct qtest *q, uint64_t address, const void *data, size_t length);
void qtest_memset(struct qtest *q, uint64_t address, uint8_t value, size_t length);

/* Both give the new time. */
int64_t qtest_clock_step(struct qtest *q, int64_t ns);
int64_t qtest_clock_step_next(struct qtest *q);

/* From now on lines 0 to 63 of these inputs are watched, not delivered. One set per program. */
void qtest_irq_intercept_in(struct qtest *q, const char *name);
bool qtest_irq_level(struct qtest *q, int n);
unsigned qtest_irq_raises(struct qtest *q, int n); /* rising edges since the interception */
void qtest_set_irq_in(struct qtest *q, const char *name, int n, bool level);

/* One raw line and its answer, without the newline. */
char *qtest_raw(struct qtest *q, const char *line);

/* QMP: the reply ("return" or "error" in it); events meanwhile are kept. Owned by the caller. */
JsonObject *qtest_qmp(struct qtest *q, const char *command);
/* The same; NULL if the program has gone meanwhile. */
JsonObject *qtest_try_qmp(struct qtest *q, const char *command);
/* qtest_qmp(), and it must have succeeded. */
void qtest_qmp_ok(struct qtest *q, const char *command);
/* The next event of that name, waiting up to ten seconds; events before it are dropped. Owned by the caller. */
JsonObject *qtest_qmp_event(struct qtest *q, const char *name);

/* The whole state to a file of that name, by `migrate`; its path, owned by the caller. */
char *qtest_save(struct qtest *q, const char *name);
/* A program started with -incoming; true: the state was loaded; false: the program has ended. */
bool qtest_wait_loaded(struct qtest *q);
/* The same of one with -incoming defer, and such a file. */
bool qtest_load(struct qtest *q, const char *path);
/* The body of a section in such a file. */
GBytes *qtest_section(const char *path, const char *name);

#endif
