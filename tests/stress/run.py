#!/usr/bin/env python3
"""Both daemons on a queue where things go wrong: nothing is lost, and on FIFO nothing is doubled or
overtaken.

For each kind of fault of sqs-local (its --help), each operation, and a FIFO and a standard queue:
the producer sends messages over many groups while the consumer takes them off, and some of that
operation's requests have that fault. What then is true is read from sqs-local's record: each message
was accepted (on FIFO once, and each group's in order), handled, and deleted (on FIFO each group's in
order); and nothing is left on the queue.

Each run prints its seed. The faults follow from it, so that a failure can be run again:

    tests/stress/run.py --seed=4711 --only='fifo DeleteMessage:stall'

Settings that the daemons at hand do not have are left out; without the producer's `groups` each
group has a producer of its own. Needs only the standard library; prints TAP.
"""

import argparse
import concurrent.futures
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import Daemon, config_text
from sqs_local import BUILD_ROOT, SqsLocal

KINDS = ("error-500", "error-503", "throttle", "expired-token", "drop-before", "drop-after", "stall",
         "delay", "partial", "garbage", "truncate", "wrong-md5")

# How the daemons are set, and the operations that they then use.
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
        "needs": ("producer.batch_size", "consumer.delete_linger"),
    },
    # A delete takes long against the lease, so that this has to be extended.
    "leases": {
        "producer": {"max_connections": 8, "batch_size": 10},
        "consumer": {"receivers": 2, "concurrency": 20, "delete_linger": 0.0,
                     "visibility_timeout": 2},
        "server": {"rtt_ms": 300},
        "operations": ("ChangeMessageVisibility", "ChangeMessageVisibilityBatch"),
        "needs": ("consumer.visibility_timeout",),
    },
}

# Requests that have the fault. Each costs seconds at worst, and there are hundreds of them in a run.
PROBABILITY = {"SendMessage": 0.03, "DeleteMessage": 0.03, "any": 0.05}
PROBABILITY_ELSE = 0.2
FAULTS_MAX = 8

QUEUE_VISIBILITY_SEC = 3
REQUEST_TIMEOUT_SEC = 1
DELAY_MSEC = 2500  # the client has given up by then, and tried again

QUICK = (
    "fifo SendMessage:drop-after", "fifo SendMessage:delay", "fifo ReceiveMessage:drop-after",
    "fifo DeleteMessage:stall", "fifo SendMessageBatch:partial", "fifo SendMessageBatch:drop-after",
    "fifo DeleteMessageBatch:partial", "fifo ChangeMessageVisibilityBatch:partial",
    "fifo any:error-503", "standard SendMessage:drop-after", "standard any:truncate",
)

options = None
known = None


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


def rule(operation, kind):
    """The faults of a run. A daemon asks for a queue's attributes once."""
    parameters = (f":p={PROBABILITY.get(operation, PROBABILITY_ELSE)}:times={FAULTS_MAX}"
                  if operation != "GetQueueAttributes" else ":every=1:times=2")
    if kind == "delay":
        parameters += f":delay={DELAY_MSEC}"
    return f"{'*' if operation == 'any' else operation}:{kind}{parameters}"


def start_producers(server, queue, profile):
    """A list of them; together they send options.messages messages."""
    settings = {"send_interval": 0.0, **only_known("producer", profile["producer"]),
                **options.producer}
    aws = {"request_timeout": REQUEST_TIMEOUT_SEC}
    if "producer.groups" in known:
        settings.update(groups=options.groups, messages_to_send=options.messages)
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
    """Until the producers have ended and all that the queue accepted was deleted."""
    deadline = time.monotonic() + options.timeout
    for producer in producers:
        status = producer.wait(max(1, deadline - time.monotonic()))
        tap.equal(status, 0, f"a producer's exit status, after:\n{tail(producer)}")
    if kind == "delay":
        time.sleep(DELAY_MSEC / 1000 + 0.2)  # what was given up and sent again may be done yet
    while True:
        accepted = {r["message_id"] for r in server.records("sent") if not r["duplicate"]}
        left = accepted - {r["message_id"] for r in server.records("deleted")}
        if not left:
            return
        tap.ok(consumer.process.poll() is None, f"the consumer has ended:\n{tail(consumer)}")
        tap.ok(time.monotonic() < deadline,
               f"{len(left)} of {len(accepted)} messages were not deleted within "
               f"{options.timeout} s; the consumer said last:\n{tail(consumer)}")
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


def check_accepted(accepted, is_fifo):
    """Every message made is on the queue; on FIFO once, and in its group's order."""
    bodies = {json.loads(r["body"])["id"] for r in accepted}
    total = options.messages // options.groups * options.groups
    tap.equal(len(bodies), total, "messages that were accepted")
    if not is_fifo:
        return
    tap.equal(len(accepted), total, "accepted messages, with those that are there twice")
    groups = by_group(accepted)
    tap.equal(len(groups), options.groups, "groups")
    for group, messages in groups.items():
        indices = [index_of(m) for m in messages]
        tap.equal(indices, sorted(indices), f"the order in which {group} was accepted")


def check_handled(accepted, consumer, is_fifo):
    """The consumer has handled every message, on FIFO in its group's order. It may have handled one
    twice, where it could not know that it had."""
    handled = {}
    for line in consumer.lines:
        match = re.search(r"Message read from queue: Data:\S+ .* Id:([0-9a-f-]{36})", line)
        if match:
            handled.setdefault(match[1], len(handled))
    for group, messages in by_group(accepted).items():
        ids = [json.loads(m["body"])["id"] for m in messages]
        missing = [i for i in ids if i not in handled]
        tap.equal(missing, [], f"messages of {group} that were deleted without being handled")
        if is_fifo:
            order = [handled[i] for i in ids]
            tap.equal(order, sorted(order), f"the order in which {group} was handled")


def check_deleted(accepted, deleted, is_fifo):
    """Each message once; on FIFO in its group's order."""
    left = {r["message_id"] for r in accepted}
    for record in deleted:
        tap.ok(record["message_id"] in left, f"deleted twice, or never accepted: {record}")
        left.remove(record["message_id"])
    tap.equal(left, set(), "messages that were not deleted")
    if not is_fifo:
        return
    groups = by_group(deleted)
    for group, messages in by_group(accepted).items():
        tap.equal([m["message_id"] for m in groups[group]], [m["message_id"] for m in messages],
                  f"the order in which {group} was deleted")


def check_empty(server, queue):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
             "ApproximateNumberOfMessagesDelayed"]
    found = sqs.call(server, "GetQueueAttributes", QueueUrl=server.queue_url(queue),
                     AttributeNames=names)["Attributes"]
    tap.equal(found, {name: "0" for name in names}, "what is left on the queue")


def check_all(server, queue, consumer):
    is_fifo = queue.endswith(".fifo")
    accepted = [r for r in server.records("sent") if not r["duplicate"]]
    check_accepted(accepted, is_fifo)
    check_deleted(accepted, server.records("deleted"), is_fifo)
    check_handled(accepted, consumer, is_fifo)
    check_empty(server, queue)


def run(queue, operation, kind, profile, seed):
    """One run; returns what is to be said of it."""
    start = time.monotonic()
    daemons = []
    with SqsLocal([f"{queue},VisibilityTimeout={QUEUE_VISIBILITY_SEC}"], seed=seed,
                  faults=[rule(operation, kind)], **profile.get("server", {})) as server:
        try:
            producers = start_producers(server, queue, profile)
            daemons += producers
            consumer = start_consumer(server, queue, profile)
            daemons.append(consumer)
            wait_until_done(server, producers, consumer, kind)
            consumer.signal()
            tap.equal(consumer.wait(options.timeout), 0,
                      f"the consumer's exit status, after:\n{tail(consumer)}")
            faults = server.faults()[0]
            server.set_faults()
            check_all(server, queue, consumer)
        finally:
            for daemon in daemons:
                daemon.end()
    if faults["faults"] == 0:
        raise tap.Skip(f"of {faults['requests']} requests none had the fault")
    return (f"{faults['faults']} of {faults['requests']} requests had the fault, "
            f"{time.monotonic() - start:.1f} s")


def combinations():
    """All of them: (name, arguments of run)."""
    for queue, form in (("test.fifo", "fifo"), ("test", "standard")):
        for profile in PROFILES.values():
            for operation in profile["operations"]:
                for kind in KINDS:
                    if kind == "partial" and not operation.endswith("Batch"):
                        continue
                    if operation == "GetQueueAttributes" and kind == "expired-token":
                        continue  # keys that are refused at the start fail it, and rightly
                    if kind == "wrong-md5" and not re.match("Send|Receive", operation):
                        continue
                    yield f"{form} {operation}:{kind}", (queue, operation, kind, profile)
        # Every operation at once, by whatever profile the daemons can do.
        profile = PROFILES["batch"]
        if not known.issuperset(profile["needs"]):
            profile = PROFILES["single"]
        for kind in KINDS:
            if kind != "partial" or profile is PROFILES["batch"]:
                yield f"{form} any:{kind}", (queue, "any", kind, profile)


def add(executor, name, arguments):
    """Has a combination run in its turn; its test waits for it and says what came of it."""
    missing = set(arguments[3].get("needs", ())) - known
    future = None if missing else executor.submit(run, *arguments, options.seed)

    def test():
        if missing:
            raise tap.Skip(f"the daemons have no setting {', '.join(sorted(missing))}")
        try:
            tap.comment(f"{name}: {future.result()}")
        except Exception:
            tap.comment(f"to run it again: tests/stress/run.py --seed={options.seed} "
                        f"--only='{name}'")
            raise

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
    what.add_argument("--quick", action="store_true", help="a few combinations")
    what.add_argument("--all", action="store_true", help="every combination")
    what.add_argument("--only", action="append", metavar="NAME",
                      help="those whose names hold this (\"fifo SendMessage:\"); may be repeated")
    parser.add_argument("--seed", type=int, help="of the faults; by default another each time")
    parser.add_argument("--messages", type=int, default=500, help="of each run (default 500)")
    parser.add_argument("--groups", type=int, default=20, help="of the messages (default 20)")
    parser.add_argument("--jobs", type=int, default=3, help="runs at once (default 3)")
    parser.add_argument("--timeout", type=float, default=240, help="seconds for a run (default 240)")
    for daemon in "producer", "consumer":
        parser.add_argument(f"--{daemon}", type=setting, action="append", default=[],
                            metavar="NAME=VALUE", help=f"a setting of the {daemon}'s")
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
