/* SPDX-License-Identifier: MIT */
/* What the tests of handler "http" share: the log in libsystemd's place, a handler, and its
 * answers. */
#pragma once

#include "consumerd/handler/http.h"
#include "test-certificate.h"
#include "test-loop.h"
#include "test-server.h"
#include "util/log.h"

#include <syslog.h>

#define GROWING HANDLER_DELAY_DEFAULT
#define CONTENT_TYPE "text/x-test; charset=utf-8"

struct entry {
    int priority;
    char text[2048], message_id[64], group_id[64], status[16];
};

/* What an application has for a message. Clocks that are put forward make it pass. */
#define TIMEOUT_USEC (20 * TEST_PATIENCE_USEC)

extern struct entry entries[16];
extern size_t n_entries;
extern sd_event *event;
extern unsigned n_all_done;

struct outcome {
    unsigned n_done;
    enum handler_outcome outcome;
    uint64_t delay_usec;
    struct handler_run *run;
};

extern char config_url[256];
extern char content_type[];
extern char queue_url[];

struct config config_for(const char *url);

struct handler *new_handler(const char *url);

extern const struct sqs_received_message plain;

void begin(struct handler *handler, const struct sqs_received_message *message, struct outcome *o);

struct outcome handle(struct handler *handler, const struct sqs_received_message *message);

int set_up(void **state);

int tear_down(void **state);
