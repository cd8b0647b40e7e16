/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses of a user-mode network: 10.0.2.0/24, with the host at .2, DNS at .3 and DHCP from .15. */
#include "net/slirp-private.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/keyval.h"

#define DEFAULT_NET 0x0a000200u /* 10.0.2.0 */
#define HOST_PART 2
#define DNS_PART  3
#define DHCP_PART 15

static bool read_address(const char *key, const char *text, struct in_addr *address, GError **error)
{
    return !text || inet_pton(AF_INET, text, address) == 1 ||
           error_setf(error, "Parameter '%s' expects an IPv4 address, not '%s'", key, text);
}

/* ADDRESS[/BITS or /MASK]; without a mask, that of the address's class, as of old. */
static uint32_t class_mask(uint32_t net)
{
    return net >> 31 == 0 ? 0xff000000u : net >> 30 == 2 ? 0xffff0000u : net >> 29 == 6 ? 0xffffff00u : 0xfffffff0u;
}

static bool parse_mask(const char *text, uint32_t *mask)
{
    struct in_addr address;
    uint64_t bits;

    if (parse_uint("net", text, &bits, 32, NULL)) {
        *mask = bits ? ~0u << (32 - bits) : 0;
        return bits >= 4 && bits <= 28; /* room for the host's, DNS's and DHCP's addresses, no class to spare */
    }
    if (inet_pton(AF_INET, text, &address) != 1) {
        return false;
    }
    *mask = ntohl(address.s_addr);
    return !(~*mask & (~*mask + 1)) && ~*mask >= DHCP_PART;
}

static bool read_net(const char *text, uint32_t *net, uint32_t *mask, GError **error)
{
    g_auto(GStrv) parts = text ? g_strsplit(text, "/", 2) : NULL;
    struct in_addr address;

    *net = DEFAULT_NET;
    *mask = 0xffffff00u;
    if (!text) {
        return true;
    }
    if (inet_pton(AF_INET, parts[0], &address) != 1) {
        return error_setf(error, "Parameter 'net' expects an IPv4 address with a mask, not '%s'", text);
    }
    *net = ntohl(address.s_addr);
    *mask = class_mask(*net);
    if (parts[1] && !parse_mask(parts[1], mask)) {
        return error_setf(error, "Parameter 'net' expects a mask of 4 to 28 bits, not '%s'", text);
    }
    *net &= *mask;
    return true;
}

static bool check_inside(const char *key, struct in_addr address, const SlirpConfig *config, GError **error)
{
    return !((address.s_addr ^ config->vnetwork.s_addr) & config->vnetmask.s_addr) ||
           error_setf(error, "Parameter '%s': %s lies outside of the network", key, inet_ntoa(address));
}

static bool read_addresses(const NetdevUserOptions *o, SlirpConfig *config, GError **error)
{
    uint32_t net, mask;

    if (!read_net(o->net, &net, &mask, error)) {
        return false;
    }
    config->vnetwork.s_addr = htonl(net);
    config->vnetmask.s_addr = htonl(mask);
    config->vhost.s_addr = htonl(net | HOST_PART);
    config->vnameserver.s_addr = htonl(net | DNS_PART);
    config->vdhcp_start.s_addr = htonl(net | DHCP_PART);
    if (!read_address("host", o->host, &config->vhost, error) ||
        !read_address("dns", o->dns, &config->vnameserver, error) ||
        !read_address("dhcpstart", o->dhcpstart, &config->vdhcp_start, error) ||
        !check_inside("host", config->vhost, config, error) ||
        !check_inside("dns", config->vnameserver, config, error) ||
        !check_inside("dhcpstart", config->vdhcp_start, config, error)) {
        return false;
    }
    return config->vhost.s_addr != config->vnameserver.s_addr ||
           error_setf(error, "Parameter 'dns' is the same as 'host': %s", inet_ntoa(config->vhost));
}

bool slirp_read_config(const NetdevUserOptions *o, SlirpConfig *config, GError **error)
{
    bool ipv4 = !o->has_ipv4 || o->ipv4, ipv6 = !o->has_ipv6 || o->ipv6;

    *config = (SlirpConfig){ .version = 1 };
    if (!read_addresses(o, config, error)) {
        return false;
    }
    if (!ipv4 && !ipv6) {
        return error_setf(error, "Parameters 'ipv4' and 'ipv6' are both off: nothing would be left");
    }
    config->restricted = o->has_q_restrict && o->q_restrict;
    config->in_enabled = ipv4;
    config->in6_enabled = ipv6;
    inet_pton(AF_INET6, "fec0::", &config->vprefix_addr6);
    config->vprefix_len = 64;
    inet_pton(AF_INET6, "fec0::2", &config->vhost6);
    inet_pton(AF_INET6, "fec0::3", &config->vnameserver6);
    config->vhostname = o->hostname;
    config->vdomainname = o->domainname;
    if (config->vhostname && strlen(config->vhostname) > 32) {
        return error_setf(error, "Parameter 'hostname' expects at most 32 characters, not '%s'", config->vhostname);
    }
    return true;
}
