/* SPDX-License-Identifier: MIT */
#include "fake-consumer.h"

#include "test.h"

static void write_reply(const char *groups, const char *prefix, struct buffer *json)
{
    buffer_append_string(json, "{\"Messages\":[");
    for (size_t i = 0; groups[i]; i++) {
        buffer_printf(json,
                      "%s{\"MessageId\":\"%s%zu\",\"ReceiptHandle\":\"%s%zu\",\"Body\":\"x\","
                      "\"MD5OfBody\":\"9dd4e461268c8034f5c8564e155c67a6\"",
                      i > 0 ? "," : "", prefix, i, prefix, i);
        if (groups[i] != '-')
            buffer_printf(json, ",\"Attributes\":{\"MessageGroupId\":\"%c\"}", groups[i]);
        buffer_append_char(json, '}');
    }
    buffer_append_string(json, "]}");
}

struct sqs_reply *fake_received(const char *groups, const char *prefix)
{
    CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(65536);
    CLEANUP(sqs_request_free) struct sqs_request *request = NULL;
    struct sqs_reply *reply = NULL;

    assert_int_equal(
        sqs_request_receive_message("q", &(struct sqs_receive){.max_messages = 10}, &request), 0);
    write_reply(groups, prefix, &json);
    assert_int_equal(sqs_reply_parse(request, json.data, json.size, &reply, NULL), 0);
    return reply;
}

void fake_deliver(size_t i, const char *groups, const char *prefix)
{
    CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(65536);

    write_reply(groups, prefix, &json);
    fake_answer(i, buffer_string(&json));
}

void fake_messages(const char *groups, const char *prefix, uint64_t usec, struct message **ret)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received(groups, prefix);

    for (size_t i = 0; i < reply->n_messages; i++) {
        ret[i] = message_new(reply, i, usec);
        assert_non_null(ret[i]);
    }
}
