# SPDX-License-Identifier: MIT
"""The producer with its spool on a disk that is full, or whose files somebody moves. Submissions are refused until
the spool can be written again; no accepted message is lost."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import disk
import tap
from daemon import FIFO
from notify import Notify
from spool import NO_SENDS, Refused, Spool, check_once_and_in_order, sent_bodies, wait_until_sent
from sqs_local import SqsLocal

disk.enter()


def fill(submitter, room):
    """Submits messages until one is refused; returns the bodies of those accepted."""
    accepted = []
    while True:
        body = f"{len(accepted)}:" + "x" * 50000
        try:
            submitter.submit(body)
        except Refused as refused:
            tap.ok("No space left" in str(refused), str(refused))
            tap.ok(refused.temporary)
            return accepted
        accepted.append(body)
        tap.ok(len(accepted) * 50000 < room * 1024, "accepted more than the disk has space for")


def try_submit(submitter, body):
    """Returns the id of the message, or None when it is refused."""
    try:
        return submitter.submit(body)
    except Refused:
        return None


@tap.test
def spool_that_fills_the_disk_is_sent_and_accepts_messages_again():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, disk.Small(24000) as small, \
            Spool(small.path) as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            accepted = fill(submitter, 24000)
            tap.ok(len(accepted) > 100, f"only {len(accepted)} were accepted")
            producer.wait_for_line("The spool cannot be written")
            server.set_faults()
            wait_until_sent(spool, server, len(accepted))
            submitter.submit("last")
            producer.wait_for_line("The spool can be written again")
            wait_until_sent(spool, server, len(accepted) + 1)
        tap.equal(sent_bodies(server), [*accepted, "last"])
        producer.stop()


@tap.test
def disk_filled_by_others_stops_submissions_but_not_sends():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, disk.Small(24000) as small, \
            Spool(small.path) as spool:
        producer = spool.producer(server)
        with spool.connect(producer) as submitter:
            for i in range(50):
                submitter.submit(str(i))
            small.fill()
            more = fill(submitter, 5000)  # the file and its write-ahead log have space for these
            server.set_faults()
            wait_until_sent(spool, server, 50 + len(more))
            tap.equal(fill(submitter, 5000), [])
            small.free()
            tap.wait_until(lambda: try_submit(submitter, "last"), 60)
            wait_until_sent(spool, server, 51 + len(more))
        tap.equal(sent_bodies(server), [*map(str, range(50)), *more, "last"])
        producer.stop()


@tap.test
def full_disk_without_the_reserve_file_loses_no_message():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, disk.Small(24000) as small, \
            Spool(small.path) as spool:
        producer = spool.producer(server, producer={"batch_size": 1})
        with spool.connect(producer) as submitter:
            for i in range(50):
                submitter.submit(str(i), group=f"g{i}")
            os.unlink(spool.file + "-reserve")  # as if the producer had used it up
            small.fill()
            server.set_faults()
            producer.wait_for_line("The spool cannot be written")
            small.free()
            wait_until_sent(spool, server, 50)
            tap.wait_until(lambda: try_submit(submitter, "last"), 60)
            wait_until_sent(spool, server, 51)
        producer.stop()
        check_once_and_in_order(server.records(), {**{f"g{i}": [str(i)] for i in range(50)},
                                                   "test": ["last"]})


@tap.test
def submission_while_a_file_of_the_spool_is_moved_is_refused_and_reported():
    with SqsLocal([FIFO], faults=NO_SENDS) as server, Spool() as spool, Notify() as notify:
        producer = spool.producer(server, env={"NOTIFY_SOCKET": notify.path})
        with spool.connect(producer) as submitter:
            first = submitter.submit("1")
            for name in (spool.file, spool.file + "-wal"):
                n_lines = len(notify.lines)
                os.rename(name, name + ".aside")
                try:
                    submitter.submit("no")
                    raise AssertionError(f"a message was accepted without {name}")
                except Refused as refused:
                    tap.ok("removed, moved or replaced" in str(refused), str(refused))
                    tap.ok(refused.temporary)
                tap.wait_until(lambda: any("cannot be written: its file on disk was removed" in line
                                           for line in notify.lines[n_lines:]), 30, "the status")
                os.rename(name + ".aside", name)
                tap.wait_until(lambda: try_submit(submitter, "back"), 30)
            producer.wait_for_line("was removed, moved or replaced while it was open: move")
            # Messages accepted before are sent also while the file is moved.
            os.rename(spool.file, spool.file + ".aside")
            server.set_faults()
            server.wait_for_records("sent", 3, 180)
            os.rename(spool.file + ".aside", spool.file)
            producer.wait_for_line("The spool can be written again")
        producer.stop()
        tap.equal(sent_bodies(server), ["1", "back", "back"])
        tap.equal(server.records("sent")[0]["deduplication_id"], first)


if __name__ == "__main__":
    tap.main()
