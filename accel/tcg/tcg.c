/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel tcg: the software CPU as an accelerator. Options: thread=multi (single: refused; each vCPU has a thread),
 * tb-size=MIB for decoded blocks; exec-trace=FILE for tests (exec-trace.c).
 */
#include <sys/mman.h>

#include "accel/tcg/internal.h"
#include "util/keyval.h"

#define DEFAULT_TB_SIZE 256ull /* MiB; reserved, populated as used */
#define MIN_TB_SIZE 1ull
#define MAX_TB_SIZE 8192ull

static void topology_changed(struct memory_listener *listener, struct address_space *as, struct flat_view *old_view,
                             struct flat_view *new_view)
{
    VCPU_FOREACH(cpu) {
        if (cpu->tcg) {
            __atomic_store_n(&cpu->tcg->view_stale, true, __ATOMIC_SEQ_CST);
        }
    }
    tcg_kick_boundaries();
}

static struct memory_listener listener = { .changed = topology_changed };

static bool tcg_init(struct keyval *options, GError **error)
{
    uint64_t tb_size = DEFAULT_TB_SIZE;
    const char *thread = keyval_get(options, "thread");
    const char *trace = keyval_get(options, "exec-trace");

    if (thread && strcmp(thread, "multi") != 0) {
        return error_setf(error, "-accel tcg: thread=%s is not supported: each vCPU has a thread of its own "
                          "(thread=multi)", thread);
    }
    if (!keyval_get_uint(options, "tb-size", &tb_size, MAX_TB_SIZE, error)) {
        return false;
    }
    if (tb_size < MIN_TB_SIZE) {
        tb_size = DEFAULT_TB_SIZE; /* 0: the default, as in QEMU */
    }
    if (!block_cache_init(tb_size << 20, error)) {
        return false;
    }
    memory_listener_add(&listener);
    return !trace || exec_trace_open(trace, error);
}

static bool tcg_cpu_create(struct x86_cpu *cpu, GError **error)
{
    if (icount_on && cpu->index > 0) {
        return error_setf(error, "-icount works with one vCPU only");
    }
    struct tcg_cpu *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (t == MAP_FAILED) {
        return error_setf_errno(error, errno, "tcg: no memory for vCPU %d", cpu->index);
    }
    t->cpu = cpu;
    t->instruction_limit = UINT64_MAX;
    t->scratch = g_malloc0(sizeof(*t->scratch) + (X86_BLOCK_INSNS + 1) * sizeof(struct x86_insn));
    tlb_init(t);
    cpu->tcg = t;
    cpu->jump = t->jump;
    tlb_select(cpu);
    return true;
}

static void tcg_cpu_destroy(struct x86_cpu *cpu)
{
    struct tcg_cpu *t = cpu->tcg;

    cpu->tcg = NULL;
    cpu->jump = NULL;
    tlb_select(cpu);
    flat_view_put(t->memory);
    flat_view_put(t->io);
    g_free(t->scratch);
    munmap(t, sizeof(*t));
}

static void tcg_cpu_kick(struct x86_cpu *cpu)
{
    /* exit_request, which is set, is looked at before each block. */
}

static void tcg_flush(void)
{
    VCPU_FOREACH(cpu) {
        if (cpu->tcg) {
            x86_cpu_update_mode(cpu);
            tcg_refresh_views(cpu->tcg);
            tlb_flush(cpu, true);
        }
    }
    block_flush_all();
}

static bool tcg_dirty_log_start(GError **error)
{
    if (!dirty_log_enabled(DIRTY_CLIENT_MIGRATION)) {
        dirty_log_enable(DIRTY_CLIENT_MIGRATION);
    }
    tcg_dirty_arm();
    return true;
}

static void tcg_dirty_log_stop(void)
{
    dirty_log_disable(DIRTY_CLIENT_MIGRATION);
}

const struct accel_ops accel_tcg = {
    .name = "tcg",
    .description = "software CPU",
    .debugs = true,
    .supported_features = x86_software_features,
    .init = tcg_init,
    .cpu_create = tcg_cpu_create,
    .cpu_destroy = tcg_cpu_destroy,
    .cpu_run = tcg_cpu_run,
    .cpu_kick = tcg_cpu_kick,
    .cpu_idle = icount_idle,
    .flush = tcg_flush,
    .dirty_log_start = tcg_dirty_log_start,
    .dirty_log_stop = tcg_dirty_log_stop,
    .dirty_log_arm = tcg_dirty_arm,
};
