/* SPDX-License-Identifier: MIT */
#include "util/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/error-line.h"

enum { PATH_MAX_BYTES = 8192 };

#define DEFAULT_PATH "/bin:/usr/bin" /* as in posix_spawnp */

/* What is wrong with the path. NULL: it can be run. */
static const char *fault(const char *path, bool *ret_is_there)
{
    struct stat st;

    *ret_is_there = false;
    if (stat(path, &st) < 0)
        return errno == ENOENT    ? "does not exist"
               : errno == ENOTDIR ? "does not exist: a part of its path is not a folder"
               : errno == EACCES ? "cannot be reached: this user may not enter a folder on its path"
                                 : strerror(errno);
    *ret_is_there = true;
    if (S_ISDIR(st.st_mode))
        return "is a folder";
    if (!S_ISREG(st.st_mode))
        return "is no file";
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0)
        return NULL;
    return errno == EACCES ? "may not be run by this user: chmod +x it, and check that its file "
                             "system is not mounted with noexec"
                           : strerror(errno);
}

/* Appends "folder/name"; an empty folder is the current one. */
static int join(struct buffer *b, const char *folder, size_t size, const char *name)
{
    buffer_append(b, folder, size);
    if (size > 0)
        buffer_append_char(b, '/');
    return buffer_append_string(b, name);
}

static int find_in_path(const char *name, char **ret, char **error)
{
    const char *folders = getenv("PATH");
    CLEANUP(buffer_done) struct buffer path = BUFFER_INIT(PATH_MAX_BYTES), bad = path;
    const char *bad_fault = NULL;

    if (!folders)
        folders = DEFAULT_PATH;
    for (size_t size;; folders += size + 1) {
        const char *what;
        bool is_there;

        size = strcspn(folders, ":");
        buffer_reset(&path);
        if (join(&path, folders, size, name) == 0) {
            what = fault(buffer_string(&path), &is_there);
            if (!what) {
                *ret = buffer_take(&path);
                return *ret ? 0 : -ENOMEM;
            }
            if (is_there && !bad_fault) {
                bad_fault = what;
                buffer_append_string(&bad, buffer_string(&path));
            }
        }
        if (folders[size] == '\0')
            break;
    }
    if (bad_fault)
        return error_line(EXECUTABLE_E_UNUSABLE, error, "was found as %s, which %s",
                          buffer_string(&bad), bad_fault);
    return error_line(EXECUTABLE_E_UNUSABLE, error,
                      "is not in any folder of PATH: give its full path");
}

int executable_find(const char *name, char **ret, char **error)
{
    const char *what;
    bool is_there;

    if (!strchr(name, '/'))
        return find_in_path(name, ret, error);
    what = fault(name, &is_there);
    if (what)
        return error_line(EXECUTABLE_E_UNUSABLE, error, "%s", what);
    *ret = strdup(name);
    return *ret ? 0 : -ENOMEM;
}
