/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rest of Ferry knows of an accelerator. */
#ifndef FERRY_ACCEL_ACCEL_H
#define FERRY_ACCEL_ACCEL_H

#include "memory/ram-block.h"
#include "target/i386/cpu.h"

struct keyval;
struct qom_type;

struct accel_ops {
    const char *name;        /* "tcg" */
    const char *description;
    bool debugs;             /* breakpoints and single steps: accel/debug.h */
    /* -accel NAME,options. False: not available here, and why (the next -accel is then tried). */
    bool (*init)(struct keyval *options, GError **error);
    /* What its guests may be shown of a feature word. */
    uint32_t (*supported_features)(enum x86_feature_word word);
    /* The host's CPUID as far as guests may be shown it (`-cpu host`). NULL: guests run on no host's CPU. */
    void (*supported_cpuid)(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
    /* Before the vCPU's thread starts / as it ends; big lock held. */
    bool (*cpu_create)(struct x86_cpu *cpu, GError **error);
    void (*cpu_destroy)(struct x86_cpu *cpu);
    /*
     * Runs guest code until exit_request, HLT, an event that the vCPU loop must see, or reset. Called without the big
     * lock, on the vCPU's thread. NULL: vCPUs have no thread (qtest).
     */
    void (*cpu_run)(struct x86_cpu *cpu);
    /* Is the vCPU halted with nothing to do for it outside cpu_run()? Big lock held. NULL: what *cpu says. */
    bool (*cpu_is_halted)(const struct x86_cpu *cpu);
    /*
     * The vCPU is halted and about to sleep; big lock held, may be dropped meanwhile. True: look again. May be NULL.
     */
    bool (*cpu_idle)(struct x86_cpu *cpu);
    /* Makes cpu_run return soon. Any thread. exit_request is set already. */
    void (*cpu_kick)(struct x86_cpu *cpu);
    /* Accelerator's registers -> *cpu and back; the vCPU is stopped. NULL: *cpu is the truth. */
    bool (*get_state)(struct x86_cpu *cpu, GError **error);
    bool (*put_state)(struct x86_cpu *cpu, GError **error);
    /* Whole-system changes: after reset or load, drop everything cached (blocks, TLBs). All vCPUs paused; not on
     * one's thread, which may be within a block. */
    void (*flush)(void);
    /*
     * Dirty log. start/stop: writers begin (cease) to mark DIRTY_CLIENT_MIGRATION; start returns when every later
     * write will. fetch: brings what the accelerator logged on its own into the blocks' marks (NULL: nothing is).
     * arm: every write after it returns marks again; waits for running vCPUs, so the caller must not hold the big
     * lock... see accel_dirty_sync().
     */
    bool (*dirty_log_start)(GError **error);
    /*
     * Once behind start, without the big lock: what start would take too long for. Until it returns every page counts
     * as dirty, whatever the log says, and none may have been sent or left out. NULL: nothing.
     */
    void (*dirty_log_protect)(void);
    void (*dirty_log_stop)(void);
    void (*dirty_log_fetch)(struct ram_block *block, uint64_t first, uint64_t count);
    /*
     * Fetches after it bring every write before it. Where looking into the log is dear, those that follow it share
     * one look: a write after the look may stay in the log until the next. NULL: each fetch looks.
     */
    void (*dirty_log_refresh)(void);
    void (*dirty_log_arm)(void);
};

extern const struct accel_ops *accel; /* the one in use */
extern const struct accel_ops accel_tcg, accel_kvm, accel_qtest;

/*
 * Each option is the text of an -accel ("tcg,thread=multi", "kvm:tcg"); none at all means tcg. Parses each -accel (or
 * -machine accel=a:b) in order and inits the first that works; says so on fallback.
 */
bool accel_configure(GPtrArray *options, GError **error);
char *accel_help(void);
/* As types of objects: "tcg-accel", … */
void accel_types_foreach(void (*each)(const struct qom_type *type, void *opaque), void *opaque);

/*
 * A sync of a client's dirty log over pages [first, first + count) of every (block) given: fetch, take marks into
 * `into` (whole-block bitmap indexed by page), arm. Pages taken must be read only after it returns: a vCPU may write
 * without marking until it is armed. Returns bits newly set. Any thread; the big lock may be held or not (arming does
 * not need it: vCPUs that wait for the big lock, halt or are paused count as armed). Batch: take several ranges with
 * accel_dirty_take(), then accel_dirty_arm() once.
 */
uint64_t accel_dirty_take(struct ram_block *block, enum dirty_client client, uint64_t first, uint64_t count,
                          unsigned long *into);
void accel_dirty_arm(void);
/* Before a batch of takes: they bring all marks up to now, and later ones perhaps; those may wait for the next batch. */
void accel_dirty_refresh(void);

#endif
