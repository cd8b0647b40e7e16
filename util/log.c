/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

unsigned log_mask;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER; /* guards log_file and its text; innermost */
static FILE *log_file;                                       /* NULL: standard error */

static const struct {
    const char *name;
    unsigned item;
    const char *help;
} log_items[] = {
    { "in_asm", LOG_IN_ASM, "each block of guest instructions as it is decoded" },
    { "int", LOG_INT, "interrupts and exceptions" },
    { "exec", LOG_EXEC, "each block as it is executed (lots of text)" },
    { "cpu", LOG_CPU, "registers before each block (lots of text)" },
    { "cpu_reset", LOG_CPU_RESET, "registers before a CPU reset" },
    { "mmu", LOG_MMU, "page walks and faults" },
    { "guest_errors", LOG_GUEST_ERRORS, "what the guest does that it should not" },
    { "unimp", LOG_UNIMP, "what the guest asks for that is not built" },
    { "trace", LOG_TRACE, "trace points that are on (-trace)" },
};

void log_enable_items(unsigned items)
{
    __atomic_fetch_or(&log_mask, items, __ATOMIC_RELAXED);
}

void log_printf(unsigned items, const char *fmt, ...)
{
    if (!log_enabled(items)) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    pthread_mutex_lock(&log_lock);
    FILE *out = log_file ? log_file : stderr;
    vfprintf(out, fmt, args);
    fflush(out);
    pthread_mutex_unlock(&log_lock);
    va_end(args);
}

static void log_print_help(void)
{
    printf("Log items (comma separated):\n");
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        printf("%-15s %s\n", log_items[i].name, log_items[i].help);
    }
}

static unsigned log_find_item(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        if (!strcmp(log_items[i].name, name)) {
            return log_items[i].item;
        }
    }
    return 0;
}

bool log_set_items(const char *items, bool *help, GError **error)
{
    *help = !strcmp(items, "help") || !strcmp(items, "?");
    if (*help) {
        log_print_help();
        return true;
    }
    unsigned mask = 0;
    g_auto(GStrv) names = g_strsplit(items, ",", -1);
    for (char **name = names; *name; name++) {
        unsigned item = log_find_item(*name);
        if (!item && strcmp(*name, "none")) {
            return error_setf(error, "-d: unknown log item '%s' ('-d help' lists them)", *name);
        }
        mask |= item;
    }
    __atomic_store_n(&log_mask, mask, __ATOMIC_RELAXED);
    return true;
}

/* "%d" in the path stands for the process id, as in QEMU; any other % is refused. */
static char *expand_path(const char *path, GError **error)
{
    GString *text = g_string_new(NULL);
    bool pid = false;
    for (const char *p = path; *p; p++) {
        if (*p != '%') {
            g_string_append_c(text, *p);
        } else if (p[1] == 'd' && !pid) {
            g_string_append_printf(text, "%d", (int)getpid());
            pid = true;
            p++;
        } else {
            g_string_free(text, TRUE);
            error_setf(error, "-D: bad file name '%s': '%%' may appear once, as %%d (the process id)", path);
            return NULL;
        }
    }
    return g_string_free(text, FALSE);
}

bool log_set_file(const char *path, GError **error)
{
    g_autofree char *name = expand_path(path, error);
    if (!name) {
        return false;
    }
    FILE *file = fopen(name, "we");
    if (!file) {
        return error_setf_errno(error, errno, "-D: cannot open '%s'", name);
    }
    pthread_mutex_lock(&log_lock);
    FILE *old = log_file;
    log_file = file;
    pthread_mutex_unlock(&log_lock);
    if (old) {
        fclose(old);
    }
    return true;
}
