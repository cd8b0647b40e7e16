/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel tcg,exec-trace=FILE: the instructions that vCPU 0 executes, as runs (accel/tcg/exec-stream.h). For
 * tests/functional/lockstep; FILE is a FIFO there. Called from the vCPU's thread only, after each block.
 */
#include <fcntl.h>

#include "accel/tcg/exec-stream.h"
#include "accel/tcg/internal.h"

bool exec_trace_on;
static struct exec_stream stream;

/* The vCPU has stopped by then, or is about to vanish with the process. */
static void flush_at_exit(void)
{
    exec_stream_flush(&stream);
}

bool exec_trace_open(const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0) {
        return error_setf_errno(error, errno, "-accel tcg: cannot open exec-trace=%s", path);
    }
    exec_stream_open(&stream, fd);
    atexit(flush_at_exit);
    exec_trace_on = true;
    return true;
}

/*
 * `pc`: the block's linear address. cpu->insn is the last instruction that began; beyond the block's own is the one
 * that leaves it, or after a task switch anything.
 */
void exec_trace_block(const struct x86_cpu *cpu, const struct tcg_block *block, uint64_t pc)
{
    uint64_t count = (uint64_t)(cpu->insn - block->insns) + 1;

    if (cpu->index != 0) {
        return;
    }
    for (unsigned i = 0; i < MIN(count, block->count); i++) {
        const struct x86_insn *insn = &block->insns[i];
        exec_stream_step(&stream, pc + insn->offset, insn->next - insn->offset);
    }
}
