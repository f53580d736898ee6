/* SPDX-License-Identifier: MIT */
/* The configuration file, and settings of the command line. What is shown of a configuration must
 * be a configuration, and the same. */
#include "daemon/config-override.h"
#include "daemon/config-reload.h"

#include "fuzz.h"

static void check_shown(const struct config *config)
{
    CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(CONFIG_FILE_MAX_BYTES);
    struct config *same = NULL;
    struct config_change change;
    char *error = NULL;
    size_t at = 0;

    assert(config_format(config, &shown) == 0);
    assert(utf8_is_valid(shown.data, shown.size));
    assert(config_parse("shown", shown.data, shown.size, &same, &error) == 0);
    assert(!config_next_change(config, same, &at, &change));
    assert(streq(config->aws.queue_url, same->aws.queue_url));
    assert(streq(config->aws.profile, same->aws.profile));
    assert(streq(config->producer.message_group_id, same->producer.message_group_id));
    assert(config->producer.send_interval_usec == same->producer.send_interval_usec);
    assert(config->consumer.wait_time_usec == same->consumer.wait_time_usec);
    config_free(same);
}

/* The same bytes as a setting of the command line, and as the value of several kinds of
 * settings. */
static void check_set(const char *name, const char *text)
{
    CLEANUP(buffer_done) struct buffer assignment = BUFFER_INIT(4 * CONFIG_FILE_MAX_BYTES);
    struct config *config = NULL;
    char *error = NULL;
    int r;

    buffer_append_string(&assignment, name);
    buffer_append_string(&assignment, text);
    assert(assignment.error == 0 && config_new(&config) == 0);
    r = config_add_set(config, buffer_string(&assignment), &error);
    assert(r == 0 || r == CONFIG_E_INVALID);
    assert((r == 0) == (error == NULL));
    if (error)
        fuzz_check_line(error);
    config_free(config);
    free(error);
}

FUZZ
{
    static const char *const names[] = {
        "", "aws.profile=", "producer.batch_size=", "producer.send_interval=", "consumer.command=",
    };
    struct config *config = NULL;
    char *error = NULL, *text = fuzz_string(data, size);
    int r = config_parse("file", data, size, &config, &error);

    assert(r == 0 || r == CONFIG_E_INVALID);
    assert((r == 0) == (config != NULL) && (r == 0) == (error == NULL));
    if (config)
        check_shown(config);
    else
        fuzz_check_line(error);
    config_free(config);
    free(error);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        check_set(names[i], text);
    free(text);
}
