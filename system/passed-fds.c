/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors that come from outside, into sets: -add-fd and QMP's add-fd, remove-fd, query-fdsets. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "system/backends.h"
#include "util/fdset.h"
#include "util/keyval.h"

/* A descriptor that was inherited: those that this program opened itself bear FD_CLOEXEC. */
static bool check_inherited(uint64_t fd, GError **error)
{
    if (fd <= STDERR_FILENO) {
        return error_setf(error, "-add-fd: fd=%d is standard input, output or error", (int)fd);
    }
    int flags = fcntl((int)fd, F_GETFD);
    if (flags < 0 || flags & FD_CLOEXEC) {
        return error_setf(error, "-add-fd: fd=%d is not a descriptor that was passed to this program", (int)fd);
    }
    return true;
}

static bool add_fd(struct keyval *kv, int *original, GError **error)
{
    uint64_t fd = UINT64_MAX, set = UINT64_MAX;
    const char *opaque = keyval_get(kv, "opaque");

    if (!keyval_get_uint(kv, "fd", &fd, INT32_MAX, error) || !keyval_get_uint(kv, "set", &set, INT64_MAX, error) ||
        !keyval_check_unread(kv, error)) {
        return false;
    }
    if (fd == UINT64_MAX || set == UINT64_MAX) {
        return error_setf(error, "-add-fd: %s= is missing", fd == UINT64_MAX ? "fd" : "set");
    }
    if (!check_inherited(fd, error)) {
        return false;
    }
    *original = (int)fd;
    int copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return error_setf_errno(error, errno, "-add-fd: cannot duplicate fd=%d", (int)fd);
    }
    int64_t number = (int64_t)set;
    return fdset_add(copy, &number, opaque, error);
}

bool passed_fds_add(const GPtrArray *list, GError **error)
{
    g_autofree int *originals = g_new(int, list->len + 1);

    for (guint i = 0; i < list->len; i++) {
        struct keyval *kv = keyval_parse("-add-fd", list->pdata[i], NULL, error);
        bool ok = kv && add_fd(kv, &originals[i], error);
        keyval_free(kv);
        if (!ok) {
            return false;
        }
    }
    /* After all of them: a descriptor may be added to several sets. A second close() of it fails, and harms nobody. */
    for (guint i = 0; i < list->len; i++) {
        close(originals[i]);
    }
    return true;
}

AddfdInfo *qmp_add_fd(bool has_fdset_id, int64_t fdset_id, const char *opaque, GError **error)
{
    int fd = qmp_take_received_fd();
    int64_t set = has_fdset_id ? fdset_id : -1;

    if (fd < 0) {
        error_setf(error, "No file descriptor supplied via SCM_RIGHTS");
        return NULL;
    }
    if (has_fdset_id && fdset_id < 0) {
        error_setf(error, "Parameter 'fdset-id' expects a non-negative value, not %" G_GINT64_FORMAT, fdset_id);
        close(fd);
        return NULL;
    }
    if (!fdset_add(fd, &set, opaque, error)) {
        close(fd);
        return NULL;
    }
    AddfdInfo *info = g_new0(AddfdInfo, 1);
    *info = (AddfdInfo){ .fdset_id = set, .fd = fd };
    return info;
}

void qmp_remove_fd(int64_t fdset_id, bool has_fd, int64_t fd, GError **error)
{
    if (has_fd && fd < 0) {
        error_setf(error, "Parameter 'fd' expects a non-negative value, not %" G_GINT64_FORMAT, fd);
    } else {
        fdset_remove(fdset_id, has_fd ? fd : -1, error);
    }
}

static void describe(int64_t set, int fd, const char *opaque, void *data)
{
    GPtrArray *list = data;
    FdsetInfo *info = list->len ? list->pdata[list->len - 1] : NULL;

    if (!info || info->fdset_id != set) {
        info = g_new0(FdsetInfo, 1);
        info->fdset_id = set;
        info->fds = qapi_list_of_FdsetFdInfo_new();
        g_ptr_array_add(list, info);
    }
    FdsetFdInfo *member = g_new0(FdsetFdInfo, 1);
    member->fd = fd;
    member->opaque = g_strdup(opaque);
    g_ptr_array_add(info->fds, member);
}

GPtrArray *qmp_query_fdsets(GError **error)
{
    GPtrArray *list = qapi_list_of_FdsetInfo_new();

    fdset_foreach(describe, list);
    return list;
}
