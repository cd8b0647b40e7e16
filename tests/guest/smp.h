/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SMP_H
#define SMP_H

#include "hardware.h"

#define SMP_MAX 16

unsigned smp_count(void);
/* Runs function(cpu) on all processors at once; true if it was true on each. */
bool smp_failed(void); /* one of them has already found an error */
bool smp_run(bool (*function)(unsigned cpu));

#endif
