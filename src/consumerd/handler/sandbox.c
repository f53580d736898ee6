/* SPDX-License-Identifier: MIT */
/* A drop-in may have changed the unit's settings, which this process cannot know. So it only adds
 * advice to an error, or warns. */
#include "consumerd/handler/sandbox.h"

#include <unistd.h>

#include "daemon/instance.h"
#include "util/log.h"

enum { TEXT_MAX_BYTES = 8192 };

static const struct {
    const char *folder, *setting;
} rules[] = {
    {"/home", "ProtectHome"}, {"/root", "ProtectHome"},   {"/run/user", "ProtectHome"},
    {"/tmp", "PrivateTmp"},   {"/var/tmp", "PrivateTmp"},
};

static bool is_in(const char *path, const char *folder)
{
    size_t size = strlen(folder);

    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

static const char *setting_for(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (is_in(path, rules[i].folder))
            return rules[i].setting;
    return NULL;
}

const char *sandbox_setting_for(const char *path)
{
    CLEANUP(free) char *real = realpath(path, NULL);
    const char *setting = setting_for(path);

    return setting || !real ? setting : setting_for(real);
}

bool sandbox_is_likely(void)
{
    return is_set(getenv("INVOCATION_ID"));
}

void sandbox_append_advice(struct buffer *b, const char *instance, const char *path)
{
    const char *setting = sandbox_setting_for(path);

    if (setting)
        buffer_printf(
            b,
            "; the unit's sandbox hides that folder (%s=yes): move it elsewhere, or write "
            "\"[Service]\" and \"%s=no\" into a drop-in (systemctl edit %s)",
            setting, setting, instance_unit(CONSUMER_NAME, instance, "").text);
}

void sandbox_warn(const char *instance, const char *setting, const char *path)
{
    CLEANUP(buffer_done) struct buffer advice = BUFFER_INIT(TEXT_MAX_BYTES);

    if (geteuid() != 0 || sandbox_is_likely())
        return;
    sandbox_append_advice(&advice, instance, path);
    if (advice.size > 0)
        log_warning("consumer.%s: the service will not find %s%s.", setting, path,
                    buffer_string(&advice));
}
