/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From bytes to a block: instruction by instruction, then what can be seen only of several together. */
#include "accel/debug.h"
#include "accel/tcg/internal.h"
#include "util/log.h"

static void fall_through(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_leave_block(cpu, x86_cpu_rip(cpu), 0);
}

void block_log(struct x86_cpu *cpu, const struct tcg_block *block, uint64_t pc, const uint8_t *bytes)
{
    GString *text = g_string_new(NULL);
    char line[128];

    g_string_append_printf(text, "----------------\nIN: mode %03x\n", block->mode);
    for (unsigned i = 0; i < block->count; i++) {
        const struct x86_insn *insn = &block->insns[i];
        x86_disassemble(block->mode, bytes + insn->offset, MAX(block->bytes - insn->offset, 1), pc + insn->offset,
                        line, sizeof(line));
        g_string_append_printf(text, "0x%08" G_GINT64_MODIFIER "x:  %s\n", pc + insn->offset, line);
    }
    log_printf(LOG_IN_ASM, "%s\n", text->str);
    g_string_free(text, TRUE);
}

/*
 * Rotates keep four flags and so must work out all six from what came before. Not where the two that they set are set
 * again, and nothing in between can read them or be interrupted: no block end, fault or store lies there.
 */
static void drop_dead_flags(struct tcg_block *block)
{
    bool dead = false;

    for (struct x86_insn *insn = block->insns + block->count; insn-- > block->insns;) {
        x86_handler *bare = dead ? x86_handler_without_flags(insn) : NULL;
        if (bare) {
            insn->handler = bare;
        }
        dead = insn->flag_use == X86_FLAGS_SET || (dead && insn->flag_use == X86_FLAGS_KEPT);
    }
}

void block_decode(struct x86_cpu *cpu, struct tcg_block *block, uint32_t mode, const uint8_t *bytes,
                  unsigned available)
{
    struct x86_decode_context ctx = { .mode = mode, .features = &cpu->features };
    unsigned limit = mode & (X86_MODE_TF | X86_MODE_SHADOW) ? 1 : X86_BLOCK_INSNS;
    enum x86_decode_result result = X86_DECODE_OK;
    unsigned at = 0, count = 0, length = 0, start = (uintptr_t)block->host & ~TLB_PAGE_MASK;

    while (result == X86_DECODE_OK && count < limit && at < available && at <= X86_BLOCK_BYTES - 15) {
        if (count && debug_active && debug_page_offset_hit(start + at)) {
            break;
        }
        ctx.offset = at;
        result = x86_decode(&ctx, bytes + at, MIN(available - at, 15), &block->insns[count], &length);
        if (result == X86_DECODE_MORE) {
            break;
        }
        count++;
        at += length ? length : 1; /* unknown lengths: the byte that is wrong belongs to the block */
    }
    if (!exec_trace_on) { /* which takes the last instruction seen for the last one done */
        x86_fuse(block->insns, count);
    }
    block->mode = mode;
    block->count = count;
    block->bytes = at;
    drop_dead_flags(block);
    block->insns[count] = (struct x86_insn) { .handler = fall_through, .offset = at, .next = at };
}

/* Fetches up to 15 bytes across two pages, or from a device, through the ordinary checks. Raises. */
static unsigned fetch_bytes(struct x86_cpu *cpu, uint64_t pc, uint8_t *bytes, unsigned count)
{
    uint64_t mask = cpu->efer & EFER_LMA ? UINT64_MAX : UINT32_MAX;

    for (unsigned i = 0; i < count; i++) {
        const struct tlb_page *page;
        const uint8_t *host = tlb_code(cpu, (pc + i) & mask, &page);
        if (host) {
            bytes[i] = __atomic_load_n(host, __ATOMIC_RELAXED);
        } else {
            uint64_t value = 0xff, gpa = page->gpa | ((pc + i) & ~TLB_PAGE_MASK);
            tcg_guest_leave(cpu->tcg);
            flat_view_load(cpu->tcg->memory, gpa, 1, &value);
            tcg_guest_enter(cpu->tcg);
            bytes[i] = value;
        }
    }
    return count;
}

void block_init(struct tcg_block *block, const uint8_t *host)
{
    memset(block, 0, sizeof(*block));
    block->host = host;
}

struct tcg_block *block_decode_uncached(struct x86_cpu *cpu, uint64_t pc, uint32_t mode)
{
    struct tcg_block *block = cpu->tcg->scratch;
    uint8_t bytes[15];

    block_init(block, NULL);
    for (unsigned count = 1; count <= 15; count++) { /* byte by byte: must not fault on bytes that it does not have */
        fetch_bytes(cpu, pc + count - 1, bytes + count - 1, 1);
        block_decode(cpu, block, mode | X86_MODE_SHADOW, bytes, count);
        if (block->count) {
            break;
        }
    }
    block->mode = mode;
    return block;
}
