/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor's other modes: compatibility mode, protected mode without paging, 16-bit and real mode. */
#include "system.h"

enum {
    RESULT_EFER, RESULT_PM_INT, RESULT_PM_UD, RESULT_PM_GP, RESULT_PM_INC, RESULT_PM_PUSHA,
    RESULT_RM_CR0, RESULT_RM_INT,
    RESULT_RM_FLAGS, RESULT_RM_SEG, RESULT_RM_WRAP, RESULT_RM_LOOP, RESULT_RM_OPSIZE, RESULT_RM_DIV, RESULT_RM_FAR,
    RESULT_RM_STACK, RESULT_BACK_EFER, RESULT_COUNT
};

extern uint32_t mode_results[];
extern char mode_real_code[], mode_real_end[], mode_real_int[], mode_real_div[], mode_real_results[];
extern uint64_t mode_idt32[];
extern uint32_t mode_handlers32[];
void mode_trip(void);

#define REAL_CODE 0x9000ull

static bool check_protected(const uint32_t *r)
{
    CHECK((r[RESULT_EFER] & 0xd00) == 0x900, "EFER 0x%x with paging off", r[RESULT_EFER]);
    CHECK(r[RESULT_PM_INT] >> 16 == 0x18, "INT pushed CS 0x%x", r[RESULT_PM_INT] >> 16);
    CHECK(r[RESULT_PM_UD] == 0, "#UD at +%u", r[RESULT_PM_UD]);
    CHECK(r[RESULT_PM_GP] == 0xfffc, "#GP error 0x%x", r[RESULT_PM_GP]);
    CHECK(r[RESULT_PM_INC] == 42, "INC by its one byte: %u", r[RESULT_PM_INC]);
    CHECK(r[RESULT_PM_PUSHA] == 32 + 4 + 2, "%u bytes pushed", r[RESULT_PM_PUSHA]);
    CHECK((r[RESULT_BACK_EFER] & 0xd00) == 0xd00, "EFER 0x%x back in long mode", r[RESULT_BACK_EFER]);
    return true;
}

static bool check_real(const uint32_t *r)
{
    CHECK(!(r[RESULT_RM_CR0] & 0x80000001), "CR0 0x%x", r[RESULT_RM_CR0]);
    CHECK(r[RESULT_RM_INT] == (REAL_CODE >> 4) << 16, "INT pushed CS 0x%x, IP +0x%x", r[RESULT_RM_INT] >> 16,
          r[RESULT_RM_INT] & 0xffff);
    CHECK((r[RESULT_RM_FLAGS] & 0x400) && (r[RESULT_RM_FLAGS] & 0x2000000) == 0, "FLAGS 0x%x", r[RESULT_RM_FLAGS]);
    CHECK(r[RESULT_RM_SEG] == 0xabcd1234, "segments reached 0x%x", r[RESULT_RM_SEG]);
    CHECK(r[RESULT_RM_WRAP] == 0x5aa50001, "LODSB over the end: 0x%x", r[RESULT_RM_WRAP]);
    CHECK((r[RESULT_RM_LOOP] & 0xffff) == 2, "LOOP turned %u times", r[RESULT_RM_LOOP]);
    CHECK(r[RESULT_RM_OPSIZE] == 0x20000, "32-bit add 0x%x", r[RESULT_RM_OPSIZE]);
    CHECK((r[RESULT_RM_DIV] & 0xffff) == 0, "divide error at +%u", r[RESULT_RM_DIV]);
    CHECK((r[RESULT_RM_FAR] & 0xffff) == 0x77, "far call: 0x%x", r[RESULT_RM_FAR]);
    CHECK((r[RESULT_RM_STACK] & 0xffff) == 2 + 4 + 16, "%u bytes pushed", r[RESULT_RM_STACK]);
    return true;
}

/* Long mode, compatibility, protected mode without paging, 16-bit protected, real mode, and all the way back. */
static bool run_modes(int argc, char **argv)
{
    uint32_t *volatile vectors = (uint32_t *)0; /* the real-mode interrupt table, at address 0 */
    __asm__("" : "+m"(vectors));
    for (const uint32_t *h = mode_handlers32; h[1]; h += 2) {
        mode_idt32[h[0]] =
            (h[1] & 0xffff) | (uint64_t)SEL_CODE32 << 16 | 0x8e00ull << 32 | (uint64_t)(h[1] & 0xffff0000) << 32;
    }
    gdt_set(SEL_FREE, DESC_CODE16);
    gdt_set(SEL_FREE + 8, DESC_DATA16);
    uint32_t *table = vectors;
    for (int turn = 0; turn < 3; turn++) {
        memcpy((void *)REAL_CODE, mode_real_code, mode_real_end - mode_real_code);
        table[0x40] = REAL_CODE >> 4 << 16 | (mode_real_int - mode_real_code);
        table[0] = REAL_CODE >> 4 << 16 | (mode_real_div - mode_real_code);
        memset(mode_results, 0, RESULT_COUNT * 4);
        mode_trip();
        uint32_t results[RESULT_COUNT];
        memcpy(results, (void *)(REAL_CODE + (uint64_t)mode_real_results), sizeof(results));
        if (!check_protected(mode_results) || !check_real(results)) {
            return false;
        }
    }
    return true;
}

/* 32-bit code under 64-bit paging: encodings, truncated addresses, faults with 64-bit frames. */
static bool run_compat(int argc, char **argv)
{
    struct trap_frame f;
    static const uint8_t inc[] = { 0x40, 0x42, 0x01, 0xd0, 0xc3 }; /* inc eax; inc edx; add eax, edx; ret */
    uint8_t *code = page_alloc(1);
    memcpy(code, inc, sizeof(inc));
    uint32_t got = call32(code, 40, 0xffffffff);
    CHECK(got == 41, "inc: 0x%x", got);
    /* mov eax, [eax + edx]: the sum wraps at 32 bits. */
    static const uint8_t load[] = { 0x8b, 0x04, 0x10, 0xc3 };
    static volatile uint32_t word = 0x13572468;
    memcpy(code, load, sizeof(load));
    got = call32(code, (uint32_t)(uint64_t)&word + 0x1000, 0xfffff000);
    CHECK(got == 0x13572468, "wrapped load: 0x%x", got);
    /* push es; pop eax: four bytes; aaa-like BCD lives here only: mov al, 0x15; aad; ret */
    static const uint8_t bcd[] = { 0xb8, 0x05, 0x03, 0, 0, 0xd5, 0x0a, 0xc3 }; /* mov eax, 0x305; aad; ret */
    memcpy(code, bcd, sizeof(bcd));
    got = call32(code, 0, 0);
    CHECK(got == 35, "aad: 0x%x", got);
    /* pushf; pop eax; xor: push/pop of 4 bytes, and SYSCALL's target address is of no matter: jecxz, enter/leave. */
    /* mov eax, esp; enter 16, 0; sub eax, esp; leave; ret */
    static const uint8_t enter[] = { 0x89, 0xe0, 0xc8, 0x10, 0x00, 0x00, 0x29, 0xe0, 0xc9, 0xc3 };
    memcpy(code, enter, sizeof(enter));
    got = call32(code, 0, 0);
    CHECK(got == 20, "enter took %u", got);
    static const uint8_t ud[] = { 0x0f, 0x0b };
    memcpy(code, ud, sizeof(ud));
    int vector = trap_catch((void (*)(void *))(uint64_t)call32, code, &f);
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" ::"r"(SEL_DATA));
    CHECK(vector == 6 && f.cs == SEL_CODE32 && f.rip == (uint64_t)code && f.ss == SEL_DATA,
          "vector %d cs 0x%lx rip 0x%lx", vector, f.cs, f.rip);
    return true;
}

const struct command mode_commands[] = {
    { "modes", "long, protected, 16-bit, real mode and back", run_modes },
    { "compat", "32-bit code in compatibility mode", run_compat },
    { NULL, NULL, NULL },
};
