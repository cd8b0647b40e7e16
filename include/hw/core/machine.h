/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine types (versioned) and the one machine that runs. */
#ifndef FERRY_HW_CORE_MACHINE_H
#define FERRY_HW_CORE_MACHINE_H

#include <stdint.h>

#include "target/i386/cpuid.h"
#include "util/error.h"

struct machine;
struct keyval;

/* What qom-get tells of a machine, and -machine TYPE,help of its options. */
struct machine_property {
    const char *name, *type; /* as QMP prints it: "bool", "string", "OnOffAuto" */
    const char *values;      /* what -machine takes: "on|off", "ID"; NULL: it is not an option there */
    const char *description;
    struct _JsonNode *(*get)(const struct machine *machine); /* the caller frees; NULL: it is always `fixed` */
    bool fixed;
};

struct machine_type {
    const char *name;        /* "pc-i440fx-7.2": goes into the stream's configuration section */
    const char *alias;       /* "pc" */
    const char *description;
    const char *const *parents; /* as device_type's, below "machine"; or NULL */
    bool is_default;
    int max_cpus;
    const char *default_ram_id; /* "pc.ram"; NULL: has no RAM */
    const char *default_cpu;    /* "qemu64"; NULL: has no vCPUs */
    /* -machine TYPE,options: unknown ones stay unread and are refused by the caller. */
    bool (*parse_options)(struct machine *machine, struct keyval *options, GError **error);
    const struct machine_property *properties; /* its own, in effect; ends with name NULL; or NULL */
    /* Builds the board: RAM, vCPUs, devices, kernel. */
    bool (*init)(struct machine *machine, GError **error);
    /* After -device devices exist: ACPI tables, PCI resources, kernel placed. */
    bool (*done)(struct machine *machine, GError **error);
};

struct machine {
    const struct machine_type *type;
    uint64_t ram_size;       /* bytes, multiple of 4096 (rounded up by main to 8 KiB as QEMU) */
    int smp_cpus, max_cpus, sockets, cores, threads;
    const struct x86_cpu_model *cpu_model;
    struct x86_features cpu_features;
    char *kernel, *initrd, *append; /* paths and text, or NULL */
    char *boot_order;        /* -boot order=: letters a (floppy), c (disk), d (CD-ROM), n (network) */
    char *memory_backend;    /* -machine memory-backend=ID, or NULL */
    bool incoming;           /* the loader writes nothing */
    bool acpi;               /* acpi=on|off */
    void *board;             /* the type's own */
};

extern struct machine *current_machine;
extern const struct machine_type none_machine_type; /* machine-none.c */

/* NULL-terminated; the board's program sets it. */
void machine_types_set(const struct machine_type *const *types);
const struct machine_type *machine_type_find(const char *name); /* by name or alias */
const struct machine_type *machine_type_default(void);
const struct machine_type *const *machine_types(void);
char *machine_help(void); /* -machine help */
char *machine_type_help(const struct machine_type *type); /* -machine TYPE,help */

#endif
