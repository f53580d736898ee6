/* Random UUIDs (version 4), for messages and requests. */
#pragma once

#include "macro.h"

enum { UUID_SIZE = 37 };

/* A new one. Never fails; random bytes are asked of the kernel a few hundred at a time. */
void uuid_make(char ret[UUID_SIZE]);
