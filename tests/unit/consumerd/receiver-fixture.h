/* SPDX-License-Identifier: MIT */
/* What the tests of receiver.h share: a receiver on a fake queue, and counters of what it
 * reports. */
#pragma once

#include "consumerd/receiver.h"
#include "fake-consumer.h"
#include "test.h"

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC

extern struct receiver *receiver;
extern size_t n_done, n_received, n_failed;

void on_done(void *userdata, const struct sqs_result *result);

void set_up(const struct receiver_options *options);

/* As when busy: full receives before have brought it to as many polls as there may be. */
void set_up_busy(const struct receiver_options *options);

int tear_down(void **state);

uint64_t dispatch_since(size_t begin, size_t hold, uint64_t since_usec);

uint64_t dispatch(size_t room);

const char *attempt_id(size_t i);

/* Ten a poll, 15 s of waiting, 30 s of lease. */
const struct receiver_options *queue(bool is_fifo, unsigned polls, uint64_t pause_usec);

bool stall(size_t i);

bool asks_for(size_t i, unsigned n);
