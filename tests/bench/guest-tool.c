/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What runs inside the Linux guests of tests and benchmarks, built static:
 *   hog MIB [SECONDS]   dirties memory with page-varying data, (sleeps,) exits
 *   fragment MIB        dirties memory, frees every other page, and keeps the rest
 *   counter PAGES       rewrites pages and verifies them for ever; a lost write prints GUEST-CORRUPT
 *   checked MIB         fills a buffer, checks it against its checksum again and again, rewriting parts
 *   forks               forks, execs nothing, checks what the children return, for ever
 *   spin MILLIONS       computes, then says how long it took
 *   offline             how many pages are marked as logically offline, as a balloon's are (KPF_OFFLINE)
 *   text MIB            semi-compressible text on standard output
 *   hold MIB            (on the host) touches memory and waits to be killed: keeps pages warm for a run
 *   memcpy MIB          (on the host) prints the ceilings: memcpy, memset, read, memcpy into fresh memory, unix
 *                       socket
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kernel-page-flags.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define WORDS (PAGE / 8)
#define GOLDEN 0x9e3779b97f4a7c15ull

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *map(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static int hog_seconds;

static int run_hog(uint64_t mib)
{
    static uint64_t pattern[WORDS];
    double start = now();
    uint64_t *memory = map(mib << 20);
    for (unsigned i = 0; i < WORDS; i++) {
        pattern[i] = GOLDEN * (i + 1) | 1;
    }
    for (uint64_t page = 0; page < mib << 8; page++) {
        memcpy(memory + page * WORDS, pattern, PAGE);
        memory[page * WORDS + 7] = (page + 1) * GOLDEN | 1;
    }
    printf("GUEST-HOG mib=%llu s=%.2f\n", (unsigned long long)mib, now() - start);
    fflush(stdout);
    sleep(hog_seconds);
    return 0;
}

static int run_fragment(uint64_t mib)
{
    uint8_t *memory = map(mib << 20);
    madvise(memory, mib << 20, MADV_NOHUGEPAGE);
    for (uint64_t at = 0; at < mib << 20; at += PAGE) {
        memory[at] = 1;
    }
    for (uint64_t at = 0; at < mib << 20; at += 2 * PAGE) {
        madvise(memory + at, PAGE, MADV_DONTNEED);
    }
    puts("GUEST-FRAGMENTED");
    fflush(stdout);
    pause();
    return 0;
}

static int run_counter(uint64_t pages)
{
    volatile uint64_t *memory = map(pages * PAGE);
    puts("GUEST-STARTED");
    fflush(stdout);
    for (uint64_t sweep = 1;; sweep++) {
        for (uint64_t i = 0; i < pages; i++) {
            uint64_t seen = memory[i * WORDS];
            if (seen != sweep - 1) {
                printf("GUEST-CORRUPT page %llu has %llu, want %llu\n", (unsigned long long)i,
                       (unsigned long long)seen, (unsigned long long)sweep - 1);
                fflush(stdout);
                return 1;
            }
            memory[i * WORDS] = sweep;
        }
    }
}

static uint64_t checksum(const uint64_t *p, uint64_t words)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < words; i++) {
        sum = (sum << 7 | sum >> 57) ^ p[i] * GOLDEN;
    }
    return sum;
}

static int run_checked(uint64_t mib)
{
    uint64_t chunks = mib * 16, words = 65536 / 8, random = 88172645463325252ull;
    uint64_t *memory = map(mib << 20), *sums = map(chunks * 8);
    for (uint64_t c = 0; c < chunks; c++) {
        sums[c] = checksum(memory + c * words, words);
    }
    puts("GUEST-STARTED");
    fflush(stdout);
    for (;;) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t c = random % chunks;
        if (checksum(memory + c * words, words) != sums[c]) {
            printf("GUEST-CORRUPT chunk %llu\n", (unsigned long long)c);
            fflush(stdout);
            return 1;
        }
        for (uint64_t i = 0; i < words; i += 64) {
            memory[c * words + i] = random * (i + 1);
        }
        sums[c] = checksum(memory + c * words, words);
    }
}

static int run_forks(uint64_t unused)
{
    (void)unused;
    puts("GUEST-STARTED");
    fflush(stdout);
    for (unsigned n = 0;; n++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            _exit(n & 0x7f);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) != (int)(n & 0x7f)) {
            printf("GUEST-CORRUPT fork %u\n", n);
            fflush(stdout);
            return 1;
        }
    }
}

static int run_spin(uint64_t millions)
{
    uint64_t random = 88172645463325252ull;
    double start = now();
    puts("GUEST-STARTED");
    fflush(stdout);
    for (uint64_t n = 0; n < millions * 1000000; n++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
    }
    printf("GUEST-SPUN s=%.3f end=%llu\n", now() - start, (unsigned long long)random);
    fflush(stdout);
    return 0;
}

static int run_offline(uint64_t unused)
{
    FILE *file = fopen("/proc/kpageflags", "rb");
    unsigned long pages = 0;
    uint64_t flags;

    (void)unused;
    if (!file) {
        perror("/proc/kpageflags");
        return 1;
    }
    while (fread(&flags, sizeof(flags), 1, file) == 1) {
        pages += flags >> KPF_OFFLINE & 1;
    }
    printf("%lu\n", pages);
    return 0;
}

static int run_text(uint64_t mib)
{
    static const char *const words[] = { "alpha ",  "beta ",    "delta ", "page ",
                                         "memory ", "balloon ", "hint ",  "ferry\n" };
    static char block[65536];
    uint64_t random = 88172645463325252ull, left = mib << 20;
    while (left) {
        size_t used = 0;
        while (used < sizeof(block) - 16) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            const char *word = words[random & 7];
            memcpy(block + used, word, strlen(word));
            used += strlen(word);
            if (!(random & 0x700)) {
                block[used++] = 33 + (random >> 20) % 90;
            }
        }
        used = used > left ? left : used;
        if (fwrite(block, 1, used, stdout) != used) {
            return 1;
        }
        left -= used;
    }
    return 0;
}

static int run_hold(uint64_t mib)
{
    char *memory = map(mib << 20);
    madvise(memory, mib << 20, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < mib << 20; i += PAGE) {
        memory[i] = 1;
    }
    puts("held");
    fflush(stdout);
    sleep(600);
    return 0;
}

static void socket_ceiling(const char *data, uint64_t bytes)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
        return;
    }
    double start = now();
    pid_t pid = fork();
    if (pid == 0) {
        char *sink = map(1 << 20);
        close(pair[1]);
        while (read(pair[0], sink, 1 << 20) > 0) {
        }
        _exit(0);
    }
    close(pair[0]);
    for (uint64_t at = 0; at < bytes;) {
        ssize_t n = write(pair[1], data + at, bytes - at < 1 << 20 ? bytes - at : 1 << 20);
        if (n <= 0) {
            break;
        }
        at += n;
    }
    close(pair[1]);
    waitpid(pid, NULL, 0);
    printf("unix socket %.2f GB/s\n", bytes / (now() - start) / 1e9);
}

static int run_memcpy(uint64_t mib)
{
    uint64_t bytes = mib << 20, sum = 0;
    char *a = map(bytes), *b = map(bytes);
    memset(a, 1, bytes);
    memset(b, 2, bytes);
    double start = now();
    memcpy(b, a, bytes);
    printf("memcpy %.2f GB/s\n", bytes / (now() - start) / 1e9);
    start = now();
    memset(b, 3, bytes);
    printf("memset %.2f GB/s\n", bytes / (now() - start) / 1e9);
    start = now();
    for (uint64_t i = 0; i < bytes / 8; i++) {
        sum |= ((uint64_t *)b)[i];
    }
    printf("read %.2f GB/s%s\n", bytes / (now() - start) / 1e9, sum ? "" : " ");
    munmap(b, bytes);
    b = map(bytes);
    start = now();
    memcpy(b, a, bytes);
    printf("memcpy into fresh memory %.2f GB/s\n", bytes / (now() - start) / 1e9);
    socket_ceiling(a, bytes);
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(uint64_t number);
    int numbers; /* that it must have */
} commands[] = {
    { "hog", run_hog, 1 },         { "fragment", run_fragment, 1 }, { "counter", run_counter, 1 },
    { "checked", run_checked, 1 }, { "forks", run_forks, 0 },       { "spin", run_spin, 1 },
    { "offline", run_offline, 0 }, { "text", run_text, 1 },         { "hold", run_hold, 1 },
    { "memcpy", run_memcpy, 1 },
};

int main(int argc, char **argv)
{
    uint64_t number = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

    hog_seconds = argc > 3 ? atoi(argv[3]) : 0;
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (argc > 1 && strcmp(argv[1], commands[i].name) == 0 && (number || !commands[i].numbers)) {
            return commands[i].run(number);
        }
    }
    fprintf(stderr, "usage: guest-tool");
    for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        fprintf(stderr, "%s %s%s", i ? " |" : "", commands[i].name, commands[i].numbers ? " NUMBER" : "");
    }
    fprintf(stderr, "\n");
    return 2;
}
