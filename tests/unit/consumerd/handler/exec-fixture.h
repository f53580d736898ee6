/* SPDX-License-Identifier: MIT */
/* What the tests of handler "exec" share: the log in libsystemd's place, a handler, and its
 * runs. */
#pragma once

#include "consumerd/handler/handlers.h"
#include "test-loop.h"
#include "util/log.h"

#include <stdatomic.h>
#include <syslog.h>

#define GROWING HANDLER_DELAY_DEFAULT
#define RETRY_DELAY (7 * USEC_PER_SEC)
#define SLOWEST_START_USEC (32 * USEC_PER_SEC) /* of a program, on a slow machine */

struct entry {
    int priority;
    char text[LOG_LINE_MAX_BYTES + 16], message_id[64], group_id[64], pid[16];
};

extern struct entry entries[1100];
extern size_t n_entries;
extern atomic_bool journal_is_stuck;

/* The first entry that holds the text; NULL: none does. */
const struct entry *logged(const char *text);

void print_log(void);

void assert_logged(const char *text);

struct outcome {
    unsigned n_done;
    enum handler_outcome outcome;
    uint64_t delay_usec;
    struct handler_run *run;
};

extern sd_event *event;
extern struct handler *handler;
extern struct config config;
extern struct sqs_received_message message;
extern struct outcome outcome;
extern char *command[8];
extern char folder[64];

void forget_handler(void);

/* Returns what handler_new does; *error as well. */
int make(char **error, const char *program, ...);

void make_script(const char *script);

int set_up(void **state);

int tear_down(void **state);

void start(struct outcome *o);

bool has_children(void);

/* Handles the message with a script; everything has gone afterwards. */
void handle(const char *script);

void assert_outcome(enum handler_outcome what, uint64_t delay_usec);

const char *in_folder(const char *name);
