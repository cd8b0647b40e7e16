/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The groups of instructions that exist. Where two rows share a mnemonic, the earlier table is asked first. */
#include "target/i386/decode.h"

const struct x86_op *const x86_op_tables[] = {
    /* before the string group: MOVSD and CMPSD */
    x86_ops_sse_move,
    x86_ops_sse,
    x86_ops_sse_fp,
    x86_ops_sse_convert,
    x86_ops_sse_imm,
    x86_ops_sse_element,
    x86_ops_xsave,
    x86_ops_x87,
    x86_ops_x87_control,
    x86_ops_arith,
    x86_ops_move,
    x86_ops_flags,
    x86_ops_branch,
    x86_ops_stack,
    x86_ops_shift,
    x86_ops_multiply,
    x86_ops_atomic,
    x86_ops_bit,
    x86_ops_string,
    x86_ops_bmi,
    x86_ops_bcd,
    x86_ops_system,
    x86_ops_segment,
    x86_ops_syscall,
    NULL,
};
