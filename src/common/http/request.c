/* SPDX-License-Identifier: MIT */
/* Translates a request into the options of a libcurl easy handle. */
#include "http/client-internal.h"

#include <errno.h>

#include "http/curl-url.h"
#include "http/no-proxy.h"
#include "util/clock.h"

/* Wiped, because a session token may be among them. */
void http_slot_forget_headers(struct http_slot *slot)
{
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, NULL);
    buffer_reset(&slot->request.header_lines);
}

/* Called once for each easy handle, which keeps its options. */
int http_slot_set_up(struct http_slot *slot)
{
    struct http_client *client = slot->client;
    CURL *e = slot->easy;
    CURLcode c = CURLE_OK;

#define SET(option, value) c = c ? c : curl_easy_setopt(e, option, value)
    SET(CURLOPT_PRIVATE, (void *)slot);
    SET(CURLOPT_ERRORBUFFER, slot->error_text);
    c = c ? c : http_receive_set_up(slot);
    c = c ? c : http_begin_set_up(slot);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_USERAGENT, client->user_agent);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_MAXAGE_CONN, (long)HTTP_CONNECTION_MAX_IDLE_SEC);
    SET(CURLOPT_MAXLIFETIME_CONN, (long)HTTP_CONNECTION_MAX_AGE_SEC);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)HTTP_DNS_MAX_AGE_SEC);
    /* Do not wait for a resolver thread when a request ends during the name look-up. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, http_connect_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, (void *)slot);
    SET(CURLOPT_CLOSESOCKETFUNCTION, http_socket_close);
    SET(CURLOPT_CLOSESOCKETDATA, (void *)client);
    SET(CURLOPT_PROXY, "");
    if (!client->has_proxy)
        SET(CURLOPT_NOPROXY, "");
    if (client->ca_bundle) {
        SET(CURLOPT_CAINFO, client->ca_bundle);
        SET(CURLOPT_CAPATH, NULL); /* else the system's authorities would be accepted as well */
    }
    return c ? -ENOMEM : 0;
}

/* Checks the URL now; libcurl would only do so later. *ret_is_direct: no_proxy has an entry
 * "host:port" for it. Returns 0, -ENOMEM or -EINVAL. */
static int check_url(const char *text, const char *no_proxy, bool *ret_is_direct)
{
    CLEANUP(curl_url_cleanup) CURLU *url = curl_url();
    CLEANUP(curl_free) char *scheme = NULL, *host = NULL, *port = NULL;
    CURLUcode c;

    if (!url)
        return -ENOMEM;
    c = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS);
    if (!c)
        c = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    if (c == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    if (c || !(streq(scheme, "http") || streq(scheme, "https")))
        return -EINVAL;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        *ret_is_direct = no_proxy_names(no_proxy, host, (unsigned)strtoul(port, NULL, 10));
    return 0;
}

/* Does nothing if the slot's last request had the same URL, as in most cases. */
static int set_url(struct http_slot *slot, const char *url)
{
    bool is_direct = false;
    char *copy;
    int r;

    if (slot->request.url && streq(slot->request.url, url))
        return 0;
    r = check_url(url, slot->client->no_proxy, &is_direct);
    if (r < 0)
        return r;
    copy = strdup(url);
    if (!copy)
        return -ENOMEM;
    slot->connect.host = http_host_of(slot->client, url);
    if (!slot->connect.host) {
        free(copy);
        return -ENOMEM;
    }
    free(slot->request.url);
    slot->request.url = copy;
    slot->request.is_direct = is_direct;
    slot->request.is_tls = strncasecmp(url, "https:", 6) == 0;
    return curl_easy_setopt(slot->easy, CURLOPT_URL, url) == CURLE_OK ? 0 : -ENOMEM;
}

/* A line break in a value would begin another header. */
static bool is_header_line(const char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 && *line != '\t')
            return false;
    return true;
}

/* Copies the lines into one buffer, and makes libcurl's list of them. */
static int set_headers(struct http_slot *slot, const char *const *lines)
{
    struct buffer *b = &slot->request.header_lines;
    bool has_content_type = false;
    size_t n = 0;
    char *line;

    buffer_append(b, "Expect:", sizeof("Expect:"));
    for (; lines && lines[n]; n++) {
        if (n == HTTP_HEADERS_MAX || !is_header_line(lines[n]))
            return -EINVAL;
        has_content_type = has_content_type || strncasecmp(lines[n], "Content-Type:", 13) == 0;
        buffer_append(b, lines[n], strlen(lines[n]) + 1);
    }
    if (!has_content_type)
        buffer_append(b, "Content-Type:", sizeof("Content-Type:"));
    if (b->error < 0)
        return b->error;
    n += has_content_type ? 1 : 2;

    line = b->data; /* only now, since appending may move it */
    for (size_t i = 0; i < n; i++) {
        slot->request.headers[i].data = line;
        slot->request.headers[i].next = i + 1 < n ? &slot->request.headers[i + 1] : NULL;
        line += strlen(line) + 1;
    }
    return curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->request.headers) == CURLE_OK
               ? 0
               : -ENOMEM;
}

static CURLcode set_method(struct http_slot *slot, const char *method)
{
    bool is_post = streq(method, "POST");
    CURL *e = slot->easy;
    CURLcode c = CURLE_OK;

    if (is_post && slot->request.is_post)
        return CURLE_OK;
    slot->request.is_post = false;
    SET(streq(method, "GET") ? CURLOPT_HTTPGET : CURLOPT_POST, 1L);
    SET(CURLOPT_CUSTOMREQUEST, is_post || streq(method, "GET") ? NULL : method);
    slot->request.is_post = is_post && c == CURLE_OK;
    return c;
}

/* If the environment named no proxy when the client was made, libcurl need not read it. */
static CURLcode set_proxy(struct http_slot *slot, bool no_proxy)
{
    bool is_proxied = slot->client->has_proxy && !slot->request.is_direct && !no_proxy;
    CURLcode c = CURLE_OK;

    if (is_proxied != slot->request.is_proxied)
        c = curl_easy_setopt(slot->easy, CURLOPT_PROXY, is_proxied ? NULL : "");
    if (c == CURLE_OK)
        slot->request.is_proxied = is_proxied;
    return c;
}

/* libcurl remembers what it has read of the CA bundle, for a day. After a reconfiguration it may
 * use only what it has read since then; it counts in whole seconds of the monotonic clock, and 0
 * means that it reads the file for each connection. It also remembers TLS sessions, and a resumed
 * session checks no certificate: after a reconfiguration each connection makes a whole
 * handshake. */
static CURLcode limit_ca_age(struct http_slot *slot)
{
    const struct http_client *client = slot->client;
    long age_sec;
    CURLcode c;

    if (client->epoch == 0 || !client->ca_bundle || !slot->request.is_tls)
        return CURLE_OK;
    age_sec =
        (long)MIN((clock_monotonic_usec() - client->ca_since_usec) / USEC_PER_SEC, UINT64_C(86400));
    if (age_sec > 0 && age_sec == slot->request.ca_age_sec)
        return CURLE_OK;
    c = curl_easy_setopt(slot->easy, CURLOPT_CA_CACHE_TIMEOUT, age_sec);
    if (c == CURLE_OK)
        c = curl_easy_setopt(slot->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    slot->request.ca_age_sec = age_sec;
    return c;
}

int http_slot_prepare(struct http_slot *slot, const struct http_request *request)
{
    CURL *e = slot->easy;
    CURLcode c = CURLE_OK;
    int r = set_url(slot, request->url);

    if (r >= 0)
        r = set_headers(slot, request->headers);
    if (r < 0)
        return r;
    slot->error_text[0] = '\0';
    slot->reply.has_begun = slot->reply.is_head_whole = false;
    slot->reply.resume_error = CURLE_OK;
    slot->sending.is_once = request->send_once;
    slot->backlog.n_full = 0;
    slot->reply.is_cut = request->cut_reply;
    slot->reply.body.max = request->reply_max_bytes;
    if (slot->request.is_unix || request->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    slot->request.is_unix = request->unix_socket != NULL;
    c = c ? c : http_connect_prepare(slot);
    c = c ? c : set_proxy(slot, request->no_proxy || request->unix_socket);
    c = c ? c : limit_ca_age(slot);
    c = c ? c : set_method(slot, request->method);
    if (!streq(request->method, "GET")) {
        SET(CURLOPT_POSTFIELDS, request->body_bytes > 0 ? request->body : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
    }
    if (c)
        return c == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    return http_deadline_begin(slot, request);
}
#undef SET
