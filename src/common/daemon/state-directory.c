/* SPDX-License-Identifier: MIT */
/* systemd separates several folders with colons. The first one is used. */
#include "daemon/state-directory.h"

#include <errno.h>
#include <stdio.h>

#include "util/error-line.h"

int state_directory_path(const char *name, char **ret, char **error)
{
    const char *folder = getenv("STATE_DIRECTORY");
    char *path = NULL;

    if (!is_set(folder) || folder[0] != '/')
        return error_line(STATE_DIRECTORY_E_UNSET, error,
                          "STATE_DIRECTORY is %s, but %s must be kept somewhere: set it to the "
                          "absolute path of a folder that this user may write, as systemd does",
                          is_set(folder) ? "not an absolute path" : "not set", name);
    if (asprintf(&path, "%.*s/%s", (int)strcspn(folder, ":"), folder, name) < 0)
        return -ENOMEM;
    *ret = path;
    return 0;
}
