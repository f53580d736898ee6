/* See source.h. One message at a time: the next is made when the one before is settled and its time
 * has come. Times that were missed are not made up for. */
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <json-c/json.h>
#include <systemd/sd-id128.h>

#include "log.h"

struct source_demo {
    struct source head;
    sd_event *event;
    sd_event_source *timer;
    source_ready_fn ready;
    void *userdata;

    uint64_t messages_to_send; /* 0: for ever */
    uint64_t send_interval_usec;
    const char *group_id; /* borrowed from the configuration; NULL on a standard queue */
    bool is_fifo;

    uint64_t n_made;
    uint64_t due_usec; /* of the next message, on the boot clock */
    bool has_message;  /* `message` is out and not settled */
    struct source_message message;
    json_object *body;
    char id[SD_ID128_UUID_STRING_MAX];
    char deduplication_id[sizeof("DeduplicationId-") + SD_ID128_UUID_STRING_MAX];
};

static int uuid4(char ret[SD_ID128_UUID_STRING_MAX])
{
    sd_id128_t id;
    int r = sd_id128_randomize(&id);

    if (r < 0)
        return r;
    sd_id128_to_uuid_string(id, ret);
    return 0;
}

enum { LOCAL_TIME_SIZE = 64 };

/* 2026-01-31T23:59:59.123456+01:00, the local time. */
static void local_time(char ret[LOCAL_TIME_SIZE])
{
    struct timespec now;
    struct tm tm;
    char date[24], zone[8];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    strftime(zone, sizeof(zone), "%z", &tm);
    snprintf(ret, LOCAL_TIME_SIZE, "%s.%06ld%.3s:%.2s", date, now.tv_nsec / 1000, zone, zone + 3);
}

static int add_string(json_object *object, const char *key, const char *value)
{
    json_object *s = json_object_new_string(value);

    if (!s || json_object_object_add(object, key, s) < 0) {
        json_object_put(s);
        return -ENOMEM;
    }
    return 0;
}

static int make_message(struct source_demo *s)
{
    char data[40], ts[LOCAL_TIME_SIZE], unique[SD_ID128_UUID_STRING_MAX];
    int r = uuid4(s->id);

    if (r >= 0)
        r = uuid4(unique);
    if (r < 0)
        return r;
    snprintf(s->deduplication_id, sizeof(s->deduplication_id), "DeduplicationId-%s", unique);
    snprintf(data, sizeof(data), "mydata%" PRIu64, s->n_made);
    local_time(ts);

    json_object_put(TAKE(s->body));
    s->body = json_object_new_object();
    if (!s->body || add_string(s->body, "data", data) < 0 || add_string(s->body, "ts", ts) < 0 ||
        add_string(s->body, "id", s->id) < 0)
        return -ENOMEM;
    s->message = (struct source_message){
        .id = s->id,
        .message = {.group_id = s->group_id,
                    .deduplication_id = s->is_fifo ? s->deduplication_id : NULL,
                    .delay_sec = -1},
    };
    s->message.message.body = json_object_to_json_string_length(
        s->body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
        &s->message.message.body_bytes);
    return s->message.message.body ? 0 : -ENOMEM;
}

static int next(struct source *source, const struct source_message **ret)
{
    struct source_demo *s = (struct source_demo *)source;
    uint64_t now = 0;
    int r;

    if (s->has_message)
        return SOURCE_E_NOT_YET;
    if (s->messages_to_send > 0 && s->n_made == s->messages_to_send)
        return SOURCE_E_END;
    r = sd_event_now(s->event, CLOCK_BOOTTIME, &now);
    if (r < 0)
        return r;
    if (now < s->due_usec) {
        r = sd_event_source_set_time(s->timer, s->due_usec);
        if (r >= 0)
            r = sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
        return r < 0 ? r : SOURCE_E_NOT_YET;
    }
    r = make_message(s);
    if (r < 0)
        return r;
    s->n_made++;
    s->due_usec = now + s->send_interval_usec;
    s->has_message = true;
    *ret = &s->message;
    return 0;
}

static void settle(struct source *source, const struct source_message *message,
                   enum source_settlement settlement, const char *reason)
{
    struct source_demo *s = (struct source_demo *)source;

    s->has_message = false;
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct source_demo *s = userdata;

    s->ready(s->userdata);
    return 0;
}

static void demo_free(struct source *source)
{
    struct source_demo *s = (struct source_demo *)source;

    sd_event_source_disable_unref(s->timer);
    sd_event_unref(s->event);
    json_object_put(s->body);
    free(s);
}

static const struct source_ops ops = {.next = next, .settle = settle, .free = demo_free};

int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready, void *userdata, struct source **ret)
{
    struct source_demo *s = calloc(1, sizeof(*s));
    uint64_t now = 0;
    int r;

    if (!s)
        return -ENOMEM;
    s->head.ops = &ops;
    s->event = sd_event_ref(event);
    s->ready = ready;
    s->userdata = userdata;
    s->messages_to_send = config->producer.messages_to_send;
    s->send_interval_usec = config->producer.send_interval_usec;
    s->group_id = is_fifo ? config->producer.message_group_id : NULL;
    s->is_fifo = is_fifo;

    r = sd_event_now(event, CLOCK_BOOTTIME, &now);
    s->due_usec = now + config->producer.start_delay_usec;
    if (r >= 0)
        r = sd_event_add_time(event, &s->timer, CLOCK_BOOTTIME, s->due_usec, USEC_PER_MSEC, on_due,
                              s);
    if (r >= 0)
        r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
    if (r < 0) {
        demo_free(&s->head);
        return r;
    }
    *ret = &s->head;
    return 0;
}
