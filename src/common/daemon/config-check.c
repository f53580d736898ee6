/* SPDX-License-Identifier: MIT */
#include "daemon/config-check.h"

#include <strings.h>
#include <sys/un.h>

#include "daemon/metrics-address.h"
#include "util/ascii.h"
#include "util/encode.h"

enum {
    URL_MAX_BYTES = 2048,
    NAME_MAX_BYTES = 255,
    PATH_MAX_BYTES = 4095,
    GROUP_ID_MAX_BYTES = 128,
    CONTENT_TYPE_MAX_BYTES = 255,
};

/* UTF-8, with only characters that are safe in a log line and on a terminal. */
static bool is_plain_text(const char *s, size_t max_bytes)
{
    size_t size = strlen(s);
    uint32_t c;

    if (size > max_bytes)
        return false;
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_decode(s + i, size - i, &c);
        if (n == 0 || !is_safe_in_line(c))
            return false;
    }
    return true;
}

bool config_is_region(const char *s)
{
    if (strlen(s) > 63 || s[0] == '-')
        return false;
    for (; *s; s++)
        if (!(is_lower(*s) || is_digit(*s) || *s == '-'))
            return false;
    return true;
}

/* Checks only that it looks like a URL; aws/endpoint.h parses it. */
bool config_is_url(const char *s)
{
    const char *host;

    if (!is_plain_text(s, URL_MAX_BYTES) || strpbrk(s, " \"<>\\^`{|}@?#"))
        return false;
    if (strncasecmp(s, "https://", 8) == 0)
        host = s + 8;
    else if (strncasecmp(s, "http://", 7) == 0)
        host = s + 7;
    else
        return false;
    return is_letter_or_digit(*host) || *host == '[';
}

bool config_is_url_or_empty(const char *s)
{
    return s[0] == '\0' || config_is_url(s);
}

bool config_is_profile(const char *s)
{
    return is_plain_text(s, NAME_MAX_BYTES);
}

bool config_is_absolute_path_or_empty(const char *s)
{
    return is_plain_text(s, PATH_MAX_BYTES) && (s[0] == '/' || s[0] == '\0');
}

bool config_is_word(const char *s)
{
    return is_plain_text(s, PATH_MAX_BYTES);
}

bool config_is_socket_path(const char *s)
{
    return s[0] == '/' && is_plain_text(s, sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
}

/* unix:PATH or unix:PATH:/URI. */
static bool is_unix_url(const char *s)
{
    const char *path = s + strlen("unix:"), *colon;
    char copy[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    size_t size;

    if (strncmp(s, "unix:/", 6) != 0 || !is_plain_text(s, URL_MAX_BYTES))
        return false;
    colon = strchr(path, ':');
    size = colon ? (size_t)(colon - path) : strlen(path);
    if (size >= sizeof(copy) || (colon && (colon[1] != '/' || strpbrk(colon, " \"#"))))
        return false;
    memcpy(copy, path, size);
    copy[size] = '\0';
    return config_is_socket_path(copy);
}

bool config_is_handler_url_or_empty(const char *s)
{
    return config_is_url_or_empty(s) || is_unix_url(s);
}

/* RFC 9110, section 8.3: only what the header allows in its value. */
bool config_is_content_type(const char *s)
{
    if (strlen(s) > CONTENT_TYPE_MAX_BYTES || !is_letter_or_digit(*s) || !strchr(s, '/'))
        return false;
    for (; *s; s++)
        if (*s < ' ' || *s > '~')
            return false;
    return true;
}

/* SQS API, SendMessage, MessageGroupId: letters, digits and ASCII punctuation. */
bool config_is_message_group_id(const char *s)
{
    size_t size = strlen(s);

    if (size < 1 || size > GROUP_ID_MAX_BYTES)
        return false;
    for (; *s; s++)
        if (*s < '!' || *s > '~')
            return false;
    return true;
}

bool config_is_metrics_address_or_empty(const char *s)
{
    struct metrics_address address;

    return s[0] == '\0' || (metrics_address_parse(s, &address) && is_plain_text(s, PATH_MAX_BYTES));
}
