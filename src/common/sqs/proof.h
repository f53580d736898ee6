/* SPDX-License-Identifier: MIT */
/* Decides whether a well-formed 200 reply really comes from SQS. Most replies prove that by their
 * content: ids, an MD5, the request's own entries. Some replies have no content; then "{}" from a
 * portal, a proxy or an emulator looks the same. The function is pure. */
#pragma once

#include "sqs/reply.h"

enum sqs_proof {
    SQS_PROOF_GOOD,
    SQS_PROOF_NONE,  /* nothing in it shows that SQS answered */
    SQS_PROOF_EARLY, /* no message, though SQS would have waited longer for one */
};

struct sqs_proof_facts {
    bool has_request_id;   /* the reply has x-amzn-RequestId */
    bool peer_sends_ids;   /* an earlier reply of this server had x-amzn-RequestId */
    uint64_t wait_usec;    /* how long SQS was asked to wait for a message */
    uint64_t elapsed_usec; /* from the sending of the request to its reply */
};

/* An empty reply to ReceiveMessage must have x-amzn-RequestId, and must have taken at least half of
 * the wait. A reply to GetQueueAttributes without attributes must have the header. A reply to
 * DeleteMessage or ChangeMessageVisibility has no content: it must have the header if this server
 * has sent it before. All other replies are GOOD without the header: emulators may omit it. */
enum sqs_proof sqs_proof_of(const struct sqs_reply *reply, const struct sqs_proof_facts *facts);
