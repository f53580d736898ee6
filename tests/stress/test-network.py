# SPDX-License-Identifier: MIT
"""Both daemons when the network fails: it disappears and comes back, with an error or silently; the server
restarts; names are not found. The daemons go on by themselves, lose nothing, keep the order of each group, and
log little. Runs in networks of its own."""

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
AWAY_SEC = 30 if OPTIONS.long else 6


def add(executor, name, function, *arguments):
    scenes.add(executor, OPTIONS.words, name, function, *arguments)


def network_vanishes(tell, leave, come_back):
    with namespaces.Cable() as cable, SqsLocal([QUEUE]) as server, \
            namespaces.Forwarder("0.0.0.0", 0, server.port) as forwarder:
        daemons = start(server, endpoint=f"http://{cable.here}:{forwarder.port}", prefix=cable.prefix)
        record = load.Record(server)
        flow(tell, record, daemons, 30, "at first")
        leave(cable)
        time.sleep(1)
        before = len(record.read().all)
        time.sleep(AWAY_SEC - 1)
        tap.equal(len(record.read().all), before, "records while the network was away")
        come_back(cable)
        flow(tell, record, daemons, BACK_SEC, "again")
        finish(tell, record, daemons)


add(side_by_side, "a network that vanishes in silence and comes back", network_vanishes,
    namespaces.Cable.swallow, namespaces.Cable.let_through)
add(side_by_side, "a network that has no route and comes back", network_vanishes,
    namespaces.Cable.pull, namespaces.Cable.plug)


def check_accepted_since_forgotten(record):
    """A server that was started anew knows neither its messages nor their deduplication ids: one
    whose acknowledgement it still owed is taken once more, and that directly after the first."""
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
                tap.ok(not seen or seen[-1] < int(match[1]), f"handled too late: {line}")
                seen.append(int(match[1]))


def a_server_that_is_started_anew_with_empty_queues(tell):
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
        # Those before are gone with the server.
        lately = {r["message_id"] for r in record.read().accepted[forgotten:]}
        record.wait_until(lambda r: not lately & r.left.keys(), BACK_SEC,
                          "all since the restart are deleted", [consumer])
        load.stop(consumer)
        check_accepted_since_forgotten(record.read())
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


add(side_by_side, "a server that is started anew with empty queues",
    a_server_that_is_started_anew_with_empty_queues)


def names_that_are_not_found_at_the_start(tell):
    with namespaces.NameServer("sqs.test") as names, SqsLocal([QUEUE]) as server:
        daemons = start(server, endpoint=f"http://sqs.test:{server.port}")
        record = load.Record(server)
        for answer in None, "servfail":
            names.answer, asked = answer, names.questions
            time.sleep(AWAY_SEC / 2)
            tap.ok(names.questions > asked, "nobody asked")
            for daemon in daemons:
                tap.ok(daemon.process.poll() is None, daemon.text)
        tap.equal(record.read().all, [])
        names.answer = "127.0.0.1"
        flow(tell, record, daemons, BACK_SEC, "at last")
        finish(tell, record, daemons)


def a_stop_waits_for_no_name_server(tell):
    with namespaces.NameServer("sqs.test"), SqsLocal([QUEUE]) as server:
        daemons = start(server, endpoint=f"http://sqs.test:{server.port}")
        for daemon in daemons:
            daemon.wait_for_line("failed")
        for daemon in daemons:
            start_sec = time.monotonic()
            load.stop(daemon)
            took = time.monotonic() - start_sec
            tap.ok(took < 5, f"a stop took {took:.1f} s")


def names_that_are_not_found_any_more(tell):
    with namespaces.NameServer("sqs.test", "127.0.0.2") as names, SqsLocal([QUEUE]) as server:
        old = namespaces.Forwarder("127.0.0.2", 0, server.port)
        daemons = start(server, endpoint=f"http://sqs.test:{old.port}")
        record = load.Record(server)
        flow(tell, record, daemons, 30, "at first")
        names.answer = "servfail"
        flow(tell, record, daemons, 30, "though names are not found")
        if OPTIONS.long:
            old.close()
            time.sleep(AWAY_SEC)
            names.answer = "127.0.0.3"
            with namespaces.Forwarder("127.0.0.3", old.port, server.port):
                # For a minute the old address is believed.
                flow(tell, record, daemons, 60 + BACK_SEC, "at the new address")
                finish(tell, record, daemons)
        else:
            names.answer = "127.0.0.2"
            finish(tell, record, daemons)
            old.close()


add(one_by_one, "names that are not found at the start", names_that_are_not_found_at_the_start)
add(one_by_one, "a stop waits for no name server", a_stop_waits_for_no_name_server)
add(one_by_one, "names that are not found any more, and one that moves" if OPTIONS.long else
    "names that are not found any more", names_that_are_not_found_any_more)

if __name__ == "__main__":
    tap.main()
