/* SPDX-License-Identifier: MIT */
/* Receives replies and bounds the memory that all of them use together.
 *
 * Replies that have begun are in a list, the oldest first. When together they use
 * reply_memory_bytes, all but the oldest are paused: libcurl leaves their bytes in the sockets, and
 * the peers stop sending. The oldest reply goes on, completes, and frees its memory for the next
 * one; it is paused only if the client's owner alone holds that much. So memory may pass the bound
 * by one reply, and by the piece that libcurl has already read of each other reply. */
#include "http/client-internal.h"

enum { LARGE_PIECE_BYTES = 8192 }; /* a reply whose first piece has this size is probably large */

static bool is_full(const struct http_client *client)
{
    return client->reply_memory_bytes > 0 &&
           client->n_held + client->owner_held_bytes >= client->reply_memory_bytes;
}

/* Whether the reply must be paused before its next piece. `bytes`: its size with that piece. */
static bool must_wait(const struct http_slot *slot, size_t bytes)
{
    const struct http_client *client = slot->client;

    if (!is_full(client))
        return false;
    if (client->owner_held_bytes >= client->reply_memory_bytes)
        return bytes > HTTP_SMALL_REPLY_BYTES;
    return client->receiving.next != &slot->reply.link;
}

/* Called for the first bytes of a body. */
static void begin(struct http_slot *slot, size_t size)
{
    curl_off_t whole = 0;

    list_append(&slot->client->receiving, &slot->reply.link);
    if (size < LARGE_PIECE_BYTES || slot->reply.is_cut)
        return;
    curl_easy_getinfo(slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &whole);
    if (whole > 0 && (uint64_t)whole <= slot->reply.body.max)
        /* On failure, appending the bytes fails too. */
        buffer_reserve(&slot->reply.body, (size_t)whole);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *userdata)
{
    struct http_slot *slot = userdata;
    struct http_client *client = slot->client;
    size_t kept =
        slot->reply.is_cut ? MIN(size, slot->reply.body.max - slot->reply.body.size) : size;

    if (!list_is_linked(&slot->reply.link))
        begin(slot, size);
    if (kept > 0 && must_wait(slot, slot->reply.body.size + kept)) {
        slot->reply.is_paused = true;
        return CURL_WRITEFUNC_PAUSE; /* libcurl passes the same bytes again later */
    }
    if (buffer_append(&slot->reply.body, bytes, kept) < 0)
        return 0;
    slot->reply.n_received += size;
    client->n_held += kept;
    return size;
}

static size_t on_header(char *line, size_t one, size_t size, void *userdata)
{
    struct http_slot *slot = userdata;

    slot->reply.has_begun = true;
    /* After a status 100 another head follows. Trailers may follow the body. */
    if (line[0] == '\r' || line[0] == '\n')
        slot->reply.is_head_whole = true;
    else if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
        slot->reply.is_head_whole = false;
    return size;
}

static void resume(struct http_slot *slot)
{
    slot->reply.is_paused = false;
    http_deadline_resume(slot);
    /* libcurl passes on at once the bytes that it has already read; the reply may be paused again
     * then. If this fails, libcurl has thrown these bytes away, and reports it nowhere else. */
    slot->reply.resume_error = curl_easy_pause(slot->easy, CURLPAUSE_CONT);
    if (slot->reply.resume_error != CURLE_OK)
        http_deadline_expire_soon(slot);
}

static void resume_some(struct http_client *client)
{
    LIST_FOREACH(&client->receiving, link)
    {
        struct http_slot *next = CONTAINER_OF(link, struct http_slot, reply.link);

        if (next->reply.is_paused && !must_wait(next, SIZE_MAX))
            resume(next);
    }
}

void http_receive_done(struct http_slot *slot)
{
    struct http_client *client = slot->client;

    slot->reply.is_paused = false;
    if (!list_is_linked(&slot->reply.link))
        return;
    list_remove(&slot->reply.link);
    client->n_held -= slot->reply.body.size;
    resume_some(client);
}

void http_client_set_owner_bytes(struct http_client *client, size_t bytes)
{
    bool is_less = bytes < client->owner_held_bytes;

    client->owner_held_bytes = bytes;
    if (is_less && client->reply_memory_bytes > 0)
        resume_some(client);
}

CURLcode http_receive_set_up(struct http_slot *slot)
{
    CURLcode c = curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, on_body);

    c = c ? c : curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, (void *)slot);
    c = c ? c : curl_easy_setopt(slot->easy, CURLOPT_HEADERFUNCTION, on_header);
    c = c ? c : curl_easy_setopt(slot->easy, CURLOPT_HEADERDATA, (void *)slot);
    /* A proxy's answer to CONNECT is no part of the reply. */
    return c ? c : curl_easy_setopt(slot->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}
