/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rng-random and rng-builtin. A file that has nothing yet (/dev/hwrng) is waited for in the main loop. */
#include "system/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "qapi/qapi-types.h"
#include "qapi/qapi-visit.h"
#include "system/object-types.h"
#include "util/fdset.h"
#include "util/main-loop.h"

#define DEFAULT_FILE "/dev/urandom"

struct waiter {
    void (*ready)(void *opaque);
    void *opaque;
};

struct rng {
    char *id;
    char *filename; /* NULL: the kernel's own */
    int fd;
    guint watch;
    GArray *waiters; /* struct waiter */
};

static GPtrArray *rngs;
static struct rng builtin = { .fd = -1 };

struct rng *rng_find(const char *id)
{
    for (guint i = 0; rngs && i < rngs->len; i++) {
        struct rng *rng = rngs->pdata[i];

        if (!strcmp(rng->id, id)) {
            return rng;
        }
    }
    return NULL;
}

struct rng *rng_default(void)
{
    return &builtin;
}

/* ---- Reading ---- */

static gboolean rng_readable(int fd, GIOCondition condition, gpointer opaque)
{
    struct rng *rng = opaque;
    GArray *waiters = rng->waiters;

    rng->watch = 0;
    rng->waiters = g_array_new(FALSE, FALSE, sizeof(struct waiter));
    for (guint i = 0; i < waiters->len; i++) {
        struct waiter waiter = g_array_index(waiters, struct waiter, i);

        waiter.ready(waiter.opaque); /* may wait again, in the new list */
    }
    g_array_unref(waiters);
    return G_SOURCE_REMOVE;
}

static void wait_for(struct rng *rng, void (*ready)(void *opaque), void *opaque)
{
    struct waiter waiter = { ready, opaque };

    rng_forget(rng, opaque);
    g_array_append_val(rng->waiters, waiter);
    if (!rng->watch) {
        rng->watch = main_loop_watch_fd(rng->fd, G_IO_IN, rng_readable, rng);
    }
}

size_t rng_read(struct rng *rng, void *data, size_t length, void (*ready)(void *opaque), void *opaque)
{
    ssize_t n;

    do {
        n = rng->filename ? read(rng->fd, data, length) : getrandom(data, length, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        wait_for(rng, ready, opaque); /* not at a file's end: it would seem readable for ever */
    }
    return n > 0 ? n : 0;
}

void rng_forget(struct rng *rng, void *opaque)
{
    for (guint i = 0; rng->waiters && i < rng->waiters->len; i++) {
        if (g_array_index(rng->waiters, struct waiter, i).opaque == opaque) {
            g_array_remove_index(rng->waiters, i);
            return;
        }
    }
}

/* ---- Objects ---- */

static void rng_free(struct rng *rng)
{
    g_clear_handle_id(&rng->watch, g_source_remove);
    if (rng->fd >= 0) {
        close(rng->fd);
    }
    g_array_unref(rng->waiters);
    g_free(rng->filename);
    g_free(rng->id);
    g_free(rng);
}

static struct rng *rng_add(const char *id, const char *filename, int fd)
{
    struct rng *rng = g_new0(struct rng, 1);

    rng->id = g_strdup(id);
    rng->filename = g_strdup(filename);
    rng->fd = fd;
    rng->waiters = g_array_new(FALSE, FALSE, sizeof(struct waiter));
    rngs = rngs ? rngs : g_ptr_array_new_with_free_func((GDestroyNotify)rng_free);
    g_ptr_array_add(rngs, rng);
    return rng;
}

static bool random_create(const ObjectOptions *options, GError **error)
{
    const char *given = options->u.rng_random->filename, *filename = given ? given : DEFAULT_FILE;
    int fd = fdset_open(filename, O_RDONLY | O_NONBLOCK, error);

    if (fd < 0) {
        g_prefix_error(error, "rng-random '%s': filename=%s: ", options->id, filename);
        return false;
    }
    rng_add(options->id, filename, fd);
    return true;
}

static bool builtin_create(const ObjectOptions *options, GError **error)
{
    rng_add(options->id, NULL, -1);
    return true;
}

static bool rng_destroy(const char *id, GError **error)
{
    g_ptr_array_remove(rngs, rng_find(id));
    return true;
}

static JsonNode *random_get(const char *id, const char *property, GError **error)
{
    return qapi_node_str(rng_find(id)->filename);
}

static const struct object_property random_properties[] = {
    { "filename", "str", "the file to read, " DEFAULT_FILE " by default" },
    { NULL },
};
static const struct object_property no_properties[] = { { NULL } };

const struct object_type object_type_rng_random = {
    .name = "rng-random",
    .parent = "rng-backend",
    .description = "entropy from a file of the host",
    .properties = random_properties,
    .create = random_create,
    .destroy = rng_destroy,
    .get = random_get,
};

const struct object_type object_type_rng_builtin = {
    .name = "rng-builtin",
    .parent = "rng-backend",
    .description = "entropy from the host's kernel",
    .properties = no_properties,
    .create = builtin_create,
    .destroy = rng_destroy,
};
