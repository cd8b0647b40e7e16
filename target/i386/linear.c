/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segmented addresses: base, limit and type checks outside 64-bit mode (Intel SDM volume 3A, 5.3 to 5.5). */
#include "target/i386/decode.h"

static G_GNUC_NORETURN void raise_segment(struct x86_cpu *cpu, unsigned seg)
{
    x86_raise_error(cpu, seg == S_SS ? EXCP_SS : EXCP_GP, 0);
}

static bool segment_allows(const struct x86_cpu *cpu, const struct x86_segment *segment, bool write)
{
    if (!(cpu->mode & X86_MODE_PE)) {
        return true; /* real and virtual-8086 mode: any segment is writable data */
    }
    if (!(segment->flags & SEG_P)) {
        return false; /* null selector */
    }
    if (segment->flags & SEG_CODE) {
        return !write && (segment->flags & SEG_RW);
    }
    return !write || (segment->flags & SEG_RW);
}

static bool within_limit(const struct x86_segment *segment, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;
    if ((segment->flags & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN && (segment->flags & SEG_S)) {
        return offset > segment->limit && last <= (segment->flags & SEG_B ? 0xffffffff : 0xffff);
    }
    return last <= segment->limit;
}

uint64_t x86_linear_segment(struct x86_cpu *cpu, unsigned seg, uint64_t offset, unsigned size, bool write)
{
    const struct x86_segment *segment = &cpu->segs[seg];
    if ((cpu->mode & X86_MODE_BITS) == X86_MODE_64) {
        return seg == S_FS || seg == S_GS ? segment->base + offset : offset;
    }
    if (!segment_allows(cpu, segment, write) || !within_limit(segment, offset, size)) {
        raise_segment(cpu, seg);
    }
    return (uint32_t)(segment->base + offset);
}

uint64_t x86_linear_operand(struct x86_cpu *cpu, const struct x86_insn *insn, uint64_t ea)
{
    return x86_linear_segment(cpu, insn->seg, ea, 1u << insn->opsize, insn->flags & X86_INSN_WRITE);
}
