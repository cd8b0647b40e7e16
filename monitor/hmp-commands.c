/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP's commands: a table, each row over the QMP function that does the work. */
#include "monitor/monitor-internal.h"

#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "block/block.h"
#include "hw/core/device.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/pci/pci.h"
#include "memory/memory.h"
#include "net/hmp.h"
#include "qapi/qapi-commands.h"
#include "system/backends.h"
#include "system/runstate.h"
#include "system/system.h"
#include "util/keyval.h"

/* Prints and frees; true if there was an error. */
static bool failed(GError *error)
{
    if (!error) {
        return false;
    }
    monitor_printf("Error: %s\n", error->message);
    g_error_free(error);
    return true;
}

static bool wants(int argc, char **argv, int least, int most)
{
    if (argc - 1 < least || argc - 1 > most) {
        monitor_printf("%s: %s (see 'help %s')\n", argv[0],
                       argc - 1 < least ? "missing argument" : "extraneous argument", argv[0]);
        return false;
    }
    return true;
}

#define SIMPLE(function, call)                    \
    static void function(int argc, char **argv)   \
    {                                             \
        GError *error = NULL;                     \
        if (wants(argc, argv, 0, 0)) {            \
            call(&error);                         \
            failed(error);                        \
        }                                         \
    }
SIMPLE(run_quit, qmp_quit)
SIMPLE(run_stop, qmp_stop)
SIMPLE(run_cont, qmp_cont)
SIMPLE(run_system_reset, qmp_system_reset)
SIMPLE(run_system_powerdown, qmp_system_powerdown)
SIMPLE(run_migrate_cancel, qmp_migrate_cancel)
SIMPLE(run_nmi, qmp_inject_nmi)
#undef SIMPLE

static void run_device_add(int argc, char **argv)
{
    GError *error = NULL;
    if (wants(argc, argv, 1, 1)) {
        device_add_from_text(argv[1], &error);
        failed(error);
    }
}

static void run_device_del(int argc, char **argv)
{
    GError *error = NULL;
    if (wants(argc, argv, 1, 1)) {
        qmp_device_del(argv[1], &error);
        failed(error);
    }
}

static void run_help(int argc, char **argv)
{
    hmp_help(argc > 1 ? argv[1] : NULL);
}

static void run_migrate(int argc, char **argv)
{
    GError *error = NULL;
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        if (strcmp(argv[at], "-d") != 0) {
            monitor_printf("migrate: option '%s' is not supported (only -d)\n", argv[at]);
            return;
        }
        at++; /* a migration always runs in the background; `info migrate` shows it */
    }
    if (wants(argc - at + 1, argv, 1, 1)) {
        qmp_migrate(argv[at], false, false, false, false, false, false, false, false, &error);
        failed(error);
    }
}

static void run_migrate_incoming(int argc, char **argv)
{
    GError *error = NULL;
    if (wants(argc, argv, 1, 1)) {
        qmp_migrate_incoming(argv[1], &error);
        failed(error);
    }
}

static void run_migrate_set_capability(int argc, char **argv)
{
    GError *error = NULL;
    bool state = false;
    if (!wants(argc, argv, 2, 2)) {
        return;
    }
    int capability = MigrationCapability_parse(argv[1]);
    if (capability < 0) {
        monitor_printf("Error: '%s' is not a supported migration capability\n", argv[1]);
    } else if (parse_bool("state", argv[2], &state, &error)) {
        GPtrArray *list = qapi_list_of_MigrationCapabilityStatus_new();
        MigrationCapabilityStatus *item = g_new0(MigrationCapabilityStatus, 1);
        *item = (MigrationCapabilityStatus){ .capability = capability, .state = state };
        g_ptr_array_add(list, item);
        qmp_migrate_set_capabilities(list, &error);
        g_ptr_array_unref(list);
    }
    failed(error);
}

static void run_migrate_set_parameter(int argc, char **argv)
{
    GError *error = NULL;
    if (!wants(argc, argv, 2, 2)) {
        return;
    }
    /*
     * The schema knows the names and types: through its own parser. A bare max-bandwidth counts MiB, as QEMU's HMP
     * has it.
     */
    uint64_t number;
    bool is_word = strcmp(argv[1], "guest-drop-caches") == 0;
    if (is_word || parse_size(argv[1], argv[2], &number, strcmp(argv[1], "max-bandwidth") == 0 ? 'M' : 'B', &error)) {
        JsonObject *object = json_object_new();
        if (is_word) {
            json_object_set_string_member(object, argv[1], argv[2]);
        } else {
            json_object_set_int_member(object, argv[1], number);
        }
        JsonNode *node = json_node_init_object(json_node_alloc(), object);
        MigrationParameters *parameters = qapi_MigrationParameters_from_json(node, "", &error);
        if (parameters) {
            qmp_migrate_set_parameters(parameters, &error);
            qapi_free_MigrationParameters(parameters);
        }
        json_node_unref(node);
        json_object_unref(object);
    }
    failed(error);
}

static void run_balloon(int argc, char **argv)
{
    GError *error = NULL;
    uint64_t bytes;
    if (wants(argc, argv, 1, 1)) {
        if (parse_size("balloon", argv[1], &bytes, 'M', &error)) {
            qmp_balloon(bytes, &error);
        }
        failed(error);
    }
}

static void run_hostfwd_add(int argc, char **argv)
{
    GError *error = NULL;
    if (wants(argc, argv, 1, 2)) {
        net_forward(argc > 2 ? argv[1] : NULL, argv[argc - 1], true, &error);
        failed(error);
    }
}

static void run_hostfwd_remove(int argc, char **argv)
{
    GError *error = NULL;
    if (wants(argc, argv, 1, 2)) {
        net_forward(argc > 2 ? argv[1] : NULL, argv[argc - 1], false, &error);
        if (!failed(error)) {
            monitor_printf("host forwarding rule for %s removed\n", argv[argc - 1]);
        }
    }
}

static void run_trace_event(int argc, char **argv)
{
    GError *error = NULL;
    if (wants(argc, argv, 1, 1)) {
        bool help = false;
        trace_enable(argv[1], &help, &error);
        failed(error);
    }
}

static void run_pmemsave(int argc, char **argv)
{
    GError *error = NULL;
    uint64_t address, size;
    if (wants(argc, argv, 3, 3)) {
        if (parse_uint("val", argv[1], &address, INT64_MAX, &error) &&
            parse_uint("size", argv[2], &size, INT64_MAX, &error)) {
            qmp_pmemsave(address, size, argv[3], &error);
        }
        failed(error);
    }
}

static void info_status(int argc, char **argv)
{
    StatusInfo *info = qmp_query_status(NULL);
    monitor_printf("VM status: %s", info->running ? "running" : "paused");
    if (!info->running && info->status != RUN_STATE_PAUSED) {
        monitor_printf(" (%s)", RunState_str(info->status));
    }
    monitor_printf("\n");
    qapi_free_StatusInfo(info);
}

static void info_version(int argc, char **argv)
{
    monitor_printf("7.2.0 (%s)\n", FERRY_PACKAGE);
}

static void info_name(int argc, char **argv)
{
    NameInfo *info = qmp_query_name(NULL);
    monitor_printf("%s\n", info->name ? info->name : "");
    qapi_free_NameInfo(info);
}

static void info_uuid(int argc, char **argv)
{
    UuidInfo *info = qmp_query_uuid(NULL);
    monitor_printf("%s\n", info->UUID);
    qapi_free_UuidInfo(info);
}

static void info_cpus(int argc, char **argv)
{
    VCPU_FOREACH(cpu) {
        monitor_printf("%c CPU #%d: thread_id=%d\n", cpu->index == 0 ? '*' : ' ', cpu->index, cpu->thread_id);
    }
}

static void info_registers(int argc, char **argv)
{
    GString *text = g_string_new(NULL);
    /* Between instructions of each vCPU; what it prints is one moment's. */
    vcpus_pause_all();
    VCPU_FOREACH(cpu) {
        g_string_append_printf(text, "\nCPU#%d\n", cpu->index);
        x86_cpu_describe(cpu, text);
    }
    if (runstate_is_running()) { /* a migration may have stopped the guest while we waited */
        vcpus_resume_all();
    }
    monitor_printf("%s", text->str);
    g_string_free(text, TRUE);
}

static void print_and_free(char *text)
{
    monitor_printf("%s", text);
    g_free(text);
}

static void info_mtree(int argc, char **argv)
{
    print_and_free(memory_describe());
}

static void info_qtree(int argc, char **argv)
{
    print_and_free(device_tree_describe());
}

static void info_pci(int argc, char **argv)
{
    struct bus *bus = bus_find("pci.0");
    if (bus) {
        print_and_free(pci_describe((struct pci_bus *)bus));
    } else {
        monitor_printf("No PCI bus\n");
    }
}

static void info_lapic(int argc, char **argv)
{
    if (vcpu_count) {
        print_and_free(apic_describe(vcpus[0]));
    }
}

static void info_pic(int argc, char **argv)
{
    print_and_free(ioapic_describe());
    print_and_free(i8259_describe());
}

static void info_block(int argc, char **argv)
{
    if (wants(argc, argv, 0, 0)) {
        hmp_info_block();
    }
}

static void info_network(int argc, char **argv)
{
    print_and_free(net_describe());
}

static void info_usernet(int argc, char **argv)
{
    print_and_free(net_describe_connections());
}

static void info_balloon(int argc, char **argv)
{
    GError *error = NULL;
    BalloonInfo *info = qmp_query_balloon(&error);
    if (!failed(error)) {
        monitor_printf("balloon: actual=%" PRId64 "%s%s\n", info->actual >> 20, info->share_only ? " share-only" : "",
                       info->fixed_size ? " fixed-size" : "");
        qapi_free_BalloonInfo(info);
    }
}

static void info_chardev(int argc, char **argv)
{
    GPtrArray *list = qmp_query_chardev(NULL);
    for (guint i = 0; i < list->len; i++) {
        ChardevInfo *info = list->pdata[i];
        monitor_printf("%s: filename=%s\n", info->label, info->filename);
    }
    g_ptr_array_unref(list);
}

static void info_migrate_ram(const MigrationStats *ram)
{
    monitor_printf("transferred ram: %" PRId64 " kbytes\n", ram->transferred >> 10);
    monitor_printf("throughput: %0.2f mbps\n", ram->mbps);
    monitor_printf("remaining ram: %" PRId64 " kbytes\n", ram->remaining >> 10);
    monitor_printf("total ram: %" PRId64 " kbytes\n", ram->total >> 10);
    monitor_printf("duplicate: %" PRId64 " pages\n", ram->duplicate);
    monitor_printf("skipped: %" PRId64 " pages\n", ram->skipped);
    monitor_printf("normal: %" PRId64 " pages\n", ram->normal);
    monitor_printf("normal bytes: %" PRId64 " kbytes\n", ram->normal_bytes >> 10);
    monitor_printf("dirty sync count: %" PRId64 "\n", ram->dirty_sync_count);
    monitor_printf("page size: %" PRId64 " kbytes\n", ram->page_size >> 10);
    monitor_printf("pages-per-second: %" PRIu64 "\n", ram->pages_per_second);
    if (ram->dirty_pages_rate) {
        monitor_printf("dirty pages rate: %" PRId64 " pages\n", ram->dirty_pages_rate);
    }
}

static void info_migrate_skipped(const FreePageStats *stats)
{
    const struct {
        const char *reason;
        uint64_t pages;
    } rows[] = {
        { "never populated", stats->never_populated }, { "hinted", stats->hinted },
        { "hinted, zeroed", stats->hinted_zero },      { "reported", stats->reported },
        { "inflated", stats->inflated },               { "zero", stats->zero },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        monitor_printf("skipped, %s: %" PRIu64 " pages (%" PRIu64 " kbytes)\n", rows[i].reason, rows[i].pages,
                       rows[i].pages * 4);
    }
}

static void info_migrate_free_pages(const FreePageStats *stats)
{
    monitor_printf("free page hints: %s", FreePageState_str(stats->state));
    if (stats->reason) {
        monitor_printf(" (%s)", stats->reason);
    }
    monitor_printf("\n");
    info_migrate_skipped(stats);
    monitor_printf("hint requests: %" PRIu64 ", accepted: %" PRIu64 ", late: %" PRIu64 ", timed out: %" PRIu64 "\n",
                   stats->requests, stats->accepted, stats->late, stats->timed_out);
    monitor_printf("hints rejected: %" PRIu64 " (no RAM %" PRIu64 ", partial %" PRIu64 ", malformed %" PRIu64 ")\n",
                   stats->rejected, stats->rejected_no_ram, stats->rejected_partial, stats->rejected_malformed);
    if (stats->has_time_to_first_hint) {
        monitor_printf("time to first hint: %" PRId64 " ms\n", stats->time_to_first_hint);
    }
    if (stats->has_time_to_stop) {
        monitor_printf("time to stop: %" PRId64 " ms\n", stats->time_to_stop);
    }
    monitor_printf("head start: %" PRId64 " ms\n", stats->head_start);
    if (stats->has_guest_free && stats->guest_free) {
        monitor_printf("covered: %" PRIu64 " of %" PRIu64 " kbytes free in the guest (%" PRIu64 " %%)\n",
                       stats->covered >> 10, stats->guest_free >> 10, stats->covered * 100 / stats->guest_free);
    }
    if (stats->has_caches_dropped) {
        monitor_printf("caches dropped: %s, refused: %s, freed: %" PRIu64 " kbytes\n",
                       GuestDropCaches_str(stats->caches_dropped), GuestDropCaches_str(stats->caches_refused),
                       stats->caches_freed >> 10);
    }
}

static void info_migrate(int argc, char **argv)
{
    MigrationInfo *info = qmp_query_migrate(NULL);
    if (info->has_status) {
        monitor_printf("Migration status: %s", MigrationStatus_str(info->status));
        if (info->status == MIGRATION_STATUS_FAILED && info->error_desc) {
            monitor_printf(" (%s)", info->error_desc);
        }
        monitor_printf("\n");
    }
    if (info->has_total_time) {
        monitor_printf("total time: %" PRId64 " ms\n", info->total_time);
    }
    if (info->has_cpu_throttle_percentage) {
        monitor_printf("cpu throttle percentage: %" PRId64 "\n", info->cpu_throttle_percentage);
    }
    if (info->has_expected_downtime) {
        monitor_printf("expected downtime: %" PRId64 " ms\n", info->expected_downtime);
    }
    if (info->has_downtime) {
        monitor_printf("downtime: %" PRId64 " ms\n", info->downtime);
    }
    if (info->has_setup_time) {
        monitor_printf("setup: %" PRId64 " ms\n", info->setup_time);
    }
    if (info->ram) {
        info_migrate_ram(info->ram);
    }
    if (info->free_pages) {
        info_migrate_free_pages(info->free_pages);
    }
    qapi_free_MigrationInfo(info);
}

static void info_migrate_capabilities(int argc, char **argv)
{
    GPtrArray *list = qmp_query_migrate_capabilities(NULL);
    for (guint i = 0; i < list->len; i++) {
        MigrationCapabilityStatus *item = list->pdata[i];
        monitor_printf("%s: %s\n", MigrationCapability_str(item->capability), item->state ? "on" : "off");
    }
    g_ptr_array_unref(list);
}

static void info_migrate_parameters(int argc, char **argv)
{
    MigrationParameters *p = qmp_query_migrate_parameters(NULL);
    JsonNode *node = qapi_MigrationParameters_to_json(p);
    JsonObjectIter iter;
    const char *name;
    JsonNode *value;
    json_object_iter_init(&iter, json_node_get_object(node));
    while (json_object_iter_next(&iter, &name, &value)) {
        g_autofree char *text = json_to_string(value, FALSE);
        monitor_printf("%s: %s\n", name, text);
    }
    json_node_unref(node);
    qapi_free_MigrationParameters(p);
}

const struct hmp_command hmp_commands[] = {
    { "balloon", NULL, "MiB", NULL, run_balloon, "balloon" },
    { "cont", "c", "", NULL, run_cont, "cont" },
    { "device_add", NULL, "driver[,prop=value][,...]", NULL, run_device_add, "device_add" },
    { "device_del", NULL, "id", NULL, run_device_del, "device_del" },
    { "help", "?", "[command]", "show the help", run_help },
    { "hostfwd_add", NULL, "[netdev] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
      "lead a port of the host into the guest of a user network (the first by default)", run_hostfwd_add },
    { "hostfwd_remove", NULL, "[netdev] [tcp|udp]:[hostaddr]:hostport", "end what hostfwd_add or hostfwd= made",
      run_hostfwd_remove },
    { "info", NULL, "subcommand", "show information ('help info' lists the subcommands)", run_help },
    { "migrate", NULL, "[-d] uri", NULL, run_migrate, "migrate" },
    { "migrate_cancel", NULL, "", NULL, run_migrate_cancel, "migrate_cancel" },
    { "migrate_incoming", NULL, "uri", NULL, run_migrate_incoming, "migrate-incoming" },
    { "migrate_set_capability", NULL, "capability state", NULL, run_migrate_set_capability, "migrate-set-capabilities" },
    { "migrate_set_parameter", NULL, "parameter value", NULL, run_migrate_set_parameter, "migrate-set-parameters" },
    { "nmi", NULL, "", NULL, run_nmi, "inject-nmi" },
    { "pmemsave", NULL, "addr size file", NULL, run_pmemsave, "pmemsave" },
    { "quit", "q", "", NULL, run_quit, "quit" },
    { "stop", "s", "", NULL, run_stop, "stop" },
    { "system_powerdown", NULL, "", NULL, run_system_powerdown, "system_powerdown" },
    { "system_reset", NULL, "", NULL, run_system_reset, "system_reset" },
    { "trace-event", NULL, "pattern", "switch trace points on", run_trace_event },
    { NULL },
};

const struct hmp_command hmp_info_commands[] = {
    { "balloon", NULL, "", NULL, info_balloon, "query-balloon" },
    { "block", NULL, "", NULL, info_block, "query-block" },
    { "chardev", NULL, "", NULL, info_chardev, "query-chardev" },
    { "cpus", NULL, "", NULL, info_cpus, "query-cpus-fast" },
    { "lapic", NULL, "", "show the local APIC of vCPU 0", info_lapic },
    { "pic", NULL, "", "show the IOAPIC and the i8259 pair", info_pic },
    { "migrate", NULL, "", NULL, info_migrate, "query-migrate" },
    { "migrate_capabilities", NULL, "", NULL, info_migrate_capabilities, "query-migrate-capabilities" },
    { "migrate_parameters", NULL, "", NULL, info_migrate_parameters, "query-migrate-parameters" },
    { "mtree", NULL, "", "show the memory tree", info_mtree },
    { "name", NULL, "", NULL, info_name, "query-name" },
    { "network", NULL, "", "show the network devices and backends", info_network },
    { "pci", NULL, "", "show the PCI devices", info_pci },
    { "qtree", NULL, "", "show the device tree", info_qtree },
    { "registers", NULL, "", "show the vCPUs' registers", info_registers },
    { "status", NULL, "", NULL, info_status, "query-status" },
    { "usernet", NULL, "", "show the connections of user networks", info_usernet },
    { "uuid", NULL, "", NULL, info_uuid, "query-uuid" },
    { "version", NULL, "", NULL, info_version, "query-version" },
    { NULL },
};

static void help_row(const char *prefix, const struct hmp_command *c)
{
    const struct qapi_command *qmp = c->qmp ? qmp_command_find(c->qmp) : NULL;
    g_assert(qmp || c->help);
    monitor_printf("%s%s%s%s %s -- %s\n", prefix, c->name, c->alias ? "|" : "", c->alias ? c->alias : "",
                   c->arguments, qmp ? qmp->help : c->help);
}

void hmp_help(const char *name)
{
    if (name && strcmp(name, "info") == 0) {
        for (const struct hmp_command *c = hmp_info_commands; c->name; c++) {
            help_row("info ", c);
        }
        return;
    }
    for (const struct hmp_command *c = hmp_commands; c->name; c++) {
        if (!name || strcmp(name, c->name) == 0 || (c->alias && strcmp(name, c->alias) == 0)) {
            help_row("", c);
        }
    }
}
