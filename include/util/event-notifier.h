/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An eventfd: what ioeventfd, irqfd and iothreads wake up on. */
#ifndef FERRY_UTIL_EVENT_NOTIFIER_H
#define FERRY_UTIL_EVENT_NOTIFIER_H

#include "util/error.h"

struct event_notifier {
    int fd;
};

bool event_notifier_init(struct event_notifier *notifier, GError **error);
void event_notifier_cleanup(struct event_notifier *notifier);
void event_notifier_set(struct event_notifier *notifier);
bool event_notifier_test_and_clear(struct event_notifier *notifier);

#endif
