# SPDX-License-Identifier: MIT
"""Both daemons when the network fails for a while, with an error or silently; when the server restarts; when names
are not found. The daemons recover without help, lose no message, keep the order of each group, and log little. Runs
in network namespaces of its own."""

import os
import random
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import namespaces
import scenes
import tap
from scenes import (BACK_SEC, GROUPS, LINES_MAX, QUEUE, check_lines, finish, flow, one_by_one,
                    side_by_side, start)
from sqs_local import SqsLocal

namespaces.enter()
OPTIONS = load.read_options(__doc__)
OUTAGE_SEC = 30 if OPTIONS.long else 6


def add(executor, name, function, *arguments):
    scenes.add(executor, OPTIONS.words, name, function, *arguments)


def wait_until_quiet(record):
    """Waits until the server has done what is on this side of the cable. Returns the number of records."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = len(record.read().all)
        time.sleep(1)
        if len(record.read().all) == before:
            return before
    raise AssertionError("the server goes on, though the network fails")


def network_fails(tell, fail, recover):
    with namespaces.Cable() as cable, SqsLocal([QUEUE]) as server, \
            namespaces.Forwarder("0.0.0.0", 0, server.port) as forwarder:
        daemons = start(server, endpoint=f"http://{cable.here}:{forwarder.port}", prefix=cable.prefix)
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "at first")
        fail(cable)
        before = wait_until_quiet(record)
        time.sleep(OUTAGE_SEC - 1)
        tap.equal(len(record.read().all), before, "records during the outage")
        recover(cable)
        flow(tell, record, daemons, BACK_SEC, "again")
        finish(tell, record, daemons)


add(side_by_side, "messages flow after the network dropped all packets for a while", network_fails,
    namespaces.Cable.swallow, namespaces.Cable.let_through)
add(side_by_side, "messages flow after the network had no route for a while", network_fails,
    namespaces.Cable.pull, namespaces.Cable.plug)


def check_accepted_in_order_over_restarts(record):
    """A server that is restarted has forgotten its messages and deduplication ids. A message that it had accepted
    but not acknowledged is accepted again, directly after the first time."""
    for group, records in record.groups().items():
        numbers = [load.number_of(r) for r in records]
        first = int(group.rsplit("-", 1)[1])
        steps = {b - a for a, b in zip(numbers, numbers[1:])}
        tap.ok(numbers[0] == first and steps <= {0, GROUPS}, f"{group}: {numbers}")


def check_first_handled_in_order(consumer):
    newest = {}
    for line in consumer.lines:
        if match := re.search(r"Message read from queue: Data:mydata(\d+) ", line):
            seen = newest.setdefault(int(match[1]) % GROUPS, [])
            if int(match[1]) not in seen:
                tap.ok(not seen or seen[-1] < int(match[1]), f"handled after a later message: {line}")
                seen.append(int(match[1]))


def server_restarts_with_empty_queues(tell):
    chance = random.Random(f"{OPTIONS.seed} server")
    with SqsLocal([QUEUE]) as server:
        daemons = start(server)
        producer, consumer = daemons
        record = load.Record(server)
        for i in range(10 if OPTIONS.long else 3):
            flow(tell, record, daemons, BACK_SEC, "at first" if i == 0 else "again")
            time.sleep(chance.random())
            if chance.random() < 0.5:
                server.kill()
                time.sleep(chance.random() * 3)
            server.restart()
            record.read()
            forgotten = len(record.accepted)
        flow(tell, record, daemons, BACK_SEC, "again")
        load.stop(producer)
        # Earlier messages were lost with the server.
        since_restart = {r["message_id"] for r in record.read().accepted[forgotten:]}
        record.wait_until(lambda r: not since_restart & r.left.keys(), BACK_SEC,
                          "all messages since the restart are deleted", [consumer])
        load.stop(consumer)
        check_accepted_in_order_over_restarts(record.read())
        tap.equal(set(load.answered_ids(producer.lines)) - {r["message_id"] for r in record.accepted},
                  set(), "acknowledged, but not accepted")
        numbers = sorted({load.number_of(r) for r in record.accepted})
        tap.equal(numbers, list(range(len(numbers))), "messages that the server had")
        handled = set(load.handled_ids(consumer.lines))
        unhandled = [load.body_id(r) for r in record.all if r["event"] == "sent"
                     and r["message_id"] not in record.left and load.body_id(r) not in handled]
        tap.equal(unhandled, [], "deleted, but not handled")
        check_first_handled_in_order(consumer)
        check_lines(tell, daemons, (10 if OPTIONS.long else 3) * LINES_MAX)


add(side_by_side, "messages flow after the server is restarted with empty queues",
    server_restarts_with_empty_queues)


def name_is_not_found_at_the_start(tell):
    with namespaces.NameServer("sqs.test") as names, SqsLocal([QUEUE]) as server:
        daemons = start(server, endpoint=f"http://sqs.test:{server.port}")
        record = load.Record(server)
        for answer in None, "servfail":
            names.answer, asked = answer, names.questions
            time.sleep(OUTAGE_SEC / 2)
            tap.wait_until(lambda: names.questions > asked, message="a question")
            for daemon in daemons:
                tap.ok(daemon.process.poll() is None, daemon.text)
        tap.equal(record.read().all, [])
        names.answer = "127.0.0.1"
        flow(tell, record, daemons, BACK_SEC, "at last")
        finish(tell, record, daemons)


def stop_without_name_server(tell):
    with namespaces.NameServer("sqs.test", patience_sec=30), SqsLocal([QUEUE]) as server:
        daemons = start(server, endpoint=f"http://sqs.test:{server.port}")
        for daemon in daemons:
            daemon.wait_for_line("failed")
        for daemon in daemons:
            start_sec = time.monotonic()
            load.stop(daemon)
            took = time.monotonic() - start_sec
            tap.ok(took < 25, f"a stop took {took:.1f} s")


def name_is_no_longer_found(tell):
    with namespaces.NameServer("sqs.test", "127.0.0.2") as names, SqsLocal([QUEUE]) as server:
        old = namespaces.Forwarder("127.0.0.2", 0, server.port)
        daemons = start(server, endpoint=f"http://sqs.test:{old.port}")
        record = load.Record(server)
        flow(tell, record, daemons, BACK_SEC, "at first")
        names.answer = "servfail"
        flow(tell, record, daemons, BACK_SEC, "while the name is not found")
        if OPTIONS.long:
            old.close()
            time.sleep(OUTAGE_SEC)
            names.answer = "127.0.0.3"
            with namespaces.Forwarder("127.0.0.3", old.port, server.port):
                # The old address stays cached for a minute.
                flow(tell, record, daemons, 60 + BACK_SEC, "at the new address")
                finish(tell, record, daemons)
        else:
            names.answer = "127.0.0.2"
            finish(tell, record, daemons)
            old.close()


add(one_by_one, "daemons wait for a name that is not found at the start", name_is_not_found_at_the_start)
add(one_by_one, "stop does not wait for a name server", stop_without_name_server)
add(one_by_one, "messages flow while the name is not found and after its address has changed" if OPTIONS.long else
    "messages flow while the name is not found", name_is_no_longer_found)

if __name__ == "__main__":
    tap.main()
