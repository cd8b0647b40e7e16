/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker between those who want guest memory and the balloon device that talks to the guest: the operator's
 * `balloon` and `query-balloon`, and the migration's requests for free pages, which go to the provider that the device
 * brought along. The device is not known here, nor the bitmap.
 */
#include "balloon.h"

#include "qapi/qapi-commands.h"

static const struct balloon_ops *balloon_ops; /* NULL: no balloon. Big lock */
static void *balloon_opaque;
static struct free_page_provider *balloon_provider;

bool balloon_register(const struct balloon_ops *ops, void *opaque, struct free_page_provider *provider, GError **error)
{
    if (balloon_ops) {
        return error_setf(error, "Another balloon device already registered: one is as many as a guest can have");
    }
    if (provider && !free_page_provider_register(provider, error)) {
        return false;
    }
    balloon_ops = ops;
    balloon_opaque = opaque;
    balloon_provider = provider;
    return true;
}

void balloon_unregister(void *opaque)
{
    if (!balloon_ops || balloon_opaque != opaque) {
        return; /* one that never got as far */
    }
    if (balloon_provider) {
        free_page_provider_unregister(balloon_provider);
    }
    balloon_ops = NULL;
    balloon_opaque = NULL;
    balloon_provider = NULL;
}

bool balloon_present(void)
{
    return balloon_ops != NULL;
}

static bool balloon_check(GError **error)
{
    return balloon_ops || error_set_class(error, FERRY_ERROR_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
}

void qmp_balloon(int64_t value, GError **error)
{
    if (!balloon_check(error)) {
        return;
    }
    if (value <= 0) {
        error_setf(error, "Parameter 'target' expects a size");
        return;
    }
    balloon_ops->set_target(balloon_opaque, value);
}

BalloonInfo *qmp_query_balloon(GError **error)
{
    BalloonInfo *info;

    if (!balloon_check(error)) {
        return NULL;
    }
    info = g_new0(BalloonInfo, 1);
    info->actual = balloon_ops->get_actual(balloon_opaque);
    return info;
}
