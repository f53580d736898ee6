/* See handler.h: which handler it is. */
#include "handler.h"

int handler_new(sd_event *event, const struct config *config, struct handler **ret, char **error)
{
    if (config->consumer.handler == CONFIG_HANDLER_HTTP)
        return handler_http_new(event, config, ret, error);
    return handler_journal_new(ret);
}
