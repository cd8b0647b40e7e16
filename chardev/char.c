/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: the list, the option forms, and what all backends share (buffered output, one front end).
 */
#include "chardev/char-internal.h"

#include <errno.h>
#include <string.h>

#define PENDING_LIMIT (1u << 20)

static const struct chardev_backend *const backends[] = {
    &chardev_null, &chardev_stdio, &chardev_file, &chardev_pty, &chardev_socket,
};
static GPtrArray *chardevs;

struct chardev *chardev_find(const char *id)
{
    for (guint i = 0; chardevs && i < chardevs->len; i++) {
        struct chardev *chr = chardevs->pdata[i];
        if (strcmp(chr->id, id) == 0) {
            return chr;
        }
    }
    return NULL;
}

void chardev_foreach(void (*each)(struct chardev *chr, void *opaque), void *opaque)
{
    for (guint i = 0; chardevs && i < chardevs->len; i++) {
        each(chardevs->pdata[i], opaque);
    }
}

static void chardev_destroy(struct chardev *chr)
{
    if (chr->backend->close) {
        chr->backend->close(chr);
    }
    g_byte_array_unref(chr->pending);
    g_free(chr->state);
    g_free(chr->filename);
    g_free(chr->id);
    g_free(chr);
}

struct chardev *chardev_create(const struct chardev_backend *backend, const char *id, struct keyval *options,
                               GError **error)
{
    if (chardev_find(id)) {
        error_setf(error, "-chardev: id '%s' is in use already", id);
        return NULL;
    }
    struct chardev *chr = g_new0(struct chardev, 1);
    chr->backend = backend;
    chr->id = g_strdup(id);
    chr->pending = g_byte_array_new();
    if (!backend->open(chr, options, error)) {
        chardev_destroy(chr);
        return NULL;
    }
    if (!chr->filename) {
        chr->filename = g_strdup(backend->name);
    }
    if (!chardevs) {
        chardevs = g_ptr_array_new();
    }
    g_ptr_array_add(chardevs, chr);
    return chr;
}

struct chardev *chardev_new(const char *text, GError **error)
{
    struct keyval *options = keyval_parse("-chardev", text, "backend", error);
    if (!options) {
        return NULL;
    }
    const char *name = keyval_get(options, "backend");
    const char *id = keyval_get(options, "id");
    const struct chardev_backend *backend = NULL;
    for (size_t i = 0; name && i < G_N_ELEMENTS(backends); i++) {
        if (strcmp(backends[i]->name, name) == 0) {
            backend = backends[i];
        }
    }
    struct chardev *chr = NULL;
    if (!id) {
        error_setf(error, "-chardev %s: id= is missing", text);
    } else if (!backend) {
        error_setf(error, "-chardev: '%s' is not a supported backend (null, stdio, file, pty, socket)",
                   name ? name : "");
    } else {
        bool mux = false;
        if (keyval_get_bool(options, "mux", &mux, error)) {
            g_autofree char *base_id = mux ? g_strdup_printf("%s-base", id) : g_strdup(id);
            chr = chardev_create(backend, base_id, options, error);
            if (chr && mux) {
                chr = chardev_mux_new(chr, id, error);
            }
        }
    }
    if (chr && !keyval_check_unread(options, error)) {
        chr = NULL; /* it stays in the list until exit; the program ends on this error */
    }
    keyval_free(options);
    return chr;
}

/* "unix:PATH,server=on" -> "socket,id=ID,path=PATH,server=on"; NULL if the form is unknown. */
static char *legacy_to_option(const char *id, const char *text)
{
    if (strcmp(text, "stdio") == 0 || strcmp(text, "null") == 0 || strcmp(text, "pty") == 0) {
        return g_strdup_printf("%s,id=%s", text, id);
    }
    if (g_str_has_prefix(text, "file:")) {
        return g_strdup_printf("file,id=%s,path=%s", id, text + 5);
    }
    if (g_str_has_prefix(text, "unix:")) {
        return g_strdup_printf("socket,id=%s,path=%s", id, text + 5);
    }
    if (g_str_has_prefix(text, "tcp:")) {
        const char *rest = text + 4;
        const char *comma = strchrnul(rest, ',');
        const char *colon = g_strrstr_len(rest, comma - rest, ":");
        if (colon) {
            return g_strdup_printf("socket,id=%s,host=%.*s,port=%s", id, (int)(colon - rest), rest, colon + 1);
        }
    }
    return NULL;
}

struct chardev *chardev_new_legacy(const char *option, const char *id, const char *text, GError **error)
{
    if (strcmp(text, "none") == 0) {
        return NULL;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        struct chardev *chr = chardev_find(text + 8);
        if (!chr) {
            error_setf(error, "%s: chardev '%s' not found", option, text + 8);
        }
        return chr;
    }
    bool mux = g_str_has_prefix(text, "mon:");
    g_autofree char *base_id = mux ? g_strdup_printf("%s-base", id) : g_strdup(id);
    g_autofree char *form = legacy_to_option(base_id, mux ? text + 4 : text);
    if (!form) {
        struct chardev *known = chardev_find(text);
        if (!known) {
            error_setf(error, "%s: '%s' is not a character device (stdio, null, none, pty, file:PATH, unix:PATH, "
                       "tcp:HOST:PORT, mon:…, chardev:ID)", option, text);
        }
        return known;
    }
    if (mux && strcmp(text + 4, "stdio") == 0) {
        char *without_signals = g_strconcat(form, ",signal=off", NULL);
        g_free(form);
        form = without_signals;
    }
    struct chardev *chr = chardev_new(form, error);
    return chr && mux ? chardev_mux_new(chr, id, error) : chr;
}

void chardev_free_all(void)
{
    /* Front ends are gone by now; newest first, so that a mux goes before its base. */
    while (chardevs && chardevs->len) {
        struct chardev *chr = chardevs->pdata[chardevs->len - 1];
        g_ptr_array_remove_index(chardevs, chardevs->len - 1);
        chr->attached = false;
        chardev_destroy(chr);
    }
    g_clear_pointer(&chardevs, g_ptr_array_unref);
}

const char *chardev_id(const struct chardev *chr)
{
    return chr->id;
}

const char *chardev_filename(const struct chardev *chr)
{
    return chr->filename;
}

bool chardev_connected(const struct chardev *chr)
{
    return chr->connected;
}

bool chardev_attach(struct chardev *chr, const struct chardev_frontend *frontend, GError **error)
{
    if (chr->backend->attach) {
        return chr->backend->attach(chr, frontend, error);
    }
    if (chr->attached) {
        return error_setf(error, "chardev '%s' is in use", chr->id);
    }
    chr->frontend = *frontend;
    chr->attached = true;
    if (chr->connected && frontend->event) {
        frontend->event(frontend->opaque, CHARDEV_EVENT_OPENED);
    }
    chardev_accept_input(chr);
    return true;
}

void chardev_detach(struct chardev *chr, void *opaque)
{
    if (chr->backend->detach) {
        chr->backend->detach(chr, opaque);
    } else {
        chr->attached = false;
    }
}

int chardev_can_receive(struct chardev *chr)
{
    return chr->attached && chr->frontend.can_receive ? chr->frontend.can_receive(chr->frontend.opaque) : 0;
}

void chardev_received(struct chardev *chr, const uint8_t *data, int length)
{
    if (chr->attached) {
        chr->frontend.receive(chr->frontend.opaque, data, length);
    }
}

void chardev_set_connected(struct chardev *chr, bool connected)
{
    if (chr->connected == connected) {
        return;
    }
    chr->connected = connected;
    if (!connected) {
        g_byte_array_set_size(chr->pending, 0);
    }
    if (chr->attached && chr->frontend.event) {
        chr->frontend.event(chr->frontend.opaque, connected ? CHARDEV_EVENT_OPENED : CHARDEV_EVENT_CLOSED);
    }
}

void chardev_accept_input(struct chardev *chr)
{
    if (chr->backend->accept_input) {
        chr->backend->accept_input(chr);
    }
}

int chardev_take_fd(struct chardev *chr)
{
    return chr->backend->take_fd ? chr->backend->take_fd(chr) : -1;
}

void chardev_disconnect(struct chardev *chr)
{
    if (chr->backend->disconnect) {
        chr->backend->disconnect(chr);
    }
}

/* Moves pending output on; false if some remains. */
static bool flush_pending(struct chardev *chr)
{
    while (chr->pending->len) {
        ssize_t n = chr->backend->write(chr, chr->pending->data, chr->pending->len);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                g_byte_array_set_size(chr->pending, 0); /* nobody will ever read it */
                return true;
            }
            chr->backend->want_write(chr);
            return false;
        }
        g_byte_array_remove_range(chr->pending, 0, n);
    }
    return true;
}

void chardev_writable(struct chardev *chr)
{
    if (flush_pending(chr)) {
        chardev_accept_input(chr); /* a monitor takes no commands while its answers wait */
    }
}

size_t chardev_pending(const struct chardev *chr)
{
    return chr->pending->len;
}

void chardev_write_all(struct chardev *chr, const void *data, size_t length)
{
    if (!chr->backend->write || !chr->connected) {
        return; /* nobody listens */
    }
    bool was_empty = chr->pending->len == 0;
    g_byte_array_append(chr->pending, data, length);
    if (was_empty) {
        flush_pending(chr);
    }
}

int chardev_write(struct chardev *chr, const void *data, int length)
{
    if (chr->pending->len >= PENDING_LIMIT) {
        return 0;
    }
    chardev_write_all(chr, data, length);
    return length;
}
