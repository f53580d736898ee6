# SPDX-License-Identifier: MIT
"""sqs-consumerd with the handler "exec" under a systemd that is booted for the test: the journal, the sandbox and
how to open it, a thousand programs at the same time, the stop."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import throwaway  # which adds tests/lib to the path
import tap
from throwaway import UNITS

PRODUCER, CONSUMER = UNITS
PROGRAM = "/usr/local/bin/handle"
DROP_IN = f"/etc/systemd/system/{CONSUMER}.service.d/handler.conf"
STATE = f"/var/lib/{CONSUMER}"
NEVER = 0


def test(function):
    """Registers a test; it begins without the drop-in of the last one, and gets the journal's cursor."""

    def prepare(m):
        if os.path.exists(m.path(DROP_IN)):
            os.unlink(m.path(DROP_IN))
            m.check("systemctl", "daemon-reload")
        return [m.cursor()]

    throwaway.add_test(function, prepare)


def consume(m, script, **settings):
    """Starts the consumer with a script as its program."""
    m.write(PROGRAM, "#!/bin/sh\n" + script, 0o755)
    m.configure(producer=settings.pop("producer", {}), queue=settings.pop("queue", "test.fifo"),
                consumer={"handler": "exec", "command": [PROGRAM], "retry_delay": 0,
                          "exit_after_empty_receives": NEVER, **settings})
    done = m.start(CONSUMER)
    tap.equal((done.returncode, done.stderr), (0, ""))


def drop_in(m, *lines):
    m.write(DROP_IN, "[Service]\n" + "".join(line + "\n" for line in lines))
    m.check("systemctl", "daemon-reload")


def send(m, count=1):
    """Sends messages of the demo."""
    tap.equal(m.start(PRODUCER).returncode, 0)
    tap.wait_until(lambda: len(m.records("sent")) >= count, 60, f"{count} messages on the queue")


def wait_for_deleted(m, count, seconds=60):
    tap.wait_until(lambda: len(m.records("deleted")) >= count, seconds, f"{count} messages deleted")


def lines_of_programs(entries):
    """The log lines of programs and about them: (priority, text without the name)."""
    return [(int(e["PRIORITY"]), e["MESSAGE"].partition("]")[2][2:]) for e in entries
            if "SQS_HANDLER_PID" in e]


def sleepers(m):
    return len(m.run("pgrep", "-x", "sleep").stdout.split())


@test
def output_of_a_program_is_in_the_journal_with_its_message(m, cursor):
    m.serve()
    consume(m, 'echo "it is $SQS_MESSAGE_ID"; echo oh >&2; [ $SQS_RECEIVE_COUNT -gt 1 ]\n',
            producer={"messages_to_send": 1})
    send(m)
    wait_for_deleted(m, 1)
    m.check("systemctl", "stop", CONSUMER)  # its last lines may be later than the delete
    sent = m.records("sent")[0]
    entries = [e for e in m.journal(CONSUMER, cursor) if "SQS_HANDLER_PID" in e]
    tap.equal(len(entries), 5)
    for entry in entries:
        tap.equal(entry["SQS_MESSAGE_ID"], sent["message_id"])
        tap.equal(entry["SQS_MESSAGE_GROUP_ID"], "test")
        tap.equal(entry["SYSLOG_IDENTIFIER"], CONSUMER)
        tap.ok(entry["MESSAGE"].startswith(f"handle[{entry['SQS_HANDLER_PID']}]"), entry["MESSAGE"])
    # Lines of standard output and standard error may come in any order.
    tap.equal(sorted(lines_of_programs(entries))[:3], [(4, f"for message {sent['message_id']} (receive 1), has ended "
                                              "with exit status 1: the message comes back."),
                                          (4, "oh"), (4, "oh")])
    tap.equal(sorted(lines_of_programs(entries))[3:], [(6, f"it is {sent['message_id']}")] * 2)


@test
def rejected_body_is_whole_in_the_journal(m, cursor):
    m.serve()
    m.configure(producer={"source": "spool"})
    m.check("systemctl", "start", "sqs-producerd.socket")
    m.check("sh", "-c", "{ printf begin; head -c 300000 /dev/zero | tr '\\0' x; printf end; } | "
            "sqs-producerd --submit")
    tap.wait_until(lambda: m.records("sent"), message="the message on the queue")
    consume(m, "exit 65\n")
    wait_for_deleted(m, 1)
    m.check("systemctl", "stop", CONSUMER)
    entries = [e for e in m.journal(CONSUMER, cursor) if "SQS_BODY" in e]
    bodies = [e["SQS_BODY"] for e in entries]
    tap.equal([(len(body), body[:6], body[-4:]) for body in bodies], [(300008, "beginx", "xend")])
    # The fields for journalctl -p err and journalctl SQS_MESSAGE_ID=...
    sent = m.records("sent")[0]
    tap.equal((entries[0]["PRIORITY"], entries[0]["SQS_MESSAGE_ID"]), ("3", sent["message_id"]))
    tap.ok(sent["message_id"] in entries[0]["MESSAGE"], entries[0]["MESSAGE"][:200])


@test
def program_is_in_the_sandbox_until_a_drop_in_opens_it(m, _):
    """As README.md and the unit say."""
    m.serve()
    m.run("rm", "-rf", "/srv/orders")
    m.check("install", "-d", "-o", "nobody", "/srv/orders")
    script = (f"touch {STATE}/there && touch /tmp/there && "
              "! touch /srv/orders/there 2>/dev/null && ! touch /etc/there 2>/dev/null && "
              "grep -q '^NoNewPrivs:.1' /proc/self/status && grep -q '^CapEff:.0*$' /proc/self/status && "
              "! python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)' 2>/dev/null && "
              '[ -z "$AWS_SHARED_CREDENTIALS_FILE$CREDENTIALS_DIRECTORY$NOTIFY_SOCKET" ]\n')
    consume(m, script, producer={"messages_to_send": 1})
    send(m)
    wait_for_deleted(m, 1)
    tap.equal(len(m.records("received")), 1)
    m.check("systemctl", "stop", CONSUMER)

    drop_in(m, "MemoryDenyWriteExecute=no", "ReadWritePaths=/srv/orders", "DynamicUser=no",
            "User=nobody")
    consume(m, "touch /srv/orders/there && "
            "python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'\n",
            producer={"messages_to_send": 1})
    m.check("systemctl", "start", PRODUCER)
    wait_for_deleted(m, 2)
    tap.equal(len(m.records("received")), 2)


@test
def program_can_read_of_the_daemon_only_what_the_readme_says(m, cursor):
    m.serve()
    keys = f"/run/credentials/{CONSUMER}.service/aws.credentials"
    reachable = ("kill -0 $PPID", f"grep -q aws_secret_access_key {keys}",
                 f"head -c 1 {STATE}/ledger.db", "cat /proc/self/environ")
    closed = [f"head -c 1 /proc/$PPID/{file}" for file in ("environ", "mem", "maps", "auxv")]
    closed += ["ls /proc/$PPID/fd", "readlink /proc/$PPID/exe"]
    script = "".join(f"{command} >/dev/null 2>&1 || echo 'wrong: {command}'\n" for command in reachable)
    script += "".join(f"{command} >/dev/null 2>&1 && echo 'wrong: {command}'\n" for command in closed)
    script += "exit 0\n"
    consume(m, script, producer={"messages_to_send": 1})
    send(m)
    wait_for_deleted(m, 1)
    m.check("systemctl", "stop", CONSUMER)
    tap.equal([text for _, text in lines_of_programs(m.journal(CONSUMER, cursor)) if "wrong" in text], [])


@test
def thousand_programs_run_at_the_same_time(m, cursor):
    m.serve(queues=["plain,VisibilityTimeout=600"])  # no lease ends before it is renewed
    # Without a pids controller nothing else shows the limit.
    tap.ok(int(m.show(CONSUMER, "TasksMax")["TasksMax"]) > 2 * 1000)
    consume(m, "exec sleep 1000\n", queue="plain", concurrency=1000, receivers=10, max_messages=10,
            stop_timeout=5,
            producer={"messages_to_send": 1000, "send_interval": 0.0, "max_connections": 10,
                      "batch_size": 10})
    send(m, 1000)
    tap.wait_until(lambda: sleepers(m) == 1000, 120, "a thousand programs")
    tap.equal(len(m.records("received")), 1000)
    m.check("systemctl", "stop", CONSUMER)
    tap.equal(m.show(CONSUMER, "ActiveState")["ActiveState"], "failed")
    tap.equal(sleepers(m), 0)
    entries = m.journal(CONSUMER, cursor)
    tap.ok(any("cancelling the handling of 1000 messages" in e["MESSAGE"] for e in entries))
    tap.ok(not any("Killing process" in e["MESSAGE"] for e in entries), "systemd killed processes")


@test
def stop_kills_programs_that_ignore_it(m, _):
    m.serve()
    consume(m, 'trap "" TERM\nsetsid sleep 1000 & sleep 1000 &\nwhile :; do sleep 1; done\n',
            producer={"messages_to_send": 1}, stop_timeout=2)
    send(m)
    tap.wait_until(lambda: sleepers(m) == 2 + 1, message="the program")
    m.check("systemctl", "stop", CONSUMER)
    tap.equal(sleepers(m), 0)


@test
def stop_takes_longer_than_the_timeout_of_the_unit(m, _):
    """The daemon extends the time-out of systemd up to stop_timeout."""
    m.serve()
    drop_in(m, "TimeoutStopSec=10")
    # The program works for 12 s after the stop has begun.
    consume(m, f"touch {STATE}/begun\nuntil [ -e {STATE}/stopping ]; do sleep 0.1; done\n"
            "exec sleep 12\n", producer={"messages_to_send": 1}, stop_timeout=60)
    send(m)
    tap.wait_until(lambda: m.run("test", "-e", f"{STATE}/begun").returncode == 0, message="the program")
    m.check("systemctl", "stop", "--no-block", CONSUMER)
    tap.wait_until(lambda: m.state(CONSUMER) == "deactivating", message="the stop")
    m.check("touch", f"{STATE}/stopping")
    tap.wait_until(lambda: m.state(CONSUMER) in ("inactive", "failed"), 60, "the end of the stop")
    tap.equal(m.show(CONSUMER, "ActiveState", "Result", "ExecMainCode", "ExecMainStatus"),
              {"ActiveState": "inactive", "Result": "success", "ExecMainCode": "1",
               "ExecMainStatus": "0"})
    tap.equal(len(m.records("received")), 1)
    tap.equal([r["message_id"] for r in m.records("deleted")],
              [r["message_id"] for r in m.records("sent")])


if __name__ == "__main__":
    throwaway.main()
