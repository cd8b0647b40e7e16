/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See diff-bench.h. */
#include "diff-bench.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <asm/prctl.h>

#include "accel/tcg/mem.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"

struct x86_cpu *diff_cpu;
struct x86_features diff_features;
static bool in_32bit;
static uint8_t shadow[DIFF_DATA_SIZE] __attribute__((aligned(4096))); /* our side's copy of the data */

/* Random numbers. */

static uint64_t random_state = 0x9e3779b97f4a7c15;

uint64_t diff_random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1dull;
}

uint64_t diff_random(void)
{
    static const uint64_t corners[] = {
        0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
        0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX, UINT64_MAX - 1,
    };
    uint64_t kind = diff_random_word() >> 61, value = diff_random_word();
    if (kind == 0) {
        return corners[value % G_N_ELEMENTS(corners)];
    }
    return kind == 1 ? value >> 58 : kind == 2 ? (uint64_t)((int64_t)value >> 40) : value;
}

uint64_t diff_random_address(unsigned size)
{
    return DIFF_DATA + diff_random_word() % (DIFF_DATA_SIZE - size + 1);
}

static void put16(uint8_t *p, uint16_t value)
{
    memcpy(p, &value, 2);
}

static void put32(uint8_t *p, uint32_t value)
{
    memcpy(p, &value, 4);
}

static uint16_t get16(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, 2);
    return value;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, 4);
    return value;
}

void diff_state_randomize(struct diff_state *state)
{
    memset(state, 0, sizeof(*state));
    for (unsigned i = 0; i < 16; i++) {
        state->regs[i] = diff_random();
    }
    state->regs[R_RSP] = DIFF_DATA + DIFF_DATA_SIZE / 2 + (diff_random_word() & 0x7f8);
    state->rip = DIFF_ENTRY;
    state->rflags = (diff_random_word() & EFLAGS_ARITH) | 0x202;
    state->gs_base = DIFF_DATA + 64;
    put16(state->fx, 0x37f);
    put32(state->fx + 24, 0x1f80);
    for (unsigned i = 160; i < 416; i += 8) {
        uint64_t value = diff_random();
        memcpy(state->fx + i, &value, 8);
    }
    state->exception = -1;
    for (unsigned i = 0; in_32bit && i < 16; i++) {
        state->regs[i] = (uint32_t)state->regs[i];
    }
}

uint8_t *diff_memory(void)
{
    return (uint8_t *)DIFF_DATA;
}

void diff_memory_sync(void)
{
    memcpy(shadow, diff_memory(), DIFF_DATA_SIZE);
}

void diff_memory_randomize(void)
{
    for (unsigned i = 0; i < DIFF_DATA_SIZE; i += 8) {
        uint64_t value = diff_random();
        memcpy(diff_memory() + i, &value, 8);
    }
    diff_memory_sync();
}

/* The host's side. */

static struct diff_state *host_out;
static volatile sig_atomic_t host_running;
const void *diff_host_target; /* for the assembly below */
uint64_t diff_host_stack;     /* our stack while the tested code has another */
/* Loads the state and jumps; returns when a signal has ended the code: the handler goes to diff_host_resume. */
void diff_host_enter(const struct diff_state *state);
void diff_host_resume(void);
#define HOST_CS64 0x33
/* Of Linux's GDT: the 32-bit user code segment and the flat data segment. */
#define HOST_CS32 0x23
#define HOST_DS 0x2b
struct {
    uint32_t offset;
    uint16_t selector; /* 0: 64-bit code */
} __attribute__((packed)) diff_host_far;

_Static_assert(offsetof(struct diff_state, regs) == 512 && offsetof(struct diff_state, rflags) == 648, "as below");
__asm__(".text\n"
        ".globl diff_host_enter\n"
        "diff_host_enter:\n"
        "    push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
        "    mov %rsp, diff_host_stack(%rip)\n"
        "    fxrstor64 (%rdi)\n"
        "    pushq 648(%rdi)\n"
        "    mov 512(%rdi), %rax\n"
        "    mov 520(%rdi), %rcx\n"
        "    mov 528(%rdi), %rdx\n"
        "    mov 536(%rdi), %rbx\n"
        "    mov 552(%rdi), %rbp\n"
        "    mov 560(%rdi), %rsi\n"
        "    mov 576(%rdi), %r8\n"
        "    mov 584(%rdi), %r9\n"
        "    mov 592(%rdi), %r10\n"
        "    mov 600(%rdi), %r11\n"
        "    mov 608(%rdi), %r12\n"
        "    mov 616(%rdi), %r13\n"
        "    mov 624(%rdi), %r14\n"
        "    mov 632(%rdi), %r15\n"
        "    popfq\n"
        "    mov 544(%rdi), %rsp\n"
        "    mov 568(%rdi), %rdi\n"
        "    jmp *diff_host_target(%rip)\n"
        ".globl diff_host_resume\n"
        "diff_host_resume:\n"
        "    fninit\n"
        "    movl $0x1f80, -4(%rsp)\n ldmxcsr -4(%rsp)\n"
        "    pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
        "    ret\n"
        ".globl diff_host_enter_32\n"
        "diff_host_enter_32:\n"
        "    ljmpl *diff_host_far(%rip)\n");
void diff_host_enter_32(void);

static void on_signal(int number, siginfo_t *info, void *opaque)
{
    static const int greg_of[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    };
    ucontext_t *context = opaque;
    greg_t *gregs = context->uc_mcontext.gregs;

    if (!host_running) {
        signal(number, SIG_DFL); /* the test's own fault: die of it */
        return;
    }
    for (unsigned i = 0; i < 16; i++) {
        host_out->regs[i] = gregs[greg_of[i]];
    }
    host_out->rflags = gregs[REG_EFL];
    host_out->rip = gregs[REG_RIP];
    host_out->exception = gregs[REG_TRAPNO];
    if (host_out->exception == EXCP_BP) {
        host_out->rip--;
        host_out->exception = -1;
    } else if (host_out->exception == EXCP_PF && (uint64_t)gregs[REG_CR2] == host_out->rip) {
        host_out->exception = -1; /* it branched out of the code page: that is where we wanted it to go */
    } else if (host_out->exception == EXCP_UD && *(uint8_t *)host_out->rip == 0xcc) {
        /*
         * INT3 has no #UD. A hypervisor that was interrupted while it delivered #BP, and fails to deliver it a second
         * time, makes one of it: seen once in some hundred thousand on a loaded host.
         */
        host_out->exception = -1;
    }
    memcpy(host_out->fx, context->uc_mcontext.fpregs, 512);
    gregs[REG_RIP] = (uintptr_t)diff_host_resume;
    gregs[REG_RSP] = diff_host_stack;
    gregs[REG_EFL] = 0x202;
    gregs[REG_CSGSFS] = (gregs[REG_CSGSFS] & ~0xffffll) | HOST_CS64;
}

void diff_run_host(const uint8_t *bytes, unsigned length, const struct diff_state *in, struct diff_state *out)
{
    uint8_t *entry = (uint8_t *)DIFF_ENTRY;

    g_assert(length <= 256);
    memcpy(entry, bytes, length);
    memset(entry + length, 0xcc, 16);
    *out = *in;
    host_out = out;
    diff_host_target = entry;
    if (in_32bit) {
        diff_host_far.offset = DIFF_ENTRY;
        diff_host_far.selector = HOST_CS32;
        diff_host_target = diff_host_enter_32;
        __asm__ volatile("mov %0, %%ds\n mov %0, %%es" : : "r"(HOST_DS));
    }
    syscall(SYS_arch_prctl, ARCH_SET_GS, in->gs_base);
    host_running = 1;
    diff_host_enter(in);
    host_running = 0;
    memset(entry, 0xcc, length);
}

/* Our side. */

static void load_ours(const struct diff_state *in)
{
    struct x86_cpu *cpu = diff_cpu;
    uint16_t status = get16(in->fx + 2);

    memcpy(cpu->regs, in->regs, sizeof(in->regs));
    cpu->regs[R_RIP] = in->rip;
    cpu->eflags = (in->rflags & DIFF_FLAGS) | 0x202;
    cpu->cc_op = CC_OP_EFLAGS;
    cpu->segs[S_GS].base = in->gs_base;
    cpu->fpu.control = get16(in->fx);
    cpu->fpu.top = status >> 11 & 7;
    cpu->fpu.status = status & ~0x3800;
    cpu->fpu.empty = ~in->fx[4];
    cpu->fpu.opcode = get16(in->fx + 6);
    memcpy(&cpu->fpu.ip, in->fx + 8, 8);
    memcpy(&cpu->fpu.dp, in->fx + 16, 8);
    cpu->mxcsr = get32(in->fx + 24);
    for (unsigned i = 0; i < 8; i++) {
        unsigned physical = (cpu->fpu.top + i) & 7;
        memcpy(&cpu->fpu.regs[physical].mantissa, in->fx + 32 + 16 * i, 8);
        cpu->fpu.regs[physical].exponent = get16(in->fx + 40 + 16 * i);
    }
    memcpy(cpu->xmm, in->fx + 160, sizeof(cpu->xmm));
    cpu->exception = -1;
}

static void save_ours(struct diff_state *out)
{
    struct x86_cpu *cpu = diff_cpu;

    memcpy(out->regs, cpu->regs, sizeof(out->regs));
    out->rip = cpu->regs[R_RIP];
    out->rflags = x86_flags_get(cpu);
    put16(out->fx, cpu->fpu.control);
    put16(out->fx + 2, cpu->fpu.status | cpu->fpu.top << 11);
    out->fx[4] = ~cpu->fpu.empty;
    put32(out->fx + 24, cpu->mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        unsigned physical = (cpu->fpu.top + i) & 7;
        memcpy(out->fx + 32 + 16 * i, &cpu->fpu.regs[physical].mantissa, 8);
        put16(out->fx + 40 + 16 * i, cpu->fpu.regs[physical].exponent);
    }
    memcpy(out->fx + 160, cpu->xmm, sizeof(cpu->xmm));
    out->exception = cpu->exception;
}

static void stop(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    x86_leave_block(cpu, cpu->regs[R_RIP] + insn->offset, 0);
}

void diff_run_ours(const uint8_t *bytes, unsigned length, const struct diff_state *in, struct diff_state *out)
{
    static struct x86_insn block[X86_BLOCK_INSNS + 1];
    struct x86_decode_context ctx = { .mode = diff_cpu->mode, .features = &diff_features };
    unsigned count = 0;

    while (ctx.offset < length && count < X86_BLOCK_INSNS) {
        unsigned used;
        enum x86_decode_result result =
            x86_decode(&ctx, bytes + ctx.offset, length - ctx.offset, &block[count++], &used);
        if (result == X86_DECODE_MORE) {
            g_error("incomplete instruction: %u bytes at %u of %u, first byte %02x", length - ctx.offset, ctx.offset,
                    length, bytes[ctx.offset]);
        }
        ctx.offset += used;
        if (result != X86_DECODE_OK) {
            break;
        }
    }
    x86_fuse(block, count);
    block[count] = (struct x86_insn) { .handler = stop, .offset = ctx.offset };
    *out = *in;
    load_ours(in);
    diff_cpu->fault_jump_valid = true;
    if (sigsetjmp(diff_cpu->fault_jump, 0) == 0) {
        diff_cpu->insn = block;
        block[0].handler(diff_cpu, block);
    } else {
        diff_cpu->regs[R_RIP] += diff_cpu->insn->offset;
    }
    save_ours(out);
}

/* What the memory system and exception.c do in the real thing. */

static bool in_data(uint64_t va, unsigned size)
{
    return va >= DIFF_DATA && va + size <= DIFF_DATA + DIFF_DATA_SIZE && va + size > va;
}

static void check_access(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write)
{
    if ((int64_t)(va << 16) >> 16 != (int64_t)va) {
        if (cpu->insn->seg == S_SS) {
            x86_raise_error(cpu, EXCP_SS, 0);
        }
        x86_raise_error(cpu, EXCP_GP, 0);
    }
    if (!in_data(va, size)) {
        x86_raise_page_fault(cpu, va, 4 | write << 1);
    }
}

uint64_t mem_load_slow(struct x86_cpu *cpu, uint64_t va, unsigned size, unsigned mmu)
{
    uint64_t value = 0;
    check_access(cpu, va, size, false);
    memcpy(&value, shadow + (va - DIFF_DATA), size);
    return value;
}

void mem_store_slow(struct x86_cpu *cpu, uint64_t va, uint64_t value, unsigned size, unsigned mmu)
{
    check_access(cpu, va, size, true);
    memcpy(shadow + (va - DIFF_DATA), &value, size);
}

void mem_load16_slow(struct x86_cpu *cpu, uint64_t va, union x86_xmm *value)
{
    check_access(cpu, va, 16, false);
    memcpy(value, shadow + (va - DIFF_DATA), 16);
}

void mem_store16_slow(struct x86_cpu *cpu, uint64_t va, const union x86_xmm *value)
{
    check_access(cpu, va, 16, true);
    memcpy(shadow + (va - DIFF_DATA), value, 16);
}

void mem_exclusive(struct x86_cpu *cpu)
{
    /* The bench has one vCPU. */
}

void *mem_host(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned mmu)
{
    check_access(cpu, va, size, write);
    return (va & 0xfff) + size <= 0x1000 ? shadow + (va - DIFF_DATA) : NULL;
}

void mem_probe(struct x86_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned mmu)
{
    check_access(cpu, va, size, write);
}

static G_GNUC_NORETURN void raise_in_bench(struct x86_cpu *cpu, int vector)
{
    g_assert(cpu->fault_jump_valid);
    cpu->exception = vector;
    siglongjmp(cpu->fault_jump, 1);
}

void x86_raise(struct x86_cpu *cpu, enum x86_exception vector)
{
    raise_in_bench(cpu, vector);
}

void x86_raise_error(struct x86_cpu *cpu, enum x86_exception vector, uint32_t error_code)
{
    raise_in_bench(cpu, vector);
}

void x86_raise_page_fault(struct x86_cpu *cpu, uint64_t address, uint32_t error_code)
{
    cpu->cr2 = address;
    raise_in_bench(cpu, EXCP_PF);
}

/* Comparison. */

static void normalize(struct diff_state *state, const struct diff_ignore *ignore)
{
    for (unsigned i = 0; in_32bit && i < 16; i++) {
        state->regs[i] = i < 8 ? (uint32_t)state->regs[i] : 0;
    }
    state->rflags &= DIFF_FLAGS & ~(ignore->flags | (state->exception < 0 ? 0 : ignore->flags_if_fault));
    memset(state->fx + 5, 0, 19);  /* reserved, last opcode and pointers */
    memset(state->fx + 28, 0, 4);  /* mask of MXCSR */
    memset(state->fx + 416, 0, 96);
    put16(state->fx + 2, get16(state->fx + 2) & ~ignore->x87_status);
    put32(state->fx + 24, get32(state->fx + 24) & ~ignore->mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        memset(state->fx + 42 + 16 * i, 0, 6);
        if (ignore->x87_registers) {
            memset(state->fx + 32 + 16 * i, 0, 10);
        }
    }
    if (ignore->x87_registers) {
        state->fx[4] = 0;
    }
}

static bool states_equal(const struct diff_state *a, const struct diff_state *b)
{
    return a->exception == b->exception && a->rip == b->rip && a->rflags == b->rflags &&
           memcmp(a->regs, b->regs, sizeof(a->regs)) == 0 && memcmp(a->fx, b->fx, sizeof(a->fx)) == 0;
}

static void append_difference(GString *text, const char *name, uint64_t in, uint64_t host, uint64_t ours)
{
    if (host != ours) {
        g_string_append_printf(text, "# %-8s in %016" PRIx64 " host %016" PRIx64 " ours %016" PRIx64 "\n", name, in,
                               host, ours);
    }
}

static void report(const uint8_t *bytes, unsigned length, const struct diff_state *in, const struct diff_state *host,
                   const struct diff_state *ours)
{
    static const char *const names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                           "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
    g_autoptr(GString) text = g_string_new("# differs: ");
    char line[128];

    x86_disassemble(diff_cpu->mode, bytes, length, in->rip, line, sizeof(line));
    for (unsigned i = 0; i < length; i++) {
        g_string_append_printf(text, "%02x", bytes[i]);
    }
    g_string_append_printf(text, "  %s\n", line);
    append_difference(text, "exception", -1, host->exception, ours->exception);
    append_difference(text, "rip", in->rip, host->rip, ours->rip);
    append_difference(text, "rflags", in->rflags, host->rflags, ours->rflags);
    for (unsigned i = 0; i < 16; i++) {
        append_difference(text, names[i], in->regs[i], host->regs[i], ours->regs[i]);
    }
    for (unsigned i = 0; i < 512; i += 8) {
        uint64_t words[3];
        g_autofree char *name = g_strdup_printf("fx+%u", i);
        memcpy(&words[0], in->fx + i, 8);
        memcpy(&words[1], host->fx + i, 8);
        memcpy(&words[2], ours->fx + i, 8);
        append_difference(text, name, words[0], words[1], words[2]);
    }
    for (unsigned i = 0; i < DIFF_DATA_SIZE; i++) {
        if (shadow[i] != diff_memory()[i]) {
            g_string_append_printf(text, "# data+%x host %02x ours %02x (first that differs)\n", i, diff_memory()[i],
                                   shadow[i]);
            break;
        }
    }
    g_string_append(text, "# all in:");
    for (unsigned i = 0; i < 16; i++) {
        g_string_append_printf(text, " %s=%" PRIx64, names[i], in->regs[i]);
    }
    g_print("%s\n", text->str);
}

bool diff_check(const uint8_t *bytes, unsigned length, const struct diff_state *in, const struct diff_ignore *ignore,
                struct diff_state *out)
{
    static const struct diff_ignore nothing;
    struct diff_state host, ours;

    diff_run_host(bytes, length, in, &host);
    diff_run_ours(bytes, length, in, &ours);
    if (out) {
        *out = host;
    }
    normalize(&host, ignore ? ignore : &nothing);
    normalize(&ours, ignore ? ignore : &nothing);
    bool same = states_equal(&host, &ours) && memcmp(shadow, diff_memory(), DIFF_DATA_SIZE) == 0;
    if (!same) {
        report(bytes, length, in, &host, &ours);
        g_test_fail();
        diff_memory_sync();
    }
    return same;
}

void diff_check_hex(const char *hex, unsigned count, const struct diff_ignore *ignore)
{
    uint8_t bytes[128];
    unsigned length = strlen(hex) / 2;
    g_assert(length <= sizeof(bytes));
    for (unsigned i = 0; i < length; i++) {
        bytes[i] = g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]);
    }
    for (unsigned i = 0; i < count; i++) {
        struct diff_state state;
        diff_state_randomize(&state);
        if (!diff_check(bytes, length, &state, ignore, NULL)) {
            return;
        }
    }
}

static void init_tlb(struct x86_cpu *cpu)
{
    struct tcg_tlb *tlb = g_new0(struct tcg_tlb, 1);

    cpu->tcg = (struct tcg_cpu *)tlb;
    tlb_select(cpu);
    for (unsigned mmu = 0; mmu < MMU_INDEXES; mmu++) {
        for (unsigned i = 0; i < TLB_SIZE; i++) {
            tlb->entries[mmu][i] = (struct tlb_entry) { TLB_TAG_INVALID, TLB_TAG_INVALID, TLB_TAG_INVALID, 0 };
        }
        for (uint64_t va = DIFF_DATA; va < DIFF_DATA + DIFF_DATA_SIZE; va += 0x1000) {
            *tlb_entry(cpu, mmu, va) = (struct tlb_entry) { va, va, TLB_TAG_INVALID, (uintptr_t)shadow - DIFF_DATA };
        }
    }
}

static void init_host(void)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    static uint8_t signal_stack[65536];
    stack_t stack = { .ss_size = sizeof(signal_stack), .ss_sp = signal_stack };

    void *code = mmap((void *)DIFF_CODE, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    void *data = mmap((void *)DIFF_DATA, DIFF_DATA_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    g_assert(code == (void *)DIFF_CODE && data == (void *)DIFF_DATA);
    memset(code, 0xcc, 0x1000);
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &action, NULL);
    }
}

static bool host_runs_32bit(void)
{
    static const uint8_t nop = 0x90;
    struct diff_state in, out;
    diff_state_randomize(&in);
    diff_run_host(&nop, 1, &in, &out);
    return out.exception == -1 && out.rip == DIFF_ENTRY + 1;
}

bool diff_set_32bit(bool on)
{
    in_32bit = on;
    if (on && !host_runs_32bit()) {
        in_32bit = false;
        return false;
    }
    for (unsigned i = 0; i < S_COUNT; i++) {
        uint32_t type = i == S_CS ? SEG_CODE | SEG_RW | SEG_A : SEG_RW | SEG_A;
        diff_cpu->segs[i] = (struct x86_segment) {
            .selector = i == S_CS ? HOST_CS32 : HOST_DS, .limit = UINT32_MAX,
            .flags = SEG_G | SEG_P | SEG_S | 3 << SEG_DPL_SHIFT | type | (i == S_CS && !on ? SEG_L : SEG_B),
        };
    }
    diff_cpu->cpl = 3;
    x86_cpu_update_mode(diff_cpu);
    return true;
}

void diff_bench_init(void)
{
    if (diff_cpu) {
        return;
    }
    init_host();
    memset(&diff_features, 0xff, sizeof(diff_features));
    diff_cpu = g_new0(struct x86_cpu, 1);
    diff_cpu->model = x86_cpu_model_parse("qemu64", &diff_cpu->features, NULL); /* for CPUID */
    diff_cpu->features = diff_features;
    diff_cpu->a20_mask = UINT64_MAX;
    diff_cpu->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP | CR0_ET;
    diff_cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_PAE;
    diff_cpu->efer = EFER_LMA | EFER_LME | EFER_NXE;
    diff_cpu->xcr0 = 3;
    init_tlb(diff_cpu);
    diff_set_32bit(false);
    diff_memory_randomize();
}
