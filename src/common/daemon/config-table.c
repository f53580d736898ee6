/* SPDX-License-Identifier: MIT */
#include "daemon/config-table.h"

#include <assert.h>
#include <stdio.h>
#include <syslog.h>

#include "daemon/config-check.h"
#include "daemon/instance.h"

static const struct setting_choice log_targets[] = {
    {"auto", LOG_TARGET_AUTO},
    {"journal", LOG_TARGET_JOURNAL},
    {"stderr", LOG_TARGET_STDERR},
    {},
};

static const struct setting_choice log_formats[] = {
    {"text", LOG_FORMAT_TEXT},
    {"json", LOG_FORMAT_JSON},
    {},
};

static const struct setting_choice log_levels[] = {
    {"error", LOG_ERR}, {"warning", LOG_WARNING}, {"notice", LOG_NOTICE},
    {"info", LOG_INFO}, {"debug", LOG_DEBUG},     {},
};

static const struct setting_choice sources[] = {
    {"demo", CONFIG_SOURCE_DEMO},
    {"spool", CONFIG_SOURCE_SPOOL},
    {},
};

static const struct setting_choice handlers[] = {
    {"journal", CONFIG_HANDLER_JOURNAL},
    {"exec", CONFIG_HANDLER_EXEC},
    {"http", CONFIG_HANDLER_HTTP},
    {},
};

static const struct setting_choice orders[] = {
    {"strict", CONFIG_ORDER_STRICT},
    {"batch", CONFIG_ORDER_BATCH},
    {},
};

#define PLACE(group_, name_, member, kind_)                                                        \
    .group = #group_, .name = #name_, .kind = (kind_),                                             \
    .offset = offsetof(struct config, group_.member)
#define AT(group_, name_, kind_) PLACE(group_, name_, name_, kind_)
#define USEC_AT(group_, name_, kind_) PLACE(group_, name_, name_##_usec, kind_)
#define DEMO(value_) .has_demo_value = true, .demo_value = (value_)
#define NOW .reload = CONFIG_RELOAD_NOW
#define NEXT .reload = CONFIG_RELOAD_NEXT_MESSAGE
#define RESTART .reload = CONFIG_RELOAD_RESTART
#define MSEC(n) ((n)*USEC_PER_MSEC)
#define SEC(n) ((n)*USEC_PER_SEC)

#define URL_ALLOWED "an http:// or https:// URL without user, password, query or fragment"

const struct setting config_settings[] = {
    {AT(aws, region, SETTING_STRING), RESTART, .string = "", .check = config_is_region,
     .allowed = "a region such as \"eu-west-1\", or \"\"",
     .doc = "region of the queue; \"\": from the environment, the profile or the queue URL",
     .text = "The region of the queue. When it is empty, the daemons take the region from "
             "AWS_REGION, AWS_DEFAULT_REGION, the profile, or the queue's URL.",
     .example = "\"eu-west-1\""},
    {AT(aws, queue_url, SETTING_STRING), RESTART, .is_url = true, .check = config_is_url,
     .allowed = URL_ALLOWED,
     .doc = "URL of the queue, required; a name that ends in .fifo means a FIFO queue",
     .text = "The URL of the queue. A queue whose name ends in \".fifo\" is a FIFO queue. An "
             "instance needs a queue of its own.",
     .example = "\"https://sqs.eu-west-1.amazonaws.com/123456789012/test.fifo\""},
    {AT(aws, endpoint_url, SETTING_STRING), RESTART, .is_url = true, .string = "",
     .check = config_is_url_or_empty, .allowed = URL_ALLOWED ", or \"\"",
     .doc = "where to send requests; \"\": to the region's endpoint",
     .text = "Where requests go, for a proxy, a VPC endpoint or a server of your own. When it is "
             "empty, the daemons take AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL, the profile's "
             "endpoint_url, or AWS's endpoint of the region.",
     .example = "\"http://127.0.0.1:9324\""},
    {AT(aws, profile, SETTING_STRING), RESTART, .string = "", .check = config_is_profile,
     .allowed = "a profile's name of at most 255 bytes without control characters, or \"\"",
     .doc = "profile in AWS's files; \"\": AWS_PROFILE, or \"default\"",
     .text = "The profile to use in AWS's credentials and config files. When it is empty, the "
             "daemons take AWS_PROFILE, or \"default\".",
     .example = "\"default\""},
    {AT(aws, ca_bundle, SETTING_STRING), NEXT, .string = "",
     .check = config_is_absolute_path_or_empty, .allowed = "an absolute path, or \"\"",
     .doc = "file of CA certificates; \"\": AWS_CA_BUNDLE, or the system's",
     .text =
         "A PEM file with the certificate authorities to trust in requests to AWS. When it is "
         "empty, the daemons take AWS_CA_BUNDLE, the profile's ca_bundle, or the system's file.",
     .example = "\"/etc/ssl/certs/ca-certificates.crt\""},
    {AT(aws, use_fips_endpoint, SETTING_BOOL), RESTART, .doc = "send to the region's FIPS endpoint",
     .text = "Use the region's FIPS 140 endpoint."},
    {AT(aws, use_dualstack_endpoint, SETTING_BOOL), RESTART,
     .doc = "send to the region's dual-stack endpoint (IPv6 and IPv4)",
     .text = "Use the region's dual-stack endpoint (IPv6 and IPv4)."},
    {USEC_AT(aws, connect_timeout, SETTING_DURATION), NEXT, .unit = " seconds", .min = MSEC(100),
     .max = SEC(60), .value = SEC(5), .doc = "seconds until a connection must be established",
     .text =
         "The time in which a connection must be established: name look-up, TCP and TLS together. "
         "When that was not enough, the next attempt has twice as long, up to 60 seconds."},
    {USEC_AT(aws, request_timeout, SETTING_DURATION), NEXT, .unit = " seconds", .min = MSEC(100),
     .max = SEC(300), .value = SEC(10),
     .doc = "seconds until a request must be answered, beyond the time it is asked to wait",
     .text = "The time in which some byte of a request or of its reply must get through, beyond "
             "the time that a receive waits for messages. A request whose bytes get through slowly "
             "is cancelled after five minutes, or after twice this time if that is more."},
    {AT(log, target, SETTING_CHOICE), RESTART, .choices = log_targets, .value = LOG_TARGET_AUTO,
     .doc = "where log lines go; auto: to the journal under systemd, else to standard error",
     .text = "Where log lines go. \"auto\" is the journal under systemd, and standard error "
             "elsewhere. Where there is no journal, they go to standard error."},
    {AT(log, format, SETTING_CHOICE), RESTART, .choices = log_formats, .value = LOG_FORMAT_TEXT,
     .doc = "how lines on standard error look; no effect on the journal",
     .text =
         "How lines on standard error look. With \"json\" each line is one JSON object with the "
         "journal's fields (MESSAGE, PRIORITY, SQS_MESSAGE_ID and so on) and __REALTIME_TIMESTAMP; "
         "all values are strings. With \"text\" the line of a rejected message is such an object "
         "if the body is too long for a line (at most 4,096 bytes). It has no effect on the "
         "journal, which has the fields anyway."},
    {AT(log, level, SETTING_CHOICE), NOW, .choices = log_levels, .value = LOG_INFO,
     .doc = "the least important level that is logged",
     .text = "The least important lines to log. \"info\" has lines about each message; \"notice\" "
             "has none, but one a minute with their counts. The standard output of "
             "consumer.command is logged at level info, so it does not appear with \"notice\"."},
    {AT(producer, source, SETTING_CHOICE), RESTART, .choices = sources, .value = CONFIG_SOURCE_DEMO,
     .doc = "where the messages come from: made for the demo, or submitted at submit_socket",
     .text = "Where the messages come from. With \"demo\" the producer makes them. With \"spool\" "
             "programs submit them with `sqs-producerd --submit` or at submit_socket, and the "
             "producer keeps them on disk until SQS has accepted them; then messages_to_send, "
             "send_interval, start_delay and groups have no effect."},
    {AT(producer, submit_socket, SETTING_STRING), RESTART, .is_own = true,
     .string = CONFIG_SUBMIT_SOCKET, .check = config_is_socket_path,
     .allowed = "the absolute path of a socket, of at most 107 bytes",
     .doc = "where programs submit messages for the spool",
     .text = "The Unix socket where programs submit messages for the spool, and where --submit and "
             "--rejected look for the daemon. Under systemd, sqs-producerd.socket makes the "
             "socket: change the path there as well. For an instance this counts only in its own "
             "file, and the default is \"/run/sqs-producerd/NAME.socket\"."},
    {AT(producer, spool_max_messages, SETTING_COUNT), NEXT, .unit = "", .min = 1, .max = 100000000,
     .value = 100000, .doc = "messages that the spool holds at most, rejected ones counted",
     .text = "The most messages that the spool holds, rejected ones included. When it is full, "
             "programs that submit messages get an error, and no message is lost."},
    {AT(producer, spool_max_bytes, SETTING_COUNT), NEXT, .unit = " bytes", .min = 1048576,
     .max = UINT64_C(1) << 40, .value = 1073741824,
     .doc = "bytes of messages that the spool holds at most, rejected ones counted",
     .text = "The most bytes of bodies and attributes that the spool holds. The file on disk is "
             "somewhat larger."},
    {USEC_AT(producer, start_delay, SETTING_DURATION), RESTART, .unit = " seconds",
     .max = SEC(86400), DEMO(MSEC(500)), .doc = "seconds before the first message",
     .text = "The time to wait before the first message."},
    {AT(producer, messages_to_send, SETTING_COUNT), NEXT, .unit = "",
     .max = UINT64_C(1000000000000), DEMO(100),
     .doc = "messages to send before ending; 0: for ever",
     .text = "Messages to send before the daemon ends; 0 means to send for ever."},
    {USEC_AT(producer, send_interval, SETTING_DURATION), NEXT, .unit = " seconds",
     .max = SEC(86400), DEMO(MSEC(500)), .doc = "seconds from one message to the next",
     .text = "The time from one message to the next."},
    {AT(producer, message_group_id, SETTING_STRING), RESTART, .string = "test",
     .check = config_is_message_group_id,
     .allowed = "1 to 128 letters, digits and punctuation, without spaces",
     .doc = "group of the messages, on a FIFO queue",
     .text = "The message group of all messages, on a FIFO queue. With source \"spool\" it is the "
             "group of messages that name none."},
    {AT(producer, groups, SETTING_SMALL_COUNT), RESTART, .unit = "", .min = 1, .max = 10000,
     .value = 1,
     .doc = "groups to spread the messages over; above 1 each is named by a number, too",
     .text = "The number of message groups that take turns, on a FIFO queue. Above 1 they are "
             "named \"<message_group_id>-0\", \"<message_group_id>-1\" and so on."},
    {AT(producer, max_connections, SETTING_SMALL_COUNT), NOW, .unit = "", .min = 1, .max = 64,
     .value = 1, .doc = "requests in flight at once",
     .text =
         "Requests in flight at once. On a FIFO queue they carry messages of different groups."},
    {AT(producer, batch_size, SETTING_SMALL_COUNT), NEXT, .unit = "", .min = 1, .max = 10,
     .value = 1, .doc = "messages that one request may carry",
     .text = "The most messages in one request. Together they have at most 1 MiB."},
    {USEC_AT(producer, batch_linger, SETTING_DURATION), NEXT, .unit = " seconds", .max = SEC(60),
     .doc = "seconds that a batch waits to be filled",
     .text = "The time for which a batch waits for more messages after its first one. With 0 it "
             "takes the messages that are there."},
    {AT(producer, order, SETTING_CHOICE), RESTART, .choices = orders, .value = CONFIG_ORDER_STRICT,
     .doc = "what may be in flight of one group at once: one message, or one batch",
     .text = "What may be in flight of one message group at once, on a FIFO queue. \"strict\": one "
             "message, so that a message is sent only after SQS has accepted the one before it. "
             "\"batch\": one batch, with several messages of the group in order; when SQS refuses "
             "one of them for the moment and accepts a later one, the refused one is sent again "
             "and ends up behind the later one."},
    {AT(producer, rate_limit, SETTING_COUNT), NOW, .unit = "", .max = 1000000,
     .doc = "messages to send in a second at most; 0: no limit",
     .text = "The most messages to send in a second, retries included; 0 means no limit."},
    {USEC_AT(producer, stop_timeout, SETTING_DURATION), NOW, .unit = " seconds", .max = SEC(3600),
     .value = SEC(30), .doc = "seconds that a stop may take",
     .text = "The time that a stop may take. Until then the producer goes on sending the messages "
             "that it has taken from the source. When some are left, the log tells how many, and "
             "the exit status is 1."},
    {AT(producer, metrics_listen, SETTING_STRING), NOW, .is_own = true, .string = "",
     .check = config_is_metrics_address_or_empty,
     .allowed = "an IP address with a port, such as \"127.0.0.1:9464\" or \"[::1]:9464\", "
                "\"unix:/PATH\", or \"\"",
     .doc = "where metrics and health are served by HTTP; \"\": nowhere",
     .text = "Where Prometheus may read metrics (/metrics), and others the health (/healthz: 200, "
             "or 503 with the reason), by HTTP: an IP address with a port, or \"unix:/PATH\" in a "
             "folder where the daemon may write; a service needs RuntimeDirectory= for one that "
             "others reach. Everybody who reaches the address may read them. A request under "
             "another name than an IP address or localhost gets status 403. When the address is in "
             "use, messages flow without metrics, and it is tried again each minute. For an "
             "instance this counts only in its own file.",
     .example = "\"127.0.0.1:9464\""},
    {AT(consumer, handler, SETTING_CHOICE), RESTART, .choices = handlers,
     .value = CONFIG_HANDLER_JOURNAL,
     .doc = "what is done with a message: logged, passed to command, or posted to url",
     .text =
         "What is done with a message. \"journal\": it is written to the log, at level info, with "
         "at most 1024 bytes of its body. \"exec\": the program of `command` is run for it. "
         "\"http\": it is posted to `url`. sqs-consumerd(8) describes what a program and an "
         "application get, and what they must answer."},
    {AT(consumer, command, SETTING_STRINGS), NEXT, .strings_max = CONFIG_COMMAND_MAX_WORDS,
     .check = config_is_word,
     .allowed = "an array of at most 64 texts without control characters, [\"/path/of/program\", "
                "\"argument\"]",
     .doc = "program that handles a message, and its arguments, for handler exec",
     .text = "For handler \"exec\": the program that handles a message, and its arguments. The "
             "program is a path, or a name that is looked up in PATH; no shell is used. It gets "
             "the body as standard input, and its exit status decides: 0, the message is done; 75, "
             "it comes back after retry_delay; 65, it is rejected; any other, it comes back after "
             "a delay that grows with each receive.",
     .example = "[\"/usr/local/bin/handle-message\", \"--verbose\"]"},
    {AT(consumer, url, SETTING_STRING), NEXT, .is_url = true, .string = "",
     .check = config_is_handler_url_or_empty,
     .allowed = URL_ALLOWED ", unix:/PATH, unix:/PATH:/URI, or \"\"",
     .doc = "where messages are posted to, for handler http",
     .text = "For handler \"http\": the application that messages are posted to. The daemon's user "
             "must be allowed to connect to a Unix socket, and the service sees no socket in /tmp "
             "or /home. Only status 200 means done; with any other one, or without an answer, the "
             "message comes back after a delay that grows with each receive.",
     .example = "\"http://127.0.0.1:8080/messages\""},
    {AT(consumer, content_type, SETTING_STRING), NEXT, .string = "application/json",
     .check = config_is_content_type, .allowed = "a media type such as \"application/json\"",
     .doc = "Content-Type of posted bodies, for handler http",
     .text = "For handler \"http\": the Content-Type of posted bodies."},
    {USEC_AT(consumer, timeout, SETTING_DURATION), NEXT, .unit = " seconds", .min = MSEC(100),
     .max = SEC(43200), .value = SEC(300),
     .doc = "seconds that the handling of a message may take, for handlers exec and http",
     .text = "For handlers \"exec\" and \"http\": the time that the handling of a message may "
             "take. Handling that takes longer is cancelled, and the message comes back."},
    {AT(consumer, ledger_max_messages, SETTING_COUNT), NEXT, .zero_needs_restart = true, .unit = "",
     .max = 10000000, .value = 100000,
     .doc = "handled messages that the ledger remembers, at most; 0: none",
     .text = "For handlers \"exec\" and \"http\": how many handled messages the ledger remembers, "
             "at most. The ledger is a file with the ids of messages that were handled and perhaps "
             "not deleted, so that they are not handled again when they come back; if there is "
             "space, it also has those that were deleted in the last 5 minutes. 0 means no ledger, "
             "and saves the writing; a change from 0 or to 0 needs a restart."},
    {USEC_AT(consumer, ledger_max_age, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .min = SEC(60), .max = SEC(1209600), .value = SEC(1209600),
     .doc = "whole seconds for which the ledger remembers a message, at most",
     .text = "The time for which the ledger remembers a message, at most. The default is 14 days, "
             "the longest time that SQS keeps a message."},
    {USEC_AT(consumer, start_delay, SETTING_DURATION), RESTART, .unit = " seconds",
     .max = SEC(86400), DEMO(SEC(2)), .doc = "seconds before the first receive",
     .text = "The time to wait before the first receive."},
    {USEC_AT(consumer, wait_time, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds", .max = SEC(20),
     .value = SEC(15), .doc = "whole seconds that a receive waits for a message; 0: not at all",
     .text = "The time that a receive waits for messages; 0 means not at all. It is shortened when "
             "necessary: to half of the visibility timeout, and to the time that a stop can wait "
             "for a receive (stop_timeout less 2 s, and less another 6 s or a quarter of "
             "stop_timeout, whichever is smaller)."},
    {AT(consumer, max_messages, SETTING_SMALL_COUNT), NEXT, .unit = "", .min = 1, .max = 10,
     .value = 1, .doc = "messages that one receive may bring",
     .text =
         "Messages that one receive may bring. Messages that cannot be handled yet wait, and stay "
         "hidden from other consumers. On a FIFO queue with a dead-letter queue leave it at 1: a "
         "message that fails takes those behind it in its group back to the queue, SQS counts "
         "their next receive too, and they may reach maxReceiveCount without having been handled."},
    {AT(consumer, receivers, SETTING_SMALL_COUNT), NOW, .unit = "", .min = 1, .max = 32, .value = 1,
     .doc = "receives under way at once, at most",
     .text =
         "Receives under way at once, at most. The daemon asks only for as many messages as can be "
         "handled. AWS bills each receive, so an idle queue has one receive at a time: the number "
         "doubles when a receive comes back full, and halves when one comes back empty."},
    {AT(consumer, receive_memory, SETTING_COUNT), NEXT, .unit = " bytes", .min = 16777216,
     .max = UINT64_C(1) << 40, .value = 134217728,
     .doc = "bytes of memory for replies that are being received and messages in flight",
     .text = "Memory for received messages: half of it for replies that are being received, the "
             "other half for messages in flight and for those that were asked for. When it is used "
             "up, the daemon asks for fewer messages or none; one reply may exceed it. The program "
             "itself needs about 15 MB more."},
    {AT(consumer, concurrency, SETTING_SMALL_COUNT), NOW, .unit = "", .min = 1, .max = 1000,
     .value = 1, .doc = "messages handled at once, at most; on a FIFO queue one of each group",
     .text = "Messages handled at once; also the number of messages in memory, or max_messages if "
             "that is more. On a FIFO queue the messages of a group are handled one by one, and "
             "different groups at the same time; messages that wait for their group are in memory, "
             "too, at most concurrency times max_messages."},
    {USEC_AT(consumer, visibility_timeout, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .max = SEC(43200),
     .doc = "whole seconds of a message's lease, which is renewed; 0: the queue's",
     .text = "The time for which a received message is hidden from other consumers; 0 means the "
             "queue's own visibility timeout. The daemon renews it until the message is deleted or "
             "released, for 12 hours at most."},
    {USEC_AT(consumer, delete_linger, SETTING_DURATION), NEXT, .unit = " seconds", .max = SEC(5),
     .doc = "seconds that a delete waits for others to share its request",
     .text = "The time that a delete waits for others to share its request. With 0 it is sent at "
             "once, together with those that are ready at the same moment."},
    {USEC_AT(consumer, retry_delay, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .max = SEC(43200), .value = SEC(5),
     .doc = "whole seconds before a message that failed comes back; doubled with each receive",
     .text = "The time before a message that failed comes back. It doubles with each further "
             "receive. On a FIFO queue the rest of its group waits with it."},
    {USEC_AT(consumer, retry_delay_max, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .max = SEC(43200), .value = SEC(900), .doc = "the most that retry_delay grows to",
     .text = "The longest time that retry_delay grows to."},
    {USEC_AT(consumer, receive_interval, SETTING_DURATION), NEXT, .unit = " seconds",
     .max = SEC(86400), DEMO(MSEC(500)), .doc = "seconds of pause after a receive",
     .text = "The time to pause after a receive."},
    {AT(consumer, exit_after_empty_receives, SETTING_COUNT), NEXT, .unit = "",
     .max = UINT64_C(1000000000), DEMO(10),
     .doc = "empty receives in a row before ending; 0: never end",
     .text =
         "The daemon ends after this number of empty receives in a row; 0 means never. Receives do "
         "not count if they began while a message was in flight or waited for its retry_delay."},
    {USEC_AT(consumer, stop_timeout, SETTING_DURATION), NOW, .unit = " seconds", .max = SEC(3600),
     .value = SEC(30), .doc = "seconds that a stop may take",
     .text = "The time that a stop may take to finish the messages in flight. When that is too "
             "short, the exit status is 1."},
    {AT(consumer, metrics_listen, SETTING_STRING), NOW, .is_own = true, .string = "",
     .check = config_is_metrics_address_or_empty,
     .allowed = "an IP address with a port, such as \"127.0.0.1:9465\" or \"[::1]:9465\", "
                "\"unix:/PATH\", or \"\"",
     .doc = "where metrics and health are served by HTTP; \"\": nowhere",
     .text = "As producer.metrics_listen, at another address.", .example = "\"127.0.0.1:9465\""},
};

const size_t config_n_settings = ARRAY_SIZE(config_settings);

static_assert(ARRAY_SIZE(config_settings) <= CONFIG_SETTINGS_MAX,
              "more settings than CONFIG_SETTINGS_MAX");

const struct setting *config_find_setting(const char *group, const char *name)
{
    for (size_t i = 0; i < config_n_settings; i++)
        if (streq(config_settings[i].group, group) && streq(config_settings[i].name, name))
            return config_settings + i;
    return NULL;
}

bool config_is_group(const char *name)
{
    for (size_t i = 0; i < config_n_settings; i++)
        if (streq(config_settings[i].group, name))
            return true;
    return false;
}

uint64_t config_number(const struct config *config, const struct setting *s)
{
    const void *at = config_field(config, s);

    if (s->kind == SETTING_CHOICE)
        return (uint64_t) * (const int *)at;
    if (s->kind == SETTING_BOOL)
        return *(const bool *)at;
    if (s->kind == SETTING_SMALL_COUNT)
        return *(const unsigned *)at;
    return *(const uint64_t *)at;
}

static bool is_submit_socket(const struct setting *s)
{
    return s->offset == offsetof(struct config, producer.submit_socket);
}

bool config_default_depends(const struct setting *s)
{
    return s->has_demo_value || s->is_own;
}

uint64_t config_default_number(const struct config *config, const struct setting *s)
{
    bool is_demo = streq(s->group, "producer") ? config->producer.source == CONFIG_SOURCE_DEMO
                                               : config->consumer.handler == CONFIG_HANDLER_JOURNAL;

    return s->has_demo_value && is_demo ? s->demo_value : s->value;
}

struct config_text config_default_text(const struct config *config, const struct setting *s)
{
    struct config_text t;

    snprintf(t.text, sizeof(t.text), "%s",
             is_submit_socket(s) ? instance_submit_socket(config->instance).text
             : s->string         ? s->string
                                 : "");
    return t;
}
