/* SPDX-License-Identifier: MIT */
#include "daemon/config-load.h"

#include "daemon/config-reader.h"
#include "util/encode.h"
#include "util/file.h"

void config_sources_done(struct config_sources *sources)
{
    *sources = (struct config_sources){};
}

const char *config_sources_path(const struct config_sources *sources)
{
    return sources->n_files > 0 ? sources->files[sources->n_files - 1] : CONFIG_PATH;
}

void config_append_sources(struct buffer *b, const struct config_sources *sources)
{
    for (size_t i = 0; i < MAX(sources->n_files, (size_t)1); i++) {
        const char *path = sources->n_files > 0 ? sources->files[i] : CONFIG_PATH;

        buffer_append_string(b, i > 0 ? ", " : "");
        escape_for_log(b, path, strlen(path), CONFIG_PLACE_MAX_BYTES);
    }
}

static int cannot_read(const char *path, int r, char **error)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);

    buffer_append_string(&b, "cannot read ");
    escape_for_log(&b, path, strlen(path), CONFIG_PLACE_MAX_BYTES);
    if (r == -E2BIG)
        buffer_printf(&b, ": larger than %d KiB", CONFIG_FILE_MAX_BYTES / 1024);
    else
        buffer_printf(&b, ": %s", file_error_text(r));
    if (r == -ENOENT)
        buffer_append_string(&b, "; name the configuration with --config=PATH or install "
                                 "sqs-demo.conf as " CONFIG_PATH);
    else if (r == -EACCES)
        buffer_append_string(&b,
                             "; make it and its folders readable for this user, or name another "
                             "with --config=PATH");
    *error = buffer_take(&b);
    return *error ? CONFIG_E_INVALID : -ENOMEM;
}

static int load_file(struct config *config, const char *path, char **error)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(CONFIG_FILE_MAX_BYTES);
    int r = file_read(path, CONFIG_FILE_MAX_BYTES, &text);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return cannot_read(path, r, error);
    return config_add_file(config, path, buffer_string(&text), text.size, error);
}

int config_load(const struct config_sources *sources, struct config **ret, const char **ret_path,
                char **error)
{
    CLEANUP(config_free) struct config *config = NULL;
    const char *path = NULL;
    int r = config_new(&config);

    for (size_t i = 0; i < MAX(sources->n_files, (size_t)1) && r == 0; i++) {
        path = sources->n_files > 0 ? sources->files[i] : CONFIG_PATH;
        r = load_file(config, path, error);
    }
    if (r == 0)
        r = config_finish(config, error);
    if (r == 0)
        *ret = TAKE(config);
    else if (ret_path)
        *ret_path = path;
    return r;
}
