/* SPDX-License-Identifier: MIT */
#include "producerd/outgoing-message.h"

#include <assert.h>

#include "util/log.h"

static void log_step(const struct outgoing_message *m, struct outgoing_step step)
{
    const struct sqs_message *message = &m->source->message;
    const char *group_id = message->group_id;

    if (!log_enabled(LOG_DEBUG))
        return;
    log_write(LOG_DEBUG, NULL,
              LOG_FIELDS({"SQS_SPOOL_ID", m->source->spool_id}, {"SQS_MESSAGE_GROUP_ID", group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", message->deduplication_id}),
              "State of the message with id %s%s%s: %s. (%s -> %s)", m->source->id,
              group_id ? " of group " : "", group_id ? group_id : "",
              outgoing_reason_text(step.reason), outgoing_state_text(m->state),
              outgoing_state_text(step.to));
}

enum outgoing_action outgoing_message_apply(struct outgoing_message *m, enum outgoing_event event)
{
    struct outgoing_step step = outgoing_step(m->state, event);

    assert(step.action != OUTGOING_IMPOSSIBLE);
    log_step(m, step);
    m->state = step.to;
    m->needs_own_request = m->needs_own_request || step.action == OUTGOING_DO_REQUEUE_SPLIT;
    return step.action;
}

unsigned outgoing_message_count_failure(struct outgoing_message *m, enum backoff_kind kind)
{
    m->failures = m->failure_kind == kind ? m->failures + 1 : 1;
    m->failure_kind = kind;
    return m->failures;
}
