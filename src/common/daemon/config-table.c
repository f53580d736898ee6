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
     .doc = "region of the queue; \"\": from the environment, the profile or the queue URL"},
    {AT(aws, queue_url, SETTING_STRING), RESTART, .is_url = true, .check = config_is_url,
     .allowed = URL_ALLOWED,
     .doc = "URL of the queue, required; a name that ends in .fifo means a FIFO queue"},
    {AT(aws, endpoint_url, SETTING_STRING), RESTART, .is_url = true, .string = "",
     .check = config_is_url_or_empty, .allowed = URL_ALLOWED ", or \"\"",
     .doc = "where to send requests; \"\": to the region's endpoint"},
    {AT(aws, profile, SETTING_STRING), RESTART, .string = "", .check = config_is_profile,
     .allowed = "a profile's name of at most 255 bytes without control characters, or \"\"",
     .doc = "profile in AWS's files; \"\": AWS_PROFILE, or \"default\""},
    {AT(aws, ca_bundle, SETTING_STRING), NEXT, .string = "",
     .check = config_is_absolute_path_or_empty, .allowed = "an absolute path, or \"\"",
     .doc = "file of CA certificates; \"\": AWS_CA_BUNDLE, or the system's"},
    {AT(aws, use_fips_endpoint, SETTING_BOOL), RESTART,
     .doc = "send to the region's FIPS endpoint"},
    {AT(aws, use_dualstack_endpoint, SETTING_BOOL), RESTART,
     .doc = "send to the region's dual-stack endpoint (IPv6 and IPv4)"},
    {USEC_AT(aws, connect_timeout, SETTING_DURATION), NEXT, .unit = " seconds", .min = MSEC(100),
     .max = SEC(60), .value = SEC(5), .doc = "seconds until a connection must be established"},
    {USEC_AT(aws, request_timeout, SETTING_DURATION), NEXT, .unit = " seconds", .min = MSEC(100),
     .max = SEC(300), .value = SEC(10),
     .doc = "seconds until a request must be answered, beyond the time it is asked to wait"},
    {AT(log, target, SETTING_CHOICE), RESTART, .choices = log_targets, .value = LOG_TARGET_AUTO,
     .doc = "where log lines go; auto: to the journal under systemd, else to standard error"},
    {AT(log, format, SETTING_CHOICE), RESTART, .choices = log_formats, .value = LOG_FORMAT_TEXT,
     .doc = "how lines on standard error look; no effect on the journal"},
    {AT(log, level, SETTING_CHOICE), NOW, .choices = log_levels, .value = LOG_INFO,
     .doc = "the least important level that is logged"},
    {AT(producer, source, SETTING_CHOICE), RESTART, .choices = sources, .value = CONFIG_SOURCE_DEMO,
     .doc = "where the messages come from: made for the demo, or submitted at submit_socket"},
    {AT(producer, submit_socket, SETTING_STRING), RESTART, .string = CONFIG_SUBMIT_SOCKET,
     .check = config_is_socket_path,
     .allowed = "the absolute path of a socket, of at most 107 bytes",
     .doc = "where programs submit messages for the spool"},
    {AT(producer, spool_max_messages, SETTING_COUNT), NEXT, .unit = "", .min = 1, .max = 100000000,
     .value = 100000, .doc = "messages that the spool holds at most, rejected ones counted"},
    {AT(producer, spool_max_bytes, SETTING_COUNT), NEXT, .unit = " bytes", .min = 1048576,
     .max = UINT64_C(1) << 40, .value = 1073741824,
     .doc = "bytes of messages that the spool holds at most, rejected ones counted"},
    {USEC_AT(producer, start_delay, SETTING_DURATION), RESTART, .unit = " seconds",
     .max = SEC(86400), DEMO(MSEC(500)), .doc = "seconds before the first message"},
    {AT(producer, messages_to_send, SETTING_COUNT), NEXT, .unit = "",
     .max = UINT64_C(1000000000000), DEMO(100),
     .doc = "messages to send before ending; 0: for ever"},
    {USEC_AT(producer, send_interval, SETTING_DURATION), NEXT, .unit = " seconds",
     .max = SEC(86400), DEMO(MSEC(500)), .doc = "seconds from one message to the next"},
    {AT(producer, message_group_id, SETTING_STRING), RESTART, .string = "test",
     .check = config_is_message_group_id,
     .allowed = "1 to 128 letters, digits and punctuation, without spaces",
     .doc = "group of the messages, on a FIFO queue"},
    {AT(producer, groups, SETTING_SMALL_COUNT), RESTART, .unit = "", .min = 1, .max = 10000,
     .value = 1,
     .doc = "groups to spread the messages over; above 1 each is named by a number, too"},
    {AT(producer, max_connections, SETTING_SMALL_COUNT), NOW, .unit = "", .min = 1, .max = 64,
     .value = 1, .doc = "requests in flight at once"},
    {AT(producer, batch_size, SETTING_SMALL_COUNT), NEXT, .unit = "", .min = 1, .max = 10,
     .value = 1, .doc = "messages that one request may carry"},
    {USEC_AT(producer, batch_linger, SETTING_DURATION), NEXT, .unit = " seconds", .max = SEC(60),
     .doc = "seconds that a batch waits to be filled"},
    {AT(producer, order, SETTING_CHOICE), RESTART, .choices = orders, .value = CONFIG_ORDER_STRICT,
     .doc = "what may be in flight of one group at once: one message, or one batch"},
    {AT(producer, rate_limit, SETTING_COUNT), NOW, .unit = "", .max = 1000000,
     .doc = "messages to send in a second at most; 0: no limit"},
    {USEC_AT(producer, stop_timeout, SETTING_DURATION), NOW, .unit = " seconds", .max = SEC(3600),
     .value = SEC(30), .doc = "seconds that a stop may take"},
    {AT(consumer, handler, SETTING_CHOICE), RESTART, .choices = handlers,
     .value = CONFIG_HANDLER_JOURNAL,
     .doc = "what is done with a message: logged, passed to command, or posted to url"},
    {AT(consumer, command, SETTING_STRINGS), NEXT, .strings_max = CONFIG_COMMAND_MAX_WORDS,
     .check = config_is_word,
     .allowed = "an array of at most 64 texts without control characters, [\"/path/of/program\", "
                "\"argument\"]",
     .doc = "program that handles a message, and its arguments, for handler exec"},
    {AT(consumer, url, SETTING_STRING), NEXT, .is_url = true, .string = "",
     .check = config_is_handler_url_or_empty,
     .allowed = URL_ALLOWED ", unix:/PATH, unix:/PATH:/URI, or \"\"",
     .doc = "where messages are posted to, for handler http"},
    {AT(consumer, content_type, SETTING_STRING), NEXT, .string = "application/json",
     .check = config_is_content_type, .allowed = "a media type such as \"application/json\"",
     .doc = "Content-Type of posted bodies, for handler http"},
    {USEC_AT(consumer, timeout, SETTING_DURATION), NEXT, .unit = " seconds", .min = MSEC(100),
     .max = SEC(43200), .value = SEC(300),
     .doc = "seconds that the handling of a message may take, for handlers exec and http"},
    {AT(consumer, ledger_max_messages, SETTING_COUNT), NEXT, .zero_needs_restart = true, .unit = "",
     .max = 10000000, .value = 100000,
     .doc = "handled messages that the ledger remembers, at most; 0: none"},
    {USEC_AT(consumer, ledger_max_age, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .min = SEC(60), .max = SEC(1209600), .value = SEC(1209600),
     .doc = "whole seconds for which the ledger remembers a message, at most"},
    {USEC_AT(consumer, start_delay, SETTING_DURATION), RESTART, .unit = " seconds",
     .max = SEC(86400), DEMO(SEC(2)), .doc = "seconds before the first receive"},
    {USEC_AT(consumer, wait_time, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds", .max = SEC(20),
     .value = SEC(15), .doc = "whole seconds that a receive waits for a message; 0: not at all"},
    {AT(consumer, max_messages, SETTING_SMALL_COUNT), NEXT, .unit = "", .min = 1, .max = 10,
     .value = 1, .doc = "messages that one receive may bring"},
    {AT(consumer, receivers, SETTING_SMALL_COUNT), NOW, .unit = "", .min = 1, .max = 32, .value = 1,
     .doc = "receives under way at once, at most"},
    {AT(consumer, receive_memory, SETTING_COUNT), NEXT, .unit = " bytes", .min = 16777216,
     .max = UINT64_C(1) << 40, .value = 134217728,
     .doc = "bytes of memory for replies that are being received and messages in flight"},
    {AT(consumer, concurrency, SETTING_SMALL_COUNT), NOW, .unit = "", .min = 1, .max = 1000,
     .value = 1, .doc = "messages handled at once, at most; on a FIFO queue one of each group"},
    {USEC_AT(consumer, visibility_timeout, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .max = SEC(43200),
     .doc = "whole seconds of a message's lease, which is renewed; 0: the queue's"},
    {USEC_AT(consumer, delete_linger, SETTING_DURATION), NEXT, .unit = " seconds", .max = SEC(5),
     .doc = "seconds that a delete waits for others to share its request"},
    {USEC_AT(consumer, retry_delay, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .max = SEC(43200), .value = SEC(5),
     .doc = "whole seconds before a message that failed comes back; doubled with each receive"},
    {USEC_AT(consumer, retry_delay_max, SETTING_WHOLE_SECONDS), NEXT, .unit = " seconds",
     .max = SEC(43200), .value = SEC(900), .doc = "the most that retry_delay grows to"},
    {USEC_AT(consumer, receive_interval, SETTING_DURATION), NEXT, .unit = " seconds",
     .max = SEC(86400), DEMO(MSEC(500)), .doc = "seconds of pause after a receive"},
    {AT(consumer, exit_after_empty_receives, SETTING_COUNT), NEXT, .unit = "",
     .max = UINT64_C(1000000000), DEMO(10),
     .doc = "empty receives in a row before ending; 0: never end"},
    {USEC_AT(consumer, stop_timeout, SETTING_DURATION), NOW, .unit = " seconds", .max = SEC(3600),
     .value = SEC(30), .doc = "seconds that a stop may take"},
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
    return s->has_demo_value || is_submit_socket(s);
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
