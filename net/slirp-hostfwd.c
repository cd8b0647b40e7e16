/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hostfwd=[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport, a port of the host that leads into the guest. */
#include "net/slirp-private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "util/keyval.h"

struct forward {
    bool udp;
    struct in_addr host, guest;
    uint64_t host_port, guest_port;
};

static bool parse_address(const char *text, struct in_addr *address)
{
    return !*text || inet_pton(AF_INET, text, address) == 1; /* empty: as it is */
}

/* "[address]:port" */
static bool parse_end(const char *text, struct in_addr *address, uint64_t *port)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", -1);

    return g_strv_length(parts) == 2 && parse_address(parts[0], address) &&
           parse_uint("port", parts[1], port, 65535, NULL);
}

/* "[tcp|udp]:END" with what is behind the host's end, if anything: *rest. */
static bool parse_host(const char *text, struct forward *forward, char **rest)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    g_auto(GStrv) ends = NULL;

    if (g_strv_length(parts) != 2) {
        return false;
    }
    ends = g_strsplit(parts[1], "-", 2);
    forward->udp = !strcmp(parts[0], "udp");
    *rest = g_strdup(*ends ? ends[1] : NULL);
    return (forward->udp || !*parts[0] || !strcmp(parts[0], "tcp")) && *ends &&
           parse_end(ends[0], &forward->host, &forward->host_port);
}

static bool parse_forward(const char *text, struct forward *forward)
{
    g_autofree char *guest = NULL;

    return parse_host(text, forward, &guest) && guest && parse_end(guest, &forward->guest, &forward->guest_port) &&
           forward->guest_port;
}

bool slirp_add_forward(Slirp *slirp, struct in_addr guest, const char *text, GError **error)
{
    struct forward forward = { .host.s_addr = htonl(INADDR_ANY), .guest = guest };

    if (!parse_forward(text, &forward)) {
        return error_setf(error, "Invalid host forwarding rule '%s' (expected "
                          "[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport)", text);
    }
    if (slirp_add_hostfwd(slirp, forward.udp, forward.host, forward.host_port, forward.guest, forward.guest_port) < 0) {
        return error_setf_errno(error, errno, "Could not set up host forwarding rule '%s'", text);
    }
    return true;
}

bool slirp_remove_forward(Slirp *slirp, const char *text, GError **error)
{
    struct forward forward = { .host.s_addr = htonl(INADDR_ANY) };
    g_autofree char *rest = NULL;

    if (!parse_host(text, &forward, &rest) || rest) {
        return error_setf(error, "invalid format: '%s' is not [tcp|udp]:[hostaddr]:hostport", text);
    }
    return slirp_remove_hostfwd(slirp, forward.udp, forward.host, forward.host_port) == 0 ||
           error_setf(error, "host forwarding rule for %s not found", text);
}
