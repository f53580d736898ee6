/* SPDX-License-Identifier: MIT */
#include "consumerd/outage-log.h"

#include <stdio.h>

#include "consumerd/handler/handler.h"
#include "daemon/message-ids.h"
#include "util/log.h"

static unsigned seconds(uint64_t usec)
{
    return (unsigned)(usec / USEC_PER_SEC);
}

void outage_log_failure(struct outage_log *log, const struct outage *outage, const char *why,
                        size_t n_waiting, uint64_t now_usec)
{
    uint64_t wait_usec = outage->next_usec - MIN(now_usec, outage->next_usec);
    bool is_due = failure_log_add(&log->outage, "", why ? why : "no reason is known", now_usec);
    char since[64] = "";

    if (log->outage.failures > 1)
        snprintf(since, sizeof(since), ", for %u s and %u attempts",
                 seconds(now_usec - log->outage.since_usec), log->outage.failures);
    log_write(is_due ? LOG_WARNING : LOG_DEBUG, MESSAGE_ID_HANDLER_NOT_REACHED, LOG_NO_FIELDS,
              "The handler is not reached%s: %s. %zu message%s in flight wait%s for it, and no "
              "further messages are received; next attempt in %u s.",
              since, log->outage.text, n_waiting, n_waiting == 1 ? "" : "s",
              n_waiting == 1 ? "s" : "", seconds(wait_usec + USEC_PER_SEC - 1));
}

void outage_log_end(struct outage_log *log, uint64_t now_usec)
{
    struct failure_log ended;

    if (failure_log_end(&log->outage, &ended))
        log_write(LOG_NOTICE, MESSAGE_ID_HANDLER_REACHED, LOG_NO_FIELDS,
                  "The handler is reached again, after %u s and %u failed attempts.",
                  seconds(now_usec - ended.since_usec), ended.failures);
}

void outage_log_charge(struct outage_log *log, const struct message *m, uint64_t now_usec)
{
    bool is_due = failure_log_add(&log->charges, "", "", now_usec);

    log_write(is_due ? LOG_WARNING : LOG_DEBUG, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s is not handled, it comes back: the gateway in front of the handler has "
              "refused it %u times (502, 503 or 504), the last time while it was posted alone.",
              m->received->message_id, outage_refusal_count(&m->outage));
}
