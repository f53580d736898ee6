# SPDX-License-Identifier: MIT
"""The producer is killed between any two steps from the arrival of a message to the last write about it. Each
acknowledged message is sent once and in order.

Needs a build with fault points (meson -Dfault_points=true)."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from daemon import FIFO
from spool import Gone, Spool, check_once_and_in_order, sent_bodies
from sqs_local import SqsLocal

POINTS = ["intake-added", "spool-commit", "spool-committed", "intake-committed", "spool-mark",
          "spool-marked", "spool-settle", "spool-settled"]


def kill_at(point, number):
    """Kills the daemon when it passes the fault point for the time `number`. Returns False if it never does."""
    submitted, unanswered = {"a": [], "b": []}, []
    with SqsLocal([FIFO]) as server, Spool() as spool:
        producer = spool.producer(server, env={"SQS_FAULT_POINT": f"{point}:{number}"})
        try:
            with spool.connect(producer) as submitter:
                for i in range(12):
                    group = "ab"[i % 2]
                    unanswered = [group, str(i)]
                    submitter.submit(str(i), group=group)
                    submitted[group].append(str(i))
                    unanswered = []
            tap.wait_until(lambda: producer.process.poll() is not None or spool.count() == 0, 60)
        except (Gone, AssertionError):
            pass
        if not unanswered:
            producer.signal()  # the spool is empty before the last points: it may be killed at one even now
            if producer.wait() == 0:
                return False
        tap.equal(producer.wait(), -signal.SIGKILL, producer.text)
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            # A message without an answer may be stored or not. A real submitter would submit it again, with a
            # deduplication id of its own. Here the server's record shows which it was.
            submitter.submit("end", group="b")
        submitted["b"].append("end")
        tap.wait_until(lambda: spool.count() == 0 and "end" in sent_bodies(server), 60)
        producer.stop()
        if unanswered and unanswered[1] in sent_bodies(server):
            bodies = submitted[unanswered[0]]
            bodies.insert(len(bodies) - ("end" in bodies), unanswered[1])
        check_once_and_in_order(server.records(), submitted)
        tap.ok("SQS may store it twice" not in producer.text, producer.text)
    return True


def kill_at_each_time(point):
    if not os.environ.get("FAULT_POINTS"):
        raise tap.Skip("the build has no fault points")
    number = 1
    while kill_at(point, number):
        number += 1
        if number > 14:
            break
    tap.ok(number > 1, "the daemon was never killed")
    tap.comment(f"killed {number - 1} times")


for name in POINTS:
    tap.add(f"a kill at {name} loses no acknowledged message and sends none twice", kill_at_each_time, name)


if __name__ == "__main__":
    tap.main()
