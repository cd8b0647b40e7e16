/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object secret: a password or key under an id, given in the option or in a file, so that whoever needs it names it
 * instead of showing it. Left out, and refused: secrets encrypted by another one (keyid=, iv=).
 */
#include <string.h>

#include "qapi/qapi-types.h"
#include "qapi/qapi-visit.h"
#include "system/object-types.h"
#include "system/secret.h"

struct secret {
    char *id;
    const char *format;
    char *file;
    guchar *data;
    gsize length;
};

static GPtrArray *secrets; /* struct secret *; big lock */

static struct secret *secret_find(const char *id)
{
    for (guint i = 0; secrets && i < secrets->len; i++) {
        struct secret *secret = secrets->pdata[i];
        if (!strcmp(secret->id, id)) {
            return secret;
        }
    }
    return NULL;
}

const uint8_t *secret_data(const char *id, size_t *length)
{
    const struct secret *secret = secret_find(id);

    if (secret) {
        *length = secret->length;
    }
    return secret ? secret->data : NULL;
}

/* Nothing of it stays in freed memory. */
static void secret_free(struct secret *secret)
{
    if (secret->data) {
        explicit_bzero(secret->data, secret->length);
    }
    g_free(secret->data);
    g_free(secret->file);
    g_free(secret->id);
    g_free(secret);
}

static bool decode(struct secret *secret, GError **error)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/\r\n";
    gsize digits = strspn((char *)secret->data, alphabet), end = digits + strspn((char *)secret->data + digits, "=\r\n");

    if (end != secret->length || secret->length == 0) {
        return error_setf(error, "secret '%s': its data is not base64 (format=base64)", secret->id);
    }
    g_base64_decode_inplace((char *)secret->data, &secret->length);
    return true;
}

static bool load(struct secret *secret, const char *data, GError **error)
{
    if (!data == !secret->file) {
        return error_setf(error, "secret '%s': wants one of data= and file=", secret->id);
    }
    if (data) {
        secret->data = (guchar *)g_strdup(data);
        secret->length = strlen(data);
    } else if (!g_file_get_contents(secret->file, (char **)&secret->data, &secret->length, error)) {
        g_prefix_error(error, "secret '%s': ", secret->id);
        return false;
    }
    return !strcmp(secret->format, "raw") || decode(secret, error);
}

static bool secret_create(const ObjectOptions *options, GError **error)
{
    const SecretProperties *p = options->u.secret;
    struct secret *secret = g_new0(struct secret, 1);

    secret->id = g_strdup(options->id);
    secret->format = QCryptoSecretFormat_str(p->has_format ? p->format : Q_CRYPTO_SECRET_FORMAT_RAW);
    secret->file = g_strdup(p->file);
    if (!load(secret, p->data, error)) {
        secret_free(secret);
        return false;
    }
    if (!secrets) {
        secrets = g_ptr_array_new();
    }
    g_ptr_array_add(secrets, secret);
    return true;
}

static bool secret_destroy(const char *id, GError **error)
{
    struct secret *secret = secret_find(id);

    g_ptr_array_remove(secrets, secret);
    secret_free(secret);
    return true;
}

static JsonNode *secret_get(const char *id, const char *property, GError **error)
{
    const struct secret *secret = secret_find(id);

    if (!strcmp(property, "data")) {
        error_setf(error, "secret '%s': its data cannot be read", id);
        return NULL;
    }
    return qapi_node_str(!strcmp(property, "format") ? secret->format : secret->file);
}

static const struct object_property secret_properties[] = {
    { "format", "QCryptoSecretFormat", "of data= or of the file: raw (default) or base64" },
    { "data", "string", "the secret itself: visible to whoever sees the command line" },
    { "file", "string", "a file that holds it" },
    { NULL },
};

const struct object_type object_type_secret = {
    .name = "secret",
    .parent = "secret_common",
    .description = "a password or key",
    .properties = secret_properties,
    .create = secret_create,
    .destroy = secret_destroy,
    .get = secret_get,
};
