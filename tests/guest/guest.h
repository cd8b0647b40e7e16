/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bare-metal test guest: boots in milliseconds through PVH, takes commands on COM1, one per line, and answers
 * each with `ok …` or `fail …`. It runs on any QEMU-compatible pc, under tcg and kvm alike.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096ull

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}
static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}
static inline void barrier(void) { __asm__ volatile("" ::: "memory"); }
static inline void cpu_pause(void) { __asm__ volatile("pause" ::: "memory"); }

/* serial.c */
void serial_init(void);
void serial_putc(char c);
bool serial_pending(void); /* a byte is waiting */
char serial_getc(void);
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* %s %c %d %u %x %lx %lu %ld %% */

/* lib.c */
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
uint64_t parse_number(const char *s); /* decimal or 0x; suffix K M G */

/* memory.c: what the machine has, all mapped one to one. */
struct memory_range {
    uint64_t start, end;
};
extern struct memory_range ram[16];
extern int ram_count;
void memory_setup(const void *start_info);
void *page_alloc(uint64_t pages);   /* from the low end above the guest; never freed; zeroed */
uint64_t test_memory_start(void);   /* first RAM address that page_alloc will not hand out */
/* n-th page of test memory, skipping the hole below 4 GiB; NULL past the end. */
void *test_page(uint64_t n);
uint64_t test_pages(void);
void fill_page(uint64_t n, uint64_t seed); /* what the command `fill` writes to a test page */

/* traps.c */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
void traps_setup(void);
void traps_load(void); /* the same table for another processor, which has no TSS: interrupts in ring 0 only */
/* Runs code() and returns the vector that it raised, or -1. *frame is what the handler saw. */
int trap_catch(void (*code)(void *), void *opaque, struct trap_frame *frame);
void trap_set_handler(int vector, void (*handler)(struct trap_frame *)); /* interrupts; NULL: none */
/* Runs code(opaque) in ring 3; returns the vector that brought it back (0x80: it ended well). */
int user_run(void (*code)(void *), void *opaque, struct trap_frame *frame);

/* Commands: a table per file, NULL-terminated by name. Return false after printing why. */
struct command {
    const char *name, *help;
    bool (*run)(int argc, char **argv);
};
extern const struct command memory_commands[], cpu_commands[], smp_commands[], balloon_commands[],
    interrupt_commands[], mode_commands[], privilege_commands[];
extern const struct command debug_commands[], segment_commands[], paging_commands[], concurrency_commands[],
    port_commands[], hotplug_commands[];

/* A test: checks, and says what differed. */
#define CHECK(condition, ...)                                          \
    do {                                                               \
        if (!(condition)) {                                            \
            print("fail %s:%d: %s: ", __FILE__, __LINE__, #condition); \
            print(__VA_ARGS__);                                        \
            print("\n");                                               \
            return false;                                              \
        }                                                              \
    } while (0)

#endif
