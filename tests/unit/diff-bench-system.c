/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system side of the bench: a user program at CPL 3 with IOPL 0, as the host's side is. Whatever it may not do
 * raises what the host's kernel would see.
 */
#include "accel/tcg/mem.h"
#include "target/i386/flags.h"
#include "target/i386/system-ops.h"

void x86_write_eflags(struct x86_cpu *cpu, uint32_t value, unsigned opsize)
{
    uint32_t mask = EFLAGS_ARITH | EFLAGS_DF | EFLAGS_TF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID;
    x86_flags_set(cpu, value, opsize == 1 ? mask & 0xffff : mask);
}

void x86_check_io(struct x86_cpu *cpu, uint16_t port, unsigned size)
{
    x86_raise_error(cpu, EXCP_GP, 0);
}

uint32_t x86_port_in(struct x86_cpu *cpu, uint16_t port, unsigned size)
{
    g_assert_not_reached(); /* x86_check_io() comes first */
}

void x86_port_out(struct x86_cpu *cpu, uint16_t port, uint32_t value, unsigned size)
{
    g_assert_not_reached();
}

void x86_load_segment(struct x86_cpu *cpu, unsigned seg, uint16_t selector)
{
    if (selector > 3) {
        x86_raise_error(cpu, EXCP_GP, selector & ~3u);
    }
    cpu->segs[seg] = (struct x86_segment) { .selector = selector };
}

void x86_far_jump(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip)
{
    x86_raise_error(cpu, EXCP_GP, selector & ~3u);
}

void x86_far_call(struct x86_cpu *cpu, uint16_t selector, uint64_t offset, unsigned opsize, uint64_t next_rip)
{
    x86_raise_error(cpu, EXCP_GP, selector & ~3u);
}

void x86_far_return(struct x86_cpu *cpu, unsigned opsize, uint16_t pop_bytes)
{
    x86_raise_error(cpu, EXCP_GP, 0);
}

void x86_iret(struct x86_cpu *cpu, unsigned opsize, uint64_t next_rip)
{
    x86_raise_error(cpu, EXCP_GP, 0);
}

void x86_software_interrupt(struct x86_cpu *cpu, uint8_t vector, uint64_t next_rip)
{
    x86_raise_error(cpu, EXCP_GP, vector * 8u + 2);
}
