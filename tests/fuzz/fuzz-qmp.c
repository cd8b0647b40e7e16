/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes QMP: the program itself, started as main() starts it, on a machine without CPUs, with a monitor whose client is
 * the fuzzer. What it sends back must be JSON, an object a line, with one of the members that a client waits for.
 *
 * FUZZ_SHOW=1 prints that. With libFuzzer: `make fuzz`. With standalone.c instead of it: a test that draws requests at random for some seconds.
 */
int ferry_main(int argc, char **argv);
#define main ferry_main
#include "system/main.c"
#undef main

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "chardev/char-internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/qmp-requests.h"
#include "util/json.h"

#define INPUT_BYTES 4096

static struct chardev *client;
static GString *answers;
static bool show; /* FUZZ_SHOW is set: print the answers */

static bool client_open(struct chardev *chr, struct keyval *options, GError **error)
{
    return true;
}

/* Every whole line is checked. */
static ssize_t client_write(struct chardev *chr, const void *data, size_t length)
{
    char *end;
    if (show) {
        fwrite(data, 1, length, stderr);
    }
    g_string_append_len(answers, data, length);
    while ((end = strchr(answers->str, '\n'))) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_text_parse(answers->str, end + 1 - answers->str, &error);
        if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
            g_error("not an answer: %.*s: %s", (int)(end - answers->str), answers->str, error ? error->message : "");
        }
        JsonObject *object = json_node_get_object(node);
        g_assert_true(json_object_has_member(object, "return") || json_object_has_member(object, "error") ||
                      json_object_has_member(object, "event") || json_object_has_member(object, "QMP"));
        g_string_erase(answers, 0, end + 1 - answers->str);
    }
    return length;
}

static const struct chardev_backend fuzzer = { .name = "fuzzer", .open = client_open, .write = client_write };

static bool swallow(const char *text)
{
    return true;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char *arguments[] = {
        "fuzz-qmp", "-machine", "pc", "-accel", "qtest", "-m", "16", "-nodefaults", "-display", "none", "-S", "-smp", "2",
        "-object", "iothread,id=io0", "-device", "virtio-balloon-pci,id=balloon,free-page-hint=on", "-name", "fuzz",
        "-blockdev", "null-co,node-name=node0,size=1M",
    };
    struct options options;
    GError *error = NULL;
    board_types_register();
    if (!options_parse(&options, G_N_ELEMENTS(arguments), arguments, &error)) {
        g_error("%s", error->message);
    }
    main_loop_init();
    signal(SIGPIPE, SIG_IGN);
    if (!start(&options, &error)) {
        g_error("%s", error->message);
    }
    options_clear(&options);
    answers = g_string_new(NULL);
    show = g_getenv("FUZZ_SHOW") != NULL;
    client = chardev_create(&fuzzer, "fuzzer", NULL, &error);
    if (!client || !monitor_new_qmp(client, false, &error)) {
        g_error("%s", error->message);
    }
    error_report_hook = swallow;
    g_autofree char *folder = g_dir_make_tmp("fuzz-qmp-XXXXXX", NULL);
    return chdir(folder); /* files that a request makes up are made here */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char negotiation[] = "{\"execute\":\"qmp_capabilities\"}\n";
    int exit_code;
    if (!qmp_requests_harmless((const char *)data, size)) {
        return 0;
    }
    chardev_set_connected(client, true);
    chardev_received(client, (const uint8_t *)negotiation, strlen(negotiation));
    chardev_received(client, data, size);
    for (int i = 0; i < 3; i++) {
        main_loop_iterate(false);
        runstate_process_requests(&exit_code);
    }
    chardev_set_connected(client, false);
    g_string_truncate(answers, 0);
    return 0;
}

/* The start of a line of `text` chosen at random, and with *end the start of the next. */
static size_t pick_line(const GString *text, GRand *rand, size_t *end)
{
    size_t at = text->len ? g_rand_int_range(rand, 0, text->len) : 0;
    const char *stop = memchr(text->str + at, '\n', text->len - at);
    while (at && text->str[at - 1] != '\n') {
        at--;
    }
    *end = stop ? (size_t)(stop + 1 - text->str) : text->len;
    return at;
}

/* Requests are put in, replaced and taken out whole; now and then bytes change, as without a schema. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autoptr(GString) text = g_string_new_len((const char *)data, size);
    g_autoptr(GString) request = g_string_new(NULL);
    int what = g_rand_int_range(rand, 0, 8);
    size_t end, at = pick_line(text, rand, &end);
    if (what == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    if (what != 1) {
        qmp_request_append(request, rand);
    }
    if (what <= 4) {
        g_string_erase(text, at, end - at);
    }
    g_string_insert_len(text, at, request->str, request->len);
    size = MIN(text->len, MIN(max_size, INPUT_BYTES));
    memcpy(data, text->str, size);
    return size;
}
