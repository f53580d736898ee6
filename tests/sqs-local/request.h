/* SPDX-License-Identifier: MIT */
/* One HTTP request from its first line to its reply; see request.c. */
#pragma once

#include <microhttpd.h>

#include "auth.h"
#include "identifiers.h"
#include "injections.h"
#include "operations.h"

enum request_state {
    REQUEST_READING,  /* its body */
    REQUEST_ARRIVING, /* it is there, and reaches the server only later; suspended */
    REQUEST_WAITING,  /* for messages; suspended */
    REQUEST_STALLED,  /* for nothing; suspended */
    REQUEST_DELAYED,  /* the reply is made and leaves later; suspended */
    REQUEST_READY,    /* the reply is made and leaves at the connection's next turn */
    REQUEST_GONE,     /* there is no reply: the connection is to be closed */
};

struct request {
    enum request_state state;
    struct MHD_Connection *connection; /* NULL until the body has come */
    struct list of_server;             /* among all requests */
    struct list of_queue;              /* WAITING: among its queue's waiters */
    struct timer timer;                /* suspended: when that ends at the latest */
    bool is_suspended;
    bool is_watched; /* suspended, and it would be seen if its client went away */
    char *uri;       /* as on the wire */
    struct buffer body;
    bool is_too_large;
    bool is_query_protocol; /* so it gets an error in that protocol's form */

    struct injection injection;
    int refusal; /* what its checks, or `injection`, have come to: not 0 is the operation's result
                  */
    bool is_dropped;   /* instead of a reply the connection is to be closed */
    bool is_truncated; /* the same in the reply's middle */

    const struct operation *operation;
    struct call call;

    char id[IDENTIFIER_SIZE]; /* x-amzn-RequestId */
    unsigned status;
    const char *content_type;
    const char *error_code; /* x-amzn-query-error's; NULL: none */
};

int request_new(const char *uri, struct service *service, struct request **ret);
struct request *request_free(struct request *request); /* must be in no list */

/* Looks at what came, all but the signature's validity: whether it is an operation at all, and its
 * JSON. 0, OPERATION_E_FAULT with call.fault, or a negative errno. */
int request_check_form(struct request *request, const char *method);

/* Checks the signature; the times are auth_check's. Same results. */
int request_check_signature(struct request *request, const char *method, struct auth *auth,
                            time_t shown_time, uint64_t now_usec);

/* Makes the reply from an operation's or a check's result (not OPERATION_E_WAIT). */
void request_make_reply(struct request *request, int result);

/* Hands the reply to the connection, with that Date. Returns what MHD's handler must. */
enum MHD_Result request_queue_reply(struct request *request, const char *date);
