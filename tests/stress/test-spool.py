# SPDX-License-Identifier: MIT
"""50 submitters submit messages of 25 groups while sqs-producerd is killed every second. Each message gets to the
queue once, and those of a submitter in order. A submitter that gets no answer submits the same messages again, with
deduplication ids that it chose.

The same with both daemons: each message is written to a file once, and those of a group in the order of the queue.
It also holds while the disk with the files of both daemons is full again and again, and with submitters that read
answers only when they must. When both daemons are killed every second, a message is handled twice only if its
daemon was killed after the handler and before the write to the ledger."""

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
HANDLED = 10000 if OPTIONS.long else 1000  # messages; each is handled by a process of its own
CONCURRENCY = 20
RATE = 1000  # messages a second that the producer sends, so that it is killed many times
IN_FLIGHT = 8  # lines that a submitter writes before it waits for an answer
SUBMIT_RATE = 200  # messages a second, while the disk is filled and freed
DISK_KIB = 32768
PAGES = 8  # of rejected messages that a submitter asks for beside its share


class Submitter(threading.Thread):
    """Submits its share of the messages over some seconds, and connects again when the daemon was killed. Each body
    has a line with its name, and up to `most` characters more. `retries`: their number; `error`: the exception
    that ended it."""

    def __init__(self, number, spool, messages, seconds=0, most=500):
        super().__init__(daemon=True)
        self.number, self.spool, self.error = number, spool, None
        self.share = messages // SUBMITTERS
        self.pause, self.most = seconds / self.share, most
        self.done, self.retries, self.ready = 0, 0, []
        self.chance = random.Random(f"{OPTIONS.seed} {number}")
        self.start()

    def run(self):
        try:
            while self.done < self.share:
                with self.spool.connect() as connection:
                    try:
                        self.submit_share(connection)
                    except Gone:
                        self.retries += 1
        except Exception as error:  # reported by the test
            self.error = error

    def submit_share(self, connection):
        while self.done < self.share:
            last = min(self.done + self.chance.randint(1, IN_FLIGHT), self.share)
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


class Persistent(Submitter):
    """Submits one message at a time, and retries while it is refused for the moment. A refused message is not
    stored, so it needs no deduplication id."""

    def submit_share(self, connection):
        while self.done < self.share:
            try:
                connection.submit(**self.message(self.done))
                self.done += 1
                time.sleep(self.pause * 2 * self.chance.random())
            except Refused as refused:
                if not refused.temporary:
                    raise
                self.retries += 1
                time.sleep(0.05 * self.chance.random())


class Hasty(Submitter):
    """Writes its whole share before it reads any answer. In between it asks for pages of rejected messages:
    their answers fill the socket. `ready`: how many bytes were ready to be read each time that a write blocked."""

    def submit_share(self, connection):
        lines = [self.message(i) for i in range(self.share)]
        for i in range(PAGES):
            lines.insert((i + 1) * len(lines) // (PAGES + 1), {"command": "rejected"})
        try:
            answers, self.ready = connection.write_before_reading(lines)
        except Gone as gone:
            raise AssertionError("the connection ended before all answers") from gone
        for line, answer in zip(lines, answers):
            tap.ok(answer["ok"] and ("messages" in answer) == ("command" in line), str(answer)[:200])
        self.done = self.share


def check(records, messages):
    """Fails unless each message was sent once, and those of a submitter in order, not counting dropped
    duplicates."""
    found = {}
    for record in records:
        if record["event"] == "sent" and not record["duplicate"]:
            number, place = record["body"].split("\n")[0].split(":")
            tap.equal(record["group"], f"g{int(number) % GROUPS}")
            found.setdefault(int(number), []).append(int(place))
    for number in range(SUBMITTERS):
        tap.equal(found.get(number), list(range(messages // SUBMITTERS)), f"messages of submitter {number}")


def count_duplicates(records):
    return sum(r["event"] == "sent" and r["duplicate"] for r in records)


def kill(daemon):
    tap.ok(daemon.process.poll() is None, f"the daemon ended:\n{load.last_lines(daemon)}")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    load.retire(daemon)


def end(producer, spool):
    spool.connect(producer).close()  # before it listens, a signal would end it at once
    # One that was killed may have sent the last messages, and must send them again to hear it.
    tap.wait_until(lambda: spool.count() == 0, message="an empty spool")
    producer.stop()
    tap.equal(spool.count(), 0)
    tap.equal(spool.count("sending"), 0)


def check_submitters(submitters):
    for submitter in submitters:
        if submitter.error:
            raise AssertionError(f"submitter {submitter.number}") from submitter.error


def check_some_retried(submitters):
    check_submitters(submitters)
    tap.ok(sum(s.retries for s in submitters) > 0, "no submitter had to retry")


@tap.test
def producer_killed_every_second_sends_each_message_once_and_in_order():
    kills = 0
    with SqsLocal(["test.fifo"], latency_ms=5) as server, Spool() as spool:
        def start():
            return spool.producer(server, log={"level": "notice"}, producer={"rate_limit": RATE})

        producer = start()
        submitters = [Submitter(i, spool, MESSAGES, MESSAGES / RATE) for i in range(SUBMITTERS)]
        deadline = time.monotonic() + 300 + 10 * MESSAGES / RATE
        while any(s.is_alive() for s in submitters) or spool.count() > 0:
            tap.ok(time.monotonic() < deadline, f"not done in time:\n{load.last_lines(producer)}")
            spool.connect(producer).close()  # a busy machine may need most of the second until it listens
            time.sleep(1)
            kill(producer)
            kills += 1
            producer = start()
        end(producer, spool)
        check_some_retried(submitters)
        check(server.records(), MESSAGES)
        tap.comment(f"{MESSAGES} messages, killed {kills} times; {count_duplicates(server.records())} were "
                    "sent again, and SQS dropped them")


# --- Both daemons, into a file ---

# Runs for each message, and appends the first line of the body with one write, so that lines are not mixed.
APPEND = ["/bin/sh", "-c", 'IFS= read -r line; printf "%s\\n" "$line" >>"$0"']


class BothDaemons:
    """A queue, both daemons, and the file to which the handler appends. `state`: the folder for the daemons' state;
    None: beside the file."""

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

    def is_done(self, submitters):
        if any(s.is_alive() for s in submitters):
            return False
        check_submitters(submitters)
        return self.record.read().n_deleted >= HANDLED

    def wait(self, submitters):
        self.record.wait_until(lambda _: self.is_done(submitters), 300 + HANDLED / 10,
                               "all messages are handled", self.daemons)

    def end(self):
        """Ends both daemons, and checks the queue."""
        end(self.daemons[0], self.spool)
        self.daemons[1].stop()
        check(self.record.read().all, HANDLED)
        tap.equal(count_duplicates(self.record.all), 0, "messages that were sent again")

    def check_file(self, most_again=0):
        """Fails unless each message was handled, and those of a group in the order of the queue (the first time
        that each was handled counts). Returns how many were handled again."""
        with open(self.path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        handled = {f"g{i}": [] for i in range(GROUPS)}
        for line in dict.fromkeys(lines):
            handled[f"g{int(line.split(':')[0]) % GROUPS}"].append(line)
        for group, records in self.record.groups().items():
            tap.equal(handled.pop(group), [r["body"].split("\n")[0] for r in records],
                      f"the order in which {group} was handled")
        tap.equal(handled, {}, "groups without a message on the queue")
        again = len(lines) - len(set(lines))
        tap.ok(again <= most_again, f"{again} were handled again, at most {most_again} may be")
        return again

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.server.stop(check=kind is None)
        self.spool.__exit__()
        shutil.rmtree(self.folder)


@tap.test
def both_daemons_handle_each_message_once_and_in_order():
    with BothDaemons() as both:
        both.start()
        submitters = [Submitter(i, both.spool, HANDLED) for i in range(SUBMITTERS)]
        both.wait(submitters)
        both.end()
        both.check_file()


@tap.test
def both_daemons_on_a_disk_that_is_often_full_handle_each_message_once_and_in_order():
    """A handled message is deleted also when the ledger cannot be written, so no message is handled twice."""
    with disk.Small(DISK_KIB) as small, BothDaemons(small.path) as both:
        # The producer sends more slowly than messages are submitted, so the spool is never empty.
        both.start(rate_limit=SUBMIT_RATE // 2)
        for daemon in both.daemons:
            daemon.wait_for_line("works on the")  # it has opened its files, which it cannot on a full disk
        chance = random.Random(OPTIONS.seed)
        submitters = [Persistent(i, both.spool, HANDLED, HANDLED / SUBMIT_RATE, most=20000)
                      for i in range(SUBMITTERS)]
        count, deadline = 0, time.monotonic() + 300 + HANDLED / 10

        def wait_until(condition, meanwhile=lambda: None):
            while any(s.is_alive() for s in submitters) and not condition():
                tap.ok(time.monotonic() < deadline, "not submitted in time:\n"
                       + "\n--\n".join(map(load.last_lines, both.daemons)))
                meanwhile()
                time.sleep(0.01)

        def ledger_failed():
            return "Cannot write the ledger" in both.daemons[1].text

        while any(s.is_alive() for s in submitters):
            done = sum(s.done for s in submitters) + chance.randint(1, HANDLED // 20)
            wait_until(lambda: sum(s.done for s in submitters) >= done)
            small.fill()
            # Often, and always until a write to the ledger has failed, fill also the space that the spool frees.
            refill = chance.choice([small.fill, lambda: None]) if ledger_failed() else small.fill
            again = sum(s.retries for s in submitters) + chance.choice([1, 50, 200])
            wait_until(lambda: sum(s.retries for s in submitters) >= again, refill)
            late = time.monotonic() + 20
            wait_until(lambda: ledger_failed() or time.monotonic() > late, refill)
            small.free()
            count += 1
        check_some_retried(submitters)
        both.wait(submitters)
        both.end()
        both.check_file()
        tap.ok(ledger_failed(), "the ledger was never refused space")
        both.daemons[0].wait_for_line("The spool cannot be written")
        tap.comment(f"{HANDLED} messages, the disk full {count} times; "
                    f"{sum(s.retries for s in submitters)} submissions were refused")


@tap.test
def submitters_that_read_answers_late_lose_and_repeat_no_message():
    with BothDaemons() as both:
        end(both.spool.producer(both.server), both.spool)  # creates the file
        for i in range(100):  # a page of them is 100 KiB
            both.spool.change("INSERT INTO rejected VALUES (?, ?, 'g', ?, -1, 1, x'', 'x', 1, ?, NULL)",
                                 i + 1, f"r{i}", f"r{i}", "." * 1000)
        both.start()
        submitters = [Hasty(i, both.spool, HANDLED, most=5000) for i in range(SUBMITTERS)]
        both.wait(submitters)
        tap.equal(both.spool.count("rejected"), 100)
        both.end()
        both.check_file()
        ready = [n for s in submitters for n in s.ready]
        tap.ok(max(ready, default=0) > 100000, f"the socket was never full of answers: {ready}")
        tap.comment(f"writes blocked {len(ready)} times, with at most {max(ready)} bytes to read")


@tap.test
def both_daemons_killed_every_second_handle_each_message_in_order():
    kills = 0
    with BothDaemons(visibility=1) as both:
        both.start(rate_limit=RATE)
        submitters = [Submitter(i, both.spool, HANDLED, 8) for i in range(SUBMITTERS)]
        deadline = time.monotonic() + 300 + HANDLED / 10
        while not both.is_done(submitters):
            tap.ok(time.monotonic() < deadline, f"not done in time: {both.record.n_deleted} deleted\n"
                   + "\n--\n".join(map(load.last_lines, both.daemons)))
            for daemon in both.daemons:
                daemon.wait_for_line("works on the")  # a busy machine may need most of the second until then
            time.sleep(1)
            for daemon in both.daemons:
                kill(daemon)
            kills += 1
            both.start(rate_limit=RATE)
        end(both.daemons[0], both.spool)
        kill(both.daemons[1])  # it has just started, and may not handle a signal yet
        check_some_retried(submitters)
        check(both.record.read().all, HANDLED)
        again = both.check_file(kills * CONCURRENCY)
        tap.comment(f"{HANDLED} messages, both killed {kills} times; {again} were handled again")


if __name__ == "__main__":
    tap.main()
