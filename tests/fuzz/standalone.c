/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzz target without libFuzzer: FUZZ_SECONDS (default 8) of inputs from its own mutator, without feedback from coverage.
 * Any compiler builds it, so that the tests have it, with the sanitizers of that build. FUZZ_SEED repeats a run; a file
 * given as argument is one input. The input that is running is in `fuzz-input`, where the test runs, if it dies of it.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_BYTES 4096

static GRand *bytes;
static char *input_path;

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    int changes = size ? g_rand_int_range(bytes, 1, 5) : 0;
    while (changes-- > 0) {
        data[g_rand_int_range(bytes, 0, size)] = g_rand_int(bytes);
    }
    return size;
}

static void run(const uint8_t *data, size_t size)
{
    g_file_set_contents_full(input_path, (const char *)data, size, G_FILE_SET_CONTENTS_NONE, 0600, NULL);
    LLVMFuzzerTestOneInput(data, size);
}

static int replay(const char *path)
{
    g_autofree char *data = NULL;
    gsize size;
    if (!g_file_get_contents(path, &data, &size, NULL)) {
        fprintf(stderr, "cannot read '%s'\n", path);
        return 1;
    }
    LLVMFuzzerTestOneInput((uint8_t *)data, size);
    return 0;
}

int main(int argc, char **argv)
{
    const char *seconds = g_getenv("FUZZ_SECONDS"), *given = g_getenv("FUZZ_SEED");
    unsigned seed = given ? strtoul(given, NULL, 10) : g_random_int(), count = 0;
    gint64 end = g_get_monotonic_time() + (seconds ? atoi(seconds) : 8) * G_USEC_PER_SEC;
    static uint8_t data[INPUT_BYTES];
    size_t size = 0;
    g_autofree char *here = g_get_current_dir(), *path = argc > 1 ? g_canonicalize_filename(argv[1], here) : NULL;
    input_path = g_build_filename(here, "fuzz-input", NULL);
    printf("FUZZ_SEED=%u\n", seed);
    fflush(stdout);
    LLVMFuzzerInitialize(&argc, &argv);
    if (path) {
        return replay(path);
    }
    bytes = g_rand_new_with_seed(seed);
    for (; g_get_monotonic_time() < end; count++) {
        size = LLVMFuzzerCustomMutator(data, size, sizeof(data), g_rand_int(bytes));
        run(data, size);
    }
    printf("%u inputs\n", count);
    fflush(stdout);
    remove(input_path);
    _Exit(0); /* the machine's threads are still there */
}
