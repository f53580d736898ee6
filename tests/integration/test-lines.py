# SPDX-License-Identifier: MIT
"""sqs-producerd --submit --lines and --json: each line of a file becomes a message, or is refused, or is in the rest
file. Nothing is lost and the order holds, whatever happens."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from lines import GROUPS, Client, bodies, errors, ids, numbered, place, read
from spool import wait_until_sent

BODY_MAX = 1024 * 1024


@tap.test
def each_line_becomes_a_message_in_order_and_its_id_is_printed():
    text = "first\n  spaces kept  \nwith CR\r\ngrüße 😀\nlast without end".encode()
    with place() as there:
        done = there.submit(text, "--group=g", "--attribute=source=cron", f"--rest={there.rest}")
        tap.equal((done.returncode, done.stderr), (0, b""))
        stored = there.stored()
        tap.equal([body for _, body in stored], text.decode().split("\n"))
        tap.equal(ids(done.stdout), [name for name, _ in stored])
        tap.equal(read(there.rest), b"")
        there.server.set_faults()
        wait_until_sent(there.spool, there.server, 5)
        tap.equal([(r["body"], r["group"]) for r in there.server.records("sent")],
                  [(body, "g") for _, body in stored])


@tap.test
def empty_input_is_no_line():
    with place() as there:
        done = there.submit(b"", f"--rest={there.rest}")
        tap.equal((done.returncode, done.stdout, done.stderr), (0, b"", b""))


def refused_lines(there, bad, form, good, rest_of_options=()):
    """Submits each bad line between two good ones; returns the errors about them."""
    text = b"".join(good(i) + b"\n" + line + b"\n" for i, line in enumerate(bad)) + good(len(bad)) + b"\n"
    done = there.submit(text, *rest_of_options, f"--rest={there.rest}", form=form)
    tap.equal(done.returncode, 65, str(done.stderr))
    tap.equal(len(ids(done.stdout)), len(bad) + 1)
    tap.equal(len(there.stored()), len(bad) + 1)
    tap.equal(ids(done.stdout), [name for name, _ in there.stored()])
    rest = b"".join(line + b"\n" for line in bad)
    tap.ok(read(there.rest) == rest, "the rest is not the bad lines, byte for byte")
    again = there.submit(rest, *rest_of_options, f"--rest={there.path('rest-2')}", form=form)
    tap.equal((again.returncode, again.stdout), (65, b""))
    tap.ok(read(there.path("rest-2")) == rest, "the rest has changed")
    found = errors(done)
    tap.equal(found[-2:], [f"lines taken: {len(bad) + 1}, refused: {len(bad)}",
                           f"lines that were not taken, and are in {there.rest}: {len(bad)}"])
    tap.equal([line.split(": ")[0] for line in found[:-2]], [f"line {2 * i + 2}" for i in range(len(bad))])
    return [line.split(": ", 1)[1] for line in found[:-2]]


@tap.test
def bad_line_is_refused_with_its_number_and_reason_and_the_others_go_on():
    bad = [b"", b"\xff\xfe", b"cut \xc3", b"a\0b", b"\x7fELF\x01\x02", b"x" * (BODY_MAX + 1),
           b"y" * (5 * BODY_MAX + 17), b"\x80" * BODY_MAX]
    with place() as there:
        found = refused_lines(there, bad, "--lines", lambda i: b"good %d" % i)
        for i, wanted in enumerate(["refused: body: *empty*", "refused: body: byte 1 (0xff) does not belong to UTF-8*",
                                    "refused: body: byte 5 (0xc3)*", "refused: body: *", "refused: body: *",
                                    "refused: body: larger than 1048576 bytes*",
                                    "refused: body: larger than 1048576 bytes*", "refused: body: byte 1 (0x80)*"]):
            tap.matches(found[i], wanted)


@tap.test
def bad_line_of_json_is_refused_and_the_others_go_on():
    bad = [b"", b'{"command": "drop", "id": "all"}', b"no JSON", b'{"body": "a"', b"[]", b'{"body": 1}',
           b'{"body": "x", "bogus": 1}', b'{"body": "\xff"}', b'{"body": "a\0"}',
           b'{"body": "' + b"z" * (7 * BODY_MAX) + b'"}']
    with place() as there:
        found = refused_lines(there, bad, "--json",
                              lambda i: json.dumps({"body": f"good {i}", "group": f"g{i % 2}"}).encode())
        tap.ok(all(line.startswith("refused: ") for line in found), str(found))
        tap.equal(there.spool.rows("SELECT group_id FROM waiting ORDER BY number LIMIT 2"), [("g0",), ("g1",)])


@tap.test
def command_in_a_line_of_json_is_refused_to_those_who_may_give_it():
    with place() as there:
        ids_before = ids(there.submit(b"set aside\n").stdout)
        there.producer.stop()
        there.spool.set_aside()
        there.start()
        commands = [json.dumps(c).encode() for c in (
            {"command": "rejected"}, {"command": "retry", "id": "all"}, {"command": "drop", "id": ids_before[0]},
            {"command": "drop", "id": "all"}, {"command": "series", "id": ids_before[0], "after": 0})]
        lines = [json.dumps({"body": "before"}).encode(), *commands, json.dumps({"body": "after"}).encode()]
        done = there.submit(b"".join(line + b"\n" for line in lines), f"--rest={there.rest}", form="--json")
        tap.equal((done.returncode, len(ids(done.stdout))), (65, 2), str(done.stderr))
        tap.equal(errors(done)[:5], [f"line {i + 2}: refused: command: a series has only messages" for i in range(5)])
        tap.equal(read(there.rest), b"".join(line + b"\n" for line in commands))
        tap.equal(([body for _, body in there.stored()], there.spool.count("rejected")), (["before", "after"], 1))
        tap.ok("dropped" not in there.producer.text, there.producer.text)


@tap.test
def last_line_without_its_end_stays_so_in_the_rest():
    with place() as there:
        done = there.submit(b"good\nbad \xff", f"--rest={there.rest}")
        tap.equal((done.returncode, read(there.rest)), (65, b"bad \xff"))


@tap.test
def full_spool_leaves_what_was_not_taken_in_the_rest_and_that_can_be_submitted():
    text = b"".join(b"%d\n" % i for i in range(3000)) + b"\n" + b"".join(b"%d\n" % i for i in range(3000, 9000))
    with place(spool_max_messages=1234) as there:
        done = there.submit(text, "--group=g", f"--rest={there.rest}")
        tap.equal(done.returncode, 75, str(done.stderr))
        tap.matches(errors(done)[0], "line 1235: not accepted now: *the spool is full*")
        summary = errors(done)[-2]
        tap.matches(summary, "lines taken: 1234, refused: *; no line after line * was submitted")
        tap.ok(int(summary.split()[-3]) < 6000, "all lines were submitted: " + summary)
        tap.equal((len(ids(done.stdout)), len(there.stored())), (1234, 1234))
        tap.equal(read(there.rest), b"".join(text.splitlines(True)[1234:]))
        there.producer.stop()
        there.settings["spool_max_messages"] = 100000
        there.start()
        done = there.submit(read(there.rest), "--group=g", f"--rest={there.path('rest-2')}")
        tap.equal((done.returncode, read(there.path("rest-2"))), (65, b"\n"))
        tap.equal([int(body) for _, body in there.stored()], list(range(9000)))


def large_or_unread(lines, read_ids=lambda *_: None, **popen):
    """Submits the lines, which together are far more than any buffer of the client holds."""
    with place(spool_max_messages=1000000, spool_max_bytes=1000000000) as there:
        client = Client(there, lines, **popen)
        read_ids(there, client)
        status, told = client.end()
        tap.equal((status, told), (0, []))
        tap.ok(client.ids == [name for name, _ in there.stored()], "the ids are not those in the spool")


@tap.test
def lines_that_come_faster_than_they_are_stored_are_all_taken():
    large_or_unread([json.dumps({"body": "x" * 30000, "group": f"g{i % 50}"}).encode() + b"\n" for i in range(1500)])


@tap.test
def ids_that_are_read_slowly_are_all_printed():
    n = 40000

    def read_slowly(there, client):
        """Some ids wait in the client all the time."""
        while len(client.ids) < n:
            tap.wait_until(lambda: there.spool.count() >= min(n, len(client.ids) + 1700), 120, "messages in the spool")
            client.read_ids(min(n, len(client.ids) + 1000))

    large_or_unread([b'{"body": "x", "group": "g%d"}\n' % (i % 50) for i in range(n)], read_slowly,
                    pipesize=4096)


@tap.test
def options_that_mean_nothing_for_lines_are_refused():
    with place() as there:
        for form, option, wanted in (
                ("--lines", "--json", "--lines and --json exclude each other: *"),
                ("--lines", "--deduplication-id=d", "SQS would drop all lines but the first*"),
                ("--json", "--group=g", "each line has its own group, *"),
                ("--json", "--delay=1", "each line has its own group, *"),
                ("--json", "--deduplication-id=d", "each line has its own group, *"),
                ("--json", "--attribute=a=b", "each line has its own group, *")):
            done = there.submit(b"line\n", option, form=form)
            tap.equal((done.returncode, done.stdout), (64, b""), option)
            tap.matches(errors(done)[0], wanted)
        done = there.submit(b"line\nline\n", "--delay=1")
        tap.equal((done.returncode, errors(done)[1].split(": ")[0]), (65, "line 2"))
        tap.equal(there.stored(), [])


@tap.test
def rest_file_that_cannot_be_used_is_told_before_the_first_line():
    with place() as there:
        with open(there.rest, "wb") as file:
            file.write(b"of an earlier run\n")
        for rest, status, wanted in ((there.rest, 73, "*: the file holds lines already; *"),
                                     (there.path("no/folder"), 73, "*: cannot write: No such file or directory"),
                                     (there.folder, 73, "*: cannot write: Is a directory")):
            done = there.submit(b"line\n", f"--rest={rest}")
            tap.equal((done.returncode, done.stdout), (status, b""), rest)
            tap.matches(errors(done)[0], wanted)
        done = there.submit(b"", there.rest, f"--rest={there.rest}")
        tap.equal(done.returncode, 64)
        tap.equal(read(there.rest), b"of an earlier run\n")
        tap.equal(there.stored(), [])


@tap.test
def rest_file_on_a_full_disk_is_told_with_the_first_line_that_is_missing():
    with place() as there:
        done = there.submit(b"good\n\nalso good\n\nmore\n", "--rest=/dev/full")
        tap.equal(done.returncode, 74)
        tap.equal(ids(done.stdout), [name for name, _ in there.stored()])
        tap.matches(errors(done)[-1], "cannot write /dev/full: No space left on device; from line 2 on, *")


@tap.test
def without_a_daemon_all_of_the_input_is_in_the_rest():
    text = b"1\n\n\xff\n" * 100000
    with place() as there:
        there.kill()
        done = there.submit(text, f"--rest={there.rest}")
        tap.equal((done.returncode, done.stdout), (69, b""))
        tap.ok(read(there.rest) == text, "the rest is not the input")
        tap.matches(errors(done)[-1], "lines that were not taken, and are in *: 300000")


# --- The daemon dies ---


def check_stored(there, lines, printed):
    """All good lines are stored, once and in order, and their ids were printed in order."""
    stored = there.stored()
    tap.equal(len(stored), len(bodies(lines)))
    tap.ok([body for _, body in stored] == bodies(lines), "not once and in order")
    tap.ok([name for name, _ in stored] == printed, "the ids are not those in the spool")


@tap.test
def daemon_that_is_killed_and_comes_back_gets_each_line_once():
    lines = numbered()
    with place(spool_max_messages=1000000) as there:
        client = Client(there, lines)
        for count in (100, 5000, 12000):
            client.read_ids(count)
            there.kill()
            there.start_for(client)
        status, told = client.end()
        tap.equal(status, 65, str(told))
        check_stored(there, lines, client.ids)
        tap.equal(read(there.rest), b"".join(line for line in lines if line.startswith(b"bad")))
        there.server.set_faults()
        tap.wait_until(lambda: there.spool.count() == 0, 300, "an empty spool")
        sent = [(r["group"], r["body"]) for r in there.server.records("sent")]
        for g in range(GROUPS):
            tap.ok([body for group, body in sent if group == f"g{g}"]
                   == [body for i, body in enumerate(bodies(lines)) if int(body.split()[0]) % GROUPS == g],
                   f"group {g} is not in order")


def killed_at(point):
    if not os.environ.get("FAULT_POINTS"):
        raise tap.Skip("the build has no fault points")
    lines = numbered(2000)
    with place() as there:
        there.producer.stop()
        there.start(env={"SQS_FAULT_POINT": f"{point}:5"})
        client = Client(there, lines)
        tap.equal(there.producer.wait(), -signal.SIGKILL)
        there.start_for(client)
        status, told = client.end()
        tap.equal(status, 65, str(told))
        check_stored(there, lines, client.ids)


for name in ("intake-added", "spool-commit", "spool-committed", "intake-committed"):
    tap.add(f"daemon that is killed at {name} gets each line once", killed_at, name)


@tap.test
def daemon_that_restarts_gets_each_line_once():
    lines = numbered()
    with place(spool_max_messages=1000000) as there:
        client = Client(there, lines)
        for count in (100, 9000):
            client.read_ids(count)
            there.producer.stop()
            there.start_for(client)
        status, told = client.end()
        tap.equal(status, 65, str(told))
        check_stored(there, lines, client.ids)


@tap.test
def daemon_that_is_killed_for_good_leaves_all_other_lines_in_the_rest():
    lines = numbered()
    with place(spool_max_messages=1000000) as there:
        client = Client(there, lines)
        client.read_ids(3000)
        there.kill()
        status, told = client.end()
        tap.equal(status, 75, str(told))
        rest = read(there.rest).splitlines(True)
        kept = set(rest)
        last = len(lines) - next(i for i, line in enumerate(reversed(lines)) if line not in kept)
        tap.ok(rest == [line for line in lines[:last] if line.startswith(b"bad")] + lines[last:], "the rest")
        taken = bodies(lines[:last])
        tap.equal(len(client.ids), len(taken))
        stored = there.stored()
        tap.ok(stored[:len(taken)] == list(zip(client.ids, taken)), "what was taken is not in the spool")
        extra = len(stored) - len(taken)  # stored, and not answered
        unknown = [line for line in told if "may have stored" in line]
        tap.ok(unknown or extra == 0, str(told))
        tap.ok([body for _, body in stored] == bodies(lines)[:len(stored)], "stored out of order")


if __name__ == "__main__":
    tap.main()
