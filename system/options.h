/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, parsed but not yet acted upon. Strings live as long as argv. */
#ifndef FERRY_SYSTEM_OPTIONS_H
#define FERRY_SYSTEM_OPTIONS_H

#include "system/sandbox.h"
#include "util/error.h"

struct options {
    const char *machine, *cpu, *memory, *smp, *kernel, *initrd, *append, *incoming, *icount, *rtc, *pidfile, *gdb;
    const char *log_items, *log_file, *overcommit, *boot_order; /* boot_order: owned */
    GPtrArray *accel, *devices, *objects, *globals, *chardevs, *serials, *monitors, *qmps, *qmps_pretty, *mons,
        *traces, *add_fds, *audiodevs, *netdevs, *blockdevs, *drives, *nics;
    const char *qtest;
    struct sandbox sandbox;
    bool nographic, nodefaults, start_paused, daemonize, monitor_given, help;
};

/*
 * Fills *options. Unknown options, missing and surplus arguments are refused by name. True with options->help set:
 * help was asked for and has been printed; the program ends with success.
 */
bool options_parse(struct options *options, int argc, char **argv, GError **error);
void options_clear(struct options *options); /* also after an error */
bool option_exists(const char *name);

#endif
