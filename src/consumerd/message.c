/* SPDX-License-Identifier: MIT */
#include "consumerd/message.h"

#include <assert.h>

struct message *message_new(struct sqs_reply *reply, size_t i, uint64_t received_usec)
{
    struct message *m = calloc(1, sizeof(*m));

    if (!m)
        return NULL;
    m->references = 1;
    m->reply = sqs_reply_ref(reply);
    m->received = &reply->messages[i];
    m->received_usec = received_usec;
    return m;
}

struct message *message_ref(struct message *m)
{
    assert(m->references > 0);
    m->references++;
    return m;
}

struct message *message_unref(struct message *m)
{
    if (m && --m->references == 0) {
        sqs_reply_unref(m->reply);
        free(m);
    }
    return NULL;
}
