/* What a failed reply means: AWS's errors under both their names (the shape's name, as in __type,
 * and the older query protocol's code, as in x-amzn-query-error), and the class that decides what
 * to do. */
#pragma once

#include <time.h>

#include "macro.h"

enum sqs_error_class {
    SQS_ERROR_TRANSIENT,   /* try again: 5xx, time-outs, the network, damaged replies */
    SQS_ERROR_THROTTLED,   /* try again, more slowly; OverLimit and KMS throttling too */
    SQS_ERROR_CLOCK,       /* the signature's time is off: correct the skew, try again */
    SQS_ERROR_CREDENTIALS, /* keys missing, unknown, expired or wrong: refresh them, try again */
    SQS_ERROR_PERMANENT,   /* the same request will fail again */
};

/* "transient", ... */
const char *sqs_error_class_name(enum sqs_error_class class);

/* Names of our own, for what no reply of SQS's has told. They come without a code. */
#define SQS_ERROR_NO_CREDENTIALS "NoCredentials"         /* no place is set up */
#define SQS_ERROR_NO_CREDENTIALS_YET "NoCredentialsYet"  /* nor yet, but one may come up */
#define SQS_ERROR_CREDENTIALS_FAILED "CredentialsFailed" /* the place that is set up has none */
#define SQS_ERROR_CREDENTIALS_UNREACHABLE "CredentialsUnreachable" /* they may be found later */
/* a proxy or a portal answered in the place of who hands them out */
#define SQS_ERROR_CREDENTIALS_INTERCEPTED "CredentialsIntercepted"
#define SQS_ERROR_NETWORK "NetworkFailure"         /* not connected, cut off, timed out */
#define SQS_ERROR_CONNECT_TIMEOUT "ConnectTimeout" /* no name, connection or handshake in time */
#define SQS_ERROR_STALLED "Stalled"                /* connected, and then it took too long */
#define SQS_ERROR_TLS "TLSFailure"                 /* the peer's certificate */
#define SQS_ERROR_NOT_OF_SQS "NotOfSQS"     /* a portal, a proxy, a gateway answered in its place */
#define SQS_ERROR_TOO_EARLY "EmptyTooEarly" /* an empty receive, long before its wait was over */

/* How far a request had come that took too long. */
enum sqs_stall {
    SQS_STALL_NONE,
    SQS_STALL_SEND,    /* some of it had not been sent */
    SQS_STALL_WAIT,    /* all was sent, and nothing came */
    SQS_STALL_RECEIVE, /* the reply had begun to come */
};

struct sqs_error {
    enum sqs_error_class class;
    char name[96];      /* the shape's name in the table's spelling, "QueueDoesNotExist", whichever
                           name came; for an error not in the table the name that came; "" if none */
    char code[96];      /* the code to show: x-amzn-query-error's where it came, else the name; ""
                           where the name is one of our own */
    char message[2048]; /* AWS's text, the first line of it, UTF-8, cut at 511 bytes; may be "". The
                           longest are our own, of what was looked at for credentials. */
    int http_status;    /* 0: no reply at all */
    enum sqs_stall stall;
    bool was_not_sent;         /* nothing of the request went out: it cannot have taken effect */
    bool was_repeated;         /* it had gone out before, and no reply came to that */
    uint64_t retry_after_usec; /* from x-amz-retry-after; USEC_INFINITY: not given */
    bool is_wrong_scope;       /* the signature was made for another region than the server's */
    bool has_server_time;
    time_t server_time; /* what the server's clock said, for SQS_ERROR_CLOCK: from the error's text
                           where it holds one; the Date header is the caller's to read */
};

/* Reads an error reply of any form: JSON with "__type" (and "message" or "Message"), "code",
 * X-Amzn-Errortype, or the HTML of a load balancer, or nothing at all. The code is looked at before
 * the status. Header values are NULL where the header is absent; the body need not be text. Always
 * fills *ret. */
void sqs_error_parse(int http_status, const char *query_error, const char *error_type,
                     const char *retry_after, const char *body, size_t body_bytes,
                     struct sqs_error *ret);

/* The class for an error code under either name; for batch entries too. An unknown code: PERMANENT
 * where sender_fault, else TRANSIENT. */
enum sqs_error_class sqs_error_class_of_code(const char *code, bool sender_fault);

/* A row of the table. */
struct sqs_known_error {
    const char *name;           /* the shape's */
    const char *query_code;     /* the older query protocol's; the same where there is only one */
    int http_status;            /* that it commonly comes with */
    enum sqs_error_class class; /* for SignatureDoesNotMatch the text of the error decides, too */
};

/* Whether AWS refuses the signature for its time alone: "Signature expired: ..." and "Signature not
 * yet current: ..." come under the code of a signature that was made with a wrong key. The code
 * under either name; `message` may be NULL. */
bool sqs_error_is_of_clock(const char *code, const char *message);

/* The row of an error code under either name; NULL where it is not in the table. */
const struct sqs_known_error *sqs_error_find(const char *code);

/* The table's shape name for an error code under either name; the code itself where it is not in
 * the table. Never NULL. */
const char *sqs_error_canonical_name(const char *code);

/* Whether the request may have taken effect all the same. */
bool sqs_error_is_outcome_unknown(const struct sqs_error *error);

/* Whether a permanent error says nothing against this request, but that the queue, its key, a
 * permission or the endpoint must be mended: a missing or just deleted queue, a denied action, a
 * KMS key, a service that does not know the operation. */
bool sqs_error_is_of_queue(const struct sqs_error *error);

/* The server's time in the text of a SigV4 time error: "Signature expired: 20150830T123600Z is now
 * earlier than 20150830T125000Z (20150830T130500Z - 15 min.)", "Signature not yet current: A is
 * still later than B (C + 15 min.)": the time between "(" and " - 15 min" or " + 15 min". 0 or
 * -EINVAL. */
int sqs_error_server_time(const char *text, time_t *ret);
