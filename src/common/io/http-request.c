/* What a request is to libcurl: the options of an easy handle, and what becomes of the bytes that
 * come back. See http-client-internal.h. */
#include "http-client-internal.h"

#include <errno.h>

/* Session tokens are among them. */
void http_headers_free(struct curl_slist *headers)
{
    for (struct curl_slist *h = headers; h; h = h->next)
        secure_wipe(h->data, strlen(h->data));
    curl_slist_free_all(headers);
}

static size_t on_header(char *line, size_t one, size_t size, void *userdata)
{
    struct http_slot *slot = userdata;

    /* After a 100 comes another head; after the body may come trailers. */
    if (line[0] == '\r' || line[0] == '\n')
        slot->is_head_whole = true;
    else if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
        slot->is_head_whole = false;
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *userdata)
{
    struct http_slot *slot = userdata;
    size_t kept = slot->is_reply_cut ? MIN(size, slot->body.max - slot->body.size) : size;

    return buffer_append(&slot->body, bytes, kept) < 0 ? 0 : size;
}

/* Once: an easy handle keeps its options. */
int http_slot_set_up(struct http_slot *slot)
{
    struct http_client *client = slot->client;
    CURL *e = slot->easy;
    CURLcode c = CURLE_OK;

#define SET(option, value) c = c ? c : curl_easy_setopt(e, option, value)
    SET(CURLOPT_PRIVATE, (void *)slot);
    SET(CURLOPT_ERRORBUFFER, slot->error_text);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, (void *)slot);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, (void *)slot);
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
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        (long)((client->connect_timeout_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
    /* Do not wait for a resolver thread when a request ends during the name look-up. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_OPENSOCKETFUNCTION, http_socket_open);
    SET(CURLOPT_OPENSOCKETDATA, (void *)client);
    SET(CURLOPT_CLOSESOCKETFUNCTION, http_socket_close);
    SET(CURLOPT_CLOSESOCKETDATA, (void *)client);
    if (client->ca_bundle) {
        SET(CURLOPT_CAINFO, client->ca_bundle);
        SET(CURLOPT_CAPATH, NULL); /* instead of the system's, not beside them */
    }
    return c ? -ENOMEM : 0;
}

/* 0, -ENOMEM, or -EINVAL: libcurl would find out only later. */
static int check_url(struct http_client *client, const char *text)
{
    CURLU *url;
    CURLUcode c;
    char *scheme = NULL;
    int r = 0;

    if (client->good_url && streq(client->good_url, text))
        return 0;
    url = curl_url();
    if (!url)
        return -ENOMEM;
    c = curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS);
    if (!c)
        c = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    if (c == CURLUE_OUT_OF_MEMORY)
        r = -ENOMEM;
    else if (c || !(streq(scheme, "http") || streq(scheme, "https")))
        r = -EINVAL;
    curl_free(scheme);
    curl_url_cleanup(url);
    if (r < 0)
        return r;
    free(client->good_url);
    client->good_url = strdup(text);
    return client->good_url ? 0 : -ENOMEM;
}

static int add_header(struct http_slot *slot, const char *line)
{
    struct curl_slist *list;

    /* A line break would begin a header that nobody meant. */
    for (const char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 && *p != '\t')
            return -EINVAL;
    list = curl_slist_append(slot->headers, line);
    if (!list)
        return -ENOMEM;
    slot->headers = list;
    return 0;
}

static int set_headers(struct http_slot *slot, const struct http_request *request)
{
    bool has_content_type = false;
    int r = add_header(slot, "Expect:");

    for (const char *const *h = request->headers; r >= 0 && h && *h; h++) {
        has_content_type = has_content_type || strncasecmp(*h, "Content-Type:", 13) == 0;
        r = add_header(slot, *h);
    }
    if (r >= 0 && !has_content_type)
        r = add_header(slot, "Content-Type:");
    return r;
}

int http_slot_set_timer(struct http_slot *slot)
{
    int r;

    if (slot->deadline_usec >= slot->timer_usec || slot->deadline_usec == USEC_INFINITY)
        return 0;
    r = sd_event_source_set_time(slot->timer, slot->deadline_usec);
    if (r >= 0)
        r = sd_event_source_set_enabled(slot->timer, SD_EVENT_ONESHOT);
    if (r >= 0)
        slot->timer_usec = slot->deadline_usec;
    return r;
}

int http_slot_prepare(struct http_slot *slot, const struct http_request *request)
{
    CURL *e = slot->easy;
    bool is_get = streq(request->method, "GET");
    CURLcode c = CURLE_OK;
    uint64_t now_usec;
    int r = check_url(slot->client, request->url);

    if (r >= 0)
        r = set_headers(slot, request);
    if (r < 0)
        return r;
    slot->error_text[0] = '\0';
    slot->is_tls = strncasecmp(request->url, "https:", 6) == 0;
    slot->is_head_whole = false;
    slot->is_repeated = false;
    slot->n_full = 0;
    slot->is_unix = request->unix_socket != NULL;
    slot->is_reply_cut = request->cut_reply;
    slot->body.max = request->reply_max_bytes;
    c = curl_easy_setopt(e, CURLOPT_URL, request->url);
    SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    SET(CURLOPT_HTTPHEADER, slot->headers);
    SET(CURLOPT_PROXY, request->no_proxy || request->unix_socket ? "" : NULL);
    if (is_get) {
        SET(CURLOPT_HTTPGET, 1L);
        SET(CURLOPT_CUSTOMREQUEST, NULL);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, request->body_bytes > 0 ? request->body : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
        SET(CURLOPT_CUSTOMREQUEST, streq(request->method, "POST") ? NULL : request->method);
    }
    if (c)
        return c == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    if (request->timeout_usec == USEC_INFINITY)
        return 0;
    r = sd_event_now(slot->client->event, CLOCK_BOOTTIME, &now_usec);
    if (r < 0)
        return r;
    slot->deadline_usec = now_usec + request->timeout_usec;
    return http_slot_set_timer(slot);
}
#undef SET
