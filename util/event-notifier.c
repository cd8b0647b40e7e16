/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/event-notifier.h"

bool event_notifier_init(struct event_notifier *notifier, GError **error)
{
    notifier->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return notifier->fd >= 0 || error_setf_errno(error, errno, "cannot create an eventfd");
}

void event_notifier_cleanup(struct event_notifier *notifier)
{
    if (notifier->fd >= 0) {
        close(notifier->fd);
        notifier->fd = -1;
    }
}

void event_notifier_set(struct event_notifier *notifier)
{
    uint64_t one = 1;
    int saved = errno; /* signal handlers come here */
    while (write(notifier->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    errno = saved; /* EAGAIN: the counter is full, so it is set */
}

bool event_notifier_test_and_clear(struct event_notifier *notifier)
{
    uint64_t count;
    ssize_t got;
    do {
        got = read(notifier->fd, &count, sizeof(count));
    } while (got < 0 && errno == EINTR);
    return got == sizeof(count);
}
