/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a migration switches still send to where the guest was. Every NIC announces itself where it is now: a RARP
 * request from the NIC's address, which switches learn from and hosts ignore, and where the guest has agreed to it
 * (VIRTIO_NET_F_GUEST_ANNOUNCE) announcements of its own. Several rounds, since either may be lost. Big lock held.
 */
#ifndef FERRY_NET_ANNOUNCE_H
#define FERRY_NET_ANNOUNCE_H

#include <stdint.h>

/* Milliseconds: `initial` after the first round, `step` more after each one, at most `max`. */
struct announce_parameters {
    uint64_t initial, max, rounds, step;
};

/* `interfaces`: names of NICs, NULL-terminated; NULL: all of them. A run that is under way is replaced. */
void announce_start(const struct announce_parameters *parameters, const char *const *interfaces);
void announce_stop(void);

#endif
