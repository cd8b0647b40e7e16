/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translations that several groups of instructions share. */
#include "target/i386/ops.h"

enum x86_decode_result translate_plain(const struct x86_decode_context *ctx, const struct x86_op *op,
                                       const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                       struct x86_insn *insn)
{
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}
