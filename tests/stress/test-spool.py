# SPDX-License-Identifier: MIT
"""50 submitters hand in messages of 25 groups while sqs-producerd is killed every second: on the queue
each stands once, and those of a submitter in their order. A submitter that gets no answer hands in the
same again, with the deduplication ids that it chose.

The same through both daemons into a file: each message is there once, and those of a group in the order
in which the queue took them. So it is when all is well, while the disk with both daemons' files is full
again and again, and with submitters that read no answer before they have to. Where both are killed every
second, a handler that is done when its daemon is killed, and not in the ledger yet, is run again, and
nothing else is."""

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
import disk
import load
import tap
from spool import Gone, Refused, Spool
from sqs_local import SqsLocal

disk.enter()

OPTIONS = load.read_options(__doc__)
SUBMITTERS, GROUPS = 50, 25
MESSAGES = 100000 if OPTIONS.long else 10000
HANDLED = 10000 if OPTIONS.long else 1000  # messages, each by a process of its own
CONCURRENCY = 20
RATE = 1000  # messages that the producer sends in a second, so that it has its time to be killed
UNDER_WAY = 8  # lines that a submitter writes before it waits for an answer
HANDED_IN = 200  # messages in a second, while the disk gets full and is freed
DISK_KIB = 32768
LOOKS = 8  # pages of rejected messages that a submitter asks for beside its share


class Submitting(threading.Thread):
    """Hands in its share over some seconds, whatever happens to the daemon. Each body has a line with its
    name, and up to `most` characters more. `again`: the number of its retries; `error`: its error."""

    def __init__(self, number, spool, messages, seconds=0, most=500):
        super().__init__(daemon=True)
        self.number, self.spool, self.error = number, spool, None
        self.share = messages // SUBMITTERS
        self.pause, self.most = seconds / self.share, most
        self.done, self.again, self.stood = 0, 0, []
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
                connection.write(**self.message(i), deduplication_id=f"{self.number}:{i}")
            for _ in range(self.done, last):
                answer = connection.read()
                tap.ok(answer["ok"], str(answer))
                self.done += 1
                time.sleep(self.pause * 2 * self.chance.random())

    def message(self, i):
        return {"body": f"{self.number}:{i}\n" + "." * self.chance.randint(0, self.most),
                "group": f"g{self.number % GROUPS}"}


class Persistent(Submitting):
    """Hands in one message at a time, and the same again when it is refused for the moment. A refused message
    is not stored, so no deduplication id is needed."""

    def hand_in(self, connection):
        while self.done < self.share:
            try:
                connection.submit(**self.message(self.done))
                self.done += 1
                time.sleep(self.pause * 2 * self.chance.random())
            except Refused as refused:
                if not refused.temporary:
                    raise
                self.again += 1
                time.sleep(0.05 * self.chance.random())


class Hasty(Submitting):
    """Writes its whole share before it reads any answer. In between it asks for pages of rejected messages:
    these answers fill the socket. `stood`: how many bytes had come when it could not write any more. Its
    connection must not end before it has all answers."""

    def hand_in(self, connection):
        lines = [self.message(i) for i in range(self.share)]
        for i in range(LOOKS):
            lines.insert((i + 1) * len(lines) // (LOOKS + 1), {"command": "rejected"})
        try:
            answers, self.stood = connection.write_before_reading(lines)
        except Gone as gone:
            raise AssertionError("without all answers") from gone
        for line, answer in zip(lines, answers):
            tap.ok(answer["ok"] and ("messages" in answer) == ("command" in line), str(answer)[:200])
        self.done = self.share


def check(records, messages):
    """What the server has taken, duplicates within its memory left out."""
    found = {}
    for record in records:
        if record["event"] == "sent" and not record["duplicate"]:
            number, place = record["body"].split("\n")[0].split(":")
            tap.equal(record["group"], f"g{int(number) % GROUPS}")
            found.setdefault(int(number), []).append(int(place))
    for number in range(SUBMITTERS):
        tap.equal(found.get(number), list(range(messages // SUBMITTERS)), f"of submitter {number}")


def count_doubles(records):
    return sum(r["event"] == "sent" and r["duplicate"] for r in records)


def kill(daemon):
    tap.ok(daemon.process.poll() is None, f"it ended:\n{load.last_lines(daemon)}")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    load.retire(daemon)


def stop(daemon):
    daemon.signal()
    tap.equal(daemon.wait(), 0, f"exit status, after:\n{load.last_lines(daemon)}")


def end(producer, spool):
    spool.connect(producer).close()  # before it listens, a signal would just end it
    stop(producer)
    tap.equal(spool.count(), 0)
    tap.equal(spool.count("sending"), 0)


def check_submitters(submitting):
    for submitter in submitting:
        if submitter.error:
            raise AssertionError(f"submitter {submitter.number}") from submitter.error


def check_that_they_noticed(submitting):
    check_submitters(submitting)
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
        check_that_they_noticed(submitting)
        check(server.records(), MESSAGES)
        tap.comment(f"{MESSAGES} messages, killed {kills} times; {count_doubles(server.records())} were "
                    "sent again, and SQS knew them")


# --- Through both into a file ---

# One process a message, and one write: what is appended at once is not mixed with what others append. Of
# a body, the line that names it.
APPEND = ["/bin/sh", "-c", 'IFS= read -r line; printf "%s\\n" "$line" >>"$0"']


class Through:
    """A queue, a folder with the state of both daemons, and the file into which messages are handled.
    `state`: another folder for the state."""

    def __init__(self, state=None, visibility=30):
        self.folder = tempfile.mkdtemp(prefix="handled-")
        self.path = os.path.join(self.folder, "handled")
        self.spool = Spool(state or self.folder)
        self.server = SqsLocal([f"test.fifo,VisibilityTimeout={visibility}"])
        self.record = load.Record(self.server)
        self.daemons = []

    def start(self, **producer):
        self.daemons = [
            self.spool.producer(self.server, log={"level": "notice"}, producer=producer),
            load.consumer(self.server, log={"level": "notice"},
                          env={"STATE_DIRECTORY": self.spool.path}, handler="exec",
                          command=[*APPEND, self.path], wait_time=1, concurrency=CONCURRENCY)]

    def is_done(self, submitting):
        if any(s.is_alive() for s in submitting):
            return False
        check_submitters(submitting)
        return self.record.read().n_deleted >= HANDLED

    def wait(self, submitting):
        self.record.wait_until(lambda _: self.is_done(submitting), 120 + HANDLED / 10,
                               "all are handled", self.daemons)

    def end(self):
        """Ends both daemons, and checks the queue."""
        end(self.daemons[0], self.spool)
        stop(self.daemons[1])
        check(self.record.read().all, HANDLED)
        tap.equal(count_doubles(self.record.all), 0, "messages that were sent again")

    def check_file(self, most_again=0):
        """Each message is there, those of a group in the order in which the queue took them, by the
        first handling of each. Returns how many were handled again."""
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        handled = {f"g{i}": [] for i in range(GROUPS)}
        for line in dict.fromkeys(lines):
            handled[f"g{int(line.split(':')[0]) % GROUPS}"].append(line)
        for group, records in self.record.groups().items():
            tap.equal(handled.pop(group), [r["body"].split("\n")[0] for r in records],
                      f"the order in which {group} was handled")
        tap.equal(handled, {}, "groups that the queue has nothing of")
        again = len(lines) - len(set(lines))
        tap.ok(again <= most_again, f"{again} were handled again, and {most_again} may be")
        return again

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.server.stop(check=kind is None)
        self.spool.__exit__()
        shutil.rmtree(self.folder)


@tap.test
def both_daemons_bring_all_into_a_file_once_and_in_order():
    with Through() as through:
        through.start()
        submitting = [Submitting(i, through.spool, HANDLED) for i in range(SUBMITTERS)]
        through.wait(submitting)
        through.end()
        through.check_file()


@tap.test
def with_the_disk_full_again_and_again_both_bring_all_into_a_file_once_and_in_order():
    """A handled message is deleted, with a full disk or without. It would be handled again only if its delete
    was lost as well."""
    with disk.Small(DISK_KIB) as small, Through(small.path) as through:
        # The queue is slower than the submitters, so that there is always something under way.
        through.start(rate_limit=HANDED_IN // 2)
        chance = random.Random(OPTIONS.seed)
        submitting = [Persistent(i, through.spool, HANDLED, HANDLED / HANDED_IN, most=20000)
                      for i in range(SUBMITTERS)]
        count, deadline = 0, time.monotonic() + 240 + HANDLED / 10

        def wait_until(condition, meanwhile=lambda: None):
            while any(s.is_alive() for s in submitting) and not condition():
                tap.ok(time.monotonic() < deadline, "not handed in in time:\n"
                       + "\n--\n".join(map(load.last_lines, through.daemons)))
                meanwhile()
                time.sleep(0.01)

        def is_told():
            return "Cannot write the ledger" in through.daemons[1].text

        while any(s.is_alive() for s in submitting):
            done = sum(s.done for s in submitting) + chance.randint(1, HANDLED // 20)
            wait_until(lambda: sum(s.done for s in submitting) >= done)
            small.fill()
            # Now and then, and until the ledger was refused space, take the space that the spool frees, too.
            refill = chance.choice([small.fill, lambda: None]) if is_told() else small.fill
            again = sum(s.again for s in submitting) + chance.choice([1, 50, 200])
            wait_until(lambda: sum(s.again for s in submitting) >= again, refill)
            late = time.monotonic() + 1
            wait_until(lambda: is_told() or time.monotonic() > late, refill)
            small.free()
            count += 1
        check_that_they_noticed(submitting)
        through.wait(submitting)
        through.end()
        through.check_file()
        tap.ok(is_told(), "the ledger always had room")
        through.daemons[0].wait_for_line("The spool cannot be written")
        tap.comment(f"{HANDLED} messages, the disk full {count} times; "
                    f"{sum(s.again for s in submitting)} times one was refused")


@tap.test
def submitters_that_read_no_answer_before_they_must_lose_and_repeat_nothing():
    with Through() as through:
        end(through.spool.producer(through.server), through.spool)  # the file is there
        for i in range(100):  # a page of them is 100 KiB
            through.spool.change("INSERT INTO rejected VALUES (?, ?, 'g', ?, -1, 1, x'', 'x', 1, ?, NULL)",
                                 i + 1, f"r{i}", f"r{i}", "." * 1000)
        through.start()
        submitting = [Hasty(i, through.spool, HANDLED, most=5000) for i in range(SUBMITTERS)]
        through.wait(submitting)
        tap.equal(through.spool.count("rejected"), 100)
        through.end()
        through.check_file()
        stood = [n for s in submitting for n in s.stood]
        tap.ok(max(stood, default=0) > 100000, f"the socket was never full of answers: {stood}")
        tap.comment(f"writing stood still {len(stood)} times, with {max(stood)} bytes to read")


@tap.test
def both_daemons_killed_every_second_bring_all_into_a_file_in_order():
    kills = 0
    with Through(visibility=1) as through:
        through.start(rate_limit=RATE)
        submitting = [Submitting(i, through.spool, HANDLED, 8) for i in range(SUBMITTERS)]
        deadline = time.monotonic() + 120 + HANDLED / 10
        while not through.is_done(submitting):
            tap.ok(time.monotonic() < deadline, f"not done in time: {through.record.n_deleted} deleted\n"
                   + "\n--\n".join(map(load.last_lines, through.daemons)))
            time.sleep(1)
            for daemon in through.daemons:
                kill(daemon)
            kills += 1
            through.start(rate_limit=RATE)
        end(through.daemons[0], through.spool)
        kill(through.daemons[1])  # it has just begun, and might not know of a signal yet
        check_that_they_noticed(submitting)
        check(through.record.read().all, HANDLED)
        again = through.check_file(kills * CONCURRENCY)
        tap.comment(f"{HANDLED} messages, both killed {kills} times; {again} were handled again")


if __name__ == "__main__":
    tap.main()
