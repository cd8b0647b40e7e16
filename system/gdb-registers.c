/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of an x86-64 CPU as gdb numbers them: org.gnu.gdb.i386.core, .sse, .segments, and the control
 * registers in a feature of our own. The description must list each register in the order of `registers`.
 */
#include <string.h>

#include "accel/tcg/mem.h"
#include "system/gdbstub.h"
#include "target/i386/cpu.h"

enum kind { GENERAL, EFLAGS, SEGMENT, X87, X87_CONTROL, XMM, MXCSR, FIELD };

struct row {
    enum kind kind;
    uint8_t size, count;
    uint16_t arg; /* first index, or the field's offset */
};

#define FIELD_ROW(f) { FIELD, 8, 1, offsetof(struct x86_cpu, f) }
static const struct row rows[] = {
    { GENERAL, 8, 17, 0 },
    { EFLAGS, 4, 1, 0 },
    { SEGMENT, 4, 6, 0 },
    { X87, 10, 8, 0 },
    { X87_CONTROL, 4, 8, 0 },
    { XMM, 16, 16, 0 },
    { MXCSR, 4, 1, 0 },
    FIELD_ROW(segs[S_FS].base), FIELD_ROW(segs[S_GS].base), FIELD_ROW(kernel_gs_base),
    FIELD_ROW(cr0), FIELD_ROW(cr2), FIELD_ROW(cr3), FIELD_ROW(cr4), FIELD_ROW(efer),
};

static const uint8_t general_order[17] = {
    R_RAX, R_RBX, R_RCX, R_RDX, R_RSI, R_RDI, R_RBP, R_RSP,
    R_R8, R_R9, R_R10, R_R11, R_R12, R_R13, R_R14, R_R15, R_RIP,
};
static const uint8_t segment_order[6] = { S_CS, S_SS, S_DS, S_ES, S_FS, S_GS };

#define REG64(n) "<reg name='" n "' bitsize='64' type='int64'/>"
#define REG32(n) "<reg name='" n "' bitsize='32' type='int32' group='float'/>"
#define SEG(n) "<reg name='" n "' bitsize='32' type='int32'/>"
#define ST(n) "<reg name='st" n "' bitsize='80' type='i387_ext'/>"
#define XMMREG(n) "<reg name='xmm" n "' bitsize='128' type='vec128'/>"
#define VECTOR(id, type, count) "<vector id='" id "' type='" type "' count='" count "'/>"

const char gdb_target_xml[] =
    "<?xml version='1.0'?><!DOCTYPE target SYSTEM 'gdb-target.dtd'><target version='1.0'>"
    "<architecture>i386:x86-64</architecture><feature name='org.gnu.gdb.i386.core'>"
    REG64("rax") REG64("rbx") REG64("rcx") REG64("rdx") REG64("rsi") REG64("rdi")
    "<reg name='rbp' bitsize='64' type='data_ptr'/><reg name='rsp' bitsize='64' type='data_ptr'/>"
    REG64("r8") REG64("r9") REG64("r10") REG64("r11") REG64("r12") REG64("r13") REG64("r14") REG64("r15")
    "<reg name='rip' bitsize='64' type='code_ptr'/><reg name='eflags' bitsize='32' type='int32'/>"
    SEG("cs") SEG("ss") SEG("ds") SEG("es") SEG("fs") SEG("gs")
    ST("0") ST("1") ST("2") ST("3") ST("4") ST("5") ST("6") ST("7")
    REG32("fctrl") REG32("fstat") REG32("ftag") REG32("fiseg") REG32("fioff") REG32("foseg") REG32("fooff")
    REG32("fop")
    "</feature><feature name='org.gnu.gdb.i386.sse'>"
    VECTOR("v4f", "ieee_single", "4") VECTOR("v2d", "ieee_double", "2") VECTOR("v16i8", "int8", "16")
    VECTOR("v8i16", "int16", "8") VECTOR("v4i32", "int32", "4") VECTOR("v2i64", "int64", "2")
    "<union id='vec128'><field name='v4_float' type='v4f'/><field name='v2_double' type='v2d'/>"
    "<field name='v16_int8' type='v16i8'/><field name='v8_int16' type='v8i16'/><field name='v4_int32' type='v4i32'/>"
    "<field name='v2_int64' type='v2i64'/><field name='uint128' type='uint128'/></union>"
    XMMREG("0") XMMREG("1") XMMREG("2") XMMREG("3") XMMREG("4") XMMREG("5") XMMREG("6") XMMREG("7")
    XMMREG("8") XMMREG("9") XMMREG("10") XMMREG("11") XMMREG("12") XMMREG("13") XMMREG("14") XMMREG("15")
    "<reg name='mxcsr' bitsize='32' type='int32' group='vector'/></feature>"
    "<feature name='org.gnu.gdb.i386.segments'>" REG64("fs_base") REG64("gs_base") "</feature>"
    "<feature name='org.ferry.system'>" REG64("k_gs_base") REG64("cr0") REG64("cr2") REG64("cr3") REG64("cr4")
    REG64("efer") "</feature></target>";

static const struct row *find(unsigned number, unsigned *index)
{
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (number < rows[i].count) {
            *index = number;
            return &rows[i];
        }
        number -= rows[i].count;
    }
    return NULL;
}

unsigned gdb_register_count(void)
{
    unsigned count = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        count += rows[i].count;
    }
    return count;
}

unsigned gdb_register_size(unsigned number)
{
    unsigned index;
    const struct row *row = find(number, &index);
    return row ? row->size : 0;
}

/* The tag word as FSTENV has it: 3 is empty, 0 anything else (gdb tells the rest from the value). */
static uint32_t x87_control(const struct x86_cpu *cpu, unsigned index)
{
    uint32_t tags = 0;

    switch (index) {
    case 0:
        return cpu->fpu.control;
    case 1:
        return (cpu->fpu.status & ~0x3800u) | cpu->fpu.top << 11;
    case 2:
        for (int i = 0; i < 8; i++) {
            tags |= cpu->fpu.empty >> i & 1 ? 3u << 2 * i : 0;
        }
        return tags;
    case 4:
        return (uint32_t)cpu->fpu.ip;
    case 6:
        return (uint32_t)cpu->fpu.dp;
    case 7:
        return cpu->fpu.opcode;
    default:
        return 0; /* selectors: not kept */
    }
}

unsigned gdb_register_read(struct x86_cpu *cpu, unsigned number, uint8_t out[16])
{
    unsigned index;
    const struct row *row = find(number, &index);
    uint64_t value = 0;

    if (!row) {
        return 0;
    }
    switch (row->kind) {
    case GENERAL:
        value = cpu->regs[general_order[index]];
        if (index == 16 && (cpu->mode & 3) != 2) {
            value = (uint32_t)(value + cpu->segs[S_CS].base); /* gdb knows no segments */
        }
        break;
    case EFLAGS:
        value = x86_flags_get(cpu);
        break;
    case SEGMENT:
        value = cpu->segs[segment_order[index]].selector;
        break;
    case X87:
        memcpy(out, &cpu->fpu.regs[(cpu->fpu.top + index) & 7].mantissa, 8);
        memcpy(out + 8, &cpu->fpu.regs[(cpu->fpu.top + index) & 7].exponent, 2);
        return row->size;
    case X87_CONTROL:
        value = x87_control(cpu, index);
        break;
    case XMM:
        memcpy(out, &cpu->xmm[index], 16);
        return row->size;
    case MXCSR:
        value = cpu->mxcsr;
        break;
    case FIELD:
        value = *(const uint64_t *)((const char *)cpu + row->arg);
        break;
    }
    memcpy(out, &value, row->size);
    return row->size;
}

/* Control registers and selectors are for looking at: writes to them are taken and dropped. */
unsigned gdb_register_write(struct x86_cpu *cpu, unsigned number, const uint8_t in[16])
{
    unsigned index;
    const struct row *row = find(number, &index);
    uint64_t value = 0;

    if (!row) {
        return 0;
    }
    memcpy(&value, in, MIN(row->size, 8));
    switch (row->kind) {
    case GENERAL:
        if (index == 16 && (cpu->mode & 3) != 2) {
            value = (uint32_t)(value - cpu->segs[S_CS].base);
        }
        cpu->regs[general_order[index]] = value;
        break;
    case EFLAGS:
        x86_flags_set(cpu, value, 0x00244fd5 & ~EFLAGS_VM);
        x86_cpu_update_mode(cpu);
        break;
    case X87:
        memcpy(&cpu->fpu.regs[(cpu->fpu.top + index) & 7].mantissa, in, 8);
        memcpy(&cpu->fpu.regs[(cpu->fpu.top + index) & 7].exponent, in + 8, 2);
        break;
    case XMM:
        memcpy(&cpu->xmm[index], in, 16);
        break;
    case MXCSR:
        cpu->mxcsr = value & 0xffff;
        break;
    default:
        break;
    }
    return row->size;
}
