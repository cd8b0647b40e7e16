/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock that KVM shows its guests. */
#ifndef FERRY_HW_TIMER_KVMCLOCK_H
#define FERRY_HW_TIMER_KVMCLOCK_H

#include "util/error.h"

/* After the vCPUs; without KVM nothing. Its section is saved if CPUID shows the guest the clock, and always taken. */
bool kvmclock_create(GError **error);

#endif
