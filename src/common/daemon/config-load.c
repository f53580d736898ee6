/* SPDX-License-Identifier: MIT */
#include "daemon/config-load.h"

#include <unistd.h>

#include "daemon/config-override.h"
#include "daemon/config-reader.h"
#include "util/encode.h"
#include "util/error-line.h"
#include "util/file.h"

extern char **environ;

static const char standard_input_name[] = "standard input";

void config_sources_done(struct config_sources *sources)
{
    free(sources->instance_path);
    secret_free(sources->standard_input);
    *sources = (struct config_sources){};
}

/* ---- Files ---- */

/* Returns CONFIG_E_UNREADABLE, or the errno of a shortage, which is no fault of the file.
 * `instance`: the file is that of an instance; else NULL. */
static int cannot_read(const char *path, int r, const char *instance, char **error)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);

    buffer_append_string(&b, "cannot read ");
    escape_for_log(&b, path, strlen(path), CONFIG_PLACE_MAX_BYTES);
    if (r == -E2BIG)
        buffer_printf(&b, ": larger than %d KiB", CONFIG_FILE_MAX_BYTES / 1024);
    else
        buffer_printf(&b, ": %s", file_error_text(r));
    if (r == -ENOENT && instance)
        buffer_printf(&b,
                      "; write this file for the instance %s, with its queue at least: "
                      "aws: { queue_url = \"https://...\"; };",
                      instance);
    else if (r == -ENOENT && streq(path, CONFIG_PATH))
        buffer_append_string(&b,
                             "; install sqs-demo.conf there, name another with --config=PATH, or "
                             "set the queue in SQS_DEMO_AWS_QUEUE_URL");
    else if (r == -ENOENT)
        buffer_append_string(&b, "; name the configuration with --config=PATH or install "
                                 "sqs-demo.conf as " CONFIG_PATH);
    else if (r == -EACCES)
        buffer_append_string(&b,
                             "; make it and its folders readable for this user, or name another "
                             "with --config=PATH");
    return error_line_take(errno_is_transient(r) ? r : CONFIG_E_UNREADABLE, error, &b);
}

static int load_file(struct config *config, const char *path, const char *instance, char **error)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONFIG_FILE_MAX_BYTES);
    int r = file_read(path, CONFIG_FILE_MAX_BYTES, &text);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return cannot_read(path, r, instance, error);
    return config_add_file(config, path, buffer_string(&text), text.size, error);
}

/* Reads one byte more than a configuration may have, which is then refused as too large. */
static int read_standard_input(struct buffer *text)
{
    while (text->size < CONFIG_FILE_MAX_BYTES) {
        ssize_t n;

        if (buffer_reserve(text, CONFIG_FILE_MAX_BYTES + 1 - text->size) < 0)
            return text->error;
        n = TEMP_FAILURE_RETRY(
            read(STDIN_FILENO, text->data + text->size, CONFIG_FILE_MAX_BYTES + 1 - text->size));
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        text->size += (size_t)n;
        text->data[text->size] = '\0';
    }
    return text->size > CONFIG_FILE_MAX_BYTES ? -E2BIG : 0;
}

static int load_standard_input(struct config_sources *sources, struct config *config, char **error)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONFIG_FILE_MAX_BYTES + 1);
    int r;

    if (!sources->standard_input) {
        r = read_standard_input(&text);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            return cannot_read(standard_input_name, r, NULL, error);
        r = config_add_file(config, standard_input_name, buffer_string(&text), text.size, error);
        if (r != 0)
            return r;
        sources->standard_input = strdup(buffer_string(&text));
        return sources->standard_input ? 0 : -ENOMEM;
    }
    return config_add_file(config, standard_input_name, sources->standard_input,
                           strlen(sources->standard_input), error);
}

/* CONFIG_PATH, where the command line names no file. */
static int load_default(struct config_sources *sources, struct config *config, char **error)
{
    bool may_lack = !sources->is_loaded || sources->may_lack_default;

    sources->lacks_default = may_lack && access(CONFIG_PATH, F_OK) < 0 && errno == ENOENT;
    return sources->lacks_default ? 0 : load_file(config, CONFIG_PATH, NULL, error);
}

/* An instance's file is NAME.conf in the folder beside the file before it: /etc/sqs-demo.d beside
 * /etc/sqs-demo.conf. */
static int set_instance_path(struct config_sources *sources)
{
    static const char suffix[] = ".conf";
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_PLACE_MAX_BYTES);
    const char *base = sources->n_files > 0 ? sources->files[sources->n_files - 1] : "-";
    size_t size, suffix_size = strlen(suffix);

    base = streq(base, "-") ? CONFIG_PATH : base;
    size = strlen(base);
    if (size > suffix_size && streq(base + size - suffix_size, suffix))
        size -= suffix_size;
    buffer_append(&b, base, size);
    buffer_printf(&b, ".d/%s%s", sources->instance, suffix);
    free(sources->instance_path);
    sources->instance_path = buffer_take(&b);
    return sources->instance_path ? 0 : -ENOMEM;
}

static int load_files(struct config_sources *sources, struct config *config, const char **path,
                      char **error)
{
    int r = 0;

    *path = CONFIG_PATH;
    if (sources->n_files == 0)
        r = load_default(sources, config, error);
    for (size_t i = 0; i < sources->n_files && r == 0; i++) {
        *path = sources->files[i];
        r = streq(*path, "-") ? load_standard_input(sources, config, error)
                              : load_file(config, *path, NULL, error);
    }
    if (r != 0 || !sources->instance)
        return r;
    r = set_instance_path(sources);
    if (r < 0)
        return r;
    *path = sources->instance_path;
    return load_file(config, *path, sources->instance, error);
}

/* ---- All places ---- */

/* What stands above the files. */
static int load_overrides(const struct config_sources *sources, struct config *config, char **error)
{
    int r = config_add_environment(config, environ, error);

    for (size_t i = 0; i < sources->n_sets && r == 0; i++)
        r = config_add_set(config, sources->sets[i], error);
    return r;
}

static int load(struct config_sources *sources, struct config *config, const char **path,
                char **error)
{
    const char *last;
    int r = load_files(sources, config, path, error);

    if (r != 0)
        return r;
    last = TAKE(*path);
    r = load_overrides(sources, config, error);
    if (r != 0)
        return r;
    if (sources->needs_no_queue)
        return config_settle_defaults(config);
    *path = last;
    return sources->lacks_default && !config_has_required(config)
               ? cannot_read(CONFIG_PATH, -ENOENT, NULL, error)
               : config_finish(config, error);
}

int config_load(struct config_sources *sources, struct config **ret, const char **ret_path,
                char **error)
{
    CLEANUP(config_free) struct config *config = NULL;
    const char *path = NULL;
    int r = config_new(&config);

    if (r < 0)
        return r;
    config->instance = sources->instance;
    r = load(sources, config, &path, error);
    if (r == 0) {
        if (!sources->is_loaded)
            sources->may_lack_default = sources->lacks_default;
        sources->is_loaded = true;
        *ret = TAKE(config);
    } else if (ret_path) {
        *ret_path = path;
    }
    return r;
}
