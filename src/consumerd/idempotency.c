/* SPDX-License-Identifier: MIT */
/* A message whose id could not be written is deleted like the others. It is handled twice only if
 * its delete fails as well, which is rare. If deletes waited for a ledger that cannot be written,
 * all messages would wait. */
#include "consumerd/idempotency.h"

#include "consumerd/handler/handler.h"
#include "util/clock.h"
#include "util/fault-point.h"
#include "util/log.h"

struct deleted_id {
    uint64_t deleted_usec; /* boot clock */
    char *message_id;
};

static struct message *of(struct list *link)
{
    return CONTAINER_OF(link, struct message, of_recording);
}

void idempotency_init(struct idempotency *idem, struct ledger *ledger)
{
    *idem = (struct idempotency){.ledger = ledger};
    list_init(&idem->waiting);
}

/* --- What SQS has deleted --- */

static void remove_first_deleted(struct idempotency *idem)
{
    struct deleted_id *first = &idem->deleted[idem->first_deleted];

    ledger_remove(idem->ledger, first->message_id); /* the commit reports errors */
    free(TAKE(first->message_id));
    idem->first_deleted = (idem->first_deleted + 1) % IDEMPOTENCY_DELETED_KEPT_MAX;
    idem->n_deleted--;
}

static void keep(struct idempotency *idem, const char *message_id)
{
    char *copy;

    if (!idem->deleted)
        idem->deleted = calloc(IDEMPOTENCY_DELETED_KEPT_MAX, sizeof(*idem->deleted));
    copy = idem->deleted ? strdup(message_id) : NULL;
    if (!copy) {
        ledger_remove(idem->ledger, message_id);
        return;
    }
    if (idem->n_deleted == IDEMPOTENCY_DELETED_KEPT_MAX)
        remove_first_deleted(idem);
    idem->deleted[(idem->first_deleted + idem->n_deleted++) % IDEMPOTENCY_DELETED_KEPT_MAX] =
        (struct deleted_id){clock_boot_usec(), copy};
}

/* Runs after all additions, so that the removals share their transaction. */
static void remove_expired(struct idempotency *idem)
{
    uint64_t now_usec = idem->n_deleted > 0 ? clock_boot_usec() : 0;

    while (idem->n_deleted > 0 && (ledger_is_crowded(idem->ledger) ||
                                   now_usec - idem->deleted[idem->first_deleted].deleted_usec >=
                                       IDEMPOTENCY_DELETED_KEPT_USEC))
        remove_first_deleted(idem);
}

void idempotency_done(struct idempotency *idem)
{
    while (idem->n_deleted > 0)
        remove_first_deleted(idem);
    free(TAKE(idem->deleted));
}

/* --- The log --- */

static void log_ledger_failure(struct idempotency *idem, const char *what)
{
    if (!log_rate_limit_take(&idem->failure_limit, "", 1, clock_boot_usec(), NULL))
        return;
    idem->is_failure_logged = true;
    log_error("Cannot %s the ledger, so a message whose delete is lost is handled twice: %s.", what,
              ledger_error(idem->ledger));
}

static void log_ledger_written(struct idempotency *idem)
{
    uint64_t n = ledger_crowded_out(idem->ledger);

    if (idem->is_failure_logged)
        log_notice("The ledger can be written again.");
    idem->is_failure_logged = false;
    if (n == idem->n_crowded_out ||
        !log_rate_limit_take(&idem->crowded_limit, "", 1, clock_boot_usec(), NULL))
        return;
    log_warning("The ledger is full: it has forgotten its %ju oldest messages, which were handled "
                "and perhaps not deleted. See consumer.ledger_max_messages.",
                (uintmax_t)(n - idem->n_crowded_out));
    idem->n_crowded_out = n;
}

/* --- Messages --- */

bool idempotency_was_handled(struct idempotency *idem, const struct message *m)
{
    int r;

    if (!idem->ledger)
        return false;
    r = ledger_has(idem->ledger, m->received->message_id, clock_wall_usec());
    if (r < 0)
        log_ledger_failure(idem, "read");
    if (r != LEDGER_HAS)
        return false;
    log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s was handled before and has come back: it is deleted, not handled again.",
              m->received->message_id);
    return true;
}

bool idempotency_add(struct idempotency *idem, struct message *m)
{
    if (!idem->ledger)
        return false;
    FAULT_POINT("handled");
    ledger_add(idem->ledger, m->received->message_id,
               clock_wall_usec()); /* the commit reports errors */
    list_append(&idem->waiting, &m->of_recording);
    idem->n_waiting++;
    return true;
}

void idempotency_remove(struct idempotency *idem, struct message *m)
{
    if (!list_is_linked(&m->of_recording))
        return;
    list_remove(&m->of_recording);
    idem->n_waiting--;
}

void idempotency_note_deleted(struct idempotency *idem, const struct message *m)
{
    if (!idem->ledger)
        return;
    FAULT_POINT("deleted");
    keep(idem, m->received->message_id);
}

void idempotency_commit(struct idempotency *idem)
{
    int r;

    if (!idem->ledger)
        return;
    remove_expired(idem);
    r = ledger_commit(idem->ledger, clock_wall_usec());
    if (r < 0)
        log_ledger_failure(idem, "write");
    if (r != LEDGER_COMMITTED)
        return;
    FAULT_POINT("ledger-written");
    log_ledger_written(idem);
}

struct message *idempotency_take_recorded(struct idempotency *idem)
{
    struct message *m;

    if (list_is_empty(&idem->waiting))
        return NULL;
    m = of(idem->waiting.next);
    idempotency_remove(idem, m);
    return m;
}
