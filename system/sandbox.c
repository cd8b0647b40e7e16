/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter allows by default and denies groups of calls: what a guest that has taken this program over would go on
 * with. Names, not numbers: a call that this libseccomp or this architecture does not know is left out.
 *
 * What kills and what merely fails: a call that no library makes by itself is a break-in, and ends the program; the
 * calls of spawn= and resourcecontrol= are made by well-behaved libraries as well, which must hear EPERM.
 */
#include "system/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "migration/channel.h"
#include "util/keyval.h"

#ifdef CONFIG_SECCOMP
#include <seccomp.h>

struct rule {
    enum sandbox_group group;
    const char *calls; /* separated by spaces */
};

static const struct rule rules[] = {
    /* The host's running: only its administrator stops it, boots another kernel, loads modules, sets limits on disks. */
    { SANDBOX_BASE, "reboot kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff acct "
                    "quotactl quotactl_fd syslog vhangup" },
    /* Its identity and its time, which others rely upon. */
    { SANDBOX_BASE, "sethostname setdomainname settimeofday clock_settime stime adjtimex clock_adjtime" },
    /* What files there are: mounts, roots and namespaces, the classic ways out of a container. */
    { SANDBOX_BASE, "mount umount umount2 pivot_root chroot move_mount mount_setattr open_tree fsopen fsconfig fsmount "
                    "fspick unshare setns open_by_handle_at name_to_handle_at" },
    /* Other processes' memory, registers and descriptors. */
    { SANDBOX_BASE, "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd" },
    /* Kernel interfaces with a record of holes, of no use to a machine emulator. */
    { SANDBOX_BASE, "bpf perf_event_open add_key request_key keyctl lookup_dcookie personality modify_ldt" },
    /* Ports of the host, past all device drivers. */
    { SANDBOX_BASE, "iopl ioperm" },

    /* Calls that a kernel keeps for old programs, or only the number of. */
    { SANDBOX_OBSOLETE, "uselib ustat sysfs _sysctl nfsservctl afs_syscall tuxcall vserver security getpmsg putpmsg "
                        "create_module get_kernel_syms query_module bdflush readdir sgetmask ssetmask break ftime gtty "
                        "stty lock mpx prof profil ulimit epoll_ctl_old epoll_wait_old set_thread_area "
                        "get_thread_area remap_file_pages" },

    /* To become somebody else, or more than oneself. */
    { SANDBOX_PRIVILEGES, "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset "
                          "setpgid setsid" },

    /* Other programs; threads are told from processes below. */
    { SANDBOX_SPAWN, "fork vfork execve execveat" },

    /* A larger share of the host than it was given. */
    { SANDBOX_RESOURCES, "setpriority sched_setparam sched_setscheduler sched_setattr sched_setaffinity ioprio_set "
                         "set_mempolicy set_mempolicy_home_node mbind migrate_pages move_pages" },
};

static uint32_t action_of(enum sandbox_group group)
{
    return group == SANDBOX_SPAWN || group == SANDBOX_RESOURCES ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS;
}

static int add_rule(scmp_filter_ctx filter, const struct rule *rule)
{
    g_auto(GStrv) calls = g_strsplit(rule->calls, " ", -1);
    int rc = 0;

    for (int i = 0; calls[i] && rc == 0; i++) {
        int number = seccomp_syscall_resolve_name(calls[i]);
        if (number >= 0) { /* below zero: unknown, or another architecture's */
            rc = seccomp_rule_add(filter, action_of(rule->group), number, 0);
        }
    }
    return rc;
}

/*
 * A thread is a clone() with CLONE_THREAD. clone3() has its flags in memory, where a filter cannot look: it does not
 * exist, which the C library takes for an old kernel.
 */
static int add_clone_rules(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));

    return rc ? rc : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int load(const struct sandbox *sandbox, scmp_filter_ctx filter)
{
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* threads that run already */

    for (size_t i = 0; i < G_N_ELEMENTS(rules) && rc == 0; i++) {
        rc = sandbox->deny[rules[i].group] ? add_rule(filter, &rules[i]) : 0;
    }
    if (rc == 0 && sandbox->deny[SANDBOX_SPAWN]) {
        rc = add_clone_rules(filter);
    }
    return rc ? rc : seccomp_load(filter);
}

bool sandbox_available(void)
{
    return true;
}

static bool install(const struct sandbox *sandbox, GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter ? load(sandbox, filter) : -ENOMEM;

    if (filter) {
        seccomp_release(filter);
    }
    return rc == 0 || error_setf_errno(error, -rc, "-sandbox: cannot install the filter of system calls");
}
#else
bool sandbox_available(void)
{
    return false;
}

static bool install(const struct sandbox *sandbox, GError **error)
{
    return error_setf(error, "-sandbox on is not supported: this program was built without libseccomp");
}
#endif

bool sandbox_enforce(const struct sandbox *sandbox, GError **error)
{
    if (!sandbox->enable) {
        return true;
    }
    /* libseccomp does it anyway, lest the filter bind a more privileged program; children= asks for it by name. */
    if (sandbox->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_setf_errno(error, errno, "-sandbox: cannot set elevateprivileges");
    }
    if (!install(sandbox, error)) {
        return false;
    }
    channel_exec_refused = sandbox->deny[SANDBOX_SPAWN] ? "-sandbox spawn=deny" : NULL;
    return true;
}

static const struct {
    const char *key;
    enum sandbox_group group;
    bool denied; /* unless said otherwise */
} keys[] = {
    { "obsolete", SANDBOX_OBSOLETE, true },
    { "elevateprivileges", SANDBOX_PRIVILEGES, false },
    { "spawn", SANDBOX_SPAWN, false },
    { "resourcecontrol", SANDBOX_RESOURCES, false },
};

static bool parse_key(struct keyval *kv, const char *key, enum sandbox_group group, struct sandbox *sandbox,
                      GError **error)
{
    const char *value = keyval_get(kv, key);
    bool children = group == SANDBOX_PRIVILEGES && value && !strcmp(value, "children");

    if (value && !children && strcmp(value, "allow") != 0 && strcmp(value, "deny") != 0) {
        return error_setf(error, "-sandbox: %s='%s' is not one of allow, deny%s", key, value,
                          group == SANDBOX_PRIVILEGES ? ", children" : "");
    }
    sandbox->deny[group] = value ? !strcmp(value, "deny") : sandbox->deny[group];
    sandbox->no_new_privileges |= group == SANDBOX_PRIVILEGES && (children || sandbox->deny[group]);
    return true;
}

bool sandbox_parse(const char *text, struct sandbox *sandbox, GError **error)
{
    struct keyval *kv = keyval_parse("-sandbox", text, "enable", error);

    *sandbox = (struct sandbox){ .deny = { [SANDBOX_BASE] = true } };
    bool ok = kv && keyval_get_bool(kv, "enable", &sandbox->enable, error);
    for (size_t i = 0; i < G_N_ELEMENTS(keys) && ok; i++) {
        sandbox->deny[keys[i].group] = keys[i].denied;
        ok = parse_key(kv, keys[i].key, keys[i].group, sandbox, error);
    }
    ok = ok && keyval_check_unread(kv, error);
    keyval_free(kv);
    if (ok && sandbox->enable && !sandbox_available()) {
        return install(sandbox, error);
    }
    return ok;
}
