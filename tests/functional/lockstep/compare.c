/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads two streams of executed runs (exec-stream.h) side by side and reports where they part: the last runs in
 * common, then what each side did, with symbols and disassembly. It can resynchronize and go on (an interrupt taken
 * elsewhere, a device that answers otherwise), so that the divergence that matters is found among those that do
 * not.
 *
 *     lockstep-compare [options] OURS THEIRS      (FIFOs or files)
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "accel/tcg/exec-stream.h"
#include "image.h"

#define HISTORY 16u      /* runs shown before a divergence */
#define SHOWN 12u        /* runs shown of each side after it */
#define SHOWN_INSNS 24u  /* instructions disassembled per run */
#define AGREE 24u        /* runs that must be equal for the streams to be in step again */
#define WINDOW (1u << 21) /* runs looked ahead on each side; a power of two */

struct side {
    const char *name;
    FILE *file;
    struct exec_run *ring; /* WINDOW runs read ahead */
    uint64_t head, tail;   /* next to take, next to fill */
    uint64_t instructions; /* taken so far */
    bool end;
};

static struct side ours = { .name = "ours" }, theirs = { .name = "theirs" };
static struct exec_run history[HISTORY];
static uint64_t equal_runs;
static gint64 max_divergences = 1, max_instructions, repeat;
static char *start_text, *symbols_path, *image_path, *ignore_text;
static gboolean brief;

static bool side_open(struct side *side, const char *path)
{
    char magic[8];
    side->file = fopen(path, "rb");
    side->ring = g_new(struct exec_run, WINDOW);
    if (!side->file || fread(magic, 1, 8, side->file) != 8 || memcmp(magic, EXEC_STREAM_MAGIC, 8) != 0) {
        fprintf(stderr, "lockstep: %s is not a stream of runs\n", path);
        return false;
    }
    setvbuf(side->file, NULL, _IOFBF, 1 << 20);
    return true;
}

/* Reads until run `ahead` (0: the next) is at hand; false at the end of the stream. */
static bool side_fill(struct side *side, uint64_t ahead)
{
    while (side->tail - side->head <= ahead && !side->end) {
        unsigned at = side->tail & (WINDOW - 1);
        uint64_t room = MIN(WINDOW - at, WINDOW - (side->tail - side->head));
        size_t got = fread(&side->ring[at], sizeof(struct exec_run), MIN(room, 4096), side->file);
        side->tail += got;
        side->end = got == 0;
    }
    return side->tail - side->head > ahead;
}

static const struct exec_run *side_peek(const struct side *side, uint64_t ahead)
{
    return &side->ring[(side->head + ahead) & (WINDOW - 1)];
}

static void side_skip(struct side *side, uint64_t runs)
{
    for (uint64_t i = 0; i < runs; i++) {
        side->instructions += side_peek(side, 0)->count;
        side->head++;
    }
}

static bool run_equal(const struct exec_run *a, const struct exec_run *b)
{
    return a->start == b->start && a->count == b->count && a->length == b->length;
}

static bool side_seek(struct side *side, uint64_t start)
{
    while (side_fill(side, 0)) {
        if (side_peek(side, 0)->start == start) {
            side->instructions = 0;
            return true;
        }
        side_skip(side, 1);
    }
    fprintf(stderr, "lockstep: %s never ran %" PRIx64 "\n", side->name, start);
    return false;
}

static void print_run(const char *mark, const struct exec_run *run, bool listing)
{
    g_autofree char *symbol = image_symbol(run->start);
    printf("%s %016" PRIx64 " %5u insns  %s\n", mark, run->start, run->count, symbol);
    if (listing) {
        image_list(run->start, run->start + run->length, SHOWN_INSNS);
    }
}

static void print_side(const struct side *side)
{
    printf("%s, after %" PRIu64 " instructions:\n", side->name, side->instructions);
    for (unsigned i = 0; i < SHOWN && side->head + i < side->tail; i++) {
        print_run("   ", side_peek(side, i), i == 0);
    }
}

static void report(unsigned number)
{
    printf("\n=== divergence %u after %" PRIu64 " equal runs (ours %" PRIu64 ", theirs %" PRIu64 " instructions)\n",
           number, equal_runs, ours.instructions, theirs.instructions);
    if (brief) {
        print_run("ours  ", side_peek(&ours, 0), false);
        print_run("theirs", side_peek(&theirs, 0), false);
        return;
    }
    side_fill(&ours, SHOWN);
    side_fill(&theirs, SHOWN);
    for (uint64_t i = equal_runs > HISTORY ? equal_runs - HISTORY : 0; i < equal_runs; i++) {
        print_run("  =", &history[i % HISTORY], false);
    }
    print_side(&ours);
    print_side(&theirs);
}

static uint64_t gram_hash(const struct side *side, uint64_t at)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < AGREE; i++) {
        const struct exec_run *run = side_peek(side, at + i);
        hash = (hash ^ run->start ^ (uint64_t)run->count << 48) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    return hash;
}

/*
 * The nearest pair of places from which AGREE runs are equal; doubles the distance looked at until the window is
 * full.
 */
static bool resynchronize(uint64_t *skip_ours, uint64_t *skip_theirs)
{
    for (uint64_t reach = 1024; reach <= WINDOW / 2; reach *= 4) {
        g_autoptr(GHashTable) grams = g_hash_table_new(NULL, NULL);
        uint64_t best = UINT64_MAX;
        side_fill(&ours, reach + AGREE);
        side_fill(&theirs, reach + AGREE);
        uint64_t ends[2] = { MIN(reach, MAX(ours.tail - ours.head, AGREE) - AGREE),
                             MIN(reach, MAX(theirs.tail - theirs.head, AGREE) - AGREE) };
        for (uint64_t i = ends[0]; i-- > 0;) { /* the earliest wins */
            g_hash_table_insert(grams, (gpointer)gram_hash(&ours, i), (gpointer)(i + 1));
        }
        for (uint64_t j = 0; j < ends[1]; j++) {
            uint64_t i = (uint64_t)g_hash_table_lookup(grams, (gpointer)gram_hash(&theirs, j));
            if (i && i - 1 + j < best) {
                best = i - 1 + j;
                *skip_ours = i - 1;
                *skip_theirs = j;
            }
        }
        if (best != UINT64_MAX) {
            return true;
        }
    }
    return false;
}

/* True if either side's next run begins in a function that --ignore names, or if --repeat has been reached for it. */
static bool ignored(void)
{
    static GHashTable *seen; /* function -> divergences */
    const struct side *sides[2] = { &ours, &theirs };
    g_auto(GStrv) names = g_strsplit(ignore_text ? ignore_text : "", ",", -1);

    seen = seen ? seen : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t ahead = 0; ahead < 2; ahead++) {
            g_autofree char *symbol = image_symbol(side_peek(sides[i], ahead)->start);
            *strchrnul(symbol, '+') = 0;
            if (g_strv_contains((const char *const *)names, symbol)) {
                return true;
            }
        }
    }
    char *function = image_symbol(side_peek(&ours, 0)->start);
    *strchrnul(function, '+') = 0;
    uint64_t count = (uint64_t)g_hash_table_lookup(seen, function);
    g_hash_table_insert(seen, function, (gpointer)(count + 1));
    return repeat && count >= (uint64_t)repeat;
}

static int compare(void)
{
    unsigned divergences = 0, quiet = 0;
    while (side_fill(&ours, 0) && side_fill(&theirs, 0)) {
        if (max_instructions && ours.instructions >= (uint64_t)max_instructions) {
            break;
        }
        if (run_equal(side_peek(&ours, 0), side_peek(&theirs, 0))) {
            history[equal_runs++ % HISTORY] = *side_peek(&ours, 0);
            side_skip(&ours, 1);
            side_skip(&theirs, 1);
            continue;
        }
        side_fill(&ours, 1);
        side_fill(&theirs, 1);
        bool skip = ignored();
        if (!skip) {
            report(++divergences);
        }
        quiet += skip;
        uint64_t skip_ours, skip_theirs;
        if (!skip && divergences >= max_divergences) {
            break;
        }
        if (!resynchronize(&skip_ours, &skip_theirs)) {
            printf("no way back in step within %u runs\n", WINDOW / 2);
            return 1;
        }
        if (!skip) {
            printf("--- in step again: ours skips %" PRIu64 " runs, theirs %" PRIu64 "\n", skip_ours, skip_theirs);
        }
        side_skip(&ours, skip_ours);
        side_skip(&theirs, skip_theirs);
        fflush(stdout);
    }
    printf("\n%" PRIu64 " equal runs; instructions: ours %" PRIu64 ", theirs %" PRIu64
           "; divergences: %u, ignored: %u\n",
           equal_runs, ours.instructions, theirs.instructions, divergences, quiet);
    return divergences ? 1 : 0;
}

int main(int argc, char **argv)
{
    const GOptionEntry entries[] = {
        { "start", 's', 0, G_OPTION_ARG_STRING, &start_text, "Begin where both run this address (hex)", "ADDRESS" },
        { "divergences", 'n', 0, G_OPTION_ARG_INT64, &max_divergences, "Stop at this many (1)", "N" },
        { "instructions", 'i', 0, G_OPTION_ARG_INT64, &max_instructions, "Stop after this many of ours", "N" },
        { "symbols", 'm', 0, G_OPTION_ARG_FILENAME, &symbols_path, "System.map", "FILE" },
        { "image", 'k', 0, G_OPTION_ARG_FILENAME, &image_path, "vmlinux, for disassembly", "FILE" },
        { "ignore", 'x', 0, G_OPTION_ARG_STRING, &ignore_text, "Pass over divergences in these functions", "A,B" },
        { "repeat", 'r', 0, G_OPTION_ARG_INT64, &repeat, "Report at most this many per function (0: all)", "N" },
        { "brief", 'b', 0, G_OPTION_ARG_NONE, &brief, "One line per side and divergence", NULL },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("OURS THEIRS");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 3) {
        fprintf(stderr, "lockstep: %s\n", error ? error->message : "two streams are needed");
        return 2;
    }
    if (symbols_path && !image_load_symbols(symbols_path, &error)) {
        fprintf(stderr, "lockstep: %s\n", error->message);
        return 2;
    }
    if (image_path && !image_load(image_path, &error)) {
        fprintf(stderr, "lockstep: %s\n", error->message);
        return 2;
    }
    if (!side_open(&ours, argv[1]) || !side_open(&theirs, argv[2])) {
        return 2;
    }
    if (start_text) {
        uint64_t start = g_ascii_strtoull(start_text, NULL, 16);
        if (!side_seek(&ours, start) || !side_seek(&theirs, start)) {
            return 2;
        }
    }
    return compare();
}
