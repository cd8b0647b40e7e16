/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb's remote serial protocol: registers, memory, breakpoints, steps, threads (one for each vCPU, numbered from 1).
 * "Debugging with gdb", appendix E. Main loop thread, big lock held.
 *
 * The VM runs or is stopped as a whole (run state "debug"). A step runs one vCPU for one instruction, without
 * interrupts; the others stand still. Left out: watchpoints, reverse debugging, gdb's file and tracing packets.
 */
#include "system/gdbstub.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "accel/accel.h"
#include "accel/debug.h"
#include "accel/vcpu.h"
#include "chardev/char.h"
#include "memory/memory.h"
#include "system/runstate.h"
#include "util/main-loop.h"

#define PACKET_MAX 4096
#define MEMORY_MAX ((PACKET_MAX - 8) / 2)

static struct {
    struct chardev *chr;
    char packet[PACKET_MAX + 1];
    unsigned length;          /* of the packet so far */
    enum { IDLE, DATA, SUM_1, SUM_2 } state;
    uint8_t sum, sum_received;
    bool no_ack, attached, running, resuming, stopped_it; /* stopped_it: we stopped the VM, nobody else */
    struct x86_cpu *current;  /* for g, m, s: the last stopped, or H's */
    unsigned listed;          /* qsThreadInfo */
} gdb;

static struct x86_cpu *stopped_by; /* set by a vCPU, taken by the main loop; atomic */

/* --- sending --- */

static void send_packet(const char *text)
{
    uint8_t sum = 0;
    GString *packet = g_string_new("$");

    for (const char *p = text; *p; p++) {
        if (strchr("#$}*", *p)) {
            g_string_append_c(packet, '}');
            g_string_append_c(packet, *p ^ 0x20);
        } else {
            g_string_append_c(packet, *p);
        }
    }
    for (size_t i = 1; i < packet->len; i++) {
        sum += (uint8_t)packet->str[i];
    }
    g_string_append_printf(packet, "#%02x", sum);
    chardev_write_all(gdb.chr, packet->str, packet->len);
    g_string_free(packet, TRUE);
}

static void append_hex(GString *text, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        g_string_append_printf(text, "%02x", data[i]);
    }
}

/* Bytes read; stops at what is not hexadecimal. */
static size_t parse_hex(const char *text, uint8_t *data, size_t most)
{
    size_t count = 0;

    while (count < most && g_ascii_isxdigit(text[0]) && g_ascii_isxdigit(text[1])) {
        data[count++] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
        text += 2;
    }
    return count;
}

static void send_and_free(GString *text)
{
    send_packet(text->str);
    g_string_free(text, TRUE);
}

static void send_stop(int signal_number)
{
    g_autofree char *text = g_strdup_printf("T%02xthread:%x;", signal_number, gdb.current->index + 1);
    send_packet(text);
}

/* A line for whoever sits at the debugger. */
static void send_console(const char *message)
{
    g_autoptr(GString) text = g_string_new("O");

    for (const char *p = message; *p; p++) {
        g_string_append_printf(text, "%02x", (uint8_t)*p);
    }
    g_string_append(text, "0a");
    send_packet(text->str);
}

/* --- stopping and running --- */

static void stop(RunState state)
{
    if (runstate_is_running()) {
        gdb.stopped_it = true;
        vm_stop(state);
    }
}

static void vcpu_stopped(void *opaque)
{
    struct x86_cpu *cpu = __atomic_exchange_n(&stopped_by, NULL, __ATOMIC_SEQ_CST);

    if (cpu && gdb.attached) {
        gdb.current = cpu;
        stop(RUN_STATE_DEBUG);
    }
}

static void on_vcpu_stop(struct x86_cpu *cpu)
{
    __atomic_store_n(&stopped_by, cpu, __ATOMIC_SEQ_CST);
    main_loop_schedule(vcpu_stopped, NULL);
}

static void on_runstate(void *opaque, bool running, RunState state)
{
    if (running) {
        gdb.stopped_it = false;
        if (!gdb.resuming) {
            debug_release_all(); /* `cont` from a monitor */
        }
        return;
    }
    if (gdb.attached && gdb.running) {
        gdb.running = false;
        send_stop(state == RUN_STATE_DEBUG ? SIGTRAP : SIGINT);
    }
}

static struct runstate_listener listener = { .changed = on_runstate };

/* NULL: all run. */
static void resume(struct x86_cpu *step)
{
    g_autoptr(GError) error = NULL;

    if (step) {
        debug_release_step(step);
    } else {
        debug_release_all();
    }
    gdb.running = gdb.resuming = true;
    if (!vm_resume(&error)) {
        gdb.running = false;
        send_console(error->message);
        send_stop(SIGTRAP); /* where it was */
    }
    gdb.resuming = false;
}

/* --- memory --- */

static bool access_memory(uint64_t va, uint8_t *data, size_t length, bool write)
{
    while (length) {
        size_t part = MIN(length, GUEST_PAGE_SIZE - va % GUEST_PAGE_SIZE);
        uint64_t gpa;
        if (!x86_debug_translate(gdb.current, va, &gpa)) {
            return false;
        }
        if (!(write ? address_space_write(&address_space_memory, gpa, data, part) :
                      address_space_read(&address_space_memory, gpa, data, part))) {
            return false;
        }
        va += part;
        data += part;
        length -= part;
    }
    return true;
}

static void read_memory(const char *args)
{
    uint8_t data[MEMORY_MAX];
    char *end;
    uint64_t va = g_ascii_strtoull(args, &end, 16), length = *end == ',' ? g_ascii_strtoull(end + 1, NULL, 16) : 0;

    length = MIN(length, MEMORY_MAX);
    if (!access_memory(va, data, length, false)) {
        send_packet("E14");
        return;
    }
    GString *text = g_string_new(NULL);
    append_hex(text, data, length);
    send_and_free(text);
}

static void write_memory(const char *args)
{
    uint8_t data[MEMORY_MAX];
    char *end;
    uint64_t va = g_ascii_strtoull(args, &end, 16);
    const char *colon = strchr(end, ':');
    size_t length = colon ? parse_hex(colon + 1, data, sizeof(data)) : 0;

    send_packet(colon && access_memory(va, data, length, true) ? "OK" : "E14");
}

/* --- registers --- */

static void read_registers(void)
{
    GString *text = g_string_new(NULL);
    uint8_t value[16];

    for (unsigned i = 0; i < gdb_register_count(); i++) {
        append_hex(text, value, gdb_register_read(gdb.current, i, value));
    }
    send_and_free(text);
}

static void write_registers(const char *args)
{
    for (unsigned i = 0; i < gdb_register_count(); i++) {
        uint8_t value[16] = { 0 };
        unsigned size = gdb_register_size(i);
        if (parse_hex(args, value, size) < size) {
            break;
        }
        gdb_register_write(gdb.current, i, value);
        args += 2 * size;
    }
    send_packet("OK");
}

static void read_register(const char *args)
{
    uint8_t value[16];
    unsigned size = gdb_register_read(gdb.current, g_ascii_strtoull(args, NULL, 16), value);
    GString *text = g_string_new(size ? NULL : "E14");

    append_hex(text, value, size);
    send_and_free(text);
}

static void write_register(const char *args)
{
    uint8_t value[16] = { 0 };
    char *end;
    unsigned number = g_ascii_strtoull(args, &end, 16);

    if (*end == '=') {
        parse_hex(end + 1, value, sizeof(value));
    }
    send_packet(*end == '=' && gdb_register_write(gdb.current, number, value) ? "OK" : "E14");
}

/* --- threads --- */

/* "0" and "-1" are any. NULL: no such thread. */
static struct x86_cpu *find_thread(const char *text)
{
    int64_t id = *text == '-' ? -1 : (int64_t)g_ascii_strtoull(text, NULL, 16);

    if (id <= 0) {
        return gdb.current;
    }
    return id <= vcpu_count ? vcpus[id - 1] : NULL;
}

static void list_threads(bool first)
{
    if (first) {
        gdb.listed = 0;
    }
    if (gdb.listed >= (unsigned)vcpu_count) {
        send_packet("l");
        return;
    }
    g_autofree char *text = g_strdup_printf("m%x", ++gdb.listed);
    send_packet(text);
}

static void describe_thread(const char *args)
{
    struct x86_cpu *cpu = find_thread(args);
    GString *text = g_string_new(NULL);

    if (cpu) {
        g_autofree char *line = g_strdup_printf("CPU#%d [%s]", cpu->index, cpu->halted ? "halted " : "running");
        append_hex(text, (const uint8_t *)line, strlen(line));
    }
    send_and_free(text);
}

/* --- packets --- */

static void send_target_xml(const char *args)
{
    char *end;
    uint64_t offset = g_ascii_strtoull(args, &end, 16),
             length = *end == ',' ? g_ascii_strtoull(end + 1, NULL, 16) : 0;
    size_t total = strlen(gdb_target_xml);

    offset = MIN(offset, total);
    length = MIN(MIN(length, PACKET_MAX / 2), total - offset);
    GString *text = g_string_new(offset + length < total ? "m" : "l");
    g_string_append_len(text, gdb_target_xml + offset, length);
    send_and_free(text);
}

#define XFER "Xfer:features:read:target.xml:"

static void handle_query(const char *query)
{
    if (g_str_has_prefix(query, "Supported")) {
        g_autofree char *text = g_strdup_printf("PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+",
                                                PACKET_MAX);
        send_packet(text);
    } else if (g_str_has_prefix(query, XFER)) {
        send_target_xml(query + strlen(XFER));
    } else if (strcmp(query, "fThreadInfo") == 0 || strcmp(query, "sThreadInfo") == 0) {
        list_threads(query[0] == 'f');
    } else if (g_str_has_prefix(query, "ThreadExtraInfo,")) {
        describe_thread(query + strlen("ThreadExtraInfo,"));
    } else if (strcmp(query, "C") == 0) {
        g_autofree char *text = g_strdup_printf("QC%x", gdb.current->index + 1);
        send_packet(text);
    } else if (strcmp(query, "Attached") == 0) {
        send_packet("1");
    } else {
        send_packet("");
    }
}

/* vCont;s:1;c: the first step that names a thread counts; otherwise all run on. */
static void handle_vcont(const char *actions)
{
    if (*actions == '?') {
        send_packet("vCont;c;C;s;S");
        return;
    }
    for (const char *action = strchr(actions, ';'); action; action = strchr(action + 1, ';')) {
        if (action[1] == 's' || action[1] == 'S') {
            const char *colon = strchr(action, ':'), *next = strchr(action + 1, ';');
            struct x86_cpu *cpu = colon && (!next || colon < next) ? find_thread(colon + 1) : gdb.current;
            if (!cpu) {
                send_packet("E22");
                return;
            }
            gdb.current = cpu;
            resume(cpu);
            return;
        }
        if (action[1] != 'c' && action[1] != 'C') {
            send_packet("E22");
            return;
        }
    }
    resume(NULL);
}

static void handle_breakpoint(const char *args, bool insert)
{
    uint64_t address;

    if ((args[0] != '0' && args[0] != '1') || args[1] != ',') {
        send_packet(""); /* watchpoints */
        return;
    }
    address = g_ascii_strtoull(args + 2, NULL, 16);
    if (insert) {
        debug_breakpoint_add(address);
    }
    send_packet(insert || debug_breakpoint_remove(address) ? "OK" : "E22");
}

/* `run`: gdb's D lets the target run; a connection that breaks, only if it was we who stopped it. */
static void detach(bool run)
{
    g_autoptr(GError) error = NULL;

    gdb.attached = false;
    debug_breakpoints_clear();
    debug_release_all();
    if (run && !vm_resume(&error)) {
        warn_report("gdb: detached, but the guest stays stopped: %s", error->message);
    }
}

static void set_thread(const char *args)
{
    struct x86_cpu *cpu = args[0] ? find_thread(args + 1) : NULL;

    if (cpu) {
        gdb.current = cpu;
    }
    send_packet(cpu ? "OK" : "E22");
}

static void handle_packet(const char *p)
{
    switch (*p) {
    case '?':
        send_stop(SIGTRAP);
        break;
    case 'g':
        read_registers();
        break;
    case 'G':
        write_registers(p + 1);
        break;
    case 'p':
        read_register(p + 1);
        break;
    case 'P':
        write_register(p + 1);
        break;
    case 'm':
        read_memory(p + 1);
        break;
    case 'M':
        write_memory(p + 1);
        break;
    case 'c':
        resume(NULL);
        break;
    case 's':
        resume(gdb.current);
        break;
    case 'v':
        if (g_str_has_prefix(p, "vCont")) {
            handle_vcont(p + 5);
        } else {
            send_packet("");
        }
        break;
    case 'Z':
    case 'z':
        handle_breakpoint(p + 1, *p == 'Z');
        break;
    case 'H':
        set_thread(p + 1);
        break;
    case 'T':
        send_packet(find_thread(p + 1) ? "OK" : "E22");
        break;
    case 'q':
        handle_query(p + 1);
        break;
    case 'Q':
        if (strcmp(p, "QStartNoAckMode") == 0) {
            send_packet("OK");
            gdb.no_ack = true;
        } else {
            send_packet("");
        }
        break;
    case 'D':
        send_packet("OK");
        detach(true);
        break;
    case 'k':
        system_shutdown_request(SHUTDOWN_CAUSE_HOST_UI);
        break;
    default:
        send_packet("");
        break;
    }
}

/* --- the connection --- */

static void end_packet(void)
{
    bool good = gdb.sum == gdb.sum_received;

    gdb.state = IDLE;
    if (!gdb.no_ack) {
        chardev_write_all(gdb.chr, good ? "+" : "-", 1);
    }
    if (good) {
        gdb.packet[gdb.length] = '\0';
        handle_packet(gdb.packet);
    }
}

static void receive_byte(uint8_t byte)
{
    switch (gdb.state) {
    case IDLE:
        if (byte == '$') {
            gdb.length = gdb.sum = 0;
            gdb.state = DATA;
        } else if (byte == 3 && gdb.running) { /* Ctrl-C */
            stop(RUN_STATE_PAUSED);
        }
        break;
    case DATA:
        if (byte == '#') {
            gdb.state = SUM_1;
        } else if (gdb.length == PACKET_MAX) {
            gdb.state = IDLE; /* longer than we said we take: dropped, and not acknowledged */
        } else {
            gdb.packet[gdb.length++] = byte;
            gdb.sum += byte;
        }
        break;
    case SUM_1:
        gdb.sum_received = g_ascii_xdigit_value(byte) << 4;
        gdb.state = SUM_2;
        break;
    case SUM_2:
        gdb.sum_received |= g_ascii_xdigit_value(byte) & 15;
        end_packet();
        break;
    }
}

static int can_receive(void *opaque)
{
    return PACKET_MAX;
}

static void receive(void *opaque, const uint8_t *data, int length)
{
    for (int i = 0; i < length; i++) {
        receive_byte(data[i]);
    }
}

/* gdb expects a stopped target. */
static void on_event(void *opaque, enum chardev_event event)
{
    if (event == CHARDEV_EVENT_OPENED) {
        gdb.state = IDLE;
        gdb.no_ack = gdb.running = false;
        gdb.attached = true;
        gdb.current = vcpus[0];
        gdb.stopped_it = false;
        stop(RUN_STATE_PAUSED);
    } else if (event == CHARDEV_EVENT_CLOSED && gdb.attached) {
        detach(gdb.stopped_it);
    }
}

static const struct chardev_frontend frontend = { can_receive, receive, on_event, NULL };

bool gdbstub_start(const char *device, GError **error)
{
    bool socket = g_str_has_prefix(device, "tcp:") || g_str_has_prefix(device, "unix:");
    g_autofree char *text = g_strdup_printf("%s%s", device, socket && !strstr(device, ",server") ?
                                            ",server=on,wait=off" : "");

    if (vcpu_count == 0 || !accel->cpu_run) {
        return error_setf(error, "-gdb: no vCPU that runs code");
    }
    if (!accel->debugs) {
        return error_setf(error, "-gdb is not supported with -accel %s: use -accel tcg", accel->name);
    }
    gdb.chr = chardev_new_legacy("-gdb", "gdb", text, error);
    if (!gdb.chr) {
        return error && *error ? false : error_setf(error, "-gdb %s: a character device is needed", device);
    }
    debug_stop_hook = on_vcpu_stop;
    runstate_listener_add(&listener);
    return chardev_attach(gdb.chr, &frontend, error);
}
