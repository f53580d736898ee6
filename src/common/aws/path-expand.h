/* SPDX-License-Identifier: MIT */
/* Expands paths as botocore does when a setting or variable names a file. */
#pragma once

#include "util/buffer.h"

/* Returns the value of a variable; NULL: it is not set. */
typedef const char *(*path_variable_fn)(const char *name);

/* Appends the path with $NAME and ${NAME} replaced by their values. The values are not expanded
 * again. Then a ~ alone at the beginning of the path is replaced by $HOME. A variable that is not
 * set stays as it is written, and so does ~user. Returns 0 or the buffer's error. */
int path_expand(const char *path, path_variable_fn variable, struct buffer *b);
