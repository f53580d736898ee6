/* SPDX-License-Identifier: MIT */
#include "producerd/submit/arguments.h"

#include <errno.h>
#include <sysexits.h>

#include "daemon/instance.h"
#include "producerd/submit/shortage.h"
#include "util/ascii.h"
#include "util/encode.h"

const char submit_usage[] =
    "       sqs-producerd --submit [--to=NAME] [--group=G] [--deduplication-id=D]\n"
    "                     [--delay=SECONDS] [--attribute=NAME[:TYPE]=VALUE]... [FILE]\n"
    "       sqs-producerd --submit --lines [--to=NAME] [--group=G] [--delay=SECONDS]\n"
    "                     [--attribute=NAME[:TYPE]=VALUE]... [--rest=REST] [FILE]\n"
    "       sqs-producerd --submit --json [--to=NAME] [--rest=REST] [FILE]\n"
    "       sqs-producerd --rejected [--to=NAME] [--retry=ID | --drop=ID]\n"
    "       sqs-producerd --spooled [--to=NAME]\n";

const char submit_help[] =
    "\n"
    "Submitting a message to the daemon, when its producer.source is \"spool\":\n"
    "\n"
    "  --submit        submit FILE as the body of one message; without FILE, or with \"-\",\n"
    "                  submit standard input. The body is sent byte by byte, with the newline\n"
    "                  at its end. Print the message's id when it is safe on disk\n"
    "  --to=NAME       to the instance NAME (sqs-producerd@NAME), also with --rejected and\n"
    "                  --spooled\n"
    "  --group=G       its message group; default: producer.message_group_id (FIFO queues)\n"
    "  --deduplication-id=D\n"
    "                  FIFO queues only; default: the id that is printed\n"
    "  --delay=N       seconds until consumers can receive it; standard queues only\n"
    "  --attribute=NAME=VALUE, --attribute=NAME:TYPE=VALUE\n"
    "                  an attribute of type String, or of TYPE: Number, Binary (VALUE is\n"
    "                  base64), or a type with a label, such as Number.int\n"
    "\n"
    "Submitting many messages:\n"
    "\n"
    "  --lines         submit each line of FILE, without its newline, as one message; print\n"
    "                  the ids in the order of the lines. A line that is refused, such as an\n"
    "                  empty one, is reported on standard error, and the others are submitted.\n"
    "                  When a line should be tried again later, no further line is submitted, so\n"
    "                  that the order holds when the rest is submitted. The other options are for\n"
    "                  all lines. When the daemon dies in the middle and comes back within 10\n"
    "                  seconds, each line is stored once\n"
    "  --json          likewise, but each line is JSON, as programs write it to the socket:\n"
    "                  {\"body\": \"hello\", \"group\": \"orders\"}\n"
    "  --rest=REST     write the lines that were not taken into this file, byte by byte and in\n"
    "                  order, so that it can be submitted again; it must be empty or missing.\n"
    "                  SIGINT, SIGTERM and SIGHUP end the program within 10 seconds, and what\n"
    "                  was not taken is in REST\n"
    "\n"
    "Rejected messages (root only; also while the daemon does not run):\n"
    "\n"
    "  --rejected      list them: id, time, group, bytes and reason, separated by tabs\n"
    "  --retry=ID      send one again; \"all\" sends all of them again\n"
    "  --drop=ID       delete one; \"all\" deletes all of them\n"
    "  --spooled       count the messages of a daemon that does not run, such as\n"
    "                  \"3 waiting, 1 rejected\"\n"
    "                  When the daemon does not run, these use spool.db in the folder that\n"
    "                  STATE_DIRECTORY names, otherwise in /var/lib/sqs-producerd (of an\n"
    "                  instance /var/lib/sqs-producerd@NAME).\n"
    "\n"
    "Exit status of these: 0 when done; 65 when the message or the id is refused; 66 when\n"
    "FILE cannot be read; 69 when the daemon cannot be reached; 75 when it is full or cannot\n"
    "store the message now: try again later; 76 when another version of the daemon answers;\n"
    "64, 71, 74 and 78 as above. With --spooled: 69 when there is no spool that can be read, 75\n"
    "when the daemon runs. With --lines and --json: 75 when at least one line should be\n"
    "tried again; otherwise 65 when one was refused; 73 when REST cannot be made, or holds\n"
    "lines; 74 when REST or standard output cannot be written to its end.\n";

enum {
    OPTION_SUBMIT = ARGUMENTS_FIRST_OWN,
    OPTION_LINES,
    OPTION_JSON,
    OPTION_REST,
    OPTION_REJECTED,
    OPTION_SPOOLED,
    OPTION_TO,
    OPTION_GROUP,
    OPTION_DEDUPLICATION_ID,
    OPTION_DELAY,
    OPTION_ATTRIBUTE,
    OPTION_RETRY,
    OPTION_DROP,
};

static const struct option options[] = {
    {"submit", no_argument, NULL, OPTION_SUBMIT},
    {"lines", no_argument, NULL, OPTION_LINES},
    {"json", no_argument, NULL, OPTION_JSON},
    {"rest", required_argument, NULL, OPTION_REST},
    {"rejected", no_argument, NULL, OPTION_REJECTED},
    {"spooled", no_argument, NULL, OPTION_SPOOLED},
    {"to", required_argument, NULL, OPTION_TO},
    {"group", required_argument, NULL, OPTION_GROUP},
    {"deduplication-id", required_argument, NULL, OPTION_DEDUPLICATION_ID},
    {"delay", required_argument, NULL, OPTION_DELAY},
    {"attribute", required_argument, NULL, OPTION_ATTRIBUTE},
    {"retry", required_argument, NULL, OPTION_RETRY},
    {"drop", required_argument, NULL, OPTION_DROP},
    {},
};

static int wrong(const struct submit_call *call, const char *what, const char *argument)
{
    return arguments_usage_error(call->program, what, argument);
}

static int read_delay(struct submit_call *call)
{
    char *end;
    long delay;

    errno = 0;
    delay = strtol(optarg, &end, 10);
    if (!is_digit(optarg[0]) || *end != '\0' || errno != 0 || delay > INT32_MAX)
        return wrong(call, "--delay is not a whole number of seconds", optarg);
    call->message.delay_sec = (int)delay;
    return EX_OK;
}

static int read_binary(struct submit_call *call, size_t i)
{
    struct sqs_attribute *attribute = &call->attributes[i];
    struct buffer *binary = &call->binary[i];
    int r;

    *binary = BUFFER_INIT(SUBMISSION_LINE_MAX_BYTES);
    r = base64_decode(binary, attribute->value, attribute->value_bytes);
    if (r < 0 && r != -EINVAL)
        return submit_shortage(call->program->name, r);
    if (r < 0)
        return wrong(call, "the value is not base64, with its padding and in one line", optarg);
    attribute->value = buffer_string(binary);
    attribute->value_bytes = binary->size;
    return EX_OK;
}

/* NAME=VALUE or NAME:TYPE=VALUE; SQS's names contain neither ":" nor "=". */
static int read_attribute(struct submit_call *call)
{
    size_t i = call->message.n_attributes, size = strcspn(optarg, "=");
    struct sqs_attribute *attribute = &call->attributes[i];
    char *colon;

    if (optarg[size] != '=')
        return wrong(call, "--attribute is not NAME=VALUE", optarg);
    if (i == SQS_ATTRIBUTES_MAX)
        return wrong(call, "more than 10 attributes", optarg);
    call->names[i] = strndup(optarg, size);
    if (!call->names[i])
        return submit_shortage(call->program->name, -ENOMEM);
    call->message.n_attributes++;
    colon = strchr(call->names[i], ':');
    if (colon)
        *colon = '\0';
    *attribute = (struct sqs_attribute){
        .name = call->names[i],
        .data_type = colon ? colon + 1 : "String",
        .value = optarg + size + 1,
        .value_bytes = strlen(optarg + size + 1),
    };
    attribute->is_binary =
        streq(attribute->data_type, "Binary") || strncmp(attribute->data_type, "Binary.", 7) == 0;
    return attribute->is_binary ? read_binary(call, i) : EX_OK;
}

static int set_action(struct submit_call *call, enum submit_action action)
{
    if (call->action != SUBMIT_NONE && call->action != action)
        return wrong(call, "--submit, --rejected and --spooled exclude each other",
                     optarg ? optarg : "");
    call->action = action;
    return EX_OK;
}

static int set_form(struct submit_call *call, enum submit_form form)
{
    if (call->form != SUBMIT_WHOLE && call->form != form)
        return wrong(call, "--lines and --json exclude each other", "--submit");
    call->form = form;
    return EX_OK;
}

static int set_rest(struct submit_call *call)
{
    call->rest_path = optarg;
    return optarg[0] != '\0' ? EX_OK : wrong(call, "option needs a path", "--rest=");
}

static int set_change(struct submit_call *call, enum submission_kind kind)
{
    if (call->command != SUBMISSION_REJECTED)
        return wrong(call, "give --retry or --drop, and only once", optarg);
    if (optarg[0] == '\0')
        return wrong(call, "option needs an id, or \"all\"",
                     kind == SUBMISSION_RETRY ? "--retry=" : "--drop=");
    call->command = kind;
    call->id = streq(optarg, "all") ? NULL : optarg;
    return EX_OK;
}

static int set_instance(struct submit_call *call)
{
    const char *fault = instance_name_fault(optarg);

    if (fault)
        return wrong(call, fault, optarg);
    call->instance = optarg;
    return EX_OK;
}

static int read_option(struct submit_call *call, int option)
{
    call->is_about_message = call->is_about_message || option == OPTION_GROUP ||
                             option == OPTION_DEDUPLICATION_ID || option == OPTION_DELAY ||
                             option == OPTION_ATTRIBUTE;
    switch (option) {
    case OPTION_SUBMIT:
        return set_action(call, SUBMIT_MESSAGE);
    case OPTION_LINES:
        return set_form(call, SUBMIT_LINES);
    case OPTION_JSON:
        return set_form(call, SUBMIT_JSON);
    case OPTION_REST:
        return set_rest(call);
    case OPTION_REJECTED:
        return set_action(call, SUBMIT_REJECTED);
    case OPTION_SPOOLED:
        return set_action(call, SUBMIT_COUNT);
    case ARGUMENTS_CONFIG:
        call->config_path = optarg;
        return optarg[0] != '\0' ? EX_OK : wrong(call, "option needs a path", "--config=");
    case OPTION_TO:
        return set_instance(call);
    case OPTION_GROUP:
        call->message.group_id = optarg;
        return EX_OK;
    case OPTION_DEDUPLICATION_ID:
        call->message.deduplication_id = optarg;
        return EX_OK;
    case OPTION_DELAY:
        return read_delay(call);
    case OPTION_ATTRIBUTE:
        return read_attribute(call);
    case OPTION_RETRY:
        return set_change(call, SUBMISSION_RETRY);
    case OPTION_DROP:
        return set_change(call, SUBMISSION_DROP);
    default: /* arguments_next has reported it */
        return EX_USAGE;
    }
}

static const char *action_name(const struct submit_call *call)
{
    return call->action == SUBMIT_MESSAGE    ? "--submit"
           : call->action == SUBMIT_REJECTED ? "--rejected"
                                             : "--spooled";
}

/* Options that mean nothing, or the wrong thing, with the form of the file. */
static int check_form(const struct submit_call *call)
{
    if (call->action != SUBMIT_MESSAGE && (call->form != SUBMIT_WHOLE || call->rest_path))
        return wrong(call, "--lines, --json and --rest go with --submit", action_name(call));
    if (call->form == SUBMIT_WHOLE && call->rest_path)
        return wrong(call, "--rest goes with --lines or --json", call->rest_path);
    if (call->form == SUBMIT_LINES && call->message.deduplication_id)
        return wrong(call, "SQS would drop all lines but the first; name it in each line of --json",
                     "--deduplication-id");
    if (call->form == SUBMIT_JSON && call->is_about_message)
        return wrong(call, "each line has its own group, delay, attributes and so on", "--json");
    return EX_OK;
}

static int read_operands(struct submit_call *call, int argc, char **argv)
{
    if (call->action != SUBMIT_MESSAGE && call->is_about_message)
        return wrong(call, "options of a message go with --submit", action_name(call));
    if (call->config_path && streq(call->config_path, "-"))
        return wrong(call, "standard input is for the message", "--config=-");
    if (call->instance && call->config_path)
        return wrong(call, "--to and --config exclude each other", call->instance);
    if (call->action != SUBMIT_REJECTED && call->command != SUBMISSION_REJECTED)
        return wrong(call, "--retry and --drop go with --rejected", action_name(call));
    if (call->action == SUBMIT_MESSAGE && optind < argc) {
        call->file = streq(argv[optind], "-") ? NULL : argv[optind];
        optind++;
    }
    if (optind < argc)
        return wrong(call, "unexpected argument", argv[optind]);
    return check_form(call);
}

bool submit_arguments_read(struct submit_call *call, int argc, char **argv, int *ret_status)
{
    int option = arguments_next(call->program, options, argc, argv, true);

    call->message = (struct sqs_message){.delay_sec = -1, .attributes = call->attributes};
    call->command = SUBMISSION_REJECTED;

    for (; option != -1; option = arguments_next(call->program, options, argc, argv, false)) {
        if (arguments_show(call->program, option, ret_status))
            return true;
        *ret_status = read_option(call, option);
        if (*ret_status != EX_OK)
            return true;
    }
    *ret_status = read_operands(call, argc, argv);
    return *ret_status != EX_OK;
}

void submit_call_done(struct submit_call *call)
{
    for (size_t i = 0; i < SQS_ATTRIBUTES_MAX; i++) {
        free(call->names[i]);
        buffer_done(&call->binary[i]);
    }
}
