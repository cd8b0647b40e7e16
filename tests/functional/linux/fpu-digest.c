/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic of every kind in four processes that share the CPU, folded into a digest each; then SIGFPE from SSE
 * and from x87. Prints one line that must be the same on the host and, as /init, in a guest: it uses nothing that
 * depends on the CPU model (of libm only the square root, as its other functions choose an implementation by
 * CPUID).
 */
#include <emmintrin.h>
#include <fenv.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <sched.h>
#include <unistd.h>

#define PROCESSES 4
#define ROUNDS 20000
#define TEXT_EVERY 500

static uint64_t digest;

static void mix(const void *data, unsigned size)
{
    const uint8_t *bytes = data;
    for (unsigned i = 0; i < size; i++) {
        digest = (digest ^ bytes[i]) * 0x100000001b3ull;
    }
}

static void mix_x87(long double *value, double more)
{
    long double a = *value, sine, log;
    asm volatile("fsin" : "=t"(sine) : "0"(a));
    asm volatile("fldln2\n\tfxch\n\tfyl2x" : "=t"(log) : "0"(a < 0 ? 1 - a : 1 + a));
    mix(&sine, 10);
    mix(&log, 10);
    *value = log + more / 3;
    if (*value > 1e10L || *value < -1e10L) {
        *value = 1.5L;
    }
}

static void mix_mmx(uint64_t bits)
{
    asm volatile("movq %0, %%mm0\n\tpaddw %%mm0, %%mm0\n\tpmullw %%mm0, %%mm0\n\tmovq %%mm0, %0\n\temms"
                 : "+r"(bits) : : "mm0");
    mix(&bits, 8);
}

/* Text conversions under each rounding mode; other processes run in between. */
static void mix_text(double x, float f, long double l, unsigned turn)
{
    char text[160];
    fesetround(turn % 4 * 0x400);
    int length = snprintf(text, sizeof(text), "%.17g %La %.20Lg %e", x, l, l, (double)f);
    double read = strtod(text, NULL);
    mix(text, length);
    mix(&read, sizeof(read));
    sched_yield();
}

static uint64_t work(unsigned seed)
{
    double x = 1.0 + seed;
    float f = 0.5f + seed;
    long double l = 1.25L + seed;
    __m128d v = _mm_set_pd(x, 1 / x);
    const __m128d magnitude = _mm_castsi128_pd(_mm_set1_epi64x(INT64_MAX));

    digest = seed + 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        x = x * 1.0000001 + 1.0 / (i + 1) - __builtin_sqrt(x);
        f = f * 0.999f + (float)x;
        v = _mm_add_pd(_mm_mul_pd(v, _mm_set1_pd(1.0001)), _mm_set_pd(x, f));
        v = _mm_sqrt_pd(_mm_and_pd(v, magnitude));
        mix_x87(&l, x);
        mix_mmx(i * 0x123456789abcdull);
        mix(&x, sizeof(x));
        mix(&f, sizeof(f));
        mix(&v, sizeof(v));
        if (i % TEXT_EVERY == 0) {
            mix_text(x, f, l, i / TEXT_EVERY);
        }
    }
    return digest;
}

static void on_fpe(int number, siginfo_t *info, void *context)
{
    _exit(info->si_code == FPE_FLTDIV ? 77 : 78);
}

static int divide_by_zero(int x87)
{
    int status = -1;
    if (fork() == 0) {
        struct sigaction action = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO };
        volatile double zero = 0, quotient;
        volatile long double long_zero = 0, long_quotient;
        sigaction(SIGFPE, &action, NULL);
        feenableexcept(FE_DIVBYZERO);
        if (x87) {
            long_quotient = 1 / long_zero;
            long_quotient = long_quotient + 1;
        } else {
            quotient = 1 / zero;
            (void)quotient;
        }
        _exit(0);
    }
    wait(&status);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    uint64_t results[PROCESSES] = { 0 }, message[2];
    int ends[2];

    if (pipe(ends) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            uint64_t result[2] = { i, work(i) };
            _exit(write(ends[1], result, sizeof(result)) != sizeof(result));
        }
    }
    for (unsigned i = 0; i < PROCESSES && read(ends[0], message, sizeof(message)) == sizeof(message); i++) {
        results[message[0] % PROCESSES] = message[1];
    }
    while (wait(NULL) > 0) {
    }
    int sse = divide_by_zero(0), x87 = divide_by_zero(1);
    printf("FPU-DIGEST");
    for (unsigned i = 0; i < PROCESSES; i++) {
        printf(" %016lx", results[i]);
    }
    printf(" signals %d %d\n", sse, x87);
    fflush(stdout);
    if (getpid() == 1) {
        reboot(RB_POWER_OFF);
    }
    return 0;
}
