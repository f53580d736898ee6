# SPDX-License-Identifier: MIT
"""The consumer's ledger: a message whose delete is lost is not handled again, also when the daemon is killed or the
disk is full. Most tests use the handler slow-consumer.c, which logs "begin NAME" and "end NAME".

In a build with fault points (meson -Dfault_points=true) the daemon is also killed between any two steps from
the handler's answer to the last write of the ledger."""

import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import database
import disk
import sqs
import tap
from daemon import Daemon
from slow_consumer import SLOW
from sqs_local import BUILD_ROOT, SqsLocal
from standin import Reply, StandIn

disk.enter()

REAL = os.path.join(BUILD_ROOT, "src", "consumerd", "sqs-consumerd")
KILLS = 12
SEED = os.environ.get("TEST_SEED", "1")
# Faults with which no message is deleted, and faults with which no lease is renewed either.
NO_DELETES = ["DeleteMessage:drop-before", "DeleteMessageBatch:drop-before"]
NO_ANSWERS = [*NO_DELETES, "ChangeMessageVisibility:drop-before",
              "ChangeMessageVisibilityBatch:drop-before"]


class State:
    """A state directory. The ledger is read from a copy: the daemon locks its own file."""

    def __init__(self, path=None):
        self.path = path or tempfile.mkdtemp(prefix="ledger-")
        self.is_temporary = path is None
        self.file = os.path.join(self.path, "ledger.db")

    def ids(self):
        """Returns the message ids in the ledger, the oldest first."""
        return [row[0] for row in database.rows(self.file, "SELECT message_id FROM handled ORDER BY sequence")]

    def make_older(self, seconds):
        """Changes the ledger as if all messages had been handled `seconds` earlier; no daemon may run."""
        connection = sqlite3.connect(self.file)
        connection.execute("UPDATE handled SET handled_sec = handled_sec - ?", (seconds,))
        connection.commit()
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_temporary:
            shutil.rmtree(self.path)


def queue(visibility=2, fifo=True):
    kind = "test.fifo,FifoQueue=true" if fifo else "plain"
    return f"{kind},VisibilityTimeout={visibility}"


def fill(server, names, words=""):
    """Sends a message for each name, "<group>.<number>"; returns the message ids by name."""
    ids = {}
    for name in names:
        fifo = {"MessageGroupId": name.split(".")[0], "MessageDeduplicationId": name}
        ids[name] = sqs.call(server, "SendMessage", QueueUrl=server.queue_url("test.fifo"),
                             MessageBody=f"{name} {words}", **fifo)["MessageId"]
    return ids


def consumer(server, state, *, program=SLOW, env=None, queue="test.fifo", **settings):
    settings = {"handler": "exec", "command": ["/bin/true"], "max_messages": 10, "delete_linger": 0.0,
                "exit_after_empty_receives": 0, **settings}
    return Daemon("sqs-consumerd", server, program=program, queue=queue, consumer=settings,
                  env={"STATE_DIRECTORY": state.path, **(env or {})})


def real_consumer(server, state, **settings):
    return consumer(server, state, program=REAL, **settings)


def lines_of(daemons, what):
    """The names in the handler's lines that begin with `what`, in order."""
    return [line.split()[1] for daemon in daemons for line in list(daemon.lines)
            if line.startswith(what + " ")]


def deleted(server):
    return [record["message_id"] for record in server.records("deleted")]


def run_until_deleted(server, state, ids, **settings):
    """Runs a daemon until all messages are deleted, and stops it. Returns it."""
    daemon = consumer(server, state, **settings)
    wait_until_deleted(server, ids, daemon)
    daemon.stop()
    return daemon


def wait_until_deleted(server, ids, daemon):
    tap.wait_until(lambda: set(deleted(server)) == set(ids.values()) or daemon.process.poll() is not None,
                   120, "the delete of all messages")
    tap.equal(daemon.process.poll(), None, daemon.text)


# --- Kills between two steps ---


class Slow:
    """The handler slow-consumer.c."""

    settings = {"program": SLOW}

    def handled(self, daemons):
        """The names of the messages that were handled, in order."""
        return lines_of(daemons, "end")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Post(StandIn):
    """The handler "http", with an application."""

    def __init__(self):
        self.bodies = []
        super().__init__()
        self.settings = {"program": REAL, "handler": "http",
                         "url": f"http://127.0.0.1:{self.port}/"}

    def answer(self, request):
        self.bodies.append(request.body.decode())
        return Reply(200, "done")

    def handled(self, _):
        return [body.split()[0] for body in self.bodies]


class Command:
    """The handler "exec", with a command that appends each body to a file."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="handled-")
        self.path = os.path.join(self.folder, "handled")
        self.settings = {"program": REAL, "handler": "exec",
                         "command": ["/bin/sh", "-c", 'IFS= read -r line; echo "$line" >>"$0"',
                                     self.path]}

    def handled(self, _):
        with open(self.path, encoding="utf-8") as file:
            return [line.split()[0] for line in file]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def killed_at(point, handled_again, left, kind):
    """Kills the daemon at a fault point ("NAME:TIME"), and starts another. `handled_again`: how many messages are
    handled twice; `left`: how many deleted messages stay in the ledger."""
    if not os.environ.get("FAULT_POINTS"):
        raise tap.Skip("the build has no fault points (meson -Dfault_points=true)")
    with SqsLocal(queues=[queue(30)]) as server, State() as state, kind() as handler:
        names = [f"a.{i}" for i in range(3)]
        ids = fill(server, names)
        first = consumer(server, state, concurrency=1, env={"SQS_FAULT_POINT": point},
                         **handler.settings)
        tap.equal(first.wait(), -signal.SIGKILL, first.text)
        n_before = len(handler.handled([first]))
        sqs.end_leases(server)
        second = run_until_deleted(server, state, ids, concurrency=1, **handler.settings)
        handled = handler.handled([first, second])
        tap.equal(set(handled), set(names))
        tap.equal([name for name in names if handled.count(name) > 1], names[:handled_again],
                  f"handled twice\n{first.text}\n--\n{second.text}")
        tap.equal(handled[n_before:], sorted(handled[n_before:]), "the order")
        tap.equal(deleted(server), [ids[name] for name in names])
        tap.equal(len(state.ids()), left, "left in the ledger")
        tap.ok(set(state.ids()) <= set(deleted(server)), "left, and not deleted")


for point, handled_again, left, words in (
        ("handled:1", 1, 0, "between the handler's end and the write to the ledger"),
        ("ledger-written:1", 0, 0, "between the write to the ledger and the delete"),
        ("deleted:1", 0, 1, "between the delete and its removal from the ledger"),
        ("ledger-written:2", 0, 1, "between the second write to the ledger and its delete")):
    for kind, how in (Slow, "slow handler"), (Command, "exec"), (Post, "http"):
        tap.add(f"a kill {words} makes {handled_again or 'no'} message be handled twice ({how})", killed_at,
                point, handled_again, left, kind)


def killed_while_the_delete_waits(fault, left):
    with SqsLocal(queues=[queue(30)], faults=[f"DeleteMessage:{fault}"]) as server, State() as state:
        ids = fill(server, ["a.0"])
        first = consumer(server, state)
        first.wait_for_line("end a.0")
        tap.wait_until(lambda: server.faults()[0]["faults"] > 0)
        first.signal(signal.SIGKILL)
        first.wait()
        tap.equal(state.ids(), [ids["a.0"]])
        server.set_faults()
        if left:  # the message was deleted, and only the reply is missing
            tap.equal(deleted(server), [ids["a.0"]])
            second = consumer(server, state, exit_after_empty_receives=4)
            tap.equal(second.wait(), 0, second.text)
        else:
            sqs.end_leases(server)
            second = run_until_deleted(server, state, ids)
            second.wait_for_line("was handled before")
        tap.equal(lines_of([first, second], "begin"), ["a.0"])
        tap.equal(len(state.ids()), left)


for fault, left in ("stall", 0), ("drop-before", 0), ("drop-after", 1):
    tap.add(f"a kill while deletes have the fault {fault} makes no message be handled twice",
            killed_while_the_delete_waits, fault, left)


# --- Lost deletes ---


@tap.test
def message_received_again_by_the_same_daemon_is_not_handled_again():
    with SqsLocal(queues=[queue()], faults=NO_ANSWERS) as server, State() as state:
        ids = fill(server, [f"{group}.{i}" for group in "abc" for i in range(3)])
        daemon = consumer(server, state, concurrency=10, delete_linger=0.01)
        daemon.wait_for_line("was handled before", 3)  # after its lease has ended
        server.set_faults()
        wait_until_deleted(server, ids, daemon)
        daemon.stop()
        tap.equal(sorted(lines_of([daemon], "end")), sorted(ids), daemon.text)
        for group in "abc":
            of_group = [name for name in lines_of([daemon], "end") if name.startswith(group)]
            tap.equal(of_group, sorted(of_group))
        tap.equal(state.ids(), [])


@tap.test
def kills_at_random_moments_repeat_only_messages_missing_in_the_ledger():
    """After each kill, no message that was in the ledger or deleted is handled again."""
    chance = random.Random(SEED)
    with SqsLocal(queues=[queue()], faults=[f"{rule}:p=0.7" for rule in NO_DELETES], seed=1,
                  latency_ms=2) as server, State() as state:
        ids = {}
        settings = {"concurrency": 20, "receivers": 4, "delete_linger": 0.02}
        done, again = [], 0
        known = set()
        for number in range(KILLS):
            # New groups: those of earlier rounds may be blocked by messages in flight.
            ids.update(fill(server, [f"{number}-{i % 15}.{i // 15}" for i in range(30)], "sleep=5"))
            daemon = consumer(server, state, **settings)
            daemon.wait_for_line("begin", chance.randint(1, 25))
            time.sleep(chance.random() / 10)
            daemon.signal(signal.SIGKILL)
            tap.equal(daemon.wait(), -signal.SIGKILL)
            begun = {ids[name] for name in lines_of([daemon], "begin")}
            tap.equal(begun & known, set(), f"handled again after kill {number}")
            again += sum("was handled before" in line for line in daemon.lines)
            done += lines_of([daemon], "end")
            known |= set(state.ids()) | set(deleted(server))
            daemon.end()
        last = run_until_deleted(server, state, ids, **settings)
        tap.equal({ids[name] for name in lines_of([last], "begin")} & known, set())
        again += sum("was handled before" in line for line in last.lines)
        done += lines_of([last], "end")
        tap.equal(set(done), set(ids), "lost")
        tap.equal(sorted(deleted(server)), sorted(ids.values()), "deleted")
        # A kill may leave an id in the ledger, but only after the delete.
        tap.ok(set(state.ids()) <= set(deleted(server)))
        tap.ok(again > 0, "no handled message came back, so the test shows nothing")
        tap.comment(f"{KILLS} kills: {len(done) - len(ids)} of {len(ids)} were handled twice, {again} "
                    f"came back and were not, {len(state.ids())} are left in the ledger")


# --- A full disk, a damaged ledger ---


@tap.test
def full_disk_is_logged_once_and_messages_are_handled():
    with disk.Small(512) as small, SqsLocal(queues=[queue(30)]) as server:
        state = State(small.path)
        daemon = consumer(server, state)
        daemon.wait_for_line("works on the")  # it has opened its files, which it cannot on a full disk
        start = time.monotonic()
        small.fill()
        ids = fill(server, [f"a.{i}" for i in range(20)])
        wait_until_deleted(server, ids, daemon)
        line = daemon.wait_for_line("Cannot write the ledger")
        tap.ok("full" in line and state.file in line, line)
        minutes = 1 + int((time.monotonic() - start) / 60)
        tap.ok(len([line for line in daemon.lines if "Cannot write" in line]) <= minutes, daemon.text)
        small.free()
        ids.update(fill(server, [f"b.{i}" for i in range(20)]))
        wait_until_deleted(server, ids, daemon)
        daemon.wait_for_line("can be written again")
        daemon.stop()
        tap.equal(sorted(lines_of([daemon], "end")), sorted(ids))
        tap.equal(state.ids(), [])


@tap.test
def start_on_a_full_disk_fails_with_the_reason():
    with disk.Small(64) as small, SqsLocal(queues=[queue()]) as server:
        small.fill()
        daemon = real_consumer(server, State(small.path))
        tap.equal(daemon.wait(), 71, daemon.text)
        tap.ok("full" in daemon.text or "No space left" in daemon.text, daemon.text)
        tap.ok("ledger.db" in daemon.text, daemon.text)


def content(folder):
    """The bytes of each file that is not empty, by its name. The -shm file is left out: SQLite makes and removes
    it."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith("-shm"):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return {name: data for name, data in found.items() if data}


def refused(damage, words):
    """Calls `damage` with the path of a good ledger. The next start must fail, name the file, and not change it."""
    with SqsLocal(queues=[queue(30)], faults=NO_DELETES) as server, State() as state:
        fill(server, [f"g{i}.0" for i in range(200)])
        daemon = consumer(server, state, concurrency=300, receivers=5)
        daemon.wait_for_line("end", 200)
        tap.wait_until(lambda: len(state.ids()) == 200)
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        damage(state.file)
        before = content(state.path)
        daemon = real_consumer(server, state)
        tap.equal(daemon.wait(), 78, daemon.text)
        tap.ok(words in daemon.text and state.file in daemon.text, daemon.text)
        tap.equal(len(daemon.lines), 2, daemon.text)  # the first line is "Running..."
        tap.equal(content(state.path), before)


def changed_in_place(change):
    """Makes a function for refused(): it empties the write-ahead log, and calls `change` with the bytes of the
    file."""

    def damage(path):
        sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(path, "r+b") as file:
            data = bytearray(file.read())
            change(data)
            file.seek(0)
            file.write(data)
            file.truncate()

    return damage


def set_version(data):
    data[60:64] = (2).to_bytes(4, "big")


def overwrite(data):
    data[8192:12288] = bytes(4096)


def cut(data):
    del data[len(data) // 2:]


def scribble(data):
    data[:] = b"This is no database.\n" * 500


for change, words, name in ((scribble, "damaged", "text in place of the ledger"),
                            (cut, "damaged", "half of the ledger"),
                            (overwrite, "damaged", "a ledger with a page of zeros"),
                            (set_version, "newer version", "a newer version's ledger")):
    tap.add(f"{name} is refused and not changed", refused, changed_in_place(change), words)


def start_refused(path, words):
    with SqsLocal(queues=[queue()]) as server:
        daemon = real_consumer(server, State("/unused"), env={"STATE_DIRECTORY": path})
        tap.equal(daemon.wait(), 78, daemon.text)
        tap.ok(words in daemon.text, daemon.text)
        tap.equal(len(server.records("received")), 0)


# Not even root can write in /sys.
for path, words, name in ((None, "STATE_DIRECTORY is not set", "without a"),
                          ("relative", "STATE_DIRECTORY is not an absolute path", "with a relative"),
                          ("/nonexistent", "/nonexistent/ledger.db", "with a missing"),
                          ("/sys", "/sys/ledger.db", "with an unwritable")):
    tap.add(f"start {name} state directory fails with advice", start_refused, path, words)


@tap.test
def second_daemon_on_a_ledger_is_refused():
    with SqsLocal(queues=[queue()]) as server, State() as state:
        first = consumer(server, state)
        ids = fill(server, ["a.0"])
        wait_until_deleted(server, ids, first)
        second = real_consumer(server, state)
        tap.equal(second.wait(), 78, second.text)
        tap.ok("open in another process" in second.text, second.text)
        ids.update(fill(server, ["a.1"]))
        wait_until_deleted(server, ids, first)
        first.stop()
        tap.equal(state.ids(), [])


@tap.test
def daemon_without_a_ledger_needs_no_state_directory():
    with SqsLocal(queues=[queue()]) as server, State() as state:
        ids = {}
        for settings in {"ledger_max_messages": 0}, {"handler": "journal"}:
            ids.update(fill(server, [f"a.{len(ids)}"]))
            daemon = consumer(server, state, env={"STATE_DIRECTORY": None}, **settings)
            wait_until_deleted(server, ids, daemon)
            daemon.stop()
        tap.equal(os.listdir(state.path), [])


# --- Bounds ---


@tap.test
def ledger_beyond_its_maximum_number_drops_the_oldest():
    with SqsLocal(queues=[queue(30)], faults=NO_DELETES) as server, State() as state:
        ids = fill(server, [f"g{i}.0" for i in range(12)], "sleep=100")
        daemon = consumer(server, state, concurrency=1 + len(ids), receivers=3, ledger_max_messages=5)
        tap.wait_until(lambda: len(lines_of([daemon], "end")) == 12)
        daemon.wait_for_line("The ledger is full")
        newest = [ids[name] for name in lines_of([daemon], "end")[-5:]]
        tap.wait_until(lambda: sorted(state.ids()) == sorted(newest), 60, "the newest in the ledger")
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        tap.equal(sorted(state.ids()), sorted(newest))


@tap.test
def ledger_entry_beyond_its_maximum_age_is_dropped():
    with SqsLocal(queues=[queue(1)], faults=NO_DELETES) as server, State() as state:
        ids = fill(server, ["a.0", "b.0"])
        first = consumer(server, state, concurrency=5, ledger_max_age=60)
        first.wait_for_line("end", 2)
        tap.wait_until(lambda: len(state.ids()) == 2)
        first.signal(signal.SIGKILL)
        first.wait()
        server.set_faults()
        state.make_older(60)
        second = run_until_deleted(server, state, ids, ledger_max_age=60)
        tap.equal(sorted(lines_of([second], "end")), ["a.0", "b.0"])
        tap.equal(state.ids(), [])


@tap.test
def copy_of_a_handled_message_is_not_handled():
    """A standard queue delivers messages twice, at the same time or after the delete."""
    with SqsLocal(queues=[queue(30, fifo=False)], options=["--duplicates=0.5"], seed=SEED) as server, \
            State() as state:
        for i in range(50):
            sqs.send(server, f"m.{i}", queue="plain")
        daemon = consumer(server, state, queue="plain", concurrency=8, exit_after_empty_receives=3)
        tap.equal(daemon.wait(), 0, daemon.text)
        copies = len(server.records("received")) - 50
        tap.ok(copies > 5, f"only {copies} copies")
        tap.equal(sorted(lines_of([daemon], "begin")), sorted(f"m.{i}" for i in range(50)))
        tap.equal(len(server.records("deleted")), 50 + copies)


if __name__ == "__main__":
    tap.main()
