/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS STOS LODS CMPS SCAS INS OUTS, with REP.
 *
 * REP MOVS and REP STOS go page by page at the speed of the host's memmove() and memset(). After each piece rSI, rDI
 * and rCX are committed, so that a fault in the next one, an interrupt or a kick leaves the instruction resumable; it
 * then ends its block at its own address. At least one element is done each time, so it always gets on.
 */
#include "target/i386/exception.h"
#include "target/i386/ops.h"
#include "target/i386/system-ops.h"

static unsigned address_log2(const struct x86_insn *insn)
{
    return insn->flags & X86_INSN_ADDR16 ? 1 : insn->flags & X86_INSN_ADDR32 ? 2 : 3;
}

static bool is_repeated(const struct x86_insn *insn)
{
    return insn->flags & (X86_INSN_REP | X86_INSN_REPNE);
}

static uint64_t string_count(const struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return is_repeated(insn) ? reg_get(cpu, R_RCX * 8, address_log2(insn)) : 1;
}

static int64_t string_step(const struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return cpu->eflags & EFLAGS_DF ? -(1ll << insn->opsize) : 1ll << insn->opsize;
}

static void advance(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned reg, int64_t delta)
{
    unsigned size = address_log2(insn);
    reg_set(cpu, reg * 8, size, reg_get(cpu, reg * 8, size) + delta);
}

static uint64_t element_address(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned reg, unsigned seg,
                                bool write)
{
    uint64_t offset = reg_get(cpu, reg * 8, address_log2(insn));
    if (!x86_segment_needs_base(cpu->mode, seg)) {
        return offset;
    }
    return x86_linear_segment(cpu, seg, offset, 1u << insn->opsize, write);
}

static uint64_t source_address(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return element_address(cpu, insn, R_RSI, insn->seg, false);
}

static uint64_t destination_address(struct x86_cpu *cpu, const struct x86_insn *insn, bool write)
{
    return element_address(cpu, insn, R_RDI, S_ES, write);
}

/* Whether a run of elements keeps its distance in linear addresses: no segment limit, no wrap within a page. */
static bool is_linear(const struct x86_cpu *cpu, const struct x86_insn *insn, unsigned seg)
{
    return !x86_segment_needs_base(cpu->mode, seg) || ((cpu->mode & X86_MODE_BITS) == X86_MODE_64 &&
                                                       address_log2(insn) == 3);
}

/*
 * Elements from `va` on, in the direction of the step, that lie wholly in its page; 0: the first one crosses its end.
 */
static uint64_t elements_in_page(uint64_t va, unsigned size, bool down)
{
    uint64_t offset = va & 0xfff;
    if (offset + (1u << size) > 0x1000) {
        return 0;
    }
    return down ? (offset >> size) + 1 : (0x1000 - offset) >> size;
}

/* `n` iterations done: rCX. */
static void count_down(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t n)
{
    if (is_repeated(insn)) {
        advance(cpu, insn, R_RCX, -(int64_t)n);
    }
}

/*
 * The sanitizer looks into memmove() and memset(), and guests race on their memory as they like: by atomic accesses,
 * then.
 */
#ifdef __SANITIZE_THREAD__
#define ELEMENTS_ONLY true
#else
#define ELEMENTS_ONLY false
#endif

/* More to do, but someone wants the vCPU (or single-steps it): ends the block where it is. */
static bool must_stop(struct x86_cpu *cpu)
{
    return __atomic_load_n(&cpu->exit_request, __ATOMIC_RELAXED) || cpu->mode & X86_MODE_TF ||
           (__atomic_load_n(&cpu->interrupt_request, __ATOMIC_RELAXED) && x86_interrupt_pending(cpu));
}

/* `n` iterations of *count are done. True: on with the next one, now. */
static bool goes_on(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t *count, uint64_t n)
{
    count_down(cpu, insn, n);
    *count -= n;
    return *count && !must_stop(cpu);
}

static void leave_at(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_leave_block(cpu, cpu->regs[R_RIP] + insn->offset, 2);
}

/* `count` iterations are left: comes back for them, or goes on with the next instruction. */
ALWAYS_INLINE void finish(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t count)
{
    if (count) {
        leave_at(cpu, insn);
        return;
    }
    X86_NEXT(cpu, insn);
}

/* Copies as if element by element in the given direction: a forward copy onto its own tail repeats the pattern. */
static void copy_elements(uint8_t *dst, const uint8_t *src, uint64_t n, unsigned size, bool down)
{
    uint64_t bytes = n << size;
    uint64_t ahead = down ? (uintptr_t)src - (uintptr_t)dst : (uintptr_t)dst - (uintptr_t)src;
    if (ahead == 0 || ahead >= bytes) {
        memmove(dst, src, bytes);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = (down ? n - 1 - i : i) << size, value;
        memcpy(&value, src + at, 8u >> (3 - size));
        memcpy(dst + at, &value, 8u >> (3 - size));
    }
}

/* As many elements as one page at either end allows; 0: not plain memory, one element by the ordinary way. */
static uint64_t move_piece(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t src, uint64_t dst,
                           uint64_t count)
{
    unsigned size = insn->opsize;
    bool down = cpu->eflags & EFLAGS_DF;
    uint64_t n = MIN(count, MIN(elements_in_page(src, size, down), elements_in_page(dst, size, down)));
    if (n < 2 || ELEMENTS_ONLY || !is_linear(cpu, insn, insn->seg) || !is_linear(cpu, insn, S_ES)) {
        return 0;
    }
    uint64_t back = down ? (n - 1) << size : 0;
    const uint8_t *from = mem_host(cpu, src - back, n << size, false, cpu->mmu_index);
    uint8_t *to = from ? mem_host(cpu, dst - back, n << size, true, cpu->mmu_index) : NULL;
    if (!to) {
        return 0;
    }
    copy_elements(to, from, n, size, down);
    return n;
}

static void movs(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t count = string_count(cpu, insn);
    int64_t step = string_step(cpu, insn);

    for (bool more = count; more;) {
        uint64_t src = source_address(cpu, insn), dst = destination_address(cpu, insn, true);
        uint64_t n = move_piece(cpu, insn, src, dst, cpu->mode & X86_MODE_TF ? 1 : count);
        if (n == 0) {
            mem_put(cpu, dst, insn->opsize, mem_get(cpu, src, insn->opsize));
            n = 1;
        }
        advance(cpu, insn, R_RSI, step * (int64_t)n);
        advance(cpu, insn, R_RDI, step * (int64_t)n);
        more = goes_on(cpu, insn, &count, n);
    }
    finish(cpu, insn, count);
}

static void fill_elements(void *to, uint64_t value, uint64_t n, unsigned size)
{
    uint64_t pattern = value * (UINT64_MAX / size_mask(size)); /* repeated through 8 bytes */
    if (pattern == (uint8_t)value * 0x0101010101010101ull) {
        memset(to, (uint8_t)value, n << size);
        return;
    }
    uint64_t bytes = n << size, i;
    for (i = 0; i + 8 <= bytes; i += 8) {
        memcpy((uint8_t *)to + i, &pattern, 8);
    }
    memcpy((uint8_t *)to + i, &pattern, bytes - i);
}

static uint64_t fill_piece(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t dst, uint64_t count)
{
    unsigned size = insn->opsize;
    bool down = cpu->eflags & EFLAGS_DF;
    uint64_t n = MIN(count, elements_in_page(dst, size, down));
    if (n < 2 || ELEMENTS_ONLY || !is_linear(cpu, insn, S_ES)) {
        return 0;
    }
    void *to = mem_host(cpu, down ? dst - ((n - 1) << size) : dst, n << size, true, cpu->mmu_index);
    if (!to) {
        return 0;
    }
    fill_elements(to, cpu->regs[R_RAX] & size_mask(size), n, size);
    return n;
}

static void stos(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t count = string_count(cpu, insn);
    int64_t step = string_step(cpu, insn);

    for (bool more = count; more;) {
        uint64_t dst = destination_address(cpu, insn, true);
        uint64_t n = fill_piece(cpu, insn, dst, cpu->mode & X86_MODE_TF ? 1 : count);
        if (n == 0) {
            mem_put(cpu, dst, insn->opsize, cpu->regs[R_RAX]);
            n = 1;
        }
        advance(cpu, insn, R_RDI, step * (int64_t)n);
        more = goes_on(cpu, insn, &count, n);
    }
    finish(cpu, insn, count);
}

static void lods(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t count = string_count(cpu, insn);

    for (bool more = count; more;) {
        uint64_t value = mem_get(cpu, source_address(cpu, insn), insn->opsize);
        reg_set(cpu, R_RAX * 8, insn->opsize, value);
        advance(cpu, insn, R_RSI, string_step(cpu, insn));
        more = goes_on(cpu, insn, &count, 1);
    }
    finish(cpu, insn, count);
}

/*
 * CMPS, SCAS: flags are those of the last comparison, and are set only when the instruction is over: a fault on the
 * way leaves those from before it.
 */
ALWAYS_INLINE void compare_body(struct x86_cpu *cpu, const struct x86_insn *insn, bool scan)
{
    uint64_t count = string_count(cpu, insn), mask = size_mask(insn->opsize), a = 0, b = 0;
    bool any = count != 0, repeat_while_equal = !(insn->flags & X86_INSN_REPNE);

    while (count) {
        a = scan ? cpu->regs[R_RAX] & mask : mem_get(cpu, source_address(cpu, insn), insn->opsize);
        b = mem_get(cpu, destination_address(cpu, insn, false), insn->opsize);
        if (!scan) {
            advance(cpu, insn, R_RSI, string_step(cpu, insn));
        }
        advance(cpu, insn, R_RDI, string_step(cpu, insn));
        count_down(cpu, insn, 1);
        if (--count == 0 || (a == b) != repeat_while_equal) {
            break;
        }
        if (must_stop(cpu)) {
            leave_at(cpu, insn);
            return;
        }
    }
    if (any) {
        set_lazy_flags(cpu, CC_SUB, insn->opsize, a - b, b);
    }
    X86_NEXT(cpu, insn);
}
STAMP_HANDLER(cmps, compare_body, false)
STAMP_HANDLER(scas, compare_body, true)

/* INS, OUTS: the port is checked and memory probed before the device sees anything. */
static void ins(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t count = string_count(cpu, insn);
    uint16_t port = cpu->regs[R_RDX];
    unsigned bytes = 1u << insn->opsize;

    x86_check_io(cpu, port, bytes);
    for (bool more = count; more;) {
        uint64_t dst = destination_address(cpu, insn, true);
        mem_probe(cpu, dst, bytes, true, cpu->mmu_index);
        mem_put(cpu, dst, insn->opsize, x86_port_in(cpu, port, bytes));
        advance(cpu, insn, R_RDI, string_step(cpu, insn));
        more = goes_on(cpu, insn, &count, 1);
    }
    finish(cpu, insn, count);
}

static void outs(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uint64_t count = string_count(cpu, insn);
    uint16_t port = cpu->regs[R_RDX];
    unsigned bytes = 1u << insn->opsize;

    x86_check_io(cpu, port, bytes);
    for (bool more = count; more;) {
        x86_port_out(cpu, port, mem_get(cpu, source_address(cpu, insn), insn->opsize), bytes);
        advance(cpu, insn, R_RSI, string_step(cpu, insn));
        more = goes_on(cpu, insn, &count, 1);
    }
    finish(cpu, insn, count);
}

/* The last of F2 and F3; Zydis drops the one that an instruction does not name, processors repeat with either. */
static uint8_t repeat_prefix(const ZydisDecodedInstruction *zi)
{
    uint8_t flag = 0;
    for (unsigned i = 0; i < zi->raw.prefix_count; i++) {
        uint8_t prefix = zi->raw.prefixes[i].value;
        flag = prefix == 0xf3 ? X86_INSN_REP : prefix == 0xf2 ? X86_INSN_REPNE : flag;
    }
    return flag;
}

static bool is_string_source(const ZydisDecodedOperand *operand)
{
    return operand_is_mem(operand) && x86_register_offset(operand->mem.base) == R_RSI * 8;
}

static enum x86_decode_result translate_string(const struct x86_decode_context *ctx, const struct x86_op *op,
                                               const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *operands,
                                               struct x86_insn *insn)
{
    if (zi->meta.category != ZYDIS_CATEGORY_STRINGOP && zi->meta.category != ZYDIS_CATEGORY_IOSTRINGOP) {
        return X86_DECODE_INVALID; /* SSE2's MOVSD, CMPSD */
    }
    insn->opsize = op->arg;
    insn->flags = repeat_prefix(zi) | (zi->address_width == 16   ? X86_INSN_ADDR16
                                       : zi->address_width == 32 ? X86_INSN_ADDR32 : 0);
    for (unsigned i = 0; i < zi->operand_count; i++) {
        if (is_string_source(&operands[i])) {
            insn->seg = x86_segment_number(operands[i].mem.segment);
        }
    }
    insn->handler = (x86_handler *)op->handlers;
    return X86_DECODE_OK;
}

#define STRING_ROWS(name, handler)                                                    \
    { ZYDIS_MNEMONIC_##name##B, ROW_ALWAYS, translate_string, handler, 0 },           \
    { ZYDIS_MNEMONIC_##name##W, ROW_ALWAYS, translate_string, handler, 1 },           \
    { ZYDIS_MNEMONIC_##name##D, ROW_ALWAYS, translate_string, handler, 2 }
#define STRING_ROW_Q(name, handler) { ZYDIS_MNEMONIC_##name##Q, ROW_ALWAYS, translate_string, handler, 3 }
const struct x86_op x86_ops_string[] = {
    STRING_ROWS(MOVS, movs), STRING_ROW_Q(MOVS, movs),
    STRING_ROWS(STOS, stos), STRING_ROW_Q(STOS, stos),
    STRING_ROWS(LODS, lods), STRING_ROW_Q(LODS, lods),
    STRING_ROWS(CMPS, cmps), STRING_ROW_Q(CMPS, cmps),
    STRING_ROWS(SCAS, scas), STRING_ROW_Q(SCAS, scas),
    STRING_ROWS(INS, ins),
    STRING_ROWS(OUTS, outs),
    { 0 },
};
