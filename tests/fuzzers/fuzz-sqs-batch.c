/* SPDX-License-Identifier: MIT */
/* Batches: a line with the operation ("s" send, "d" delete, else change) and a character for each
 * entry, "a" one with an attribute; a line for each entry's body or handle; then the reply. */
#include "sqs/reply.h"

#include "fuzz.h"
#include "util/json-reader.h"

#define URL "http://127.0.0.1/000000000000/q"

static int make_send(char *const *texts, const char *kinds, size_t n, struct sqs_request **ret)
{
    struct sqs_message messages[SQS_BATCH_MAX] = {};
    struct sqs_attribute attributes[SQS_BATCH_MAX];
    bool all_good = true;
    int r;

    for (size_t i = 0; i < n; i++) {
        char *error = NULL;

        attributes[i] = (struct sqs_attribute){"name", "Binary", texts[i], strlen(texts[i]), true};
        messages[i] = (struct sqs_message){.body = texts[i],
                                           .body_bytes = strlen(texts[i]),
                                           .delay_sec = -1,
                                           .attributes = &attributes[i],
                                           .n_attributes = kinds[i] == 'a' ? 1 : 0};
        r = sqs_message_check(&messages[i], false, SQS_MESSAGE_MAX_BYTES, &error);
        assert((r == 0) == (error == NULL));
        if (error)
            fuzz_check_line(error);
        all_good = all_good && r == 0;
        free(error);
    }
    r = sqs_request_send_message_batch(URL, messages, n, ret);
    assert(r == 0 || !all_good || n == 0);
    return r;
}

static int make(char operation, char *const *texts, const char *kinds, size_t n,
                struct sqs_request **ret)
{
    struct sqs_visibility_change changes[SQS_BATCH_MAX] = {};
    const char *handles[SQS_BATCH_MAX] = {};

    for (size_t i = 0; i < n; i++) {
        handles[i] = texts[i];
        changes[i] = (struct sqs_visibility_change){texts[i], (unsigned char)kinds[i]};
    }
    if (operation == 's')
        return make_send(texts, kinds, n, ret);
    if (operation == 'd')
        return sqs_request_delete_message_batch(URL, handles, n, ret);
    return sqs_request_change_visibility_batch(URL, changes, n, ret);
}

/* The request is JSON and says what it was given. */
static void check_request(const struct sqs_request *request, char *const *texts, size_t n)
{
    bool is_send = request->operation == SQS_SEND_MESSAGE_BATCH;
    CLEANUP(json_object_put) json_object *root = NULL;
    json_object *entries;
    struct json_fault fault;
    const char *text;

    assert(json_read(request->json.data, request->json.size, 8, &root, &fault) == 0);
    assert(json_get(root, "Entries", json_type_array, &entries) == 0);
    assert(json_object_array_length(entries) == n && request->n_entries == n);
    for (size_t i = 0; i < n; i++) {
        json_object *entry = json_object_array_get_idx(entries, i);

        assert(json_get_string(entry, is_send ? "MessageBody" : "ReceiptHandle", &text) == 0);
        assert(streq(text, texts[i]));
    }
}

/* Each entry has one outcome. */
static void check_reply(const struct sqs_request *request, const char *body, size_t body_bytes)
{
    struct sqs_reply *reply = NULL;
    char *error = NULL;
    int r = sqs_reply_parse(request, body, body_bytes, &reply, &error);

    assert(r == 0 || r == SQS_REPLY_E_DAMAGED);
    assert((r == 0) == (reply != NULL) && (r == 0) == (error == NULL));
    if (error)
        fuzz_check_line(error);
    if (reply) {
        assert(reply->n_entries == request->n_entries && reply->n_messages == 0);
        for (size_t i = 0; i < reply->n_entries; i++) {
            const struct sqs_entry_result *entry = &reply->entries[i];

            assert(entry->ok ? !entry->code : is_set(entry->code) && entry->message);
            assert(!entry->ok || request->operation != SQS_SEND_MESSAGE_BATCH ||
                   is_set(entry->message_id));
        }
    }
    sqs_reply_unref(reply);
    free(error);
}

FUZZ
{
    char *line = fuzz_line(&data, &size), *texts[SQS_BATCH_MAX + 2] = {};
    size_t n = strlen(line) > 0 ? MIN(strlen(line) - 1, SQS_BATCH_MAX) : 0;
    struct sqs_request *request = NULL;
    int r;

    for (size_t i = 0; i < n; i++)
        texts[i] = fuzz_line(&data, &size);
    r = make(line[0], texts, n > 0 ? line + 1 : line, n, &request);
    assert((r == 0) == (request != NULL) && (r == 0 || n > 0 || r == -22));
    if (request) {
        check_request(request, texts, n);
        check_reply(request, data, size);
    }
    sqs_request_free(request);
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(line);
}
