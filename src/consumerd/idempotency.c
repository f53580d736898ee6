/* SPDX-License-Identifier: MIT */
/* See idempotency.h. A message whose id could not be written is deleted like the others: that its
 * delete is lost as well, and it is handled twice, is rare; kept back, all would be. */
#include "consumerd/idempotency.h"

#include "consumerd/handler/handler.h"
#include "util/clock.h"
#include "util/fault-point.h"
#include "util/log.h"

struct handled_kept {
    uint64_t deleted_usec; /* boot clock */
    char *message_id;
};

static struct message *of(struct list *link)
{
    return CONTAINER_OF(link, struct message, of_handled);
}

void handled_init(struct handled *h, struct ledger *ledger)
{
    *h = (struct handled){.ledger = ledger};
    list_init(&h->waiting);
}

/* --- What SQS has deleted --- */

static void remove_first_kept(struct handled *h)
{
    struct handled_kept *first = &h->kept[h->first_kept];

    ledger_remove(h->ledger, first->message_id); /* the commit tells */
    free(TAKE(first->message_id));
    h->first_kept = (h->first_kept + 1) % HANDLED_KEPT_MAX;
    h->n_kept--;
}

static void keep(struct handled *h, const char *message_id)
{
    char *copy;

    if (!h->kept)
        h->kept = calloc(HANDLED_KEPT_MAX, sizeof(*h->kept));
    copy = h->kept ? strdup(message_id) : NULL;
    if (!copy) {
        ledger_remove(h->ledger, message_id);
        return;
    }
    if (h->n_kept == HANDLED_KEPT_MAX)
        remove_first_kept(h);
    h->kept[(h->first_kept + h->n_kept++) % HANDLED_KEPT_MAX] =
        (struct handled_kept){clock_boot_usec(), copy};
}

/* After what has been added, so that it shares the transaction. */
static void remove_kept(struct handled *h)
{
    uint64_t now_usec = h->n_kept > 0 ? clock_boot_usec() : 0;

    while (h->n_kept > 0 && (ledger_is_crowded(h->ledger) ||
                             now_usec - h->kept[h->first_kept].deleted_usec >= HANDLED_KEPT_USEC))
        remove_first_kept(h);
}

void handled_done(struct handled *h)
{
    while (h->n_kept > 0)
        remove_first_kept(h);
    free(TAKE(h->kept));
}

/* --- The log --- */

static void tell_trouble(struct handled *h, const char *what)
{
    if (!line_limit_take(&h->trouble_limit, "", 1, clock_boot_usec(), NULL))
        return;
    h->is_told = true;
    log_error("Cannot %s the ledger, so a message whose delete gets lost is handled twice: %s.",
              what, ledger_error(h->ledger));
}

static void tell_written(struct handled *h)
{
    uint64_t n = ledger_crowded_out(h->ledger);

    if (h->is_told)
        log_notice("The ledger can be written again.");
    h->is_told = false;
    if (n == h->n_crowded_out ||
        !line_limit_take(&h->crowded_limit, "", 1, clock_boot_usec(), NULL))
        return;
    log_warning(
        "The ledger is full: its oldest %ju messages were handled, are perhaps not deleted, "
        "and are no longer known. See consumer.ledger_max_messages.",
        (uintmax_t)(n - h->n_crowded_out));
    h->n_crowded_out = n;
}

/* --- Messages --- */

bool handled_before(struct handled *h, const struct message *m)
{
    int r;

    if (!h->ledger)
        return false;
    r = ledger_has(h->ledger, m->received->message_id, clock_wall_usec());
    if (r < 0)
        tell_trouble(h, "read");
    if (r != LEDGER_HAS)
        return false;
    log_write(LOG_NOTICE, NULL, LOG_FIELDS(MESSAGE_FIELDS(m->received)),
              "Message %s was handled before and has come back: it is deleted, not handled again.",
              m->received->message_id);
    return true;
}

bool handled_add(struct handled *h, struct message *m)
{
    if (!h->ledger)
        return false;
    FAULT_POINT("handled");
    ledger_add(h->ledger, m->received->message_id, clock_wall_usec()); /* the commit tells */
    list_append(&h->waiting, &m->of_handled);
    h->n_waiting++;
    return true;
}

void handled_remove(struct handled *h, struct message *m)
{
    if (!list_is_linked(&m->of_handled))
        return;
    list_remove(&m->of_handled);
    h->n_waiting--;
}

void handled_forget(struct handled *h, const struct message *m)
{
    if (!h->ledger)
        return;
    FAULT_POINT("deleted");
    keep(h, m->received->message_id);
}

void handled_write(struct handled *h)
{
    int r;

    if (!h->ledger)
        return;
    remove_kept(h);
    r = ledger_commit(h->ledger, clock_wall_usec());
    if (r < 0)
        tell_trouble(h, "write");
    if (r != LEDGER_COMMITTED)
        return;
    FAULT_POINT("ledger-written");
    tell_written(h);
}

struct message *handled_take(struct handled *h)
{
    struct message *m;

    if (list_is_empty(&h->waiting))
        return NULL;
    m = of(h->waiting.next);
    handled_remove(h, m);
    return m;
}
