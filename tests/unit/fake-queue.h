/* In the place of the queue, the network and the clock: for tests of the consumer's modules. What
 * they ask for is kept until the test answers it, at the time that the test says. */
#pragma once

#include "message.h"
#include "queue.h"

struct fake_call {
    struct sqs_request *request;
    struct sqs_call_options options;
    sqs_done_fn done;
    void *userdata;
    uint64_t sent_usec;
    unsigned attempts;
    bool is_open; /* neither answered nor cancelled */
    bool is_last_attempt;
};

enum { FAKE_CALLS_MAX = 4096 };

extern struct fake_call fake_calls[FAKE_CALLS_MAX]; /* in the order in which they were made */
extern size_t fake_n_calls;
extern uint64_t fake_now_usec, fake_random;
extern int fake_call_error; /* what starting a call comes to */

void fake_reset(void);

/* The request's JSON. */
const char *fake_request(size_t i);

/* Answers a call: with a reply's JSON, or with an error. */
void fake_answer(size_t i, const char *json);
void fake_fail(size_t i, enum sqs_error_class class, const char *name, const char *text);

/* An attempt failed and the next is about to be made. What before_retry says. */
bool fake_retry(size_t i, enum sqs_error_class class, const char *name);

/* How many calls are open. */
size_t fake_n_open(void);

/* A reply to a receive that brings a message for each letter: "aab" are three, of groups a, a and
 * b, with the handles (and ids) prefix0, prefix1, prefix2. '-' stands for no group. */
struct sqs_reply *fake_received(const char *groups, const char *prefix);

/* The messages of such a reply, received at `usec`, each with one reference. */
void fake_messages(const char *groups, const char *prefix, uint64_t usec, struct message **ret);
