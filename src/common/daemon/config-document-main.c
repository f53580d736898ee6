/* SPDX-License-Identifier: MIT */
/* A program of the build: prints the settings as a document.
 *
 *   settings-document example                    the commented example file
 *   settings-document manual <TEMPLATE           the manual
 *   settings-document completion <TEMPLATE       the completion of bash
 *
 * In a template the line "@SETTINGS@" is replaced. */
#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

#include "daemon/config-document.h"

enum { TEXT_MAX_BYTES = 1024 * 1024 };

static int read_template(struct buffer *b)
{
    char bytes[4096];
    size_t n;

    while ((n = fread(bytes, 1, sizeof(bytes), stdin)) > 0)
        buffer_append(b, bytes, n);
    return ferror(stdin) ? -EIO : b->error;
}

static int make(const char *what, struct buffer *out)
{
    CLEANUP(buffer_done) struct buffer template = BUFFER_INIT(TEXT_MAX_BYTES);
    bool is_manual = streq(what, "manual");
    int r;

    if (streq(what, "example"))
        return config_document_example(out);
    if (!is_manual && !streq(what, "completion"))
        return -EINVAL;
    r = read_template(&template);
    return r < 0 ? r
                 : config_document_fill(
                       buffer_string(&template),
                       is_manual ? config_document_manual : config_document_completion, out);
}

int main(int argc, char **argv)
{
    CLEANUP(buffer_done) struct buffer out = BUFFER_INIT(TEXT_MAX_BYTES);
    int r = argc == 2 ? make(argv[1], &out) : -EINVAL;

    if (r < 0) {
        fprintf(stderr, "%s: cannot make the document: %s\n", argv[0], strerror(-r));
        return EX_SOFTWARE;
    }
    return fputs(buffer_string(&out), stdout) == EOF || fflush(stdout) == EOF ? EX_IOERR : EX_OK;
}
