/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 state in the FXSAVE layout, and its tags. Intel SDM volume 1, 8.1.7 and 10.5.1. */
#include "target/i386/fpu.h"

/*
 * The selectors of the last instruction and operand are not kept: they read as 0, as on processors whose CPUID says
 * that FCS and FDS are deprecated.
 */
void fxsave_put_x87(const struct x87_state *fpu, struct fxsave_image *image, bool wide)
{
    image->fcw = fpu->control;
    image->fsw = x87_status(fpu);
    image->ftw = (uint8_t)~fpu->empty;
    image->fop = fpu->opcode & 0x7ff;
    image->fip = wide ? fpu->ip : (uint32_t)fpu->ip;
    image->fdp = wide ? fpu->dp : (uint32_t)fpu->dp;
    for (unsigned i = 0; i < 8; i++) {
        image->st[i].mantissa = fpu->regs[(fpu->top + i) & 7].mantissa;
        image->st[i].exponent = fpu->regs[(fpu->top + i) & 7].exponent;
    }
}

void fxsave_get_x87(struct x87_state *fpu, const struct fxsave_image *image, bool wide)
{
    x87_set_control(fpu, image->fcw);
    x87_set_status(fpu, image->fsw);
    fpu->empty = (uint8_t)~image->ftw;
    fpu->opcode = image->fop & 0x7ff;
    fpu->ip = wide ? image->fip : (uint32_t)image->fip;
    fpu->dp = wide ? image->fdp : (uint32_t)image->fdp;
    for (unsigned i = 0; i < 8; i++) {
        fpu->regs[(fpu->top + i) & 7].mantissa = image->st[i].mantissa;
        fpu->regs[(fpu->top + i) & 7].exponent = image->st[i].exponent;
    }
}

uint16_t x87_tag_word(const struct x87_state *fpu)
{
    uint16_t tags = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint16_t exponent = fpu->regs[i].exponent & 0x7fff;
        uint64_t mantissa = fpu->regs[i].mantissa;
        unsigned tag = 0;
        if (fpu->empty & 1u << i) {
            tag = 3;
        } else if (exponent == 0 && mantissa == 0) {
            tag = 1;
        } else if (exponent == 0 || exponent == 0x7fff || !(mantissa >> 63)) {
            tag = 2; /* denormals, infinities, NaNs and the unsupported formats */
        }
        tags |= tag << 2 * i;
    }
    return tags;
}
