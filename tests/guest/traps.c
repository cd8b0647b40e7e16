/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions and interrupts: IDT, TSS, catching a fault, ring 3. */
#include "guest.h"

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
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };
    __asm__ volatile("lidt %0" ::"m"(idtr));
    __asm__ volatile("ltr %w0" ::"r"(0x38));
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

int trap_catch(void (*code)(void *), void *opaque, struct trap_frame *frame)
{
    catching = true;
    if (catch_enter(&context) == 0) {
        code(opaque);
        catching = false;
        return -1;
    }
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
    if (frame) {
        *frame = caught;
    }
    /* DS and ES are null after ring 3 gave them up; flat ones come back. */
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" ::"r"(0x10));
    return caught.vector;
}
