/* SPDX-License-Identifier: MIT */
/* The producer's status line, its pauses after a shortage, and its last lines. */
#include "producerd/producer-internal.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/failure.h"
#include "util/log.h"

enum { STATUS_MAX_BYTES = 1024 };

/* The pause after a resource shortage (ENOMEM, EMFILE). */
#define SHORTAGE_PAUSE_USEC (1 * USEC_PER_SEC)

void producer_show_status(struct producer *p)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(STATUS_MAX_BYTES);

    if (service_is_stopping(p->service) && !p->is_finished)
        buffer_printf(&b, "Stopping: %zu messages left", p->n_messages);
    else if (p->source_kind->is_finite && p->config->producer.messages_to_send > 0)
        buffer_printf(&b, "Sent %" PRIu64 " of %" PRIu64, p->counts.sent,
                      p->config->producer.messages_to_send);
    else
        buffer_printf(&b, "Sent %" PRIu64, p->counts.sent);
    if (p->source && p->source->ops->describe) {
        buffer_append_string(&b, "; ");
        p->source->ops->describe(p->source, &b);
    }
    service_status(p->service, "%s", buffer_string(&b));
}

void producer_cut_short(void *userdata)
{
    struct producer *p = userdata;
    size_t n_unknown = 0;

    p->is_finished = true;
    for (size_t i = 0; i < p->n_messages_used; i++)
        if (p->messages[i].source && outgoing_state_may_be_stored(p->messages[i].state))
            n_unknown++;
    producer_log_remaining(n_unknown, p->n_messages - n_unknown, p->source_kind->is_durable);
    producer_log_possible_duplicates_total(p->counts.possible_duplicates);
    progress_end(p->progress);
}

void producer_fail(struct producer *p, int error, const char *what)
{
    log_error("%s: %s.", what, strerror(-error));
    producer_cut_short(p);
    /* EX_CONFIG prevents a restart: a damaged file stays damaged. */
    service_exit(p->service, error == -EUCLEAN ? EX_CONFIG : EX_OSERR);
}

bool producer_is_pausing(struct producer *p)
{
    return producer_now_usec(p) < p->shortage_until_usec;
}

void producer_pause_for_shortage(struct producer *p, int error, const char *what)
{
    p->shortage_until_usec = producer_now_usec(p) + SHORTAGE_PAUSE_USEC;
    failure_write_shortage(&p->shortage_limit, what, error, producer_now_usec(p));
}
