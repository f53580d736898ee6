/* SPDX-License-Identifier: MIT */
/* The configuration, read with libconfig into one typed struct. One table
 * (config-table.h) holds the place, type, unit, range and default of each setting. Reading,
 * checking and showing the settings all use that table. */
#pragma once

#include "aws/config.h"
#include "util/buffer.h"
#include "util/log-target.h"

enum config_order {
    CONFIG_ORDER_STRICT, /* a group has at most one outstanding message */
    CONFIG_ORDER_BATCH,  /* a group has at most one outstanding batch */
};

enum config_source {
    CONFIG_SOURCE_DEMO,
    CONFIG_SOURCE_SPOOL,
};

enum config_handler {
    CONFIG_HANDLER_JOURNAL,
    CONFIG_HANDLER_EXEC,
    CONFIG_HANDLER_HTTP,
};

/* When a changed setting takes effect. */
enum config_reload {
    CONFIG_RELOAD_NOW,          /* during the reload, also for work that waits */
    CONFIG_RELOAD_NEXT_MESSAGE, /* with the next message or request; those in flight keep the old */
    CONFIG_RELOAD_RESTART,      /* not before a restart */
};

enum { CONFIG_COMMAND_MAX_WORDS = 64 };

struct config_origins; /* where each value comes from (config-table.h) */

struct config {
    const char *instance; /* instance.h; a text that lives as long as the program; NULL: none */
    struct config_origins *origins;
    struct aws_config aws;
    struct {
        enum log_target target;
        enum log_format format;
        int level; /* LOG_ERR .. LOG_DEBUG of syslog(3) */
    } log;
    struct {
        enum config_source source;
        char *submit_socket; /* an absolute path that fits a socket's address */
        uint64_t spool_max_messages, spool_max_bytes;
        uint64_t start_delay_usec;
        uint64_t messages_to_send; /* 0: for ever */
        uint64_t send_interval_usec;
        char *message_group_id;
        unsigned groups;          /* 1 to 10000; above 1, a number follows message_group_id */
        unsigned max_connections; /* requests in flight, 1 to 64 */
        unsigned batch_size;      /* messages in a request, 1 to 10 */
        uint64_t batch_linger_usec;
        enum config_order order;
        uint64_t rate_limit; /* messages a second; 0: no limit */
        uint64_t stop_timeout_usec;
        char *metrics_listen; /* metrics-address.h; "": nowhere */
    } producer;
    struct {
        enum config_handler handler;
        char **command; /* NULL-terminated; empty: none */
        char *url;      /* http://, https://, or unix:PATH with an optional :/URI; "": none */
        char *content_type;
        uint64_t timeout_usec;   /* for handling one message */
        uint64_t receive_memory; /* bytes */
        uint64_t ledger_max_messages, ledger_max_age_usec;
        uint64_t start_delay_usec;
        uint64_t wait_time_usec;          /* whole seconds, 0 to 20 */
        unsigned max_messages;            /* in a receive, 1 to 10 */
        unsigned receivers;               /* receives in parallel, 1 to 32 */
        unsigned concurrency;             /* messages handled at once, 1 to 1000 */
        uint64_t visibility_timeout_usec; /* whole seconds; 0: the queue's own */
        uint64_t delete_linger_usec;      /* 0: each message is deleted at once, by itself */
        uint64_t retry_delay_usec, retry_delay_max_usec; /* whole seconds */
        uint64_t receive_interval_usec;
        uint64_t exit_after_empty_receives; /* 0: never */
        uint64_t stop_timeout_usec;
        char *metrics_listen; /* the same */
    } consumer;
};

enum { CONFIG_FILE_MAX_BYTES = 256 * 1024, CONFIG_FILES_MAX = 16 };

/* Reads a configuration that is one text. `path` is only for error lines and to show where a value
 * comes from. Returns 0 with *ret, -ENOMEM, or CONFIG_E_INVALID with *error: one line about the
 * first fault, "<path>:<line>: <group>.<name>: found ..., allowed ...". The caller frees both. */
enum { CONFIG_E_INVALID = 1 };
int config_parse(const char *path, const char *text, size_t text_bytes, struct config **ret,
                 char **error);

/* Reads a configuration in several steps: config_new has all defaults, and each later text
 * overrides the values before it. config_finish gives the settings that are left their defaults,
 * and checks that no required setting is missing. The queue of an instance must come from the last
 * file or from an override. All return what config_parse does. After an error the configuration can
 * only be freed. */
int config_new(struct config **ret);
int config_add_file(struct config *config, const char *path, const char *text, size_t text_bytes,
                    char **error);
int config_finish(struct config *config, char **error);

/* What config_finish does, without its check. The first gives settings that are still at their
 * default the one in force: that of the demo's settings depends on producer.source and
 * consumer.handler, that of producer.submit_socket on the instance. An instance does not have the
 * addresses at which a daemon listens from a file before its own. The second tells whether the
 * check will find nothing missing. */
int config_settle_defaults(struct config *config);
bool config_has_required(const struct config *config);

struct config *config_free(struct config *config);
DEFINE_CLEANUP(struct config *, config_free)

/* Appends the settings in force, in the file's own syntax. A comment behind each value shows the
 * default, if the value is another, and where the value comes from: "[default]", "[PATH:LINE]",
 * "[NAME OF THE VARIABLE]" or "[--set]". Parts of a URL that may be secret (its user, password and
 * query) are shown as "***". Returns 0 or -ENOMEM. */
int config_format(const struct config *config, struct buffer *out);

/* Appends where the settings come from, as one line for people: "a.conf, the environment". */
void config_append_places(struct buffer *b, const struct config *config);

/* Appends a fault that was found after the settings were read. If the text begins with the name of
 * a setting, "<group>.<name>: " or "<group>.<name> ", the place of its value comes before it:
 * "PATH:LINE: ", "<variable>: " or "--set: ". The place of a default is the setting's group in the
 * last file. Any other text is not about the configuration, and is appended as it is. */
void config_append_fault(struct buffer *b, const struct config *config, const char *text);
