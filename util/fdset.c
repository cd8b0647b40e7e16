/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/fdset.h"
#include "util/keyval.h"

#define PREFIX "/dev/fdset/"
/* What fcntl(F_SETFL) can change on a descriptor that is open already. */
#define SETTABLE (O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK)

struct member {
    int64_t set;
    int fd;
    char *opaque; /* what the user calls it, or NULL */
};

static GArray *members; /* by set, then in order of arrival */

static struct member *member_at(guint i)
{
    return &g_array_index(members, struct member, i);
}

static guint member_count(void)
{
    return members ? members->len : 0;
}

static void member_clear(gpointer opaque)
{
    struct member *member = opaque;
    close(member->fd);
    g_free(member->opaque);
}

static int64_t first_unused_set(void)
{
    int64_t set = 0;
    for (guint i = 0; i < member_count() && member_at(i)->set <= set; i++) {
        set = member_at(i)->set + 1;
    }
    return set;
}

bool fdset_add(int fd, int64_t *set, const char *opaque, GError **error)
{
    guint at = 0;

    if (fcntl(fd, F_GETFL) < 0) {
        return error_setf_errno(error, errno, "file descriptor %d cannot be added to a set", fd);
    }
    if (!members) {
        members = g_array_new(FALSE, FALSE, sizeof(struct member));
        g_array_set_clear_func(members, member_clear);
    }
    *set = *set < 0 ? first_unused_set() : *set;
    while (at < members->len && member_at(at)->set <= *set) {
        at++;
    }
    struct member member = { .set = *set, .fd = fd, .opaque = g_strdup(opaque) };
    g_array_insert_val(members, at, member);
    return true;
}

bool fdset_remove(int64_t set, int64_t fd, GError **error)
{
    bool found = false;

    for (guint i = member_count(); i > 0; i--) {
        const struct member *member = member_at(i - 1);
        if (member->set == set && (fd < 0 || member->fd == fd)) {
            g_array_remove_index(members, i - 1);
            found = true;
        }
    }
    if (!found && fd >= 0) {
        return error_setf(error, "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found", set, fd);
    }
    return found || error_setf(error, "File descriptor named 'fdset-id:%" PRId64 "' not found", set);
}

void fdset_foreach(void (*each)(int64_t set, int fd, const char *opaque, void *data), void *data)
{
    for (guint i = 0; i < member_count(); i++) {
        each(member_at(i)->set, member_at(i)->fd, member_at(i)->opaque, data);
    }
}

static const char *access_name(int flags)
{
    flags &= O_ACCMODE;
    return flags == O_RDONLY ? "reading" : flags == O_WRONLY ? "writing" : "reading and writing";
}

/* The set's descriptor for these flags, or -1. */
static int find_fitting(const char *path, int64_t set, int flags, GError **error)
{
    bool known = false;

    for (guint i = 0; i < member_count(); i++) {
        if (member_at(i)->set == set) {
            known = true;
            if ((fcntl(member_at(i)->fd, F_GETFL) & O_ACCMODE) == (flags & O_ACCMODE)) {
                return member_at(i)->fd;
            }
        }
    }
    if (known) {
        error_setf(error, "cannot open '%s': the set has no descriptor that is open for %s", path, access_name(flags));
    } else {
        error_setf(error, "cannot open '%s': there is no such set (add-fd)", path);
    }
    return -1;
}

/* Status flags belong to the open file, which the duplicate shares with its original: as if it had been opened so. */
static int duplicate(const char *path, int original, int flags, GError **error)
{
    int fd = fcntl(original, F_DUPFD_CLOEXEC, 0);
    int status = fcntl(fd, F_GETFL);

    if (fd >= 0 && status >= 0 && fcntl(fd, F_SETFL, (status & ~SETTABLE) | (flags & SETTABLE)) >= 0 &&
        (!(flags & O_TRUNC) || ftruncate(fd, 0) >= 0)) {
        return fd;
    }
    error_setf_errno(error, errno, "cannot open '%s'", path);
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

int fdset_open(const char *path, int flags, GError **error)
{
    uint64_t set;

    if (!g_str_has_prefix(path, PREFIX)) {
        int fd = open(path, flags | O_CLOEXEC, 0666);
        if (fd < 0) {
            error_setf_errno(error, errno, "cannot open '%s'", path);
        }
        return fd;
    }
    if (!parse_uint(PREFIX "N", path + strlen(PREFIX), &set, INT64_MAX, error)) {
        return -1;
    }
    int original = find_fitting(path, set, flags, error);
    return original < 0 ? -1 : duplicate(path, original, flags, error);
}
