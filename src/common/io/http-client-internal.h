/* What http-client.c (the loop, and how requests end) shares with http-request.c (what a request is
 * to libcurl). */
#pragma once

#include <curl/curl.h>

#include "buffer.h"
#include "http-client.h"

struct http_slot {
    struct http_client *client;
    struct http_slot *previous, *next; /* in the client's list of busy slots, or of idle ones */
    CURL *easy;
    struct curl_slist *headers;
    struct buffer body;
    sd_event_source *deadline;
    sd_event_source
        *room;          /* the next try to connect to a Unix socket that was full; NULL: none yet */
    unsigned n_full;    /* such tries so far */
    uint64_t full_usec; /* since when */
    http_done_fn done;
    void *userdata;
    bool is_tls;
    bool is_unix;
    bool is_reply_cut;  /* to what fits into body */
    bool is_head_whole; /* the empty line after the reply's headers has come */
    bool is_repeated;
    char error_text[CURL_ERROR_SIZE];
};

struct http_client {
    sd_event *event;
    CURLM *multi;
    sd_event_source *timer;
    struct http_slot *busy, *idle;
    unsigned n_busy, n_idle;
    char *user_agent;
    char *ca_bundle;
    char *good_url; /* the last one that was checked: most requests go where the last one went */
    uint64_t connect_timeout_usec;
    unsigned connections_max;
};

/* Gives a new slot's easy handle what holds for all requests of its client. 0 or -ENOMEM. */
int http_slot_set_up(struct http_slot *slot);

/* Makes the slot ready for a request and starts its deadline; what is left of an earlier one is
 * gone then. As http_client_submit returns. */
int http_slot_prepare(struct http_slot *slot, const struct http_request *request);

/* Wipes and frees header lines. */
void http_headers_free(struct curl_slist *headers);
