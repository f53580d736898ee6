#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Both daemons on a queue whose requests fail: no message is lost, and on FIFO none is doubled or overtaken.

There is a run for each kind of fault of sqs-local (see its --help), each operation, and a FIFO and a standard
queue. The producer sends messages of many groups, the consumer handles them, and some requests of the operation
have the fault. Then the record of sqs-local must show that each message was accepted (on FIFO once, and each group
in order), handled (on FIFO each group in order, by the consumer's log), and deleted, and that the queue is empty.

More runs have a real network and service, without faults: round trips that vary, lost packets, copies and disorder
on a standard queue, counts that lag, the limit of calls on a FIFO queue.

Each run prints its seed, which determines the faults, so that a failed run can be repeated:

    tests/stress/run.py --seed=4711 --only='fifo DeleteMessage:stall'

A run in which no request had the fault shows nothing. It is repeated with other seeds and more probable faults, and
fails if there is still none.

Settings that an older daemon does not have are left out; without the producer's `groups` each group has a producer
of its own. Needs only the standard library; prints TAP.
"""

import argparse
import concurrent.futures
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import sqs
import tap
from daemon import Daemon, config_text
from sqs_local import BUILD_ROOT, SqsLocal

KINDS = ("error-500", "error-503", "throttle", "expired-token", "drop-before", "drop-after", "stall",
         "delay", "partial", "garbage", "truncate", "wrong-md5", "empty", "kms-throttled")

# Settings of the daemons, and the operations that they use with these settings.
PROFILES = {
    "single": {
        "producer": {"max_connections": 8, "batch_size": 1},
        "consumer": {"receivers": 2, "concurrency": 20, "delete_linger": 0.0},
        "operations": ("SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"),
    },
    "batch": {
        "producer": {"max_connections": 4, "batch_size": 10, "batch_linger": 0.01},
        "consumer": {"receivers": 2, "concurrency": 20, "delete_linger": 0.02},
        "operations": ("SendMessageBatch", "DeleteMessageBatch"),
    },
    # The round trip of a delete is long compared with the lease, so that the lease must be renewed. It is longer on
    # a standard queue, where no message waits for another.
    "leases": {
        "producer": {"max_connections": 8, "batch_size": 10},
        "consumer": {"receivers": 4, "concurrency": 100, "delete_linger": 0.0,
                     "visibility_timeout": 2},
        "server": {"fifo": {"rtt_ms": 300}, "standard": {"rtt_ms": 450}},
        "operations": ("ChangeMessageVisibilityBatch",),
    },
}

# With few groups a batch has several messages of each. Batch order keeps their order when whole batches are lost or
# refused, but not when a part of a batch is.
BATCH_ORDER = {
    "producer": {"max_connections": 4, "batch_size": 10, "batch_linger": 0.01, "order": "batch"},
    "consumer": {"receivers": 2, "concurrency": 20, "delete_linger": 0.02},
    "groups": 4,
}
NOT_IN_BATCH_ORDER = "partial"

# For each condition: the kinds of queues, the profile, the options of the server, and the name of the count that
# shows their effect (None: they always have one).
CONDITIONS = {
    "jitter": (("fifo", "standard"), "batch", {"rtt_ms": 20, "jitter_ms": 200}, None),
    "loss": (("fifo", "standard"), "single", {"rtt_ms": 20, "loss": 0.03}, "lost"),
    "loss of batches": (("fifo", "standard"), "batch", {"rtt_ms": 20, "loss": 0.1}, "lost"),
    "copies": (("standard",), "single", {"duplicates": 0.2}, "duplicates"),
    "copies in batches": (("standard",), "batch", {"duplicates": 0.2}, "duplicates"),
    "disorder": (("standard",), "single", {"disorder": 0.3}, "disordered"),
    "a limit of calls": (("fifo",), "single", {"fifo_limit": 50}, "over_limit"),
    "counts that lag": (("fifo", "standard"), "batch", {"stale_reads": 5000}, None),
}

# The settings without which the daemons never use an operation.
NEEDED = {"SendMessageBatch": "producer.batch_size",
          "DeleteMessageBatch": "consumer.delete_linger",
          "ChangeMessageVisibilityBatch": "consumer.visibility_timeout"}

# The share of requests that have the fault. A fault may cost seconds, and a run has hundreds of requests.
PROBABILITY = {"SendMessage": 0.03, "DeleteMessage": 0.03, "ChangeMessageVisibilityBatch": 0.5}
PROBABILITY_ELSE = 0.2
PROBABILITIES_AGAIN = (0.5, 1.0)  # of the repeated runs
FAULTS_MAX = 8

QUEUE_VISIBILITY_SEC = 3
REQUEST_TIMEOUT_SEC = 1
DELAY_MSEC = 2500  # longer than the time-out, so the client has retried

QUICK = (
    "fifo SendMessage:drop-after", "fifo SendMessage:delay", "fifo ReceiveMessage:drop-after",
    "fifo DeleteMessage:stall", "fifo SendMessageBatch:partial", "fifo SendMessageBatch:drop-after",
    "fifo DeleteMessageBatch:partial", "fifo ChangeMessageVisibilityBatch:partial",
    "fifo SendMessageBatch in batch order:drop-before",
    "fifo SendMessageBatch in batch order:drop-after",
    "fifo any:error-503", "standard SendMessage:drop-after", "standard any:truncate",
    "standard ReceiveMessage:empty", "fifo any:kms-throttled",
    "fifo with jitter", "standard with loss", "fifo with loss of batches", "standard with copies",
    "standard with copies in batches", "standard with disorder", "fifo with a limit of calls",
    "standard with counts that lag",
)

options = None
known = None


class NoFaults(AssertionError):
    """No request of the run had the fault."""


def known_settings():
    """The names of the settings that the daemons have, as "producer.groups"."""
    names = set()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(config_text({"aws": {"queue_url": "https://sqs.eu-west-1.amazonaws.com/0/q"}}))
        file.flush()
        for daemon in "producer", "consumer":
            shown = subprocess.run(
                [os.path.join(BUILD_ROOT, "src", f"{daemon}d", f"sqs-{daemon}d"), "--check-config",
                 f"--config={file.name}"], check=True, capture_output=True, text=True,
                env={"AWS_EC2_METADATA_DISABLED": "true"}).stdout
            group = shown.split(f"\n{daemon}:\n", 1)[1].split("\n}", 1)[0]
            names.update(f"{daemon}.{name}" for name in re.findall(r"^    (\w+) = ", group, re.M))
    return names


def only_known(group, settings):
    return {name: value for name, value in settings.items() if f"{group}.{name}" in known}


def can_have(operation, kind):
    """Whether requests of this operation can have this fault."""
    if kind == "partial":
        return operation.endswith("Batch")
    if kind in ("wrong-md5", "kms-throttled"):
        return operation.startswith(("Send", "Receive"))
    if kind == "empty":
        return operation == "ReceiveMessage"
    # Keys that are refused at the start fail it, as they should.
    return (operation, kind) != ("GetQueueAttributes", "expired-token")


def rules(operation, kind, probability):
    """The faults of a run, as options of sqs-local. `probability`: None for the usual one; GetQueueAttributes is
    called only once, so its faults are certain."""
    operations = [operation]
    if operation == "any":
        operations = [o for p in PROFILES.values() for o in p["operations"] if can_have(o, kind)]
    found = []
    for o in operations:
        p = probability or PROBABILITY.get(o, PROBABILITY_ELSE)
        parameters = (":every=1:times=2" if o == "GetQueueAttributes" else
                      f":p={p}:times={FAULTS_MAX}")
        if kind == "delay":
            parameters += f":delay={DELAY_MSEC}"
        found.append(f"{o}:{kind}{parameters}")
    return found


def groups_of(profile):
    return min(options.groups, profile.get("groups", options.groups))


def start_producers(server, queue, profile):
    """A list of them; together they send options.messages messages."""
    settings = {"send_interval": 0.0, **only_known("producer", profile["producer"]),
                **options.producer}
    aws = {"request_timeout": REQUEST_TIMEOUT_SEC}
    if "producer.groups" in known:
        settings.update(groups=groups_of(profile), messages_to_send=options.messages)
        return [Daemon("sqs-producerd", server, queue=queue, aws=aws, producer=settings)]
    settings["messages_to_send"] = options.messages // options.groups
    return [Daemon("sqs-producerd", server, queue=queue, aws=aws,
                   producer={**settings, "message_group_id": f"group-{i}"})
            for i in range(options.groups)]


def start_consumer(server, queue, profile):
    settings = {"max_messages": 10, "wait_time": 1, "exit_after_empty_receives": 0,
                **only_known("consumer", profile["consumer"]), **options.consumer}
    return Daemon("sqs-consumerd", server, queue=queue, consumer=settings,
                  aws={"request_timeout": REQUEST_TIMEOUT_SEC})


def wait_until_done(server, producers, consumer, kind):
    """Waits until the producers have ended and all accepted messages are deleted."""
    deadline = time.monotonic() + options.timeout
    for producer in producers:
        status = producer.wait(max(1, deadline - time.monotonic()))
        tap.equal(status, 0, f"a producer's exit status, after:\n{tail(producer)}")
    if kind == "delay":
        time.sleep(DELAY_MSEC / 1000 + 0.2)  # a delayed request may still be done after its retry
    while True:
        accepted = {r["message_id"] for r in server.records("sent") if not r["duplicate"]}
        left = accepted - {r["message_id"] for r in server.records("deleted") if not r.get("copy")}
        copies = server.counts()["duplicates"]
        if not left and sum(r.get("copy", False) for r in server.records("deleted")) == copies:
            return
        tap.ok(consumer.process.poll() is None, f"the consumer has ended:\n{tail(consumer)}")
        tap.ok(time.monotonic() < deadline,
               f"{len(left)} of {len(accepted)} messages were not deleted within "
               f"{options.timeout} s; the last lines of the consumer:\n{tail(consumer)}")
        time.sleep(0.1)


def tail(daemon):
    return "\n".join(daemon.lines[-25:])


def by_group(messages):
    groups = {}
    for message in messages:
        groups.setdefault(message["group"], []).append(message)
    return groups


def index_of(message):
    return int(json.loads(message["body"])["data"][len("mydata"):])


def check_accepted(accepted, is_fifo, n_groups):
    """Every message was accepted; on FIFO once, and each group in order."""
    bodies = {json.loads(r["body"])["id"] for r in accepted}
    total = options.messages
    tap.equal(len(bodies), total, "messages that were accepted")
    if not is_fifo:
        return
    tap.equal(len(accepted), total, "accepted messages, and those accepted twice")
    groups = by_group(accepted)
    tap.equal(len(groups), n_groups, "groups")
    for group, messages in groups.items():
        indices = [index_of(m) for m in messages]
        tap.equal(indices, sorted(indices), f"the order in which {group} was accepted")


def check_handled(accepted, consumer, is_fifo):
    """The consumer has handled every message, on FIFO each group in order; the first time that each was handled
    counts."""
    handled = {}
    for line in consumer.lines:
        match = re.search(
            r"Message read from queue: Data:\S+ Time Stamp:\S+ Id:([0-9a-f-]{36}) ", line)
        if match:
            handled.setdefault(match[1], len(handled))
    for group, messages in by_group(accepted).items():
        ids = [json.loads(m["body"])["id"] for m in messages]
        missing = [i for i in ids if i not in handled]
        tap.equal(missing, [], f"messages of {group} that were not handled")
        if is_fifo:
            order = [handled[i] for i in ids]
            tap.equal(order, sorted(order), f"the order in which {group} was handled")


def check_deleted(accepted, deleted):
    """Each message was deleted once; wait_until_done() has checked the copies."""
    left = {r["message_id"] for r in accepted}
    for record in deleted:
        if record.get("copy"):
            continue
        tap.ok(record["message_id"] in left, f"deleted twice, or never accepted: {record}")
        left.remove(record["message_id"])
    tap.equal(left, set(), "messages that were not deleted")


def check_empty(server, queue):
    """The counts may lag by seconds; messages that are left would stay longer."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
             "ApproximateNumberOfMessagesDelayed"]
    none = {name: "0" for name in names}
    deadline = time.monotonic() + 20
    while True:
        found = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url(queue),
                         AttributeNames=names)["Attributes"]
        if found == none or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    tap.equal(found, none, "messages left on the queue")


def form_of(queue):
    return "fifo" if queue.endswith(".fifo") else "standard"


def check_stopped(consumer, queue):
    """The consumer ends with 0, or with 1 if it logs that the reply to its last receive was lost: on a standard
    queue this reply cannot be recovered."""
    status = consumer.wait(options.timeout)
    is_left = any(line.startswith("The reply to a receive is lost") for line in consumer.lines)
    tap.ok(not is_left or form_of(queue) == "standard", tail(consumer))
    tap.equal(status, 1 if is_left else 0,
              f"the consumer's exit status, after:\n{tail(consumer)}")


def check_all(server, queue, consumer, n_groups):
    is_fifo = form_of(queue) == "fifo"
    accepted = [r for r in server.records("sent") if not r["duplicate"]]
    check_accepted(accepted, is_fifo, n_groups)
    check_deleted(accepted, server.records("deleted"))
    if is_fifo:
        load.check_none_overtaken(server.records())
    check_handled(accepted, consumer, is_fifo)
    check_empty(server, queue)


def acted(server, kind):
    """Returns a text about the faults or the condition. Raises NoFaults if they had no effect."""
    if kind in CONDITIONS:
        counted = CONDITIONS[kind][3]
        count = server.counts()[counted] if counted else None
        text = f"{count} {counted}" if counted else "it acts always"
    else:
        faults = server.faults()
        count = sum(fault["faults"] for fault in faults)
        text = f"{count} of {sum(fault['requests'] for fault in faults)} requests had the fault"
    if count == 0:
        raise NoFaults(text)
    return text


def options_of_server(queue, operation, kind, profile, probability):
    if kind in CONDITIONS:
        return CONDITIONS[kind][2]
    return {"faults": rules(operation, kind, probability),
            **profile.get("server", {}).get(form_of(queue), {})}


def run(queue, operation, kind, profile, seed, probability):
    """Makes a run; returns a text about it. Raises NoFaults if there was no fault."""
    start = time.monotonic()
    daemons = []
    with SqsLocal([f"{queue},VisibilityTimeout={QUEUE_VISIBILITY_SEC}"], seed=seed,
                  **options_of_server(queue, operation, kind, profile, probability)) as server:
        try:
            producers = start_producers(server, queue, profile)
            daemons += producers
            consumer = start_consumer(server, queue, profile)
            daemons.append(consumer)
            wait_until_done(server, producers, consumer, kind)
            consumer.signal()
            check_stopped(consumer, queue)
            said = acted(server, kind)
            server.set_faults()
            check_all(server, queue, consumer, groups_of(profile))
        finally:
            for daemon in daemons:
                daemon.end()
    return f"{said}, {time.monotonic() - start:.1f} s"


def run_with_faults(arguments, tries):
    """Calls run() until there are faults. Appends the seed and the probability of each run to `tries`."""
    more = [p for p in PROBABILITIES_AGAIN if p > (options.probability or 0)]
    for i, probability in enumerate([options.probability, *more]):
        tries.append((options.seed + i, probability))
        try:
            return run(*arguments, *tries[-1])
        except NoFaults:
            if i == len(more):
                raise


def command(name, seed, probability):
    """Returns the command that repeats the run."""
    words = ["tests/stress/run.py", f"--seed={seed}"]
    if probability:
        words.append(f"--probability={probability}")
    words += [f"--{option}={getattr(options, option)}" for option in ("messages", "groups", "timeout")]
    words += [f"--{daemon}={setting}={json.dumps(value)}" for daemon in ("producer", "consumer")
              for setting, value in getattr(options, daemon).items()]
    return shlex.join([*words, f"--only={name}"])


def combinations():
    """Yields the name and the arguments of each run."""
    batches = known.issuperset(NEEDED.values())
    for queue in ("test.fifo", "test"):
        form = form_of(queue)
        for profile in PROFILES.values():
            for operation in profile["operations"]:
                for kind in KINDS:
                    if can_have(operation, kind):
                        yield f"{form} {operation}:{kind}", (queue, operation, kind, profile)
        for kind in KINDS:
            if form == "fifo" and "producer.order" in known and kind != NOT_IN_BATCH_ORDER and \
                    can_have("SendMessageBatch", kind):
                yield (f"{form} SendMessageBatch in batch order:{kind}",
                       (queue, "SendMessageBatch", kind, BATCH_ORDER))
        for kind in KINDS:
            if batches or kind != "partial":
                yield (f"{form} any:{kind}",
                       (queue, "any", kind, PROFILES["batch" if batches else "single"]))
        for condition, (forms, profile, *_) in CONDITIONS.items():
            if form in forms:
                yield f"{form} with {condition}", (queue, None, condition, PROFILES[profile])


def add(executor, name, arguments):
    """Queues a run, and registers a test that waits for it and reports the result."""
    missing = {NEEDED.get(arguments[1])} - known - {None}
    tries = []
    future = None if missing else executor.submit(run_with_faults, arguments, tries)

    def test():
        if missing:
            raise tap.Skip(f"the daemons have no setting {missing.pop()}")
        try:
            said = future.result()
        except Exception:
            tap.comment(f"to run it again: {command(name, *tries[-1])}")
            raise
        tap.comment(f"{name}: {said}" + (f", in run {len(tries)}" if len(tries) > 1 else ""))

    tap.add(name, test)


def setting(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("it must be NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--quick", action="store_true", help="a few runs")
    what.add_argument("--all", action="store_true", help="all runs")
    what.add_argument("--only", action="append", metavar="NAME",
                      help="runs whose names contain this (\"fifo SendMessage:\"); may be repeated")
    parser.add_argument("--seed", type=int, help="of the faults; by default another one each time")
    parser.add_argument("--probability", type=float,
                        help="that a request has the fault; by default by its operation")
    parser.add_argument("--messages", type=int, default=500, help="of each run (default 500)")
    parser.add_argument("--groups", type=int, default=20, help="of the messages (default 20)")
    parser.add_argument("--jobs", type=int, default=3, help="runs at once (default 3)")
    parser.add_argument("--timeout", type=float, default=240, help="seconds for a run (default 240)")
    for daemon in "producer", "consumer":
        parser.add_argument(f"--{daemon}", type=setting, action="append", default=[],
                            metavar="NAME=VALUE", help=f"a setting of the {daemon}")
    found = parser.parse_args()
    found.producer, found.consumer = dict(found.producer), dict(found.consumer)
    if found.seed is None:
        found.seed = random.randrange(1 << 31)
    found.messages -= found.messages % found.groups
    return found


def main():
    global options, known
    options = read_options()
    known = known_settings()
    tap.comment(f"seed {options.seed}")
    wanted = QUICK if options.quick else options.only
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as executor:
        for name, arguments in combinations():
            if options.all or (options.quick and name in wanted) or \
                    (options.only and any(word in name for word in wanted)):
                add(executor, name, arguments)
        sys.argv[1:] = []
        tap.main()


if __name__ == "__main__":
    main()
