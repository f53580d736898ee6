/* SPDX-License-Identifier: MIT */
#include "http-fixture.h"
#include "fake-journal.h"

#include <stdio.h>
#include <sys/uio.h>
#include <syslog.h>

struct entry entries[16];
size_t n_entries;

static void take_field(const struct iovec *field, const char *name, char *ret, size_t size)
{
    size_t length = strlen(name);

    if (field->iov_len > length && memcmp(field->iov_base, name, length) == 0)
        snprintf(ret, size, "%.*s", (int)(field->iov_len - length),
                 (const char *)field->iov_base + length);
}

int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n)
{
    char priority[8] = "";
    struct entry *e;

    assert_true(n_entries < ARRAY_SIZE(entries));
    e = &entries[n_entries++];
    *e = (struct entry){};
    for (int i = 0; i < n; i++) {
        take_field(&iov[i], "MESSAGE=", e->text, sizeof(e->text));
        take_field(&iov[i], "SQS_MESSAGE_ID=", e->message_id, sizeof(e->message_id));
        take_field(&iov[i], "SQS_MESSAGE_GROUP_ID=", e->group_id, sizeof(e->group_id));
        take_field(&iov[i], "SQS_HTTP_STATUS=", e->status, sizeof(e->status));
        take_field(&iov[i], "PRIORITY=", priority, sizeof(priority));
    }
    e->priority = atoi(priority);
    return 0;
}

sd_event *event;
unsigned n_all_done;

static void on_done(void *userdata, enum handler_outcome outcome, uint64_t delay_usec)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->outcome = outcome;
    o->delay_usec = delay_usec;
    n_all_done++;
}

char config_url[256];
char content_type[] = CONTENT_TYPE;
char queue_url[] = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs.fifo";

struct config config_for(const char *url)
{
    struct config config = {};

    snprintf(config_url, sizeof(config_url), "%s", url);
    config.aws.queue_url = queue_url;
    config.consumer.url = config_url;
    config.consumer.content_type = content_type;
    config.consumer.timeout_usec = TIMEOUT_USEC;
    config.consumer.concurrency = 10;
    return config;
}

struct handler *new_handler(const char *url)
{
    struct config config = config_for(url);
    struct handler *handler;
    char *error = NULL;

    if (handler_http_new(event, &config, &handler, &error) != 0)
        fail_msg("%s: %s", url, error);
    return handler;
}

const struct sqs_received_message plain = {
    .message_id = "5fea7756-0ea4-451a-a703-a558b933e274",
    .group_id = "g1",
    .body = "question",
    .body_bytes = 8,
    .receive_count = 1,
};

void begin(struct handler *handler, const struct sqs_received_message *message, struct outcome *o)
{
    *o = (struct outcome){};
    assert_int_equal(handler->ops->run(handler, message, on_done, o, &o->run), 0);
    assert_int_equal(o->n_done, 0);
    assert_non_null(o->run);
}

struct outcome handle(struct handler *handler, const struct sqs_received_message *message)
{
    struct outcome o;

    begin(handler, message, &o);
    run_until(event, &o.n_done, 1);
    assert_int_equal(o.n_done, 1);
    return o;
}

int set_up(void **state)
{
    static const char *const unwanted[] = {"http_proxy", "https_proxy", "all_proxy",
                                           "no_proxy",   "NO_PROXY",    "AWS_CA_BUNDLE"};

    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++)
        unsetenv(unwanted[i]);
    n_entries = 0;
    log_open("test", LOG_TARGET_JOURNAL, LOG_INFO, LOG_COLOUR_NONE);
    return sd_event_new(&event) < 0 ? -1 : 0;
}

int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}
