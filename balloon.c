/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The broker between those who want guest memory and the balloon device that talks to the guest: the operator's
 * `balloon` and `query-balloon`, and the migration's requests for free pages, which go to the best of the sources
 * that the device brought along and the guest's driver knows. The device is not known here, nor the bitmap.
 */
#include <string.h>

#include "balloon.h"

#include "qapi/qapi-commands.h"

static const struct balloon_ops *balloon_ops; /* NULL: no balloon. Big lock */
static void *balloon_opaque;

/* ---- The best source of free pages ---- */

static struct {
    struct free_page_provider face; /* what the migration sees */
    struct free_page_provider *sources[BALLOON_SOURCES], *chosen; /* chosen: of the last request */
} broker;

/* The best source that is ready; else NULL, and the last word of those that the device offers. */
static struct free_page_provider *choose_source(FreePageState *state)
{
    *state = FREE_PAGE_STATE_NOT_OFFERED;
    for (unsigned i = 0; i < BALLOON_SOURCES; i++) {
        FreePageState one = broker.sources[i]->ready(broker.sources[i]);

        if (one == FREE_PAGE_STATE_ACTIVE) {
            *state = one;
            return broker.sources[i];
        }
        *state = one == FREE_PAGE_STATE_NOT_OFFERED ? *state : one;
    }
    return NULL;
}

static FreePageState broker_ready(struct free_page_provider *provider)
{
    FreePageState state;

    choose_source(&state);
    return state;
}

static void broker_start(struct free_page_provider *provider, uint32_t id)
{
    FreePageState state;

    broker.chosen = choose_source(&state);
    g_assert(broker.chosen);
    broker.chosen->drop_caches = provider->drop_caches;
    broker.chosen->start(broker.chosen, id);
    provider->poison = broker.chosen->poison;
}

/* All of them: a guest may have been asked by one and then by another, since it changed its driver. */
static void broker_stop(struct free_page_provider *provider)
{
    for (unsigned i = 0; i < BALLOON_SOURCES; i++) {
        broker.sources[i]->stop(broker.sources[i]);
    }
}

static void broker_drain(struct free_page_provider *provider)
{
    for (unsigned i = 0; i < BALLOON_SOURCES; i++) {
        broker.sources[i]->drain(broker.sources[i]);
    }
}

static void broker_done(struct free_page_provider *provider)
{
    for (unsigned i = 0; i < BALLOON_SOURCES; i++) {
        broker.sources[i]->done(broker.sources[i]);
    }
}

static void broker_sample(struct free_page_provider *provider)
{
    broker.chosen = NULL;
    for (unsigned i = 0; i < BALLOON_SOURCES; i++) {
        broker.sources[i]->sample(broker.sources[i]);
    }
}

/* By whom was asked; until somebody was, by whoever knows. */
static uint64_t broker_guest_free(struct free_page_provider *provider)
{
    uint64_t bytes = broker.chosen ? broker.chosen->guest_free(broker.chosen) : UINT64_MAX;

    for (unsigned i = 0; !broker.chosen && bytes == UINT64_MAX && i < BALLOON_SOURCES; i++) {
        bytes = broker.sources[i]->guest_free(broker.sources[i]);
    }
    return bytes;
}

static const struct free_page_provider broker_face = {
    .name = "balloon",
    .ready = broker_ready,
    .start = broker_start,
    .stop = broker_stop,
    .done = broker_done,
    .drain = broker_drain,
    .sample = broker_sample,
    .guest_free = broker_guest_free,
};

/* ---- The device ---- */

bool balloon_register(const struct balloon_ops *ops, void *opaque, struct free_page_provider *const *sources,
                      GError **error)
{
    if (balloon_ops) {
        return error_setf(error, "Another balloon device already registered: one is as many as a guest can have");
    }
    broker.face = broker_face;
    broker.chosen = NULL;
    memcpy(broker.sources, sources, sizeof(broker.sources));
    if (!free_page_provider_register(&broker.face, error)) {
        return false;
    }
    balloon_ops = ops;
    balloon_opaque = opaque;
    return true;
}

void balloon_unregister(void *opaque)
{
    if (!balloon_ops || balloon_opaque != opaque) {
        return; /* one that never got as far */
    }
    free_page_provider_unregister(&broker.face);
    broker.chosen = NULL;
    memset(broker.sources, 0, sizeof(broker.sources));
    balloon_ops = NULL;
    balloon_opaque = NULL;
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
    balloon_ops->set_target(balloon_opaque, value, error);
}

BalloonInfo *qmp_query_balloon(GError **error)
{
    BalloonInfo *info;

    if (!balloon_check(error)) {
        return NULL;
    }
    info = g_new0(BalloonInfo, 1);
    balloon_ops->get_info(balloon_opaque, info);
    return info;
}
