/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions and interrupts: IDT, TSS, catching a fault, ring 3. */
#include "system.h"

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, iomap;
} __attribute__((packed));
struct catch_context {
    uint64_t saved[8];
};

extern char trap_stubs[];
extern uint64_t boot_gdt[];
extern uint8_t boot_gdt_tss[16];
int catch_enter(struct catch_context *context) __attribute__((returns_twice));
void catch_leave(struct catch_context *context) __attribute__((noreturn));
void user_enter(void (*code)(void *), void *opaque, void *stack);
void trap_dispatch(struct trap_frame *frame);

static struct gate idt[256] __attribute__((aligned(16)));
static struct tss tss __attribute__((aligned(16)));
static uint8_t kernel_stack[16384] __attribute__((aligned(16))), fault_stack[16384] __attribute__((aligned(16)));
static uint8_t user_stack[16384] __attribute__((aligned(16)));
static void (*handlers[256])(struct trap_frame *);
static struct catch_context context;
static bool catching;
static struct trap_frame caught;

static void set_gate(int vector, unsigned dpl, unsigned ist)
{
    uint64_t at = (uint64_t)trap_stubs + vector * 32;
    idt[vector] = (struct gate){ at & 0xffff, 0x08, ist, 0x8e | dpl << 5, at >> 16 & 0xffff, at >> 32, 0 };
}

void traps_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };
    __asm__ volatile("lidt %0" ::"m"(idtr));
}

void traps_setup(void)
{
    for (int v = 0; v < 256; v++) {
        set_gate(v, v == 0x80 || v == 3 ? 3 : 0, v == 8 ? 1 : 0);
    }
    tss.rsp[0] = (uint64_t)(kernel_stack + sizeof(kernel_stack));
    tss.ist[0] = (uint64_t)(fault_stack + sizeof(fault_stack));
    tss.iomap = sizeof(tss);
    uint64_t base = (uint64_t)&tss;
    uint64_t low = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    uint64_t high = base >> 32;
    memcpy(boot_gdt_tss, &low, 8);
    memcpy(boot_gdt_tss + 8, &high, 8);
    traps_load();
    __asm__ volatile("ltr %w0" ::"r"(0x38));
}

void gdt_set(unsigned selector, uint64_t descriptor)
{
    boot_gdt[selector / 8] = descriptor;
}

uint64_t gdt_get(unsigned selector)
{
    return boot_gdt[selector / 8];
}

void idt_set_raw(int vector, const void *gate, void *old)
{
    if (old) {
        memcpy(old, &idt[vector], sizeof(idt[vector]));
    }
    memcpy(&idt[vector], gate, sizeof(idt[vector]));
}

void idt_set_ist(int vector, unsigned ist)
{
    idt[vector].ist = ist;
}

uint64_t tss_stack(unsigned ist)
{
    return ist ? tss.ist[ist - 1] : tss.rsp[0];
}

void trap_set_handler(int vector, void (*handler)(struct trap_frame *))
{
    handlers[vector] = handler;
}

void trap_dispatch(struct trap_frame *frame)
{
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return;
    }
    if (catching) {
        catching = false;
        caught = *frame;
        catch_leave(&context);
    }
    uint64_t cr2;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    print("fail trap %lu error 0x%lx rip 0x%lx cr2 0x%lx\n", frame->vector, frame->error, frame->rip, cr2);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* A trap from ring 3 leaves SS null, and tests leave whatever they like in DS and ES. */
static void flat_segments(void)
{
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" ::"r"(SEL_DATA));
}

int trap_catch(void (*code)(void *), void *opaque, struct trap_frame *frame)
{
    catching = true;
    if (catch_enter(&context) == 0) {
        code(opaque);
        catching = false;
        return -1;
    }
    flat_segments();
    if (frame) {
        *frame = caught;
    }
    return caught.vector;
}

int user_run(void (*code)(void *), void *opaque, struct trap_frame *frame)
{
    catching = true;
    if (catch_enter(&context) == 0) {
        user_enter(code, opaque, user_stack + sizeof(user_stack));
    }
    flat_segments();
    if (frame) {
        *frame = caught;
    }
    return caught.vector;
}
