/* SPDX-License-Identifier: MIT */
#include "daemon/metrics-address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

enum { HOST_SIZE = 64 }; /* longer than any IP address */

static bool is_port(const char *s, uint16_t *ret)
{
    unsigned long port = 0;
    size_t size = strlen(s);

    if (size < 1 || size > 5 || s[0] == '0')
        return false;
    for (; *s; s++) {
        if (!isdigit((unsigned char)*s))
            return false;
        port = port * 10 + (unsigned long)(*s - '0');
    }
    if (port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* Splits "HOST:PORT" or "[HOST]:PORT", also without a port (*ret_port NULL). */
static bool split(const char *text, char host[static HOST_SIZE], bool *ret_is_in_brackets,
                  const char **ret_port)
{
    bool is_in_brackets = text[0] == '[';
    const char *begin = text + is_in_brackets, *end = begin + strcspn(begin, "[]:"), *rest;

    if (is_in_brackets)
        end = strchr(begin, ']');
    if (!end || end - begin >= HOST_SIZE)
        return false;
    rest = end + is_in_brackets;
    if (*rest != '\0' && *rest != ':')
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *ret_is_in_brackets = is_in_brackets;
    *ret_port = *rest == ':' ? rest + 1 : NULL;
    return true;
}

static bool parse_unix(const char *path, struct metrics_address *ret)
{
    struct metrics_address a = {.of.unix_path = {.sun_family = AF_UNIX},
                                .size = sizeof(a.of.unix_path)};

    if (path[0] != '/' || strlen(path) >= sizeof(a.of.unix_path.sun_path))
        return false;
    memcpy(a.of.unix_path.sun_path, path, strlen(path));
    *ret = a;
    return true;
}

bool metrics_address_parse(const char *text, struct metrics_address *ret)
{
    struct metrics_address a = {};
    char host[HOST_SIZE];
    const char *port_text;
    bool is_in_brackets;
    uint16_t port;

    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, ret);
    if (!split(text, host, &is_in_brackets, &port_text) || !port_text || !is_port(port_text, &port))
        return false;
    if (is_in_brackets) {
        a.of.ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        a.size = sizeof(a.of.ipv6);
        if (inet_pton(AF_INET6, host, &a.of.ipv6.sin6_addr) != 1)
            return false;
    } else {
        a.of.ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        a.size = sizeof(a.of.ipv4);
        if (inet_pton(AF_INET, host, &a.of.ipv4.sin_addr) != 1)
            return false;
    }
    *ret = a;
    return true;
}

bool metrics_host_is_allowed(const char *host)
{
    char name[HOST_SIZE];
    struct in6_addr address;
    const char *port_text;
    bool is_in_brackets;
    uint16_t port;

    if (!split(host, name, &is_in_brackets, &port_text) ||
        (port_text && !is_port(port_text, &port)))
        return false;
    if (is_in_brackets)
        return inet_pton(AF_INET6, name, &address) == 1;
    return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1;
}
