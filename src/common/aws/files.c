/* SPDX-License-Identifier: MIT */
#include "aws/files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/path-expand.h"
#include "util/error-line.h"
#include "util/file.h"

enum { PATH_MAX_BYTES = 64 * 1024 };

static const struct {
    const char *credential, *variable, *in_home;
} places[] = {
    [AWS_PROFILE_CREDENTIALS] = {"aws.credentials", "AWS_SHARED_CREDENTIALS_FILE",
                                 ".aws/credentials"},
    [AWS_PROFILE_CONFIG] = {"aws.config", "AWS_CONFIG_FILE", ".aws/config"},
};

/* `directory`/`name`, or -ENOMEM. */
static int join(const char *directory, const char *name, char **ret)
{
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}

static const char *variable(const char *name)
{
    return getenv(name);
}

static int expand(const char *named, char **ret)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(PATH_MAX_BYTES);
    int r = path_expand(named, variable, &b);

    if (r < 0)
        return r;
    *ret = buffer_take(&b);
    return *ret ? 0 : -ENOMEM;
}

/* The same as aws_file_path. *ret_is_named: a variable names the file. */
static int find(enum aws_profile_file kind, char **ret, bool *ret_is_named)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    const char *home = getenv("HOME");
    const char *named = getenv(places[kind].variable);
    int r;

    *ret_is_named = false;
    if (is_set(directory)) {
        CLEANUP(free) char *path = NULL;

        r = join(directory, places[kind].credential, &path);
        if (r < 0)
            return r;
        if (access(path, F_OK) == 0) {
            *ret = TAKE(path);
            return 0;
        }
    }
    if (is_set(named)) {
        *ret_is_named = true;
        return expand(named, ret);
    }
    if (is_set(home))
        return join(home, places[kind].in_home, ret);
    *ret = NULL;
    return 0;
}

int aws_file_path(enum aws_profile_file kind, char **ret)
{
    bool is_named;

    return find(kind, ret, &is_named);
}

/* Whether a folder on the way to this file of the home directory may not be searched. */
static bool is_hidden(const char *path, bool is_named)
{
    struct stat st;

    return !is_named && stat(path, &st) < 0 && errno == EACCES;
}

int aws_file_hidden(enum aws_profile_file kind, char **ret)
{
    CLEANUP(free) char *path = NULL;
    bool is_named;
    int r = find(kind, &path, &is_named);

    if (r < 0)
        return r;
    *ret = path && is_hidden(path, is_named) ? TAKE(path) : NULL;
    return 0;
}

/* Appends "/path: no such file", after the variable that names the file, if any. */
static void append_missing(struct buffer *text, enum aws_profile_file kind, const char *path,
                           bool is_named)
{
    if (!path)
        buffer_printf(text, "~/%s: no home directory", places[kind].in_home);
    else if (is_named)
        buffer_printf(text, "%s names %s: no such file", places[kind].variable, path);
    else
        buffer_printf(text, "%s: %s", path,
                      is_hidden(path, is_named) ? "a folder on the way may not be searched"
                                                : "no such file");
}

int aws_file_describe(enum aws_profile_file kind, struct buffer *text, bool *ret_is_there)
{
    CLEANUP(free) char *path = NULL;
    bool is_there, is_named;
    struct stat st;
    int r = find(kind, &path, &is_named);

    if (r < 0)
        return r;
    is_there = path && stat(path, &st) == 0;
    if (is_there)
        buffer_append_string(text, path);
    else
        append_missing(text, kind, path, is_named);
    *ret_is_there = is_there;
    return text->error;
}

bool aws_file_is_exposed(const char *path, mode_t *ret_mode)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & S_IROTH))
        return false;
    *ret_mode = st.st_mode & ALLPERMS;
    return true;
}

int aws_files_append_named_missing(struct buffer *text)
{
    static const enum aws_profile_file kinds[] = {AWS_PROFILE_CREDENTIALS, AWS_PROFILE_CONFIG};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP(free) char *path = NULL;
        bool is_named;
        int r = find(kinds[i], &path, &is_named);

        if (r < 0)
            return r;
        if (!is_named || access(path, F_OK) == 0)
            continue;
        buffer_append_string(text, "; ");
        append_missing(text, kinds[i], path, is_named);
    }
    return text->error;
}

static int read_one(struct aws_profiles *profiles, enum aws_profile_file kind, struct buffer *text,
                    char **error)
{
    CLEANUP(buffer_done) struct buffer content = BUFFER_INIT(AWS_PROFILE_FILE_MAX_BYTES);
    CLEANUP(free) char *path = NULL;
    bool is_named;
    int r = find(kind, &path, &is_named);

    if (r < 0)
        return r;
    if (text->size > 0)
        buffer_append_string(text, ", ");
    if (!path) {
        append_missing(text, kind, path, is_named);
        return 0;
    }
    r = file_read(path, AWS_PROFILE_FILE_MAX_BYTES, &content);
    if (r == -ENOENT || r == -ENOTDIR || (r == -EACCES && is_hidden(path, is_named))) {
        append_missing(text, kind, path, is_named);
        return 0;
    }
    if (errno_is_transient(r))
        return r;
    if (r < 0)
        return error_line(AWS_FILES_E_INVALID, error, "cannot read %s: %s", path,
                          file_error_text(r));
    buffer_printf(text, "%s", path);
    r = aws_profiles_add(profiles, kind, path, buffer_string(&content), content.size, error);
    return r > 0 ? AWS_FILES_E_INVALID : r;
}

int aws_files_read(struct aws_profiles **ret, struct buffer *text, char **error)
{
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    int r = aws_profiles_new(&profiles);

    if (r == 0)
        r = read_one(profiles, AWS_PROFILE_CREDENTIALS, text, error);
    if (r == 0)
        r = read_one(profiles, AWS_PROFILE_CONFIG, text, error);
    if (r == 0)
        *ret = TAKE(profiles);
    return r;
}

bool aws_profile_is_explicit(const char *setting)
{
    return is_set(setting) || is_set(getenv("AWS_PROFILE")) ||
           is_set(getenv("AWS_DEFAULT_PROFILE"));
}

const char *aws_profile_name(const char *setting)
{
    const char *const names[] = {setting, getenv("AWS_PROFILE"), getenv("AWS_DEFAULT_PROFILE")};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (is_set(names[i]))
            return names[i];
    return "default";
}
