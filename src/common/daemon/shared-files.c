/* SPDX-License-Identifier: MIT */
/* Files that cannot be read or parsed are skipped here. The code that needs them reports the
 * error. */
#include "daemon/shared-files.h"

#include "aws/files.h"
#include "util/log.h"

enum { TEXT_MAX_BYTES = 16 * 1024 };

static const enum aws_profile_file kinds[] = {AWS_PROFILE_CREDENTIALS, AWS_PROFILE_CONFIG};

static void tell_hidden(void)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP(free) char *path = NULL;

        if (aws_file_hidden(kinds[i], &path) == 0 && path)
            buffer_printf(&text, "%s%s", text.size > 0 ? " and " : "", path);
    }
    if (text.size > 0)
        log_info("Taken as missing: %s. A folder on the way may not be searched (ProtectHome= of a "
                 "unit hides /home).",
                 buffer_string(&text));
}

static void warn_of_exposed_keys(void)
{
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(TEXT_MAX_BYTES);

    if (aws_files_read(&profiles, &text, NULL) != 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP(free) char *path = NULL;
        mode_t mode = 0;

        if (aws_profiles_has_secret(profiles, kinds[i]) && aws_file_path(kinds[i], &path) == 0 &&
            path && aws_file_is_exposed(path, &mode))
            log_warning("%s contains secret keys, and its mode %04o lets every user who can enter "
                        "its folder read them: chmod 600 it.",
                        path, (unsigned)mode);
    }
}

void shared_files_check(void)
{
    tell_hidden();
    warn_of_exposed_keys();
}
