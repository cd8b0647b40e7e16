/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the options to struct machine: -machine, -accel, -cpu, -smp, -m, -kernel. */
#include "system/machine-setup.h"

#include <string.h>

#include "accel/accel.h"
#include "hw/core/machine.h"
#include "memory/ram-block.h"
#include "system/object.h"

static bool setup_memory(struct machine *m, const char *text, GError **error)
{
    struct ram_block *backend = m->memory_backend ? ram_block_find(m->memory_backend) : NULL;
    m->ram_size = backend ? backend->used_length : m->type->default_ram_id ? 128ull << 20 : 0;
    if (!text) {
        return true;
    }
    if (!m->type->default_ram_id) {
        return error_setf(error, "-m %s is not supported by machine '%s': it has no RAM", text, m->type->name);
    }
    struct keyval *kv = keyval_parse("-m", text, "size", error);
    bool ok = kv && keyval_get_size(kv, "size", &m->ram_size, 'M', error) && keyval_check_unread(kv, error);
    keyval_free(kv);
    if (ok && (m->ram_size < 1 << 20 || m->ram_size > 1ull << 39)) {
        return error_setf(error, "-m: %s is not within 1 MiB to 512 GiB, the guest's address space", text);
    }
    m->ram_size = ROUND_UP_TO(m->ram_size, 8192);
    return ok;
}

/* -smp's numbers; 0: not given (a given 0 is refused). */
struct topology {
    uint64_t cpus, max, sockets, cores, threads;
};

static bool topology_parse(struct topology *t, const char *text, GError **error)
{
    const struct {
        const char *key;
        uint64_t *value;
    } keys[] = { { "cpus", &t->cpus }, { "maxcpus", &t->max }, { "sockets", &t->sockets }, { "cores", &t->cores },
                 { "threads", &t->threads } };
    struct keyval *kv = keyval_parse("-smp", text, "cpus", error);
    bool ok = kv != NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(keys) && ok; i++) {
        bool given = keyval_has(kv, keys[i].key);
        ok = keyval_get_uint(kv, keys[i].key, keys[i].value, 4096, error);
        if (ok && given && *keys[i].value == 0) {
            ok = error_setf(error, "-smp: %s=0 is not within 1 to 4096", keys[i].key);
        }
    }
    ok = ok && keyval_check_unread(kv, error);
    keyval_free(kv);
    return ok;
}

/* What was not given follows from what was: cores before sockets before threads, as QEMU prefers since 6.2. */
static void topology_complete(struct topology *t)
{
    uint64_t given = t->max ? t->max : t->cpus;
    if (given && !t->cores) {
        t->sockets = MAX(t->sockets, 1);
        t->threads = MAX(t->threads, 1);
        t->cores = MAX(given / (t->sockets * t->threads), 1);
    } else if (given && !t->sockets) {
        t->threads = MAX(t->threads, 1);
        t->sockets = MAX(given / (t->cores * t->threads), 1);
    } else if (given && !t->threads) {
        t->threads = MAX(given / (t->sockets * t->cores), 1);
    }
    t->sockets = MAX(t->sockets, 1);
    t->cores = MAX(t->cores, 1);
    t->threads = MAX(t->threads, 1);
    t->max = given ? given : t->sockets * t->cores * t->threads;
    t->cpus = t->cpus ? t->cpus : t->max;
}

static bool setup_smp(struct machine *m, const char *text, GError **error)
{
    struct topology t = { 0 };
    if (text && !topology_parse(&t, text, error)) {
        return false;
    }
    topology_complete(&t);
    if (t.cpus > (uint64_t)m->type->max_cpus) {
        return error_setf(error, "-smp: %" G_GUINT64_FORMAT " vCPUs; machine '%s' supports 1 to %d", t.cpus,
                          m->type->name, m->type->max_cpus);
    }
    if (t.max != t.cpus) {
        return error_setf(error, "-smp: maxcpus=%" G_GUINT64_FORMAT " differs from cpus=%" G_GUINT64_FORMAT
                          ": adding vCPUs later is not supported", t.max, t.cpus);
    }
    if (t.sockets * t.cores * t.threads != t.max) {
        return error_setf(error, "-smp: sockets (%" G_GUINT64_FORMAT ") * cores (%" G_GUINT64_FORMAT ") * threads (%"
                          G_GUINT64_FORMAT ") is not the number of vCPUs (%" G_GUINT64_FORMAT ")", t.sockets, t.cores,
                          t.threads, t.max);
    }
    m->smp_cpus = t.cpus;
    m->max_cpus = t.max;
    m->sockets = t.sockets;
    m->cores = t.cores;
    m->threads = t.threads;
    return true;
}

/* -machine kernel-irqchip=X means -accel kvm,kernel-irqchip=X, which itself has precedence. */
static bool add_irqchip(GPtrArray *list, const char *irqchip, GError **error)
{
    bool found = false;

    for (guint i = 0; i < list->len; i++) {
        const char *text = list->pdata[i], *rest = g_str_has_prefix(text, "accel=") ? text + 6 : text;
        if (g_str_has_prefix(rest, "kvm") && (rest[3] == ',' || rest[3] == '\0')) {
            list->pdata[i] = g_strdup_printf("kvm,kernel-irqchip=%s%s", irqchip, rest + 3);
            g_free((char *)text);
            found = true;
        }
    }
    return found || !strcmp(irqchip, "off") ||
           error_setf(error, "-machine kernel-irqchip=%s needs -accel kvm", irqchip);
}

static bool setup_accel(const struct options *o, const char *from_machine, const char *irqchip, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    if (o->accel->len && from_machine) {
        return error_setf(error, "-accel and -machine accel= contradict each other; give one of them");
    }
    for (guint i = 0; i < o->accel->len; i++) {
        g_ptr_array_add(list, g_strdup(o->accel->pdata[i]));
    }
    g_auto(GStrv) names = g_strsplit(from_machine ? from_machine : "", ":", -1);
    for (char **name = names; *name; name++) {
        g_ptr_array_add(list, g_strdup(*name));
    }
    if (o->qtest && list->len == 0) {
        g_ptr_array_add(list, g_strdup("qtest"));
    } else if (list->len == 0) {
        g_ptr_array_add(list, g_strdup("tcg"));
    }
    return (!irqchip || add_irqchip(list, irqchip, error)) && accel_configure(list, error);
}

static bool setup_type(struct machine *m, struct keyval *kv, GError **error)
{
    const char *name = keyval_get(kv, "type");
    m->type = name ? machine_type_find(name) : machine_type_default();
    if (!m->type) {
        return error_setf(error, "unsupported machine type '%s' (use -machine help to list them)", name);
    }
    return true;
}

static bool setup_cpu(struct machine *m, const char *text, GError **error)
{
    if (!m->type->default_cpu) {
        return !text ||
               error_setf(error, "-cpu %s is not supported by machine '%s': it has no vCPUs", text, m->type->name);
    }
    m->cpu_model = x86_cpu_model_parse(text ? text : m->type->default_cpu, &m->cpu_features, error);
    return m->cpu_model != NULL;
}

bool machine_setup(const struct options *o, GError **error)
{
    struct machine *m = g_new0(struct machine, 1);
    struct keyval *kv = keyval_parse("-machine", o->machine ? o->machine : "", "type", error);
    bool ok = kv && setup_type(m, kv, error) && setup_accel(o, keyval_get(kv, "accel"), keyval_get(kv, "kernel-irqchip"), error) &&
              m->type->parse_options(m, kv, error) && keyval_check_unread(kv, error) &&
              setup_memory(m, o->memory, error) && setup_smp(m, o->smp, error);
    keyval_free(kv);
    ok = ok && setup_cpu(m, o->cpu, error);
    if (!o->kernel && (o->initrd || o->append)) {
        ok = ok && error_setf(error, "%s needs -kernel", o->initrd ? "-initrd" : "-append");
    }
    if (ok && m->memory_backend) {
        object_hold(m->memory_backend); /* the board says so if it is none */
    }
    if (!ok) {
        g_free(m);
        return false;
    }
    m->kernel = g_strdup(o->kernel);
    m->initrd = g_strdup(o->initrd);
    m->append = g_strdup(o->append);
    m->boot_order = g_strdup(o->boot_order ? o->boot_order : "cad");
    m->incoming = o->incoming != NULL;
    current_machine = m;
    return true;
}
