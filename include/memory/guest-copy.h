/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies to and from guest RAM, which vCPUs and other threads change at any time. Aligned pieces of up to 8 bytes go
 * as one access, as a bus master's would. Under the thread sanitizer all of it is relaxed atomics: races on guest RAM
 * are the guest's business.
 */
#ifndef FERRY_MEMORY_GUEST_COPY_H
#define FERRY_MEMORY_GUEST_COPY_H

#include <stddef.h>
#include <stdint.h>

void guest_copy_from(void *host, const void *guest, size_t length);
void guest_copy_to(void *guest, const void *host, size_t length);

#endif
