"""50 submitters hand in messages of 25 groups while sqs-producerd is killed every second: on the queue
each stands once, and those of a submitter in their order. A submitter that gets no answer hands in the
same again, with the deduplication ids that it chose.

The same through both daemons, both killed every second, into a file: a handler that is done when its
daemon is killed, and not in the ledger yet, is run again, and nothing else is."""

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import tap
from spool import Gone, Spool
from sqs_local import SqsLocal

OPTIONS = load.read_options(__doc__)
SUBMITTERS, GROUPS = 50, 25
MESSAGES = 100000 if OPTIONS.long else 10000
HANDLED = 10000 if OPTIONS.long else 1000  # messages, each by a process of its own
CONCURRENCY = 20
RATE = 1000  # messages that the producer sends in a second, so that it has its time to be killed
UNDER_WAY = 8  # lines that a submitter writes before it waits for an answer


class Submitting(threading.Thread):
    """Hands in its share over some seconds, whatever becomes of the daemon. `error` is what went
    wrong."""

    def __init__(self, number, spool, messages, seconds):
        super().__init__(daemon=True)
        self.number, self.spool, self.error = number, spool, None
        self.share = messages // SUBMITTERS
        self.pause = seconds / self.share
        self.done, self.again = 0, 0
        self.chance = random.Random(f"{OPTIONS.seed} {number}")
        self.start()

    def run(self):
        try:
            while self.done < self.share:
                with self.spool.connect() as connection:
                    try:
                        self.hand_in(connection)
                    except Gone:
                        self.again += 1
        except Exception as error:  # told by the test
            self.error = error

    def hand_in(self, connection):
        while self.done < self.share:
            last = min(self.done + self.chance.randint(1, UNDER_WAY), self.share)
            for i in range(self.done, last):
                connection.write(body=f"{self.number}:{i}" + "." * self.chance.randint(0, 500),
                                 group=f"g{self.number % GROUPS}",
                                 deduplication_id=f"{self.number}:{i}")
            for _ in range(self.done, last):
                answer = connection.read()
                tap.ok(answer["ok"], str(answer))
                self.done += 1
                time.sleep(self.pause * 2 * self.chance.random())


def check(records, messages):
    """What the server has taken, duplicates within its memory left out."""
    found = {}
    for record in records:
        if record["event"] == "sent" and not record["duplicate"]:
            number, place = record["body"].rstrip(".").split(":")
            tap.equal(record["group"], f"g{int(number) % GROUPS}")
            found.setdefault(int(number), []).append(int(place))
    for number in range(SUBMITTERS):
        tap.equal(found.get(number), list(range(messages // SUBMITTERS)), f"of submitter {number}")


def kill(daemon):
    tap.ok(daemon.process.poll() is None, f"it ended:\n{load.last_lines(daemon)}")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    load.retire(daemon)


def end(producer, spool):
    spool.connect(producer).close()  # before it listens, a signal would just end it
    load.stop(producer)
    tap.equal(spool.count(), 0)
    tap.equal(spool.count("sending"), 0)


def check_submitters(submitting):
    for submitter in submitting:
        if submitter.error:
            raise AssertionError(f"submitter {submitter.number}") from submitter.error
    tap.ok(sum(s.again for s in submitting) > 0, "no submitter noticed any of it")


@tap.test
def a_producer_that_is_killed_every_second_sends_all_once_and_in_order():
    kills = 0
    with SqsLocal(["test.fifo"], latency_ms=5) as server, Spool() as spool:
        def start():
            return spool.producer(server, log={"level": "notice"}, producer={"rate_limit": RATE})

        producer = start()
        submitting = [Submitting(i, spool, MESSAGES, MESSAGES / RATE) for i in range(SUBMITTERS)]
        deadline = time.monotonic() + 60 + 10 * MESSAGES / RATE
        while any(s.is_alive() for s in submitting) or spool.count() > 0:
            tap.ok(time.monotonic() < deadline, f"not done in time:\n{load.last_lines(producer)}")
            time.sleep(1)
            kill(producer)
            kills += 1
            producer = start()
        end(producer, spool)
        check_submitters(submitting)
        check(server.records(), MESSAGES)
        doubles = sum(r["event"] == "sent" and r["duplicate"] for r in server.records())
        tap.comment(f"{MESSAGES} messages, killed {kills} times; {doubles} were sent again, and SQS "
                    "knew them")


# One process a message, and one write: what is appended at once is not mixed with what others append.
APPEND = ["/bin/sh", "-c", 'IFS= read -r line; printf "%s\\n" "$line" >>"$0"']


def check_file(path, kills):
    """Each message is there, those of a submitter in order, by the first handling of each. Returns how
    many were handled again."""
    first = {}
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for i, line in enumerate(lines):
        first.setdefault(line.rstrip("."), i)
    for number in range(SUBMITTERS):
        order = [first.get(f"{number}:{i}") for i in range(HANDLED // SUBMITTERS)]
        tap.ok(None not in order, f"not handled: of submitter {number}, {order.count(None)} messages")
        tap.equal(order, sorted(order), f"the order of submitter {number}")
    tap.equal(len(first), HANDLED, "messages handled")
    again = len(lines) - len(first)
    tap.ok(again <= kills * CONCURRENCY, f"{again} were handled again, for {kills} kills")
    return again


@tap.test
def both_daemons_killed_every_second_bring_all_into_a_file_in_order():
    kills, folder = 0, tempfile.mkdtemp(prefix="handled-")
    path = os.path.join(folder, "handled")
    with SqsLocal(["test.fifo,VisibilityTimeout=1"]) as server, Spool() as spool:
        def start():
            return [spool.producer(server, log={"level": "notice"}, producer={"rate_limit": RATE}),
                    load.consumer(server, log={"level": "notice"}, env={"STATE_DIRECTORY": folder},
                                  handler="exec", command=[*APPEND, path], wait_time=1,
                                  concurrency=CONCURRENCY)]

        daemons = start()
        submitting = [Submitting(i, spool, HANDLED, 8) for i in range(SUBMITTERS)]
        record = load.Record(server)
        deadline = time.monotonic() + 120 + HANDLED / 10
        while any(s.is_alive() for s in submitting) or record.read().n_deleted < HANDLED:
            tap.ok(time.monotonic() < deadline, f"not done in time: {record.n_deleted} deleted\n"
                   + "\n--\n".join(map(load.last_lines, daemons)))
            time.sleep(1)
            for daemon in daemons:
                kill(daemon)
            kills += 1
            daemons = start()
        end(daemons[0], spool)
        check_submitters(submitting)
        check(server.records(), HANDLED)
        again = check_file(path, kills)
        tap.comment(f"{HANDLED} messages, both killed {kills} times; {again} were handled again")
    shutil.rmtree(folder)


if __name__ == "__main__":
    tap.main()
