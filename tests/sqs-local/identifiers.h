/* SPDX-License-Identifier: MIT */
/* Ids of messages and requests: random UUIDs. */
#pragma once

#include "util/macro.h"

enum { IDENTIFIER_SIZE = 37 };

/* Makes a new id. Never fails. */
void identifier_make(char ret[IDENTIFIER_SIZE]);
