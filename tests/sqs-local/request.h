/* SPDX-License-Identifier: MIT */
/* One HTTP request, from its first line to its reply. */
#pragma once

#include <microhttpd.h>

#include "auth.h"
#include "identifiers.h"
#include "injections.h"
#include "operations.h"

enum request_state {
    REQUEST_READING,  /* the body */
    REQUEST_ARRIVING, /* complete, but reaches the simulated server later; suspended */
    REQUEST_WAITING,  /* it waits for messages; suspended */
    REQUEST_STALLED,  /* it gets no reply; suspended */
    REQUEST_DELAYED,  /* the reply is made and is sent later; suspended */
    REQUEST_READY,    /* the reply is made; MHD sends it at the connection's next turn */
    REQUEST_GONE,     /* there is no reply, and the connection will be closed */
};

struct request {
    enum request_state state;
    struct MHD_Connection *connection; /* NULL until the body has come */
    struct list of_server;             /* among all requests */
    struct list of_queue;              /* WAITING: in the queue's list of waiters */
    struct timer timer;                /* suspended: when that ends at the latest */
    bool is_suspended;
    bool is_watched; /* suspended, and the loop notices if its client goes away */
    char *uri;       /* as on the wire */
    struct buffer body;
    bool is_too_large;
    bool is_query_protocol; /* an error is sent in that protocol's form */

    struct injection injection;
    int refusal; /* the result of the checks and of `injection`; if not 0, the operation is not run
                    and this is its result */
    bool is_dropped;   /* the connection will be closed without a reply */
    bool is_truncated; /* the connection will be closed in the middle of the reply */

    const struct operation *operation;
    struct call call;

    char id[IDENTIFIER_SIZE]; /* x-amzn-RequestId */
    unsigned status;
    const char *content_type;
    const char *error_code; /* x-amzn-query-error's; NULL: none */
};

int request_new(const char *uri, struct service *service, struct request **ret);
struct request *request_free(struct request *request); /* must be in no list */

/* Checks a request, except the validity of its signature: whether it is for a known operation, and
 * its JSON. Returns 0, OPERATION_E_FAULT with call.fault, or a negative errno. */
int request_check_form(struct request *request, const char *method);

/* Checks the signature; the times are as for auth_check. Returns the same. */
int request_check_signature(struct request *request, const char *method, struct auth *auth,
                            time_t shown_time, uint64_t now_usec);

/* Makes the reply from the result of an operation or of a check (not OPERATION_E_WAIT). */
void request_make_reply(struct request *request, int result);

/* Gives the reply to the connection, with that Date. Returns the value that MHD's handler must
 * return. */
enum MHD_Result request_queue_reply(struct request *request, const char *date);
