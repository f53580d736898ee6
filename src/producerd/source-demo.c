/* SPDX-License-Identifier: MIT */
/* A message is made when the producer asks for it and its time has come. Times that were missed are
 * not made up for. A message owns its texts, except the group id. After it is settled its memory
 * serves the next message, so memory grows only with the messages that are not settled. */
#include "producerd/source-demo.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/error-line.h"
#include "util/timer.h"
#include "util/uuid.h"

enum {
    /* at most: 40 for the frame, 20 for the number, 24 + 7 + 8 for the time, 36 for the id */
    BODY_MAX_BYTES = 256,
    GROUP_NUMBER_MAX_BYTES = sizeof("-9999") - 1,
};

struct demo_message {
    struct source_message head;
    struct demo_message *next_unused, *next_made;
    char id[UUID_TEXT_SIZE];
    char deduplication_id[sizeof("DeduplicationId-") + UUID_TEXT_SIZE];
    char body[BODY_MAX_BYTES];
};

/* The local time as text, kept for one second: localtime_r takes longer than all other work on a
 * message. */
struct local_second {
    time_t second;
    char date[24]; /* 2026-01-31T23:59:59; "" at first */
    char zone[8];  /* +01:00 */
};

struct source_demo {
    struct source head;
    sd_event *event;
    struct timer timer;
    source_ready_fn ready;
    void *userdata;

    uint64_t messages_to_send; /* 0: for ever */
    uint64_t send_interval_usec;
    bool is_fifo;
    unsigned n_groups;
    char *group_ids; /* n_groups texts, each group_id_size apart */
    size_t group_id_size;

    uint64_t n_made;
    unsigned next_group;
    uint64_t due_usec;                  /* of the next message, on the boot clock */
    struct demo_message *unused, *made; /* all that were ever made are in `made` */
    struct uuid_maker uuids;
    struct local_second local;
};

static void local_second_update(struct local_second *local, time_t second)
{
    char zone[8] = "";
    struct tm tm;

    if (local->date[0] && local->second == second)
        return;
    local->second = second;
    localtime_r(&second, &tm);
    strftime(local->date, sizeof(local->date), "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(zone, sizeof(zone), "%z", &tm);
    snprintf(local->zone, sizeof(local->zone), "%.3s:%.2s", zone, zone + 3);
}

/* Writes a decimal number, padded with zeros to `digits_min`. */
static char *put_number(char *out, uint64_t number, unsigned digits_min)
{
    char digits[20];
    size_t n = 0;

    while (number > 0 || n < digits_min) {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    }
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

/* No text in it needs escaping in JSON. Written by hand because it runs for every message. */
static void write_body(struct source_demo *s, struct demo_message *m)
{
    uint64_t now_usec = clock_wall_usec();
    char *out = m->body;

    local_second_update(&s->local, (time_t)(now_usec / USEC_PER_SEC));
    out = stpcpy(out, "{\"data\":\"mydata");
    out = put_number(out, s->n_made, 1);
    out = stpcpy(out, "\",\"ts\":\"");
    out = stpcpy(out, s->local.date);
    out = stpcpy(out, ".");
    out = put_number(out, now_usec % USEC_PER_SEC, 6);
    out = stpcpy(out, s->local.zone);
    out = stpcpy(out, "\",\"id\":\"");
    out = stpcpy(out, m->id);
    out = stpcpy(out, "\"}");
    m->head.message.body = m->body;
    m->head.message.body_bytes = (size_t)(out - m->body);
}

static int make_message(struct source_demo *s, struct demo_message *m)
{
    static const char prefix[] = "DeduplicationId-";
    int r;

    m->head = (struct source_message){.id = m->id, .message = {.delay_sec = -1}};
    r = uuid_make(&s->uuids, m->id);
    if (r >= 0 && s->is_fifo) {
        memcpy(m->deduplication_id, prefix, sizeof(prefix));
        r = uuid_make(&s->uuids, m->deduplication_id + sizeof(prefix) - 1);
        m->head.message.deduplication_id = m->deduplication_id;
        m->head.message.group_id = s->group_ids + s->next_group * s->group_id_size;
    }
    if (r < 0)
        return r;
    write_body(s, m);
    return 0;
}

/* Returns 0 when the next message is due; otherwise sets the timer. */
static int wait_until_due(struct source_demo *s)
{
    uint64_t now;
    int r;

    if (s->due_usec == 0)
        return 0;
    now = clock_loop_usec(s->event);
    if (now >= s->due_usec) {
        s->due_usec = s->send_interval_usec > 0 ? now + s->send_interval_usec : 0;
        return 0;
    }
    r = timer_set(&s->timer, s->due_usec);
    return r < 0 ? r : SOURCE_E_NOT_YET;
}

static struct demo_message *message_new(struct source_demo *s)
{
    struct demo_message *m = s->unused;

    if (m) {
        s->unused = m->next_unused;
        return m;
    }
    m = malloc(sizeof(*m));
    if (m) {
        m->next_made = s->made;
        s->made = m;
    }
    return m;
}

static void message_unuse(struct source_demo *s, struct demo_message *m)
{
    m->next_unused = s->unused;
    s->unused = m;
}

static int next(struct source *source, const struct source_message **ret)
{
    struct source_demo *s = (struct source_demo *)source;
    struct demo_message *m;
    int r;

    if (s->messages_to_send > 0 && s->n_made >= s->messages_to_send)
        return SOURCE_E_END;
    r = wait_until_due(s);
    if (r != 0)
        return r;
    m = message_new(s);
    if (!m)
        return -ENOMEM;
    r = make_message(s, m);
    if (r < 0) {
        message_unuse(s, m);
        return r;
    }
    s->n_made++;
    s->next_group = s->next_group + 1 == s->n_groups ? 0 : s->next_group + 1;
    *ret = &m->head;
    return 0;
}

static void settle(struct source *source, const struct source_message *message,
                   enum source_settlement settlement, const char *reason)
{
    message_unuse((struct source_demo *)source, (struct demo_message *)(uintptr_t)message);
}

static void on_due(void *userdata)
{
    struct source_demo *s = userdata;

    s->ready(s->userdata);
}

/* The interval counts from the last message. The start's delay stays as it was. */
static void reconfigure(struct source *source, const struct config *config)
{
    struct source_demo *s = (struct source_demo *)source;
    uint64_t interval_usec = config->producer.send_interval_usec;

    s->messages_to_send = config->producer.messages_to_send;
    if (s->n_made > 0 && interval_usec != s->send_interval_usec) {
        uint64_t made_usec =
            s->due_usec > 0 ? s->due_usec - s->send_interval_usec : clock_loop_usec(s->event);

        s->due_usec = interval_usec > 0 ? made_usec + interval_usec : 0;
    }
    s->send_interval_usec = interval_usec;
}

static void demo_free(struct source *source)
{
    struct source_demo *s = (struct source_demo *)source;

    while (s->made) {
        struct demo_message *m = s->made;

        s->made = m->next_made;
        free(m);
    }
    timer_done(&s->timer);
    sd_event_unref(s->event);
    free(s->group_ids);
    free(s);
}

static const struct source_ops ops = {
    .next = next, .settle = settle, .free = demo_free, .reconfigure = reconfigure};

static int name_groups(struct source_demo *s, const char *group_id, unsigned n)
{
    s->n_groups = n;
    s->group_id_size = strlen(group_id) + GROUP_NUMBER_MAX_BYTES + 1;
    s->group_ids = calloc(n, s->group_id_size);
    if (!s->group_ids)
        return -ENOMEM;
    if (n == 1)
        memcpy(s->group_ids, group_id, strlen(group_id) + 1);
    for (unsigned i = 0; n > 1 && i < n; i++)
        snprintf(s->group_ids + i * s->group_id_size, s->group_id_size, "%s-%u", group_id, i);
    return 0;
}

int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready, void *userdata, struct source **ret)
{
    struct source_demo *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->head.ops = &ops;
    s->event = sd_event_ref(event);
    s->ready = ready;
    s->userdata = userdata;
    s->messages_to_send = config->producer.messages_to_send;
    s->send_interval_usec = config->producer.send_interval_usec;
    s->is_fifo = is_fifo;

    s->due_usec = clock_loop_usec(event) + config->producer.start_delay_usec;
    r = timer_init(&s->timer, event, USEC_PER_MSEC, on_due, s);
    if (r >= 0)
        r = name_groups(s, config->producer.message_group_id, config->producer.groups);
    if (r < 0) {
        demo_free(&s->head);
        return r;
    }
    *ret = &s->head;
    return 0;
}

int source_demo_check(const struct config *config, char **error)
{
    char number[16];
    size_t size = strlen(config->producer.message_group_id), room;

    if (config->producer.groups == 1)
        return 0;
    room = SQS_ID_MAX_BYTES -
           (size_t)snprintf(number, sizeof(number), "-%u", config->producer.groups - 1);
    if (size <= room)
        return 0;
    return error_line(SOURCE_E_CONFIG, error,
                      "producer.message_group_id: found %zu characters, allowed at most %zu where "
                      "producer.groups is %u: each group's number is added to it",
                      size, room, config->producer.groups);
}
