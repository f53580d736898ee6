/* SPDX-License-Identifier: MIT */
/* sqs-local: an SQS-compatible server for the demo and the tests, as strict as SQS itself. This
 * file reads the arguments. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "account.h"
#include "injections.h"
#include "server.h"

enum { QUEUES_MAX = 64 };

static const char help[] =
    "Usage: sqs-local [OPTION]...\n"
    "A small SQS-compatible server for tests, on 127.0.0.1 only. Its first line on standard\n"
    "output is \"listening on http://127.0.0.1:<port>\"; SIGTERM and SIGINT end it. Nothing is\n"
    "kept on disk. The URL of a queue is http://127.0.0.1:<port>/" ACCOUNT_ID "/NAME.\n"
    "\n"
    "  --port=N                 port to listen on; 0, the default, for any free one\n"
    "  --tls-cert=PEM, --tls-key=PEM\n"
    "                           speak TLS, with this certificate (and its chain) and its key; the\n"
    "                           first line then has https://\n"
    "  --queue=NAME[,ATTRIBUTE=VALUE...]\n"
    "                           make a queue, of type FIFO where the name ends in .fifo; may be\n"
    "                           repeated\n"
    "  --access-key-id=ID       default AKIAIOSFODNN7EXAMPLE\n"
    "  --secret-access-key=KEY  default wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
    "  --session-token=TOKEN    requests must bring this token; by default they must bring none\n"
    "  --expire-after=S         refuse these keys as expired after S seconds; they need a token\n"
    "  --region=REGION          requests must be signed for this region, and ARNs have it; by "
    "default\n"
    "                           any will do, and ARNs have the one that a request is signed for\n"
    "  --clock-offset=S         how far the clock for signatures is ahead, in seconds; may be\n"
    "                           negative\n"
    "  --latency-ms=N           send each reply that much later\n"
    "  --rtt-ms=N               play a network with that round trip: half of it passes before a\n"
    "                           request has its effect and half before the reply leaves, and a\n"
    "                           new connection costs one, with TLS two\n"
    "  --jitter-ms=N            a round trip takes up to that much longer, at random\n"
    "  --loss=P                 a request, a reply or the opening of a connection is lost with\n"
    "                           that probability, from 0 to 1. TCP sends it again 200 ms and a\n"
    "                           round trip later (the opening: 1 s), then after twice that, and\n"
    "                           so on; after 4 losses in a row the connection is closed\n"
    "  --stale-reads=MS         the approximate counts of messages tell what was so half of that\n"
    "                           to all of it ago\n"
    "  --duplicates=P           standard queues: each message handed out stands on the queue once\n"
    "                           more with that probability, though it be deleted\n"
    "  --disorder=P             standard queues: with that probability not the oldest message is\n"
    "                           handed out\n"
    "  --fifo-limit[=N]         a FIFO queue without high throughput takes N calls a second (300)\n"
    "                           each of sends, receives, deletes and changes of visibility, where\n"
    "                           a batch is one; more get 400 ThrottlingException\n"
    "  --fault=RULE             make things go wrong on purpose (below); may be repeated\n"
    "  --seed=N                 for all that is random; default 0\n"
    "  --deny=ACTION            the keys may not do that (SendMessage, say, which is for batches "
    "too;\n"
    "                           * for all): 403 AccessDenied; may be repeated\n"
    "  --parameters-first       look at parameters before permissions; as AWS most likely does, it "
    "is\n"
    "                           the other way round\n"
    "  --record=FILE            append one JSON line for each message sent, received and deleted\n"
    "  --help                   show this\n"
    "\n"
    "A RULE is <Operation|*>:<kind>[:every=N|:p=NUMBER][:times=N]: requests of that operation, or "
    "of\n"
    "any, have that fault; every Nth of them (by default every one), or each with a probability\n"
    "from 0 to 1; N times in all, if that is said. Of several rules the first that is to act "
    "does.\n"
    "Only requests whose form and signature are good count, and none that has no effect: a batch\n"
    "without entries, a receive of more than 10 messages, a receipt handle that is none. The "
    "kinds:\n"
    "  error-500      nothing is done: 500 InternalFailure\n"
    "  error-503      nothing is done: 503 with a page of HTML, as from a load balancer\n"
    "  throttle       nothing is done: 403 RequestThrottled\n"
    "  expired-token  nothing is done: 403 ExpiredTokenException\n"
    "  drop-before    nothing is done: the connection is closed without a reply\n"
    "  stall          nothing is done: no reply for an hour, and the connection stays open\n"
    "  empty          nothing is done: a receive is answered at once, as if there was no message\n"
    "  kms-access-denied, kms-disabled, kms-invalid-key-usage, kms-invalid-state, kms-not-found,\n"
    "  kms-opt-in-required, kms-throttled\n"
    "                 nothing is done: a send or a receive gets KMS's error, as on a queue whose "
    "key\n"
    "                 cannot be used\n"
    "  partial        for about half of a batch's entries nothing is done, and they come back as\n"
    "                 failed, with InternalError and no fault of the sender\n"
    "  delay          done 300 ms later, or what :delay=MS says, even if the client has gone by "
    "then\n"
    "  drop-after     done: the connection is closed without a reply\n"
    "  garbage        done: the reply is no JSON\n"
    "  truncate       done: the connection is closed in the middle of the reply\n"
    "  wrong-md5      done: the MD5s of the reply are wrong\n"
    "\n"
    "While it runs, it can be changed by control requests, which need no signature:\n"
    "  POST /control/credentials\n"
    "    {\"access_key_id\":..., \"secret_access_key\":..., \"session_token\":...,\n"
    "     \"expire_after_sec\":..., \"grace_sec\":...}\n"
    "                 keys to take from now on; those before are taken for grace_sec more "
    "seconds,\n"
    "                 by default not at all. The last three may be missing.\n"
    "  POST /control/permissions {\"denied\":[\"ACTION\", ...]}\n"
    "                 what --deny says, in place of all before\n"
    "  POST /control/clock {\"offset_sec\":...}\n"
    "  POST /control/faults {\"faults\":[\"RULE\", ...]}\n"
    "                 these rules in place of all others\n"
    "  GET /control/faults\n"
    "                 the rules, and how often each was for a request and has acted\n"
    "  GET /control/counts\n"
    "                 how often --loss, --fifo-limit, --duplicates and --disorder have acted\n";

struct arguments {
    struct server_options options;
    char *queues[QUEUES_MAX]; /* from the command line; parsed in place */
    size_t n_queues;
    const char *faults[INJECTIONS_MAX];
    size_t n_faults;
    bool is_help;
};

static int read_number(const char *option, const char *text, long min, long max, long *ret)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < min || n > max) {
        fprintf(stderr, "sqs-local: --%s: found \"%s\", allowed is %ld to %ld\n", option, text, min,
                max);
        return -EINVAL;
    }
    *ret = n;
    return 0;
}

static int read_msec(const char *option, const char *text, uint64_t *ret_usec)
{
    long number = 0;
    int r = read_number(option, text, 0, 3600000, &number);

    *ret_usec = (uint64_t)number * USEC_PER_MSEC;
    return r;
}

static int read_probability(const char *option, const char *text, double *ret)
{
    if (chance_read(text, ret))
        return 0;
    fprintf(stderr, "sqs-local: --%s: found \"%s\", allowed is a number from 0 to 1\n", option,
            text);
    return -EINVAL;
}

enum option_id {
    OPTION_PORT = 1,
    OPTION_QUEUE,
    OPTION_ACCESS_KEY_ID,
    OPTION_SECRET_ACCESS_KEY,
    OPTION_SESSION_TOKEN,
    OPTION_EXPIRE_AFTER,
    OPTION_REGION,
    OPTION_CLOCK_OFFSET,
    OPTION_LATENCY,
    OPTION_RTT,
    OPTION_JITTER,
    OPTION_LOSS,
    OPTION_STALE_READS,
    OPTION_DUPLICATES,
    OPTION_DISORDER,
    OPTION_FIFO_LIMIT,
    OPTION_FAULT,
    OPTION_SEED,
    OPTION_DENY,
    OPTION_PARAMETERS_FIRST,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_RECORD,
    OPTION_HELP,
};

static int read_option(struct arguments *arguments, int option, const char *name)
{
    struct server_options *o = &arguments->options;
    long number = 0;
    int r = 0;

    switch (option) {
    case OPTION_PORT:
        r = read_number(name, optarg, 0, 65535, &number);
        o->port = (uint16_t)number;
        break;
    case OPTION_QUEUE:
        if (arguments->n_queues == QUEUES_MAX) {
            fprintf(stderr, "sqs-local: --queue: more than %d of them\n", QUEUES_MAX);
            return -EINVAL;
        }
        arguments->queues[arguments->n_queues++] = optarg;
        break;
    case OPTION_ACCESS_KEY_ID:
        o->keys.access_key_id = optarg;
        break;
    case OPTION_SECRET_ACCESS_KEY:
        o->keys.secret_access_key = optarg;
        break;
    case OPTION_SESSION_TOKEN:
        o->keys.session_token = is_set(optarg) ? optarg : NULL;
        break;
    case OPTION_EXPIRE_AFTER:
        r = read_number(name, optarg, 1, INT_MAX, &number);
        o->expire_after_usec = (uint64_t)number * USEC_PER_SEC;
        break;
    case OPTION_REGION:
        o->region = is_set(optarg) ? optarg : NULL;
        break;
    case OPTION_CLOCK_OFFSET:
        r = read_number(name, optarg, -INT_MAX, INT_MAX, &number);
        o->clock_offset_sec = number;
        break;
    case OPTION_LATENCY:
        r = read_msec(name, optarg, &o->latency_usec);
        break;
    case OPTION_RTT:
        r = read_msec(name, optarg, &o->rtt_usec);
        break;
    case OPTION_JITTER:
        r = read_msec(name, optarg, &o->jitter_usec);
        break;
    case OPTION_LOSS:
        r = read_probability(name, optarg, &o->loss);
        break;
    case OPTION_STALE_READS:
        r = read_msec(name, optarg, &o->slack.stale_usec);
        break;
    case OPTION_DUPLICATES:
        r = read_probability(name, optarg, &o->slack.duplicates);
        break;
    case OPTION_DISORDER:
        r = read_probability(name, optarg, &o->slack.disorder);
        break;
    case OPTION_FIFO_LIMIT:
        number = FIFO_LIMIT_CALLS;
        r = optarg ? read_number(name, optarg, 1, 1000000, &number) : 0;
        o->fifo_limit = (unsigned)number;
        break;
    case OPTION_FAULT:
        if (arguments->n_faults == INJECTIONS_MAX) {
            fprintf(stderr, "sqs-local: --fault: more than %d of them\n", INJECTIONS_MAX);
            return -EINVAL;
        }
        arguments->faults[arguments->n_faults++] = optarg;
        break;
    case OPTION_DENY:
        if (permissions_deny(&o->permissions, optarg) != 0) {
            fprintf(stderr, "sqs-local: --deny=%s: SQS has no such action here\n", optarg);
            return -EINVAL;
        }
        break;
    case OPTION_PARAMETERS_FIRST:
        o->permissions.is_parameters_first = true;
        break;
    case OPTION_SEED:
        r = read_number(name, optarg, 0, LONG_MAX, &number);
        o->seed = (uint64_t)number;
        break;
    case OPTION_TLS_CERT:
        o->tls_certificate_path = optarg;
        break;
    case OPTION_TLS_KEY:
        o->tls_key_path = optarg;
        break;
    case OPTION_RECORD:
        o->record_path = optarg;
        break;
    case OPTION_HELP:
        arguments->is_help = true;
        break;
    default:
        r = -EINVAL;
    }
    return r;
}

static int read_arguments(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, OPTION_PORT},
        {"queue", required_argument, NULL, OPTION_QUEUE},
        {"access-key-id", required_argument, NULL, OPTION_ACCESS_KEY_ID},
        {"secret-access-key", required_argument, NULL, OPTION_SECRET_ACCESS_KEY},
        {"session-token", required_argument, NULL, OPTION_SESSION_TOKEN},
        {"expire-after", required_argument, NULL, OPTION_EXPIRE_AFTER},
        {"region", required_argument, NULL, OPTION_REGION},
        {"clock-offset", required_argument, NULL, OPTION_CLOCK_OFFSET},
        {"latency-ms", required_argument, NULL, OPTION_LATENCY},
        {"rtt-ms", required_argument, NULL, OPTION_RTT},
        {"jitter-ms", required_argument, NULL, OPTION_JITTER},
        {"loss", required_argument, NULL, OPTION_LOSS},
        {"stale-reads", required_argument, NULL, OPTION_STALE_READS},
        {"duplicates", required_argument, NULL, OPTION_DUPLICATES},
        {"disorder", required_argument, NULL, OPTION_DISORDER},
        {"fifo-limit", optional_argument, NULL, OPTION_FIFO_LIMIT},
        {"fault", required_argument, NULL, OPTION_FAULT},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"deny", required_argument, NULL, OPTION_DENY},
        {"parameters-first", no_argument, NULL, OPTION_PARAMETERS_FIRST},
        {"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
        {"tls-key", required_argument, NULL, OPTION_TLS_KEY},
        {"record", required_argument, NULL, OPTION_RECORD},
        {"help", no_argument, NULL, OPTION_HELP},
        {},
    };
    int option, i = 0;

    while ((option = getopt_long(argc, argv, "", options, &i)) != -1) {
        int r = read_option(ret, option, options[i].name);

        if (r < 0)
            return r;
    }
    if (optind < argc) {
        fprintf(stderr, "sqs-local: %s: not an option\n", argv[optind]);
        return -EINVAL;
    }
    if (!ret->options.tls_certificate_path != !ret->options.tls_key_path) {
        fprintf(stderr, "sqs-local: --tls-cert and --tls-key go together\n");
        return -EINVAL;
    }
    if (ret->options.expire_after_usec > 0 && !ret->options.keys.session_token) {
        fprintf(stderr, "sqs-local: --expire-after needs --session-token\n");
        return -EINVAL;
    }
    return 0;
}

/* Finds the next comma that is not inside braces, since a RedrivePolicy has commas inside braces.
 * Ends the text there. */
static char *cut_at_comma(char *text)
{
    int depth = 0;

    for (; *text; text++) {
        depth += (*text == '{') - (*text == '}');
        if (*text == ',' && depth == 0) {
            *text = '\0';
            return text + 1;
        }
    }
    return NULL;
}

static int make_queue(struct server *server, char *text)
{
    CLEANUP(fault_clear) struct fault fault = {};
    struct text_attribute attributes[QUEUE_ATTRIBUTES_MAX];
    const char *name = text;
    char *rest = cut_at_comma(text);
    bool says_fifo = false;
    size_t n = 0;
    int r;

    while (rest) {
        char *equals = strchr(rest, '=');
        const char *attribute = rest;

        rest = cut_at_comma(rest);
        if (!equals || (rest && equals >= rest) || n == QUEUE_ATTRIBUTES_MAX - 1) {
            fprintf(stderr, "sqs-local: --queue=%s: \"%s\" is not ATTRIBUTE=VALUE\n", name,
                    attribute);
            return -EINVAL;
        }
        *equals = '\0';
        attributes[n++] = (struct text_attribute){attribute, equals + 1};
        says_fifo = says_fifo || streq(attribute, "FifoQueue");
    }
    if (!says_fifo && queue_name_is_fifo(name))
        attributes[n++] = (struct text_attribute){"FifoQueue", "true"};
    r = server_make_queue(server, name, attributes, n, &fault);
    if (r != 0)
        fprintf(stderr, "sqs-local: --queue=%s: %s\n", name,
                r < 0        ? strerror(-r)
                : fault.text ? fault.text
                             : "cannot be made");
    return r == 0 ? 0 : -EINVAL;
}

static int add_fault(struct server *server, const char *rule)
{
    const char *why = "";
    int r = server_add_fault(server, rule, &why);

    if (r != 0)
        fprintf(stderr, "sqs-local: --fault=%s: %s\n", rule, r < 0 ? strerror(-r) : why);
    return r == 0 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
    CLEANUP(server_free) struct server *server = NULL;
    static struct arguments arguments = {
        .options.keys.access_key_id = "AKIAIOSFODNN7EXAMPLE",
        .options.keys.secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    };
    sigset_t signals;
    int r = read_arguments(argc, argv, &arguments);

    if (r < 0) {
        fprintf(stderr, "Try 'sqs-local --help'.\n");
        return EXIT_FAILURE;
    }
    if (arguments.is_help)
        return fputs(help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    r = server_new(&arguments.options, &server);
    if (r < 0) {
        fprintf(stderr, "sqs-local: cannot start: %s\n", strerror(-r));
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < arguments.n_queues; i++)
        if (make_queue(server, arguments.queues[i]) < 0)
            return EXIT_FAILURE;
    for (size_t i = 0; i < arguments.n_faults; i++)
        if (add_fault(server, arguments.faults[i]) < 0)
            return EXIT_FAILURE;
    printf("listening on %s\n", server_url(server));
    fflush(stdout);
    r = server_run(server);
    if (r < 0)
        fprintf(stderr, "sqs-local: %s\n", strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
