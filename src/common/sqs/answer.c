/* SPDX-License-Identifier: MIT */
/* A portal, a proxy or a gateway may answer instead of SQS. SQS's own replies have an
 * x-amzn-RequestId. */
#include "sqs/answer.h"

#include <errno.h>
#include <stdio.h>

static const char *name_of_failure(const struct http_reply *reply)
{
    if (reply->failure == HTTP_FAILURE_TIMEOUT && reply->n_begun == 0)
        return SQS_ERROR_CONNECT_TIMEOUT;
    switch (reply->failure) {
    case HTTP_FAILURE_RESOLVE:
    case HTTP_FAILURE_CONNECT:
    case HTTP_FAILURE_HANDSHAKE:
    case HTTP_FAILURE_TIMEOUT:
    case HTTP_FAILURE_BROKEN:
        return SQS_ERROR_NETWORK;
    case HTTP_FAILURE_TLS:
        return SQS_ERROR_TLS;
    case HTTP_FAILURE_PROXY:
        return SQS_ERROR_NOT_FROM_SQS;
    case HTTP_FAILURE_NONE:
    case HTTP_FAILURE_TOO_LARGE:
    case HTTP_FAILURE_REQUEST:
    case HTTP_FAILURE_SHORTAGE:
        break;
    }
    return "";
}

static enum sqs_stall stall_of(const struct http_reply *reply)
{
    if (reply->failure != HTTP_FAILURE_TIMEOUT || reply->n_begun == 0)
        return SQS_STALL_NONE;
    switch (reply->phase) {
    case HTTP_PHASE_SEND:
        return SQS_STALL_SEND;
    case HTTP_PHASE_WAIT:
        return SQS_STALL_WAIT;
    case HTTP_PHASE_RECEIVE:
        return SQS_STALL_RECEIVE;
    case HTTP_PHASE_QUEUED:
    case HTTP_PHASE_LOOK_UP:
    case HTTP_PHASE_CONNECT:
    case HTTP_PHASE_HANDSHAKE:
        break;
    }
    return SQS_STALL_NONE;
}

void sqs_answer_failed(const struct http_reply *reply, struct sqs_error *ret)
{
    enum sqs_stall stall = stall_of(reply);

    sqs_error_set(ret, AWS_ERROR_TRANSIENT,
                  stall != SQS_STALL_NONE ? SQS_ERROR_STALLED : name_of_failure(reply),
                  reply->failure_text);
    ret->stall = stall;
    ret->was_not_sent = reply->n_begun == 0;
}

void sqs_answer_refused(const struct http_reply *reply, const struct sqs_answer_headers *headers,
                        struct sqs_error *ret)
{
    sqs_error_parse(reply->status, headers->query_error, headers->error_type, headers->retry_after,
                    reply->body, reply->body_bytes, ret);
    ret->was_repeated = reply->n_begun > 1;
    if (is_set(headers->request_id))
        return;
    /* Some gateways answer in JSON with a "code" of their own. That is no refusal by SQS. */
    if ((ret->class == AWS_ERROR_PERMANENT && !aws_error_find(ret->name)) ||
        reply->status == HTTP_NETWORK_AUTHENTICATION_REQUIRED)
        sqs_error_set_name(ret, SQS_ERROR_NOT_FROM_SQS);
}

/* Whether SQS itself has answered. False: fills the error. */
static bool is_proven(const struct sqs_reply *reply, const struct sqs_proof_facts *facts,
                      struct sqs_error *ret)
{
    char text[128];

    switch (sqs_proof_of(reply, facts)) {
    case SQS_PROOF_NONE:
        sqs_error_set(ret, AWS_ERROR_PERMANENT, SQS_ERROR_NOT_FROM_SQS,
                      "the reply is empty and has no x-amzn-RequestId");
        break;
    case SQS_PROOF_EARLY:
        snprintf(text, sizeof(text),
                 "the reply to a receive came without messages after %.3f s, but the receive asked "
                 "SQS to wait %.0f s for messages",
                 (double)facts->elapsed_usec / USEC_PER_SEC,
                 (double)facts->wait_usec / USEC_PER_SEC);
        sqs_error_set(ret, AWS_ERROR_TRANSIENT, SQS_ERROR_TOO_EARLY, text);
        break;
    case SQS_PROOF_GOOD:
        return true;
    }
    return false;
}

bool sqs_answer_read(const struct sqs_request *request, const struct http_reply *reply,
                     const struct sqs_proof_facts *facts, struct sqs_reply **ret,
                     struct sqs_error *ret_error)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *parsed = NULL;
    CLEANUP(free) char *error = NULL;
    bool is_markup = http_reply_text(reply)[0] == '<'; /* HTML or XML */
    int r = sqs_reply_parse(request, reply->body, reply->body_bytes, &parsed, &error);

    if (r == 0 && is_proven(parsed, facts, ret_error)) {
        *ret = TAKE(parsed);
        return true;
    }
    if (r != 0)
        sqs_error_set(ret_error, AWS_ERROR_TRANSIENT,
                      is_markup && !facts->has_request_id ? SQS_ERROR_NOT_FROM_SQS : "",
                      r == SQS_REPLY_E_DAMAGED && error ? error : strerror(ENOMEM));
    ret_error->http_status = reply->status;
    return false;
}
