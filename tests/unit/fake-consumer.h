/* SPDX-License-Identifier: MIT */
/* Makes received messages for the tests of the consumer's modules. Used with fake-queue.h. */
#pragma once

#include "consumerd/message.h"
#include "fake-clock.h"
#include "fake-queue.h"

/* A reply to a receive that brings a message for each letter: "aab" are three, of groups a, a and
 * b, with the handles (and ids) prefix0, prefix1, prefix2. '-' stands for no group. */
struct sqs_reply *fake_received(const char *groups, const char *prefix);

/* Answers a receive with such a reply. */
void fake_deliver(size_t i, const char *groups, const char *prefix);

/* The messages of such a reply, received at `usec`, each with one reference. */
void fake_messages(const char *groups, const char *prefix, uint64_t usec, struct message **ret);
