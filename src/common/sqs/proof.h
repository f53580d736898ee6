/* SPDX-License-Identifier: MIT */
/* Whether a well-formed 200 reply is SQS's answer. Most replies prove that by what they hold: ids,
 * an MD5, the request's own entries. Some hold nothing, and then "{}" from a portal, a proxy or an
 * emulator looks the same. Pure. */
#pragma once

#include "sqs/reply.h"

enum sqs_proof {
    SQS_PROOF_GOOD,
    SQS_PROOF_NONE,  /* nothing in it says that SQS has answered */
    SQS_PROOF_EARLY, /* no message, though SQS would have waited longer for one */
};

struct sqs_proof_facts {
    bool has_request_id;   /* the reply has x-amzn-RequestId */
    bool peer_sends_ids;   /* an earlier reply of this peer had it */
    uint64_t wait_usec;    /* how long SQS was asked to wait for a message */
    uint64_t elapsed_usec; /* from the sending of the request to its reply */
};

/* An empty receive needs the header, and half of its wait time. So does a reply of
 * GetQueueAttributes without attributes need the header. DeleteMessage and
 * ChangeMessageVisibility are answered by nothing: of a peer that sends the header at other times,
 * they need it, too. All else is proof enough: emulators may leave the header out. */
enum sqs_proof sqs_proof_of(const struct sqs_reply *reply, const struct sqs_proof_facts *facts);
