# SPDX-License-Identifier: MIT
"""The producer's spool when its disk fails: files are removed while the daemon runs, rows are damaged, reads fail
once. Each acknowledged message is sent once and in order, or is reported. A message that cannot be stored is
refused. The daemon recovers without help, or with the next start."""

import os
import random
import signal
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
import load
import scenes
import tap
from scenes import side_by_side
from spool import NO_SENDS, Refused, Spool, check_once_and_in_order
from sqs_local import BUILD_ROOT, SqsLocal

OPTIONS = load.read_options(__doc__)
QUEUE = "test.fifo"
GROUPS = 5
FAILING_READ = os.path.join(BUILD_ROOT, "tests", "stress", "libfailing-read.so")


def add(name, function):
    scenes.add(side_by_side, OPTIONS.words, name, function)


def fill(submitter, submitted, count):
    """Submits `count` messages; returns how many were refused."""
    refused = 0
    for _ in range(count):
        group = f"g{random.randrange(GROUPS)}"
        body = f"{group}.{len(submitted.setdefault(group, []))}.{random.randrange(1 << 30)}"
        try:
            submitter.submit(body, group=group)
            submitted[group].append(body)
        except Refused as answer:
            tap.ok(answer.temporary, str(answer))
            refused += 1
    return refused


def fill_and_kill(server, spool, count):
    """Fills a spool with `count` messages, and kills the daemon before it sends one. Returns the bodies by
    group."""
    submitted = {}
    producer = spool.producer(server)
    with spool.connect(producer) as submitter:
        tap.equal(fill(submitter, submitted, count), 0, "messages refused")
    producer.signal(signal.SIGKILL)
    producer.wait()
    return submitted


def finish(server, spool, producer, submitted):
    tap.wait_until(lambda: spool.count() == 0, 60, "an empty spool")
    load.stop(producer)
    check_once_and_in_order(server.records(), submitted)


# --- Files that are moved away ---

def file_is_moved(tell):
    """The file and its write-ahead log are moved away and back, one after the other, while messages are
    submitted."""
    submitted = {}
    with SqsLocal([QUEUE]) as server, Spool() as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            for number in range(8 if OPTIONS.long else 4):
                tap.equal(fill(submitter, submitted, 40), 0, "messages refused")
                name = spool.file + ("-wal" if number % 2 else "")
                os.rename(name, name + ".aside")
                tap.equal(fill(submitter, submitted, 20), 20, f"messages refused without {name}")
                os.rename(name + ".aside", name)
                tap.wait_until(lambda: fill(submitter, submitted, 1) == 0, message="an accepted message")
            lines = load.other_lines(producer)
            tap.ok(any("while it was open: move" in line for line in lines), producer.text)
            tap.ok(len(lines) <= scenes.LINES_MAX, "\n".join(lines))
            tell(f"{len(lines)} lines were not about messages")
        finish(server, spool, producer, submitted)


add("spool whose files are moved away refuses messages until they are back", file_is_moved)


# --- Damaged rows ---

DAMAGES = ["group_id = NULL", "group_id = ''", "attributes = X'00'", "bytes = -1",
           "bytes = 9223372036854775807", "delay_sec = 5000000000", "body = body || 'x'", "id = ''",
           "deduplication_id = char(27)", "checksum = 0", "number = -number"]


def rows_are_damaged_before_a_start(tell):
    with SqsLocal([QUEUE], faults=NO_SENDS) as server, Spool() as spool:
        submitted = fill_and_kill(server, spool, 400 if OPTIONS.long else 100)
        file = sqlite3.connect(spool.file)
        rows = file.execute("SELECT number, body FROM waiting").fetchall()
        hit = random.sample(rows, 3 * len(DAMAGES))
        for i, (number, body) in enumerate(hit):
            file.execute(f"UPDATE waiting SET {DAMAGES[i % len(DAMAGES)]} WHERE number = ?", (number,))
            submitted[body.split(".")[0]].remove(body)
        file.commit()
        file.close()
        server.set_faults()
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            tap.wait_until(lambda: spool.count() == 0, 60, "an empty spool")
            found = submitter.rejected()
            tap.equal(len(found), len(hit), "messages set aside")
            tap.ok(all("damaged" in m["reason"] for m in found), str(found))
        tell(f"{len(found)} of {len(rows)} were set aside")
        finish(server, spool, producer, submitted)


add("damaged row of the spool is set aside and the others are sent", rows_are_damaged_before_a_start)


# --- Reads that fail ---

def reads_fail_once(tell):
    """At each start another read fails: the daemon ends with 71, so that systemd starts it again, or works; it
    never reports a damaged file."""
    ended = 0
    with SqsLocal([QUEUE], faults=NO_SENDS) as server, Spool() as spool:
        submitted = fill_and_kill(server, spool, 100)
        for number in range(1, 60 if OPTIONS.long else 12):
            for name in ("spool.db", "spool.db-wal"):
                producer = spool.producer(server, env={"LD_PRELOAD": FAILING_READ,
                                                       "FAILING_READ": f"{number}:{name}"})
                tap.wait_until(lambda d=producer: d.process.poll() is not None
                               or os.path.exists(spool.socket), message="a start or an end")
                if os.path.exists(spool.socket):
                    producer.signal(signal.SIGKILL)
                    producer.wait()
                    os.unlink(spool.socket)
                else:
                    tap.equal(producer.wait(), 71, producer.text)
                    ended += 1
                tap.ok("is damaged" not in producer.text, producer.text)
                load.retire(producer)
        tap.ok(ended > 3, f"only {ended} starts failed")
        tell(f"{ended} starts ended with 71")
        server.set_faults()
        finish(server, spool, spool.producer(server), submitted)


add("read of the spool that fails once is not reported as damage", reads_fail_once)


if __name__ == "__main__":
    tap.main()
