/* SPDX-License-Identifier: MIT */
/* Replaces the queue and the network in the tests of the daemons' modules. A request is kept until
 * the test answers it, at the time that the test sets. */
#pragma once

#include "daemon/queue.h"

struct fake_call {
    struct sqs_request *request;
    struct sqs_call_options options;
    sqs_done_fn done;
    void *userdata;
    uint64_t sent_usec, timeout_usec; /* of the last attempt; USEC_INFINITY: the client's */
    unsigned attempts;
    bool is_open; /* neither answered nor cancelled */
    bool is_last_attempt;
};

enum { FAKE_CALLS_MAX = 4096 };

extern struct fake_call fake_calls[FAKE_CALLS_MAX]; /* in the order in which they were made */
extern size_t fake_n_calls;
extern uint64_t fake_now_usec;
extern int fake_call_error;       /* what starting a call comes to */
extern bool fake_was_not_sent;    /* of the errors that the functions below make */
extern enum sqs_stall fake_stall; /* the same */
extern bool fake_was_repeated;    /* the same */
extern int fake_error_status;     /* the same: of HTTP; 0: there was no reply */
extern bool fake_is_fifo;
extern bool fake_keeps_trying;    /* what the queue was asked for when it was opened */
extern unsigned fake_permissions; /* the same */
extern size_t fake_reply_bytes;   /* what replies seem to take; 0: what they do */
extern const char *fake_hangs;    /* what is wrong with the queue */
extern struct sqs_queue_attributes fake_attributes;

extern size_t fake_held_bytes;         /* what queue_set_owner_bytes was told last */
extern bool fake_may_refresh;          /* what queue_refresh says */
extern unsigned fake_n_refreshes;      /* how often it was asked */
extern unsigned fake_n_reconfigured;   /* how often queue_reconfigure was called */
extern size_t fake_reply_memory_bytes; /* what it was told last */

void fake_reset(void);

/* The queue was asked again; fake_attributes is what it tells. */
void fake_refreshed(void);

/* The calls so far, all ended, count no longer: the next is fake_calls[0]. */
void fake_forget_calls(void);

/* The queue that was to be opened has answered. */
void fake_open(void);

/* The callbacks of all that was answered together have run. */
void fake_replied(void);

/* The request's JSON. */
const char *fake_request(size_t i);

/* Answers a call: with a reply's JSON, or with an error. */
void fake_answer(size_t i, const char *json);
void fake_fail(size_t i, enum aws_error_class class, const char *name, const char *text);

/* An attempt failed and the next is about to be made; or the first is, after it had to wait. What
 * before_attempt says. */
bool fake_retry(size_t i, enum aws_error_class class, const char *name);
bool fake_first_attempt(size_t i);

/* How many calls are open. */
size_t fake_n_open(void);
