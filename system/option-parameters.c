/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-command-line-options: what each option's parameters are. Whoever teaches an option's parser a parameter adds it
 * here; a test gives every one of these to the program.
 */
#include <string.h>

#include "qapi/qapi-commands.h"
#include "system/options.h"

/* `parameters`: NAME:TYPE, separated by spaces. */
static const struct {
    const char *option; /* on the command line, */
    const char *group;  /* and as QEMU calls the list of its parameters */
    const char *parameters;
} groups[] = {
    { "accel", "accel", "" },
    { "action", "action", "reboot:string shutdown:string panic:string" },
    { "add-fd", "add-fd", "fd:number set:number opaque:string" },
    { "boot", "boot-opts", "order:string strict:boolean" },
    { "chardev", "chardev", "backend:string path:string append:boolean host:string port:string fd:string "
                            "server:boolean wait:boolean nodelay:boolean signal:boolean mux:boolean" },
    { "device", "device", "" },
    { "drive", "drive", "file:string format:string if:string cache:string aio:string discard:string "
                        "read-only:boolean" },
    { "global", "global", "driver:string property:string value:string" },
    { "icount", "icount", "shift:string sleep:boolean align:boolean" },
    { "m", "memory", "size:size" },
    { "machine", "machine", "type:string accel:string kernel-irqchip:string memory-backend:string acpi:boolean "
                            "dump-guest-core:boolean graphics:boolean hpet:boolean i8042:boolean mem-merge:boolean "
                            "pic:boolean pit:boolean sata:boolean smbus:boolean smm:boolean suppress-vmdesc:boolean "
                            "usb:boolean vmport:boolean" },
    { "mon", "mon", "chardev:string mode:string pretty:boolean" },
    { "msg", "msg", "timestamp:boolean" },
    { "name", "name", "guest:string debug-threads:boolean" },
    { "netdev", "netdev", "" },
    { "nic", "nic", "" },
    { "object", "object", "" },
    { "overcommit", "overcommit", "mem-lock:boolean cpu-pm:boolean" },
    { "rtc", "rtc", "base:string clock:string driftfix:string" },
    { "sandbox", "sandbox", "enable:boolean obsolete:string elevateprivileges:string spawn:string "
                            "resourcecontrol:string" },
    { "smp", "smp-opts", "cpus:number sockets:number cores:number threads:number maxcpus:number" },
};

static GPtrArray *describe_parameters(const char *text)
{
    GPtrArray *list = qapi_list_of_CommandLineParameterInfo_new();
    g_auto(GStrv) words = g_strsplit(text, " ", -1);

    for (char **word = words; *word && **word; word++) {
        g_auto(GStrv) pair = g_strsplit(*word, ":", 2);
        CommandLineParameterInfo *info = g_new0(CommandLineParameterInfo, 1);
        info->name = g_strdup(pair[0]);
        info->type = CommandLineParameterType_parse(pair[1]);
        g_ptr_array_add(list, info);
    }
    return list;
}

static bool option_built(const char *option)
{
    return option_exists(option) && (strcmp(option, "sandbox") != 0 || sandbox_available());
}

GPtrArray *qmp_query_command_line_options(const char *option, GError **error)
{
    GPtrArray *list = qapi_list_of_CommandLineOptionInfo_new();

    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (option_built(groups[i].option) && (!option || !strcmp(option, groups[i].group))) {
            CommandLineOptionInfo *info = g_new0(CommandLineOptionInfo, 1);
            info->option = g_strdup(groups[i].group);
            info->parameters = describe_parameters(groups[i].parameters);
            g_ptr_array_add(list, info);
        }
    }
    if (option && list->len == 0) {
        error_setf(error, "invalid option name: %s", option);
    }
    return list;
}
