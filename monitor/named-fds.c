/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors by name, each QMP monitor its own, as QEMU has it: what one client calls a descriptor no other can take or
 * close. They stay with the monitor when its client goes, so that the next one on it finds them.
 */
#include "monitor/monitor-internal.h"

#include <unistd.h>

#include "qapi/qapi-commands.h"

static void close_value(gpointer fd)
{
    close(GPOINTER_TO_INT(fd));
}

GHashTable *named_fds_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_value);
}

int monitor_take_fd(const char *name, GError **error)
{
    GHashTable *fds = qmp_named_fds();
    gpointer key, fd;
    if (g_ascii_isdigit(name[0])) {
        return (int)g_ascii_strtoll(name, NULL, 10); /* inherited: -incoming fd:N */
    }
    if (!fds || !g_hash_table_steal_extended(fds, name, &key, &fd)) {
        error_setf(error, "File descriptor named '%s' not found; pass it with getfd on the same monitor first", name);
        return -1;
    }
    g_free(key);
    return GPOINTER_TO_INT(fd);
}

void qmp_getfd(const char *fdname, GError **error)
{
    int fd = qmp_take_received_fd();
    if (fd < 0) {
        error_setf(error, "No file descriptor supplied via SCM_RIGHTS");
    } else if (g_ascii_isdigit(fdname[0])) {
        close(fd);
        error_setf(error, "Parameter 'fdname' is '%s', expected a name not starting with a digit", fdname);
    } else {
        g_hash_table_insert(qmp_named_fds(), g_strdup(fdname), GINT_TO_POINTER(fd)); /* what had the name is closed */
    }
}

void qmp_closefd(const char *fdname, GError **error)
{
    GHashTable *fds = qmp_named_fds();
    if (!fds || !g_hash_table_remove(fds, fdname)) {
        error_setf(error, "File descriptor named '%s' not found", fdname);
    }
}
