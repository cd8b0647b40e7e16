/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command loop. */
#include "hardware.h"

#define LINE_BYTES 256
#define WORDS 16

static bool run_ping(int argc, char **argv)
{
    print("pong\n");
    return true;
}

static bool __attribute__((noreturn)) run_halt(int argc, char **argv)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* isa-debug-exit at 0x501: the program ends with (code << 1) | 1. */
static bool run_exit(int argc, char **argv)
{
    outb(0x501, argc > 1 ? parse_number(argv[1]) : 0);
    return true;
}

static bool run_reset(int argc, char **argv)
{
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);
    run_halt(0, NULL);
}

static bool run_triple(int argc, char **argv)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none = { 0, 0 };
    __asm__ volatile("lidt %0; int3" ::"m"(none));
    return true;
}

/* Instructions from where there is no memory: KVM cannot go on there. */
static bool run_astray(int argc, char **argv)
{
    __asm__ volatile("jmp *%0" ::"r"(0xfed50000ul));
    return true;
}

static bool run_poweroff(int argc, char **argv)
{
    outw(0x604, 0x2000); /* SLP_EN, S5's type as the pc's _S5 package has it: 0 */
    run_halt(0, NULL);
}

static bool run_panic(int argc, char **argv)
{
    outb(0x505, 1);
    return true;
}

static const struct command basic_commands[] = {
    { "ping", "answers", run_ping },
    { "halt", "stops for ever", run_halt },
    { "exit", "[code]: through isa-debug-exit", run_exit },
    { "reset", "through port 0xcf9", run_reset },
    { "triple", "a triple fault", run_triple },
    { "astray", "runs where there is no memory", run_astray },
    { "poweroff", "through ACPI", run_poweroff },
    { "panic", "through pvpanic", run_panic },
    { NULL, NULL, NULL },
};

static const struct command *const tables[] = {
    basic_commands,     memory_commands,      cpu_commands,       smp_commands,   balloon_commands,
    interrupt_commands, mode_commands,        privilege_commands, debug_commands, segment_commands,
    paging_commands,    concurrency_commands, port_commands,
    hotplug_commands,
};

static const struct command *find(const char *name)
{
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct command *c = tables[t]; c->name; c++) {
            if (strcmp(c->name, name) == 0) {
                return c;
            }
        }
    }
    return NULL;
}

static void help(void)
{
    for (unsigned t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        for (const struct command *c = tables[t]; c->name; c++) {
            print("%s %s\n", c->name, c->help);
        }
    }
}

static void execute(char *line)
{
    char *argv[WORDS];
    int argc = 0;
    for (char *p = line; *p && argc < WORDS;) {
        while (*p == ' ') {
            *p++ = '\0';
        }
        if (*p) {
            argv[argc++] = p;
        }
        while (*p && *p != ' ') {
            p++;
        }
    }
    if (argc == 0) {
        return;
    }
    if (strcmp(argv[0], "help") == 0) {
        help();
        print("ok\n");
        return;
    }
    const struct command *command = find(argv[0]);
    if (!command) {
        print("fail unknown command %s\n", argv[0]);
    } else if (command->run(argc, argv)) {
        print("ok\n");
    }
}

void guest_main(const void *start_info);
void guest_main(const void *start_info)
{
    static char line[LINE_BYTES];
    serial_init();
    memory_setup(start_info);
    traps_setup();
    pic_setup();
    print("guest ready\n");
    for (unsigned n = 0;;) {
        char c = serial_getc();
        if (c == '\r' || c == '\n') {
            line[n] = '\0';
            execute(line);
            n = 0;
        } else if (n < LINE_BYTES - 1) {
            line[n++] = c;
        }
    }
}
