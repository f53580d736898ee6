# SPDX-License-Identifier: MIT
"""sqs-producerd --rejected and --spooled on the spool's file, while no daemon runs: what it prints and does, who owns the files
afterwards, and how it and a daemon exclude each other."""

import contextlib
import fcntl
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from daemon import FIFO
from spool import NO_SENDS, Spool, sent_bodies
from sqs_local import BUILD_ROOT, SqsLocal

PRODUCER = os.path.join(BUILD_ROOT, "src", "producerd", "sqs-producerd")
OK, REFUSED, UNAVAILABLE, SHORTAGE, TRY_LATER, UNUSABLE = 0, 65, 69, 71, 75, 78
OWNER = 4242  # a uid that no user has


def spooled(spool, server, *messages, queue="test.fifo"):
    """Submits messages, and sets all aside in the spool. Returns their ids, and the path of a configuration that
    names the spool's socket."""
    server.set_faults(*NO_SENDS)
    producer = spool.producer(server, queue=queue, producer={"stop_timeout": 0})
    with spool.connect(producer) as submitter:
        ids = [submitter.submit(**message) for message in messages]
    producer.signal()
    producer.wait()
    server.set_faults()
    spool.set_aside()
    return ids, producer.config


def rejected(spool, config, *arguments, prefix=(), folder=None):
    """Runs --rejected; returns its exit status, standard output and standard error."""
    done = subprocess.run(
        [*prefix, PRODUCER, "--rejected", f"--config={config}", *arguments], check=False, text=True,
        env={**os.environ, "STATE_DIRECTORY": folder or spool.path}, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@tap.test
def rejected_messages_are_listed_retried_and_dropped_without_a_daemon():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        ids, config = spooled(spool, server, *({"body": b, "group": "g"} for b in "abc"))
        status, out, err = rejected(spool, config)
        tap.equal((status, err), (OK, ""))
        tap.equal(out, "".join(f"{i}\t2023-11-14T22:13:20Z\tg\t1\tno\n" for i in ids))
        tap.equal(rejected(spool, config, f"--retry={ids[1]}"), (OK, "1 message waits to be sent again\n", ""))
        tap.equal(rejected(spool, config, f"--drop={ids[0]}"), (OK, "1 message dropped\n", ""))
        status, out, err = rejected(spool, config, f"--drop={ids[0]}")
        tap.equal((status, out), (REFUSED, ""))
        tap.ok("no rejected message has it" in err, err)
        tap.equal((spool.count(), spool.count("rejected")), (1, 1))
        tap.equal(rejected(spool, config, "--retry=all"), (OK, "1 message waits to be sent again\n", ""))
        tap.equal(rejected(spool, config), (OK, "", ""))
        producer = spool.producer(server)
        server.wait_for_records("sent", 2)
        tap.equal(sent_bodies(server), ["b", "c"])
        producer.stop()


def count(folder):
    """Runs --spooled; returns its exit status, standard output and standard error."""
    done = subprocess.run([PRODUCER, "--spooled"], check=False, text=True,
                          env={**os.environ, "STATE_DIRECTORY": folder}, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@tap.test
def spooled_messages_are_counted_without_a_daemon_and_without_a_configuration():
    with SqsLocal([FIFO]) as server, Spool() as spool, Spool() as empty:
        ids, config = spooled(spool, server, *({"body": b, "group": "g"} for b in "abc"))
        tap.equal(count(spool.path), (OK, "0 waiting, 3 rejected\n", ""))
        tap.equal(rejected(spool, config, f"--retry={ids[1]}")[0], OK)
        tap.equal(count(spool.path), (OK, "1 waiting, 2 rejected\n", ""))
        tap.equal(rejected(spool, config, "--drop=all")[0], OK)
        producer = spool.producer(server)
        server.wait_for_records("sent", 1)
        tap.equal(count(spool.path), (TRY_LATER, "", "sqs-producerd: the daemon runs: `systemctl status` shows how "
                                                     "many messages wait\n"))
        producer.stop()
        tap.equal(count(spool.path), (OK, "0 waiting, 0 rejected\n", ""))
        tap.equal(count(empty.path), (UNAVAILABLE, "", "sqs-producerd: the folder in STATE_DIRECTORY cannot be "
                                                       "opened, or has no spool\n"))
        tap.equal(os.listdir(empty.path), [])


def owners(folder):
    found = {}
    for name in [".", *os.listdir(folder)]:
        status = os.stat(os.path.join(folder, name))
        found[name] = (status.st_uid, status.st_gid, oct(status.st_mode & 0o777))
    return found


@tap.test
def files_after_a_retry_by_root_belong_to_the_daemons_user():
    if os.geteuid() != 0:
        raise tap.Skip("only root can become another user")
    with SqsLocal([FIFO]) as server, Spool() as spool:
        ids, config = spooled(spool, server, {"body": "a", "group": "g"}, {"body": "b", "group": "g"})
        os.remove(spool.file + "-reserve")
        os.chmod(config, 0o600)
        os.chmod(spool.path, 0o700)
        for path in (spool.path, spool.file):
            os.chown(path, OWNER, OWNER)
        # Only root can reach the folder, as with the state folders of dynamic users.
        private = os.path.join(spool.path, "private")
        os.mkdir(private, 0o700)
        os.mkdir(os.path.join(private, "own"), 0o700)
        os.chown(os.path.join(private, "own"), OWNER, OWNER)
        os.rename(spool.file, os.path.join(private, "own", "spool.db"))
        spool.path = os.path.join(private, "own")
        tap.equal(rejected(spool, config, f"--retry={ids[0]}")[:2], (OK, "1 message waits to be sent again\n"))
        tap.equal(rejected(spool, config)[0], OK)
        tap.equal(owners(spool.path), {".": (OWNER, OWNER, "0o700"), "spool.db": (OWNER, OWNER, "0o600"),
                                       "spool.db-reserve": (OWNER, OWNER, "0o600")})
        # A symbolic link that the user has made is not followed.
        os.rename(os.path.join(spool.path, "spool.db"), os.path.join(private, "other"))
        os.symlink(os.path.join(private, "other"), os.path.join(spool.path, "spool.db"))
        status, out, err = rejected(spool, config)
        tap.equal((status, out), (UNUSABLE, ""))
        tap.ok(err.startswith(f"sqs-producerd: {spool.path}: Cannot open spool.db to read and write"), err)
        tap.equal(os.stat(os.path.join(private, "other")).st_size > 0, True)


@tap.test
def rejected_messages_are_listed_and_retried_by_a_running_daemon():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        ids, config = spooled(spool, server, {"body": "a", "group": "g"})
        producer = spool.producer(server)
        with spool.connect(producer):
            status, out, _ = rejected(spool, config)
            tap.equal((status, out.split("\t")[0]), (OK, ids[0]))
            tap.equal(rejected(spool, config, "--retry=all")[0], OK)
            server.wait_for_records("sent", 1)
        producer.stop()


@tap.test
def running_daemon_tells_at_notice_what_was_dropped_and_by_whom():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        ids, config = spooled(spool, server, *({"body": "a", "group": "g"} for _ in range(13)))
        producer = spool.producer(server, log={"level": "notice"})
        with spool.connect(producer):
            tap.equal(rejected(spool, config, f"--drop={ids[1]}")[:2], (OK, "1 message dropped\n"))
            tap.equal(rejected(spool, config, f"--drop={ids[1]}")[0], REFUSED)
            tap.equal(rejected(spool, config, "--drop=all")[:2], (OK, "12 messages dropped\n"))
            tap.equal(rejected(spool, config, "--drop=all")[:2], (OK, "0 messages dropped\n"))
        producer.stop()
        del ids[1]
        user = f"User {os.geteuid()} has dropped "
        told = [line for line in producer.lines if "dropped" in line]
        tap.equal(len(told), 2, producer.text)
        tap.matches(told[0], user + "1 rejected message: *-*-*-*-*.")
        tap.equal(told[1], f"{user}12 rejected messages: {', '.join(ids[:10])} and 2 more.")


@tap.test
def daemon_that_starts_during_the_command_waits_for_its_end():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        spooled(spool, server, {"body": "a", "group": "g"})
        folder = os.open(spool.path, os.O_RDONLY)
        while True:  # a busy machine may need more time than the daemon waits
            start = time.monotonic()
            fcntl.flock(folder, fcntl.LOCK_EX)  # as --rejected does
            producer = spool.producer(server)
            producer.wait_for_line("Running...")
            time.sleep(0.5)
            tap.ok(not os.path.exists(spool.socket), "the daemon did not wait")
            fcntl.flock(folder, fcntl.LOCK_UN)
            if time.monotonic() - start < 4:
                break
            producer.end()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(spool.socket)
        spool.connect(producer).close()
        producer.stop()
        # When the command takes too long, the start fails with a status after which systemd starts it again.
        fcntl.flock(folder, fcntl.LOCK_EX)
        producer = spool.producer(server)
        tap.equal(producer.wait(), SHORTAGE, producer.text)
        tap.ok("another process works on the rejected messages of the spool" in producer.text, producer.text)
        os.close(folder)


@tap.test
def command_while_a_daemon_starts_says_so_and_to_try_again():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        _, config = spooled(spool, server, {"body": "a", "group": "g"})
        folder = os.open(spool.path, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_SH)  # as a daemon does until it has read the spool
        status, _, err = rejected(spool, config)
        tap.equal(status, TRY_LATER, err)
        tap.equal(err, f"sqs-producerd: {spool.path}: the daemon is starting, and has not read the spool "
                       "within 5 s: try again\n")
        os.close(folder)


@tap.test
def root_that_cannot_become_the_owner_gets_one_line():
    if os.geteuid() != 0:
        raise tap.Skip("only root becomes the owner")
    with SqsLocal([FIFO]) as server, Spool() as spool:
        _, config = spooled(spool, server, {"body": "a", "group": "g"})
        for path in (spool.path, spool.file):
            os.chown(path, OWNER, OWNER)
        status, _, err = rejected(spool, config, prefix=["setpriv", "--bounding-set", "-sys_chroot"])
        tap.equal((status, err), (SHORTAGE, f"sqs-producerd: {spool.path}: cannot become its owner: "
                                            "Operation not permitted\n"))


@tap.test
def slow_reader_of_the_list_does_not_delay_a_daemon():
    with SqsLocal([FIFO]) as server, Spool() as spool:
        spooled(spool, server, *({"body": "a", "group": "g"} for _ in range(300)))
        spool.change("UPDATE rejected SET reason = ?", "x" * 1000)
        with subprocess.Popen([PRODUCER, "--rejected"], stdout=subprocess.PIPE,
                              env={**os.environ, "STATE_DIRECTORY": spool.path}) as command:
            tap.equal(len(command.stdout.read(1)), 1)  # the command prints, and its output is larger than the pipe
            producer = spool.producer(server)
            spool.connect(producer).close()
            tap.equal(command.poll(), None)
            tap.equal(len(command.stdout.read().splitlines()), 300)
        tap.equal(command.returncode, OK)
        producer.stop()


@tap.test
def spool_that_cannot_be_read_is_an_error_with_the_reason():
    with SqsLocal([FIFO]) as server, Spool() as spool, Spool() as empty:
        _, config = spooled(spool, server, {"body": "a", "group": "g"})
        status, _, err = rejected(empty, config)
        tap.equal((status, err.count("\n")), (UNAVAILABLE, 1))
        tap.ok("cannot reach the daemon: " in err and "or has no spool\n" in err, err)
        tap.equal(os.listdir(empty.path), [])
        if os.geteuid() == 0:
            os.chmod(config, 0o644)
            os.chmod(os.path.dirname(config), 0o755)
            status, _, err = rejected(spool, config, prefix=["setpriv", "--reuid=65534", "--clear-groups",
                                                             "env", "-u", "STATE_DIRECTORY"])
            tap.equal(status, UNAVAILABLE, err)
            tap.ok(err.endswith("; without the daemon only root can do this\n"), err)
        spool.change("PRAGMA user_version = 99")
        status, _, err = rejected(spool, config)
        tap.equal(status, UNUSABLE)
        tap.ok(f"{spool.path}: spool.db was written by a newer version of this program" in err, err)
        with open(spool.file, "r+b") as file:
            file.write(b"no database at all")
        status, _, err = rejected(spool, config)
        tap.equal((status, err.count("\n")), (UNUSABLE, 1))
        tap.ok("The file is damaged: move it and spool.db-wal away" in err, err)


@tap.test
def message_rejected_for_the_other_kind_of_queue_is_retried_in_the_new_form():
    with SqsLocal([FIFO, "plain"]) as server, Spool() as spool:
        ids, config = spooled(spool, server, {"body": "a", "group": "g"}, {"body": "b", "group": "g"})
        producer = spool.producer(server, queue="plain")
        with spool.connect(producer) as submitter:
            tap.equal(submitter.ask(command="retry", id=ids[0])["count"], 1)
            server.wait_for_records(lambda r: r["event"] == "sent" and r["queue"] == "plain", 1)
            submitter.submit("c")
            server.wait_for_records(lambda r: r["event"] == "sent" and r["queue"] == "plain", 2)
        producer.stop()
        tap.equal(rejected(spool, producer.config, "--retry=all")[0], OK)
        # From now on the spool is for the other kind of queue.
        status, _, err = rejected(spool, config, "--retry=all")
        tap.equal(status, UNUSABLE)
        tap.ok("the spool holds 1 messages for a standard queue, and aws.queue_url names a FIFO one" in err, err)
        tap.equal(rejected(spool, config), (OK, "", ""))
        producer = spool.producer(server, queue="plain")
        server.wait_for_records(lambda r: r["event"] == "sent" and r["queue"] == "plain", 3)
        producer.stop()
        tap.equal(sent_bodies(server, "plain"), ["a", "c", "b"])
        # Back to a FIFO queue: a message without a group stays rejected.
        ids, config = spooled(spool, server, {"body": "d"}, {"body": "e", "group": "h"}, queue="plain")
        producer = spool.producer(server)
        spool.connect(producer).close()
        producer.stop()
        status, out, err = rejected(spool, producer.config, "--retry=all")
        tap.equal((status, out), (REFUSED, "1 message waits to be sent again\n"))
        tap.ok(err.startswith("sqs-producerd: refused: group: each message to a FIFO queue needs one"), err)
        producer = spool.producer(server)
        server.wait_for_records(lambda r: r["event"] == "sent" and r["queue"] == "test.fifo", 1)
        tap.equal([r["deduplication_id"] for r in server.records("sent", "test.fifo")], [ids[1]])
        producer.stop()


tap.main()
