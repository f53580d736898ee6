/* SPDX-License-Identifier: MIT */
/* See idempotency.h. A message whose id could not be written is deleted like the others: that its
 * delete is lost as well, and it is handled twice, is rare; kept back, all would be. */
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

static void remove_first_kept(struct idempotency *idem)
{
    struct deleted_id *first = &idem->kept[idem->first_kept];

    ledger_remove(idem->ledger, first->message_id); /* the commit tells */
    free(TAKE(first->message_id));
    idem->first_kept = (idem->first_kept + 1) % IDEMPOTENCY_DELETED_KEPT_MAX;
    idem->n_kept--;
}

static void keep(struct idempotency *idem, const char *message_id)
{
    char *copy;

    if (!idem->kept)
        idem->kept = calloc(IDEMPOTENCY_DELETED_KEPT_MAX, sizeof(*idem->kept));
    copy = idem->kept ? strdup(message_id) : NULL;
    if (!copy) {
        ledger_remove(idem->ledger, message_id);
        return;
    }
    if (idem->n_kept == IDEMPOTENCY_DELETED_KEPT_MAX)
        remove_first_kept(idem);
    idem->kept[(idem->first_kept + idem->n_kept++) % IDEMPOTENCY_DELETED_KEPT_MAX] =
        (struct deleted_id){clock_boot_usec(), copy};
}

/* After what has been added, so that it shares the transaction. */
static void remove_kept(struct idempotency *idem)
{
    uint64_t now_usec = idem->n_kept > 0 ? clock_boot_usec() : 0;

    while (idem->n_kept > 0 &&
           (ledger_is_crowded(idem->ledger) ||
            now_usec - idem->kept[idem->first_kept].deleted_usec >= IDEMPOTENCY_DELETED_KEPT_USEC))
        remove_first_kept(idem);
}

void idempotency_done(struct idempotency *idem)
{
    while (idem->n_kept > 0)
        remove_first_kept(idem);
    free(TAKE(idem->kept));
}

/* --- The log --- */

static void tell_trouble(struct idempotency *idem, const char *what)
{
    if (!log_rate_limit_take(&idem->trouble_limit, "", 1, clock_boot_usec(), NULL))
        return;
    idem->is_told = true;
    log_error("Cannot %s the ledger, so a message whose delete gets lost is handled twice: %s.",
              what, ledger_error(idem->ledger));
}

static void tell_written(struct idempotency *idem)
{
    uint64_t n = ledger_crowded_out(idem->ledger);

    if (idem->is_told)
        log_notice("The ledger can be written again.");
    idem->is_told = false;
    if (n == idem->n_crowded_out ||
        !log_rate_limit_take(&idem->crowded_limit, "", 1, clock_boot_usec(), NULL))
        return;
    log_warning(
        "The ledger is full: its oldest %ju messages were handled, are perhaps not deleted, "
        "and are no longer known. See consumer.ledger_max_messages.",
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
        tell_trouble(idem, "read");
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
    ledger_add(idem->ledger, m->received->message_id, clock_wall_usec()); /* the commit tells */
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

void idempotency_forget(struct idempotency *idem, const struct message *m)
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
    remove_kept(idem);
    r = ledger_commit(idem->ledger, clock_wall_usec());
    if (r < 0)
        tell_trouble(idem, "write");
    if (r != LEDGER_COMMITTED)
        return;
    FAULT_POINT("ledger-written");
    tell_written(idem);
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
