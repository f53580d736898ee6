/* SPDX-License-Identifier: MIT */
#include "receiver-fixture.h"

#include <stdio.h>

struct receiver *receiver;
size_t n_done, n_received, n_failed;

void on_done(void *userdata, const struct sqs_result *result)
{
    n_done++;
    if (result->reply)
        n_received += result->reply->n_messages;
    else
        n_failed++;
}

void set_up(const struct receiver_options *options)
{
    fake_reset();
    n_done = n_received = n_failed = 0;
    assert_int_equal(receiver_new(NULL, options, fake_now_usec, on_done, NULL, &receiver), 0);
}

void set_up_busy(const struct receiver_options *options)
{
    set_up(options);
    for (unsigned polls = 1; polls < options->polls; polls *= 2) {
        uint64_t next_usec = 0;

        assert_int_equal(receiver_dispatch(receiver, &(struct receiver_capacity){1, 1, 0},
                                           fake_now_usec, &next_usec),
                         0);
        fake_deliver(fake_n_calls - 1, "a", "m");
        fake_now_usec += options->pause_usec;
    }
    n_done = n_received = n_failed = 0;
    fake_forget_calls();
}

int tear_down(void **state)
{
    receiver = receiver_free(receiver);
    assert_int_equal(fake_n_open(), 0);
    fake_reset();
    return 0;
}

uint64_t dispatch_since(size_t begin, size_t hold, uint64_t since_usec)
{
    uint64_t next = 0;

    assert_int_equal(receiver_dispatch(receiver,
                                       &(struct receiver_capacity){begin, hold, since_usec},
                                       fake_now_usec, &next),
                     0);
    return next;
}

uint64_t dispatch(size_t room)
{
    return dispatch_since(room, room, 0);
}

const char *attempt_id(size_t i)
{
    static char ids[16][40];
    static size_t at;
    const char *p = strstr(fake_request(i), "\"ReceiveRequestAttemptId\":\"");
    char *id = ids[at++ % 16];

    assert_non_null(p);
    memcpy(id, p + strlen("\"ReceiveRequestAttemptId\":\""), 36);
    id[36] = '\0';
    return id;
}

const struct receiver_options *queue(bool is_fifo, unsigned polls, uint64_t pause_usec)
{
    static struct receiver_options options;

    options = (struct receiver_options){
        .is_fifo = is_fifo,
        .polls = polls,
        .max_messages = 10,
        .wait_sec = 15,
        .visibility_sec = 30,
        .pause_usec = pause_usec,
    };
    return &options;
}

bool stall(size_t i)
{
    bool goes_on;

    fake_stall = SQS_STALL_RECEIVE;
    goes_on = fake_retry(i, AWS_ERROR_TRANSIENT, SQS_ERROR_STALLED);
    fake_stall = SQS_STALL_NONE;
    return goes_on;
}

bool asks_for(size_t i, unsigned n)
{
    char text[64];

    snprintf(text, sizeof(text), "\"MaxNumberOfMessages\":%u,", n);
    return strstr(fake_request(i), text);
}
