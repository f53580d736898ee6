/* SPDX-License-Identifier: MIT */
/* Paths as botocore expands them where a variable names a file. */
#pragma once

#include "util/buffer.h"

/* The value of a variable; NULL where it is not set. */
typedef const char *(*path_variable_fn)(const char *name);

/* Appends the path with $NAME and ${NAME} replaced by their values, which are not looked at again,
 * and then a ~ alone at its beginning by $HOME. What is not set stays as it is written, and so does
 * ~user. 0 or the buffer's error. */
int path_expand(const char *path, path_variable_fn variable, struct buffer *b);
