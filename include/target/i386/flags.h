/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lazy arithmetic flags. An operation leaves its result in cc_dst, one operand in cc_src and its kind and size in
 * cc_op; a reader computes what it needs. Read through flag_cf() and its siblings only.
 *
 * cc_dst holds the result, not necessarily zero-extended: readers truncate it to the operation's size.
 *   ADD: cc_src = second operand (first = dst - src)
 *   ADC: cc_src = second operand, carry-in was 1 (first = dst - src - 1)
 *   SUB/CMP: cc_src = second operand (first = dst + src)
 *   SBB: cc_src = second operand, borrow-in was 1 (first = dst + src + 1)
 *   LOGIC: cc_src unused
 *   INC/DEC: cc_src = the carry flag kept (0 or 1)
 *   SHL: cc_src = the operand shifted by count - 1
 *   SAR: cc_src = likewise, right (also SHR; OF from cc_src's top bit)
 *   MUL: cc_src = nonzero if the high half is significant
 * ADC/SBB with carry-in 0 are ADD/SUB, so a handler picks the op at run time.
 */
#ifndef FERRY_TARGET_I386_FLAGS_H
#define FERRY_TARGET_I386_FLAGS_H

#include "target/i386/cpu.h"

enum cc_kind { CC_ADD, CC_ADC, CC_SUB, CC_SBB, CC_LOGIC, CC_INC, CC_DEC, CC_SHL, CC_SAR, CC_MUL, CC_KINDS };
/* log2 of bytes in the low two bits */
#define CC_OP(kind, log2_size) (4u * (kind) + (log2_size))
#define CC_OP_EFLAGS (4u * CC_KINDS) /* they are in cpu->eflags */

/*
 * The readers are in target/i386/flags-inl.h (the integer core's): bool flag_cf(const struct x86_cpu *), flag_zf,
 * flag_sf, flag_of, flag_pf, flag_af; uint32_t flags_arith(const struct x86_cpu *): all six in their EFLAGS places; and
 * bool condition_holds(const struct x86_cpu *, unsigned cc): the 16 condition codes.
 */
#include "target/i386/flags-inl.h"

#endif
