/* SPDX-License-Identifier: MIT */
/* Until the configuration is read, the log is open with its defaults. So errors go to the journal
 * under systemd, and to the terminal when the program is started by hand. */
#include "daemon/arguments.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "aws/effective-settings.h"
#include "daemon/command-output.h"
#include "daemon/config-override.h"
#include "daemon/instance.h"
#include "daemon/message-ids.h"
#include "daemon/reload-request.h"
#include "daemon/shared-files.h"
#include "util/encode.h"
#include "util/file.h"

extern char **environ;

enum { TEXT_MAX_BYTES = 64 * 1024 };

#define CREDSTORE "/etc/credstore"
#define CREDSTORE_NOTE "from " CREDSTORE ", as the services see them"

struct arguments {
    struct config_sources sources;
    bool check_config;
    bool check_queue;
    pid_t reload_pid; /* 0: not asked for */
};

static void arguments_done_cleanup(struct arguments *arguments)
{
    config_sources_done(&arguments->sources);
}

enum {
    OPTION_INSTANCE = ARGUMENTS_FIRST_OWN,
    OPTION_SET,
    OPTION_CHECK_CONFIG,
    OPTION_CHECK_QUEUE,
    OPTION_RELOAD,
};

static const struct option options[] = {
    {"instance", required_argument, NULL, OPTION_INSTANCE},
    {"set", required_argument, NULL, OPTION_SET},
    {"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
    {"check-queue", no_argument, NULL, OPTION_CHECK_QUEUE},
    {"reload", required_argument, NULL, OPTION_RELOAD},
    {},
};

static const char usage[] = "Usage: %s [OPTION]...\n";
static const char help[] =
    "%s\n"
    "\n"
    "  --config=PATH   read the settings from PATH, not from " CONFIG_PATH "; may be\n"
    "                  given several times: settings of a later file win; - is standard input\n"
    "  --instance=NAME read the settings of the instance NAME as well: NAME.conf in\n"
    "                  " CONFIG_INSTANCE_FOLDER ", or in the folder beside PATH\n"
    "  --set=GROUP.NAME=VALUE\n"
    "                  override a setting, as in --set=log.level=debug; may be given several\n"
    "                  times. So do variables such as SQS_DEMO_LOG_LEVEL=debug\n"
    "  --check-config  print the settings in force and where each comes from, or what is wrong\n"
    "                  with them, and exit; looks for no keys and sends nothing\n"
    "  --check-queue   ask SQS as the start does, touching no message: print the endpoint, where\n"
    "                  credentials come from, the clock, the queue and each permission, and exit\n"
    "                  with 0 or the status that a daemon would end with (69 also if it\n"
    "                  would wait for SQS to be reached)\n"
    "  --reload=PID    check the settings, without AWS's files, and let the daemon with this\n"
    "                  process id read them again; the units' ExecReload= does so\n"
    "  --help          print this and exit\n"
    "  --version       print the version and exit\n"
    "\n"
    "Exit status: 0 when done or stopped; 1 when stopped with work left undone; 64 for a\n"
    "command line and 78 for a configuration that cannot be used; 69 when the queue does not\n"
    "exist or SQS refuses for another reason; 77 when credentials are missing or refused, a\n"
    "permission is missing, or the clock is off and cannot be corrected; 71 when this machine\n"
    "lacks something; 74 when standard output cannot be written.\n";

/* ---- Standard output ---- */

static int print_buffer(const struct buffer *b)
{
    if (b->error < 0) {
        fprintf(stderr, "cannot print: %s\n", strerror(-b->error));
        return EX_OSERR;
    }
    return command_print(buffer_string(b));
}

static int print_help(const struct program *program)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(TEXT_MAX_BYTES);

    buffer_printf(&b, usage, program->name);
    buffer_append_string(&b, program->more_usage ? program->more_usage : "");
    buffer_printf(&b, help, program->description);
    buffer_append_string(&b, program->more_help ? program->more_help : "");
    buffer_printf(&b, "\nThe manual: %s(8), sqs-demo.conf(5), sqs-demo(7).\n", program->name);
    return print_buffer(&b);
}

static int print_version(const struct program *program)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(TEXT_MAX_BYTES);

    buffer_printf(&b, "%s " PROJECT_VERSION "\n", program->name);
    return print_buffer(&b);
}

bool arguments_show(const struct program *program, int option, int *ret_exit_status)
{
    if (option == ARGUMENTS_HELP || option == 'h')
        *ret_exit_status = print_help(program);
    else if (option == ARGUMENTS_VERSION)
        *ret_exit_status = print_version(program);
    else
        return false;
    return true;
}

/* ---- The arguments ---- */

int arguments_usage_error(const struct program *program, const char *what, const char *argument)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(TEXT_MAX_BYTES);

    escape_for_log(&b, argument, strlen(argument), 200);
    fprintf(stderr, "%s: %s: %s; see %s --help\n", program->name, what, buffer_string(&b),
            program->name);
    return EX_USAGE;
}

static const struct option common_options[] = {
    {"config", required_argument, NULL, ARGUMENTS_CONFIG},
    {"help", no_argument, NULL, ARGUMENTS_HELP},
    {"version", no_argument, NULL, ARGUMENTS_VERSION},
    {},
};

/* The options of all usages after those of one. */
static void join_options(const struct option *own, struct option *ret)
{
    size_t n = 0;

    while (own[n].name)
        n++;
    assert(n <= ARGUMENTS_OWN_MAX);
    memcpy(ret, own, n * sizeof(*own));
    memcpy(ret + n, common_options, sizeof(common_options));
}

int arguments_next(const struct program *program, const struct option *own, int argc, char **argv,
                   bool at_first)
{
    struct option all[ARGUMENTS_OWN_MAX + ARRAY_SIZE(common_options)];
    int at, option;

    join_options(own, all);

    if (at_first)
        optind = 0; /* glibc: start again */
    opterr = 0;
    at = optind > 0 ? optind : 1;
    option = getopt_long(argc, argv, "+:h", all, NULL);
    if (option == ':')
        arguments_usage_error(program, "option needs a value", argv[at]);
    else if (option == '?')
        /* Only optopt shows which error it is: it has an option's `val` if the option takes no
         * value, and something else if the option is unknown. */
        arguments_usage_error(
            program, optopt >= ARGUMENTS_CONFIG ? "option takes no value" : "unknown option",
            argv[at]);
    return option == ':' ? ARGUMENTS_E_BAD : option;
}

/* These three return EX_OK, or the exit status after a line on standard error. */
static int add_file(const struct program *program, struct config_sources *sources, const char *path)
{
    if (path[0] == '\0')
        return arguments_usage_error(program, "option needs a path", "--config=");
    if (sources->n_files == ARRAY_SIZE(sources->files))
        return arguments_usage_error(program, "option given more than 15 times", "--config");
    for (size_t i = 0; i < sources->n_files && streq(path, "-"); i++)
        if (streq(sources->files[i], "-"))
            return arguments_usage_error(program, "standard input can be read once", "--config=-");
    sources->files[sources->n_files++] = path;
    return EX_OK;
}

static int add_set(const struct program *program, struct config_sources *sources, const char *text)
{
    if (!strchr(text, '='))
        return arguments_usage_error(program, "--set needs GROUP.NAME=VALUE", text);
    if (sources->n_sets == CONFIG_SETS_MAX)
        return arguments_usage_error(program, "option given more than 64 times", "--set");
    sources->sets[sources->n_sets++] = text;
    return EX_OK;
}

static int set_instance(const struct program *program, struct config_sources *sources,
                        const char *name)
{
    const char *fault = instance_name_fault(name);

    if (fault)
        return arguments_usage_error(program, fault, name);
    sources->instance = name;
    return EX_OK;
}

static int set_reload_pid(const struct program *program, pid_t *ret, const char *text)
{
    char *end = NULL;
    long pid;

    errno = 0;
    pid = strtol(text, &end, 10);
    if (errno != 0 || *text < '1' || *text > '9' || *end != '\0' || pid > INT_MAX)
        return arguments_usage_error(program, "--reload needs a process id", text);
    *ret = (pid_t)pid;
    return EX_OK;
}

/* True: the exit status is known. */
static bool read_option(const struct program *program, int option, struct arguments *arguments,
                        int *exit_status)
{
    switch (option) {
    case ARGUMENTS_CONFIG:
        *exit_status = add_file(program, &arguments->sources, optarg);
        return *exit_status != EX_OK;
    case OPTION_INSTANCE:
        *exit_status = set_instance(program, &arguments->sources, optarg);
        return *exit_status != EX_OK;
    case OPTION_SET:
        *exit_status = add_set(program, &arguments->sources, optarg);
        return *exit_status != EX_OK;
    case OPTION_CHECK_CONFIG:
        arguments->check_config = true;
        return false;
    case OPTION_CHECK_QUEUE:
        arguments->check_queue = true;
        return false;
    case OPTION_RELOAD:
        *exit_status = set_reload_pid(program, &arguments->reload_pid, optarg);
        return *exit_status != EX_OK;
    default: /* arguments_next has reported it */
        *exit_status = EX_USAGE;
        return true;
    }
}

static bool parse(const struct program *program, int argc, char **argv, struct arguments *ret,
                  int *exit_status)
{
    int option = arguments_next(program, options, argc, argv, true);

    for (; option != -1; option = arguments_next(program, options, argc, argv, false))
        if (arguments_show(program, option, exit_status) ||
            read_option(program, option, ret, exit_status))
            return true;
    if (optind < argc) {
        *exit_status = arguments_usage_error(program, "unexpected argument", argv[optind]);
        return true;
    }
    return false;
}

/* ---- The configuration ---- */

/* EX_OK with `*ret`, or the exit status after a line in the log. */
static int load(struct config_sources *sources, const char *refusal_id, struct config **ret)
{
    CLEANUP(free) char *error = NULL;
    const char *path = NULL;
    int r = config_load(sources, ret, &path, &error);

    if (r > 0)
        return command_config_refused(refusal_id, path, error);
    if (r < 0) {
        log_write(LOG_ERR, MESSAGE_ID_START_FAILED, LOG_NO_FIELDS, "Cannot start: %s",
                  error ? error : strerror(-r));
        return EX_OSERR;
    }
    return EX_OK;
}

/* For a check by root: use the files in which the services will find their credentials. The units
 * pass AWS's files from there as credentials, unless the environment names others. */
static bool look_into_credstore(void)
{
    static const char *const named[] = {"CREDENTIALS_DIRECTORY", "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_CONFIG_FILE"};

    for (size_t i = 0; i < ARRAY_SIZE(named); i++)
        if (is_set(getenv(named[i])))
            return false;
    return geteuid() == 0 &&
           (access(CREDSTORE "/aws.credentials", F_OK) == 0 ||
            access(CREDSTORE "/aws.config", F_OK) == 0) &&
           setenv("CREDENTIALS_DIRECTORY", CREDSTORE, 1) == 0;
}

/* The services run as users of their own, so root may be able to read a file that they cannot. */
static void warn_of_mode(const char *path)
{
    struct stat st;

    if (path && geteuid() == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
        !(st.st_mode & S_IROTH))
        log_warning("%s is not readable for the services' users: chmod 644 it.", path);
}

/* What is odd about the places of the settings, but stops nothing. */
static void warn_of_sources(const struct config_sources *sources)
{
    enum { VARIABLES_MAX = 16 };
    size_t at = 0;

    if (sources->lacks_default)
        log_notice("There is no " CONFIG_PATH ": using the other settings and the defaults.");
    for (size_t n = 0; n < VARIABLES_MAX; n++) {
        CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(TEXT_MAX_BYTES);

        if (!config_next_unknown_variable(environ, &at, &line))
            break;
        log_warning("%s", buffer_string(&line));
    }
}

/* Everything that can be known about a configuration without asking SQS. */
struct checked {
    struct aws_effective_settings *settings;
    struct queue_url *url;
    bool is_credstore;
};

static void checked_done_cleanup(struct checked *c)
{
    aws_effective_settings_free(c->settings);
    queue_url_free(c->url);
}

/* EX_OK, or the exit status after a line in the log. `r` is what a check has returned. */
static int checked_status(const struct config *config, const char *refusal_id, int r,
                          const char *error)
{
    if (r > 0)
        return command_fault(refusal_id, config, error);
    if (r < 0) {
        log_error("Cannot check the configuration: %s.", strerror(-r));
        return EX_OSERR;
    }
    return EX_OK;
}

/* EX_OK, or the exit status after a line in the log. */
static int check(const struct program *program, const struct config_sources *sources,
                 const struct config *config, struct checked *ret)
{
    CLEANUP(free) char *error = NULL;
    int r = queue_url_parse(config->aws.queue_url, &ret->url, &error);

    ret->is_credstore = look_into_credstore();
    if (sources->n_files == 0) {
        warn_of_mode(CONFIG_PATH);
        warn_of_mode(sources->instance_path);
    }
    shared_files_check();
    if (r == 0)
        r = aws_effective_settings_read(&config->aws, &ret->settings, &error);
    if (r == 0 && program->check)
        r = program->check(config, &error);
    return checked_status(config, MESSAGE_ID_CONFIG_INVALID, r, error);
}

/* --reload. AWS's files are left to the daemon: a process of ExecReload= may not be able to read
 * what systemd hands over (before systemd 253). */
static int check_and_reload(const struct program *program, const struct config *config, pid_t pid)
{
    CLEANUP(queue_url_free) struct queue_url *url = NULL;
    CLEANUP(free) char *error = NULL;
    int status, r = queue_url_parse(config->aws.queue_url, &url, &error);

    if (r == 0 && program->check)
        r = program->check(config, &error);
    status = checked_status(config, MESSAGE_ID_RELOAD_REFUSED, r, error);
    if (status != EX_OK)
        return status;
    r = reload_request(pid);
    if (r == 0)
        return EX_OK;
    log_error("Cannot ask process %d to read its settings again: %s.", (int)pid, strerror(-r));
    return EX_OSERR;
}

/* The endpoint and the region are part of the check, but may depend on this environment. They are
 * printed as comments, so that the output can be used as a configuration. */
static int show(const struct config *config, const struct checked *checked)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(TEXT_MAX_BYTES);
    const struct aws_effective_settings *settings = checked->settings;
    const struct queue_url *url = checked->url;

    buffer_append_string(&b, "# The settings in force, from ");
    config_append_places(&b, config);
    buffer_append_string(&b, "\n\n");
    config_format(config, &b);
    buffer_printf(&b,
                  "\n"
                  "# region: %s (from %s)\n"
                  "# requests go to: %s (%s%s)\n"
                  "# queue: %s (%s)\n",
                  settings->endpoint->region, settings->region_source, settings->endpoint->url,
                  settings->endpoint_source ? "from " : "the region's endpoint",
                  settings->endpoint_source ? settings->endpoint_source : "",
                  url->name ? url->name : "?", url->is_fifo ? "FIFO" : "standard");
    if (checked->is_credstore)
        buffer_append_string(&b, "# AWS's files: " CREDSTORE_NOTE "\n");
    return print_buffer(&b);
}

/* --check-config and --check-queue. */
static int run_checks(const struct program *program, const struct arguments *arguments,
                      const struct config *config)
{
    CLEANUP(checked_done) struct checked checked = {};
    int status;

    warn_of_sources(&arguments->sources);
    status = check(program, &arguments->sources, config, &checked);
    if (status == EX_OK && arguments->check_config)
        status = show(config, &checked);
    if (status == EX_OK && arguments->check_queue)
        status = program->check_queue(
            &(struct queue_check){
                .name = program->name,
                .permissions = program->permissions,
                .credentials_note = checked.is_credstore ? CREDSTORE_NOTE : NULL,
            },
            config);
    return status;
}

int arguments_read(const struct program *program, int argc, char **argv, struct config **ret,
                   struct config_sources *ret_sources, int *ret_exit_status)
{
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(arguments_done) struct arguments arguments = {};
    struct instance_text name;
    bool is_check, is_reload;
    int status;

    file_open_standard_descriptors();
    if (parse(program, argc, argv, &arguments, &status)) {
        *ret_exit_status = status;
        return ARGUMENTS_E_EXIT;
    }
    is_check = arguments.check_config || arguments.check_queue;
    is_reload = arguments.reload_pid > 0;
    name = instance_unit(program->name, arguments.sources.instance, "");
    log_open(name.text, is_check ? LOG_TARGET_STDERR : LOG_TARGET_AUTO, LOG_INFO, program->colour);
    status = load(&arguments.sources,
                  is_reload ? MESSAGE_ID_RELOAD_REFUSED : MESSAGE_ID_CONFIG_INVALID, &config);
    if (status == EX_OK && is_reload)
        status = check_and_reload(program, config, arguments.reload_pid);
    else if (status == EX_OK && is_check)
        status = run_checks(program, &arguments, config);
    if (status != EX_OK || is_check || is_reload) {
        *ret_exit_status = status;
        return ARGUMENTS_E_EXIT;
    }

    log_set_format(config->log.format);
    log_open(name.text, config->log.target, config->log.level, program->colour);
    log_set_common_field("SQS_QUEUE_URL", config->aws.queue_url);
    warn_of_sources(&arguments.sources);
    *ret = TAKE(config);
    *ret_sources = arguments.sources;
    arguments.sources = (struct config_sources){};
    return 0;
}
