/* SPDX-License-Identifier: MIT */
#include "http/no-proxy.h"

#include <strings.h>

#include "util/ascii.h"

#define BLANKS ", \t"

static bool is_port(const char *text, size_t size, unsigned port)
{
    unsigned value = 0;

    if (size == 0 || size > 5)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!is_digit(text[i]))
            return false;
        value = 10 * value + (unsigned)(text[i] - '0');
    }
    return value == port;
}

/* Whether the host is the entry's host or one of its subdomains. */
static bool is_host(const char *name, size_t size, const char *host)
{
    size_t host_size = strlen(host);
    bool is_address = host[0] == '[';

    if (size > 0 && name[0] == '.') {
        name++;
        size--;
    }
    if (size > 0 && name[size - 1] == '.')
        size--;
    if (host_size > 0 && host[host_size - 1] == '.')
        host_size--;
    if (size == 0 || size > host_size || strncasecmp(host + host_size - size, name, size) != 0)
        return false;
    return size == host_size || (!is_address && host[host_size - size - 1] == '.');
}

static bool is_entry(const char *entry, size_t size, const char *host, unsigned port)
{
    const char *colon = memrchr(entry, ':', size);
    size_t host_size = colon ? (size_t)(colon - entry) : 0;

    if (!colon || (entry[0] != '[' && memchr(entry, ':', host_size)))
        return false; /* no port, or an IPv6 address without brackets */
    return is_host(entry, host_size, host) && is_port(colon + 1, size - host_size - 1, port);
}

bool no_proxy_names(const char *list, const char *host, unsigned port)
{
    size_t size;

    for (; list && *list; list += size) {
        list += strspn(list, BLANKS);
        size = strcspn(list, BLANKS);
        if (is_entry(list, size, host, port))
            return true;
    }
    return false;
}
