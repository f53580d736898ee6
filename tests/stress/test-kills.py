# SPDX-License-Identifier: MIT
"""SIGKILL and SIGTERM at random moments, while a daemon has many messages in flight. No acknowledged message is
lost, each group keeps its order, and a stop leaves no message invisible."""

import json
import os
import random
import signal
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import sqs
import tap
from sqs_local import SqsLocal

OPTIONS = load.read_options(__doc__)
ROUNDS = 200 if OPTIONS.long else 10


def seeded(what):
    return random.Random(f"{OPTIONS.seed} {what}")


def end_producer(number, daemon, chance):
    """Sends the signal to the daemon at a random moment. Returns the message ids in its lines about answers, and
    the number of its lines about sends."""
    if chance.random() < 0.8:
        daemon.wait_for_line("SQS Response", chance.randint(1, 40))
    elif number == signal.SIGTERM:
        daemon.wait_for_line("Running...")  # before this line the signal would end it at once
    time.sleep(chance.random() / 15)
    daemon.signal(number)
    status = daemon.wait()
    lines = daemon.lines
    if number == signal.SIGTERM:
        tap.equal(status, 0, daemon.text)
        tap.ok("Terminated!" in lines[-1], daemon.text)
    else:
        tap.equal(status, -number, daemon.text)
    load.retire(daemon)
    return set(load.answered_ids(lines)), sum("Sending message" in l for l in lines)


def end_producers(number):
    chance = seeded(f"producers {number}")
    runs = {}
    with SqsLocal(["test.fifo,VisibilityTimeout=5"], latency_ms=1) as server:
        consumer = load.consumer(server)
        for i in range(ROUNDS):
            name = f"run{i}"
            daemon = load.producer(server, message_group_id=name, rate_limit=2000,
                                   batch_size=chance.choice([1, 3, 10]),
                                   max_connections=chance.choice([1, 4]),
                                   order=chance.choice(["strict", "batch"]))
            runs[name] = end_producer(number, daemon, chance)
        record = load.Record(server)
        record.wait_until_all_deleted(300, [consumer])
        load.stop(consumer)
        record.read().check_accepted_in_order(20)
        record.check_handled(load.handled_ids(consumer.lines))
        record.check_none_overtaken()
        accepted = {name: set() for name in runs}
        for entry in record.accepted:
            accepted[entry["group"].rsplit("-", 1)[0]].add(entry["message_id"])
    for name, (answered, n_sent) in runs.items():
        tap.equal(answered - accepted[name], set(), f"acknowledged messages of {name} that were lost")
        if number == signal.SIGTERM:
            tap.equal(len(accepted[name]), n_sent, f"messages that {name} sent, and that were accepted")
            tap.equal(accepted[name], answered, f"messages of {name} that were accepted and acknowledged")
    tap.comment(f"{ROUNDS} times, {len(record.accepted)} messages were accepted")


tap.add("producers that are killed lose no acknowledged message and keep the order", end_producers,
        signal.SIGKILL)
tap.add("producers that are stopped send all messages in flight", end_producers,
        signal.SIGTERM)


@tap.test
def consumers_that_are_killed_lose_no_message_and_keep_the_order():
    chance = seeded("consumers killed")
    handled, busy = [], 0
    with SqsLocal(["test.fifo,VisibilityTimeout=2"], latency_ms=1) as server:
        # Each killed consumer leaves messages invisible for 2 s, which block their groups: so there are many
        # groups.
        producer = load.producer(server, groups=500, rate_limit=600)
        producer.wait_for_line("SQS Response", 500)
        for i in range(ROUNDS):
            consumer = load.consumer(server, concurrency=chance.choice([1, 10, 40]),
                                     receivers=chance.choice([1, 4]),
                                     delete_linger=chance.choice([0, 0.01, 0.1]))
            if i % 5:  # the others may be killed before they handle a message
                consumer.wait_for_line("Message read from queue")
            time.sleep(chance.random() / 4)
            consumer.signal(signal.SIGKILL)
            tap.equal(consumer.wait(), -signal.SIGKILL, consumer.text)
            found = load.handled_ids(consumer.lines)
            busy += len(found) > 0
            handled += found
            load.retire(consumer)
        load.stop(producer)
        record = load.Record(server)
        consumer = load.consumer(server)
        record.wait_until_all_deleted(300, [consumer])
        load.stop(consumer)
        handled += load.handled_ids(consumer.lines)
        record.read().check_accepted_in_order(500)
        record.check_handled(handled)
        record.check_none_overtaken()
        accepted = {entry["message_id"] for entry in record.accepted}
        tap.equal(accepted, set(load.answered_ids(producer.lines)), "accepted and acknowledged")
    tap.ok(busy > ROUNDS / 2, f"only {busy} of {ROUNDS} consumers handled a message")
    tap.comment(f"{ROUNDS} times, {len(accepted)} messages, {len(handled) - len(accepted)} of them "
                "were handled again")


def fill(server, queue, groups, count):
    """Sends `count` messages in the form of the demo to each group; returns their ids by group."""
    connection = server.connection()
    ids = {f"g{i}": [str(uuid.uuid4()) for _ in range(count)] for i in range(groups)}
    pairs = [(group, ids[group][i]) for i in range(count) for group in ids]
    for start in range(0, len(pairs), 10):
        entries = []
        for i, (group, name) in enumerate(pairs[start:start + 10]):
            body = json.dumps({"data": f"mydata{start + i}", "ts": "2024-01-01T00:00:00", "id": name})
            entries.append({"Id": str(i), "MessageBody": body})
            if queue.endswith(".fifo"):
                entries[-1].update(MessageGroupId=group, MessageDeduplicationId=name)
        answer = sqs.call(server, "SendMessageBatch", connection=connection, Entries=entries,
                          QueueUrl=server.queue_url(queue))
        tap.equal(answer.get("Failed", []), [])
    connection.close()
    return ids


def drain(server, queue):
    """Receives and deletes all messages that are visible now; returns their ids in order."""
    connection = server.connection()
    url = server.queue_url(queue)
    found = []
    while True:
        messages = sqs.call(server, "ReceiveMessage", connection=connection, QueueUrl=url,
                            MaxNumberOfMessages=10, WaitTimeSeconds=0,
                            VisibilityTimeout=300).get("Messages", [])
        if not messages:
            connection.close()
            return found
        found += [json.loads(m["Body"])["id"] for m in messages]
        answer = sqs.call(server, "DeleteMessageBatch", connection=connection, QueueUrl=url, Entries=[
            {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
        tap.equal(answer.get("Failed", []), [])


def stop_a_consumer(server, queue, chance):
    """Fills the queue, and stops a consumer at a random moment. Returns how many messages were not handled."""
    ids = fill(server, queue, 20, 6)
    consumer = load.consumer(server, queue, concurrency=chance.choice([1, 10, 40]),
                             receivers=chance.choice([1, 4]),
                             delete_linger=chance.choice([0, 0.01, 0.1]))
    if chance.random() < 0.8:
        consumer.wait_for_line("Number of messages received")
    else:
        consumer.wait_for_line("Running...")
    time.sleep(chance.random() / 8)
    load.stop(consumer)
    rest = drain(server, queue)
    handled = load.handled_ids(consumer.lines)
    load.retire(consumer)
    tap.equal(sorted(handled + rest), sorted(name for group in ids.values() for name in group),
              f"messages that were handled or visible at once, after:\n{load.last_lines(consumer)}")
    if queue.endswith(".fifo"):
        for group, names in ids.items():
            tap.equal([i for i in handled + rest if i in names], names, f"the order of {group}")
    return len(rest)


@tap.test
def consumers_that_are_stopped_leave_no_message_invisible():
    chance = seeded("consumers stopped")
    left = 0
    with SqsLocal(["test.fifo,VisibilityTimeout=300", "test,VisibilityTimeout=300"],
                  latency_ms=5) as server:
        for i in range(ROUNDS):
            left += stop_a_consumer(server, ["test.fifo", "test"][i % 2], chance)
    tap.ok(left > 0, "each consumer had handled all messages before it was stopped")
    tap.comment(f"{ROUNDS} times, {left} of {ROUNDS * 120} messages were not handled")


if __name__ == "__main__":
    tap.main()
