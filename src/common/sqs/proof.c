/* SPDX-License-Identifier: MIT */
#include "sqs/proof.h"

static bool is_early(const struct sqs_proof_facts *facts)
{
    return facts->elapsed_usec < facts->wait_usec / 2;
}

enum sqs_proof sqs_proof_of(const struct sqs_reply *reply, const struct sqs_proof_facts *facts)
{
    switch (reply->operation) {
    case SQS_RECEIVE_MESSAGE:
        if (reply->n_messages > 0)
            return SQS_PROOF_GOOD;
        if (!facts->has_request_id)
            return SQS_PROOF_NONE;
        return is_early(facts) ? SQS_PROOF_EARLY : SQS_PROOF_GOOD;
    case SQS_GET_QUEUE_ATTRIBUTES:
        return reply->attributes.is_known || facts->has_request_id ? SQS_PROOF_GOOD
                                                                   : SQS_PROOF_NONE;
    case SQS_DELETE_MESSAGE:
    case SQS_CHANGE_MESSAGE_VISIBILITY:
        return facts->has_request_id || !facts->peer_sends_ids ? SQS_PROOF_GOOD : SQS_PROOF_NONE;
    case SQS_SEND_MESSAGE:
    case SQS_SEND_MESSAGE_BATCH:
    case SQS_DELETE_MESSAGE_BATCH:
    case SQS_CHANGE_MESSAGE_VISIBILITY_BATCH:
    case SQS_N_OPERATIONS:
        break;
    }
    return SQS_PROOF_GOOD;
}
