/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU's registers as text: `info registers`, -d cpu. */
#include <inttypes.h>

#include "target/i386/cpu.h"


static const char *const register_names[16] = {
    "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15",
};

static void describe_segment(GString *text, const char *name, const struct x86_segment *seg)
{
    g_string_append_printf(text, "%-3s=%04x %016" PRIx64 " %08x %08x DPL=%u%s%s%s\n", name, seg->selector, seg->base,
                           seg->limit, seg->flags, seg->flags >> SEG_DPL_SHIFT & 3, seg->flags & SEG_P ? "" : " np",
                           seg->flags & SEG_CODE ? " code" : "", seg->flags & SEG_L ? " 64" : "");
}

void x86_cpu_describe(struct x86_cpu *cpu, GString *text)
{
    static const char *const segment_names[S_COUNT] = { "ES", "CS", "SS", "DS", "FS", "GS" };
    uint32_t flags = x86_flags_get(cpu);

    for (int i = 0; i < 16; i++) {
        g_string_append_printf(text, "%s=%016" PRIx64 "%c", register_names[i], cpu->regs[i], i % 4 == 3 ? '\n' : ' ');
    }
    g_string_append_printf(text, "RIP=%016" PRIx64 " RFL=%08x [%c%c%c%c%c%c%c] CPL=%d II=%d HLT=%d\n",
                           cpu->regs[R_RIP], flags, flags & EFLAGS_DF ? 'D' : '-', flags & EFLAGS_OF ? 'O' : '-',
                           flags & EFLAGS_SF ? 'S' : '-', flags & EFLAGS_ZF ? 'Z' : '-',
                           flags & EFLAGS_AF ? 'A' : '-', flags & EFLAGS_PF ? 'P' : '-',
                           flags & EFLAGS_CF ? 'C' : '-', cpu->cpl, cpu->interrupt_shadow, cpu->halted);
    for (int i = 0; i < S_COUNT; i++) {
        describe_segment(text, segment_names[i], &cpu->segs[i]);
    }
    describe_segment(text, "LDT", &cpu->ldt);
    describe_segment(text, "TR", &cpu->tr);
    g_string_append_printf(text, "GDT=     %016" PRIx64 " %08x\nIDT=     %016" PRIx64 " %08x\n", cpu->gdt.base,
                           cpu->gdt.limit, cpu->idt.base, cpu->idt.limit);
    g_string_append_printf(text, "CR0=%08" PRIx64 " CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08" PRIx64 "\n",
                           cpu->cr0, cpu->cr2, cpu->cr3, cpu->cr4);
    for (int i = 0; i < 8; i++) {
        if (i != 4 && i != 5) {
            g_string_append_printf(text, "DR%d=%016" PRIx64 "%c", i, cpu->dr[i], i == 3 || i == 7 ? '\n' : ' ');
        }
    }
    g_string_append_printf(text, "EFER=%016" PRIx64 "\n", cpu->efer);
    g_string_append_printf(text, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n", cpu->fpu.control, cpu->fpu.status,
                           cpu->fpu.top, (uint8_t)~cpu->fpu.empty, cpu->mxcsr);
    for (int i = 0; i < 16; i++) {
        g_string_append_printf(text, "XMM%02d=%016" PRIx64 "%016" PRIx64 "%c", i, cpu->xmm[i].q[1], cpu->xmm[i].q[0],
                               i % 2 ? '\n' : ' ');
    }
}
