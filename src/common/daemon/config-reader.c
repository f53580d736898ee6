/* SPDX-License-Identifier: MIT */
#include "daemon/config-reader.h"

#include "util/encode.h"
#include "util/error-line.h"

int config_invalid(struct config_reader *r, unsigned line, const struct buffer *what)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);

    if (what->error < 0)
        return what->error;
    escape_for_log(&b, r->place, strlen(r->place), CONFIG_PLACE_MAX_BYTES);
    if (r->origin == CONFIG_FROM_FILE)
        buffer_printf(&b, ":%u", MAX(line, 1U));
    buffer_printf(&b, ": %s", buffer_string(what));
    return error_line_take(CONFIG_E_INVALID, r->error, &b);
}

int config_invalid_text(struct config_reader *r, unsigned line, const char *what)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(CONFIG_ERROR_MAX_BYTES);

    buffer_append_string(&b, what);
    return config_invalid(r, line, &b);
}
