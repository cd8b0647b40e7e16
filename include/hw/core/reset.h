/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System reset: what is not a device registers here. Handlers run in order of registration. Big lock held. */
#ifndef FERRY_HW_CORE_RESET_H
#define FERRY_HW_CORE_RESET_H

void reset_register(void (*handler)(void *opaque), void *opaque);
void reset_unregister(void (*handler)(void *opaque), void *opaque);
/* Runs all handlers, then every device's reset, children before parents; vCPUs are paused by the caller. */
void reset_all(void);

#endif
