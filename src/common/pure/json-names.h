/* What json-c does not tell of the members of a JSON text: of two with one name it keeps the last,
 * and a name with an escaped NUL it cuts there. So two readers of a text could take it for
 * different things. */
#pragma once

#include "macro.h"

enum {
    JSON_NAMES_MAX_DEPTH = 8,    /* levels that are looked at; deeper ones are passed over */
    JSON_NAMES_MAX_MEMBERS = 16, /* of an object that are looked at */
};

/* Looks through a text that json_read has taken: no object has two members of one name, and each
 * name is in double quotes and without escapes. Objects of more members than these are only looked
 * at so far: a caller for whom that matters has refused them for their number.
 * 0, or one of these, with the name as it stands in the text. */
enum {
    JSON_NAMES_E_TWICE = 1,
    JSON_NAMES_E_FORM = 2, /* in single quotes or with an escape */
};
int json_names_check(const char *text, size_t size, const char **ret_name, size_t *ret_name_bytes);
