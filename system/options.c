/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: one table of options, from which parsing and -help both come. */
#include "system/options.h"

#include <stdio.h>
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "system/nic.h"
#include "system/object.h"
#include "system/system.h"
#include "net/net.h"
#include "target/i386/cpuid.h"
#include "accel/accel.h"
#include "util/keyval.h"

enum option_kind {
    OPTION_STRING, /* the last one counts */
    OPTION_LIST,   /* each one counts */
    OPTION_FLAG,
    OPTION_CALL,   /* a function */
};

struct option_row {
    const char *name, *alias;
    const char *argument; /* for help; NULL: takes none */
    enum option_kind kind;
    size_t offset;
    bool (*call)(struct options *options, const char *text, GError **error);
    const char *help;
};

static bool set_name(struct options *options, const char *text, GError **error);
static bool set_uuid(struct options *options, const char *text, GError **error);
static bool set_display(struct options *options, const char *text, GError **error);
static bool set_none_only(struct options *options, const char *text, GError **error);
static bool set_msg(struct options *options, const char *text, GError **error);
static bool set_boot(struct options *options, const char *text, GError **error);
static bool set_sandbox(struct options *options, const char *text, GError **error);
static bool set_no_reboot(struct options *options, const char *text, GError **error);
static bool set_no_shutdown(struct options *options, const char *text, GError **error);
static bool set_action(struct options *options, const char *text, GError **error);
static bool set_monitor(struct options *options, const char *text, GError **error);
static bool print_version(struct options *options, const char *text, GError **error);
static bool print_help(struct options *options, const char *text, GError **error);
static bool accept_flag(struct options *options, const char *text, GError **error);
static bool set_gdb_default(struct options *options, const char *text, GError **error);

#define STRING(n, a, arg, field, h) { n, a, arg, OPTION_STRING, offsetof(struct options, field), NULL, h }
#define LIST(n, a, arg, field, h) { n, a, arg, OPTION_LIST, offsetof(struct options, field), NULL, h }
#define FLAG(n, field, h) { n, NULL, NULL, OPTION_FLAG, offsetof(struct options, field), NULL, h }
#define CALL(n, a, arg, function, h) { n, a, arg, OPTION_CALL, 0, function, h }

static const struct option_row rows[] = {
    CALL("help", "h", NULL, print_help, "print this help"),
    CALL("version", NULL, NULL, print_version, "print the version"),
    STRING("machine", "M", "[type=]TYPE[,prop=value]", machine, "the machine; -machine help lists them"),
    LIST("accel", NULL, "NAME[,prop=value]", accel, "the accelerator; several are tried in order; -accel help"),
    STRING("cpu", NULL, "MODEL[,+feature][,-feature]", cpu, "the CPU model; -cpu help lists them"),
    STRING("smp", NULL, "[cpus=]N[,maxcpus=][,sockets=][,cores=][,threads=]", smp, "number of vCPUs (1 to 8)"),
    STRING("m", NULL, "[size=]N", memory, "guest memory, in MiB or with a suffix (default 128)"),
    STRING("kernel", NULL, "FILE", kernel, "bzImage, vmlinux or PVH ELF to boot"),
    STRING("initrd", NULL, "FILE", initrd, "initial RAM disk"),
    STRING("append", NULL, "TEXT", append, "kernel command line"),
    LIST("device", NULL, "TYPE[,prop=value]", devices, "add a device; -device help, -device TYPE,help"),
    LIST("object", NULL, "TYPE,id=ID[,prop=value]", objects,
         "make an object; -object help, -object TYPE,help"),
    LIST("blockdev", NULL, "DRIVER,node-name=NAME[,prop=value]", blockdevs, "a node that disks stand on (file, raw)"),
    LIST("drive", NULL, "file=FILE,format=raw,if=none|virtio[,id=ID][,prop=value]", drives, "an image in short"),
    LIST("netdev", NULL, "TYPE,id=ID[,prop=value]", netdevs,
         "a network for a device (user, tap, socket, dgram, stream); -netdev help"),
    LIST("nic", NULL, "none|TYPE,model=MODEL[,mac=ADDRESS][,prop=value]", nics,
         "a network and a device on it in one; -nic help, -nic model=help"),
    LIST("global", NULL, "TYPE.PROP=VALUE", globals, "a default for a device property"),
    LIST("chardev", NULL, "BACKEND,id=ID[,prop=value]", chardevs,
         "a character device (null, stdio, file, pty, socket)"),
    LIST("serial", NULL, "DEV", serials, "serial port on a character device"),
    CALL("monitor", NULL, "DEV", set_monitor, "HMP monitor on a character device"),
    LIST("qmp", NULL, "DEV", qmps, "QMP monitor on a character device"),
    LIST("qmp-pretty", NULL, "DEV", qmps_pretty, "the same, indented"),
    LIST("mon", NULL, "[chardev=]ID[,mode=readline|control][,pretty=on|off]", mons, "monitor on a -chardev"),
    CALL("display", NULL, "none", set_display, "display: only none is supported"),
    FLAG("nographic", nographic, "serial port and monitor share the terminal (Ctrl-A c switches)"),
    CALL("vga", NULL, "none", set_none_only, "VGA: only none is supported"),
    CALL("parallel", NULL, "none", set_none_only, "parallel port: only none is supported"),
    CALL("net", NULL, "none", set_none_only, "network: only none is supported"),
    FLAG("nodefaults", nodefaults, "no default devices"),
    CALL("no-user-config", NULL, NULL, accept_flag, "read no configuration files (there are none)"),
    CALL("boot", NULL, "[order=acdn][,strict=on|off]", set_boot,
         "boot order, as the CMOS says it; strict=on: try nothing else (nothing else is ever tried)"),
    CALL("name", NULL, "[guest=]NAME[,debug-threads=on|off]", set_name, "the guest's name"),
    LIST("add-fd", NULL, "fd=FD,set=SET[,opaque=TEXT]", add_fds,
         "put an inherited descriptor into a set: /dev/fdset/SET as a path means it"),
    CALL("uuid", NULL, "UUID", set_uuid, "the guest's UUID"),
    STRING("overcommit", NULL, "[mem-lock=on|off][,cpu-pm=off]", overcommit, "lock all memory of this program"),
    LIST("audiodev", NULL, "none,id=ID", audiodevs, "host audio: only none is supported"),
    STRING("rtc", NULL, "[base=utc|localtime|DATE][,clock=host|rt|vm]", rtc, "the real-time clock"),
    FLAG("S", start_paused, "do not start the vCPUs; `cont` does"),
    STRING("incoming", NULL, "URI|defer", incoming, "wait for a migration"),
    STRING("icount", NULL, "[shift=]N[,sleep=on|off]", icount, "a virtual clock that counts instructions"),
    CALL("sandbox", NULL, "on|off[,obsolete=][,elevateprivileges=][,spawn=][,resourcecontrol=]", set_sandbox,
         "deny system calls: each group allow or deny (elevateprivileges also children)"),
    CALL("action", NULL, "reboot=,shutdown=,panic=", set_action, "what guest events lead to"),
    CALL("no-reboot", NULL, NULL, set_no_reboot, "end instead of rebooting"),
    CALL("no-shutdown", NULL, NULL, set_no_shutdown, "pause instead of ending at guest shutdown"),
    CALL("msg", NULL, "timestamp=on|off", set_msg, "time in front of messages"),
    FLAG("daemonize", daemonize, "go on in the background once start-up is done; the exit status tells whether it is"),
    STRING("pidfile", NULL, "FILE", pidfile, "write the process id to FILE, locked while the program runs"),
    STRING("d", NULL, "ITEM[,ITEM]", log_items, "log items; -d help lists them"),
    STRING("D", NULL, "FILE", log_file, "log to FILE instead of stderr"),
    LIST("trace", NULL, "PATTERN", traces, "switch trace points on; -trace help lists them"),
    STRING("gdb", NULL, "DEV", gdb, "gdb's remote protocol on a character device (tcp::1234, unix:PATH)"),
    CALL("s", NULL, NULL, set_gdb_default, "short for -gdb tcp::1234"),
    STRING("qtest", NULL, "DEV", qtest, "qtest protocol on a character device (tests)"),
};

static bool accept_flag(struct options *options, const char *text, GError **error)
{
    return true;
}

static bool set_gdb_default(struct options *options, const char *text, GError **error)
{
    options->gdb = "tcp::1234";
    return true;
}

static bool print_version(struct options *options, const char *text, GError **error)
{
    printf("QEMU emulator version 7.2.0 (%s)\n", FERRY_PACKAGE);
    options->help = true;
    return true;
}

static bool print_help(struct options *options, const char *text, GError **error)
{
    printf("QEMU emulator version 7.2.0 (%s)\nusage: qemu-system-x86_64 [options]\n\n", FERRY_PACKAGE);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *left = g_strdup_printf("-%s%s%s%s%s", rows[i].name, rows[i].alias ? ", -" : "",
                                                rows[i].alias ? rows[i].alias : "", rows[i].argument ? " " : "",
                                                rows[i].argument ? rows[i].argument : "");
        printf(strlen(left) < 28 ? "%-28s %s\n" : "%s\n                             %s\n", left, rows[i].help);
    }
    options->help = true;
    return true;
}

static bool set_none_only(struct options *options, const char *text, GError **error)
{
    return strcmp(text, "none") == 0 || error_setf(error, "'%s' is not supported (only 'none')", text);
}

static bool set_display(struct options *options, const char *text, GError **error)
{
    return set_none_only(options, text, error);
}

static bool set_monitor(struct options *options, const char *text, GError **error)
{
    options->monitor_given = true;
    g_ptr_array_add(options->monitors, (gpointer)text);
    return true;
}

static bool set_no_reboot(struct options *options, const char *text, GError **error)
{
    action_set_no_reboot();
    return true;
}

static bool set_no_shutdown(struct options *options, const char *text, GError **error)
{
    action_set_no_shutdown();
    return true;
}

static bool set_action(struct options *options, const char *text, GError **error)
{
    return action_parse(text, error);
}

static bool set_name(struct options *options, const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-name", text, "guest", error);
    bool threads = false;
    if (!kv) {
        return false;
    }
    guest_name = g_strdup(keyval_get(kv, "guest"));
    bool ok = keyval_get_bool(kv, "debug-threads", &threads, error) && keyval_check_unread(kv, error);
    keyval_free(kv);
    return ok; /* threads always bear names */
}

static bool set_uuid(struct options *options, const char *text, GError **error)
{
    if (!g_uuid_string_is_valid(text)) {
        return error_setf(error, "'%s' is not a UUID (8-4-4-4-12 hexadecimal digits)", text);
    }
    g_autofree char *lower = g_ascii_strdown(text, -1);
    g_strlcpy(guest_uuid, lower, sizeof(guest_uuid));
    guest_uuid_set = true;
    return true;
}

static bool set_msg(struct options *options, const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-msg", text, NULL, error);
    bool ok =
        kv && keyval_get_bool(kv, "timestamp", &error_report_timestamp, error) && keyval_check_unread(kv, error);
    keyval_free(kv);
    return ok;
}

static bool set_boot(struct options *options, const char *text, GError **error)
{
    struct keyval *kv = keyval_parse("-boot", text, "order", error);
    bool strict; /* what boots is -kernel, which is as strict as can be */
    bool ok = kv && keyval_get_bool(kv, "strict", &strict, error);
    const char *order = ok ? keyval_get(kv, "order") : NULL;
    if (order && (strspn(order, "acdn") != strlen(order) || strlen(order) > 3)) {
        ok = error_setf(error, "order=%s is not up to three of a (floppy), c (disk), d (CD-ROM), n (network)", order);
    } else if (order) {
        g_free((char *)options->boot_order);
        options->boot_order = g_strdup(order);
    }
    ok = ok && keyval_check_unread(kv, error);
    keyval_free(kv);
    return ok;
}

static bool set_sandbox(struct options *options, const char *text, GError **error)
{
    return sandbox_parse(text, &options->sandbox, error);
}

static const struct option_row *row_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (strcmp(rows[i].name, name) == 0 || (rows[i].alias && strcmp(rows[i].alias, name) == 0)) {
            return &rows[i];
        }
    }
    return NULL;
}

bool option_exists(const char *name)
{
    return row_find(name) != NULL;
}

static bool row_apply(const struct option_row *row, struct options *options, const char *text, GError **error)
{
    void *field = (char *)options + row->offset;
    switch (row->kind) {
    case OPTION_STRING:
        *(const char **)field = text;
        return true;
    case OPTION_LIST:
        g_ptr_array_add(*(GPtrArray **)field, (gpointer)text);
        return true;
    case OPTION_FLAG:
        *(bool *)field = true;
        return true;
    case OPTION_CALL:
        if (!row->call(options, text, error)) {
            g_autofree char *prefix = g_strdup_printf("-%s: ", row->name);
            if (!g_str_has_prefix((*error)->message, prefix)) { /* the parser of its parameters has said so already */
                g_prefix_error(error, "%s", prefix);
            }
            return false;
        }
        return true;
    }
    return false;
}

/* Options whose "help" value prints a list. */
static bool print_lists(struct options *o, GError **error)
{
    char *text = NULL;
    if (o->machine && (strcmp(o->machine, "help") == 0 || strcmp(o->machine, "?") == 0)) {
        text = machine_help();
    } else if (o->machine && g_str_has_suffix(o->machine, ",help")) {
        g_autofree char *name = g_strndup(o->machine, strlen(o->machine) - 5);
        const struct machine_type *type = machine_type_find(name);
        if (!type) {
            return error_setf(error, "unsupported machine type '%s' (use -machine help to list them)", name);
        }
        text = machine_type_help(type);
    } else if (o->cpu && (strcmp(o->cpu, "help") == 0 || strcmp(o->cpu, "?") == 0)) {
        text = x86_cpu_help();
    } else if (o->netdevs->len && strcmp(o->netdevs->pdata[0], "help") == 0) {
        text = netdev_help();
    } else if (o->accel->len && strcmp(o->accel->pdata[0], "help") == 0) {
        text = accel_help();
    }
    for (guint i = 0; i < o->objects->len && !text; i++) {
        const char *object = o->objects->pdata[i];
        if (strcmp(object, "help") == 0 || strcmp(object, "?") == 0) {
            text = object_help(NULL);
        } else if (g_str_has_suffix(object, ",help")) {
            g_autofree char *name = g_strndup(object, strlen(object) - 5);
            text = object_help(name);
            if (!text) {
                return error_setf(error, "-object: '%s' is not an object type (see -object help)", name);
            }
        }
    }
    for (guint i = 0; i < o->nics->len && !text; i++) {
        text = nic_help(o->nics->pdata[i]);
    }
    for (guint i = 0; i < o->devices->len && !text; i++) {
        const char *device = o->devices->pdata[i];
        if (strcmp(device, "help") == 0 || strcmp(device, "?") == 0) {
            text = device_list_help();
        } else if (g_str_has_suffix(device, ",help")) {
            g_autofree char *name = g_strndup(device, strlen(device) - 5);
            text = device_type_help(name);
            if (!text) {
                return error_setf(error, "-device: '%s' is not a device type (see -device help)", name);
            }
        }
    }
    if (text) {
        printf("%s", text);
        g_free(text);
        o->help = true;
    }
    return true;
}

#define LIST_AT(name) offsetof(struct options, name)
static const size_t lists[] = {
    LIST_AT(accel), LIST_AT(devices), LIST_AT(objects), LIST_AT(globals), LIST_AT(chardevs), LIST_AT(serials),
    LIST_AT(monitors), LIST_AT(qmps), LIST_AT(qmps_pretty), LIST_AT(mons), LIST_AT(traces), LIST_AT(add_fds),
    LIST_AT(audiodevs), LIST_AT(netdevs), LIST_AT(blockdevs), LIST_AT(drives),
    LIST_AT(nics),
};

static GPtrArray **list_at(struct options *o, size_t i)
{
    return (GPtrArray **)((char *)o + lists[i]);
}

void options_clear(struct options *o)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_clear_pointer(list_at(o, i), g_ptr_array_unref);
    }
    g_free((char *)o->boot_order);
    o->boot_order = NULL;
}

bool options_parse(struct options *o, int argc, char **argv, GError **error)
{
    *o = (struct options){ 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        *list_at(o, i) = g_ptr_array_new();
    }
    for (int i = 1; i < argc && !o->help; i++) {
        const char *name = argv[i];
        if (name[0] != '-') {
            return error_setf(error, "'%s': disk images are not supported; options begin with '-'", name);
        }
        name += name[1] == '-' ? 2 : 1;
        const struct option_row *row = row_find(name);
        if (!row) {
            return error_setf(error, "%s: invalid option (see -help)", argv[i]);
        }
        if (row->argument && i + 1 == argc) {
            return error_setf(error, "%s: requires an argument: %s", argv[i], row->argument);
        }
        if (!row_apply(row, o, row->argument ? argv[++i] : NULL, error)) {
            return false;
        }
    }
    return o->help || print_lists(o, error);
}
