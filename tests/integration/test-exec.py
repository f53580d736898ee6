# SPDX-License-Identifier: MIT
"""sqs-consumerd with the handler "exec": what a program gets, how it is ended, and what becomes of its message."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, Daemon
from reloading import Recorder
from sqs_local import SqsLocal


class Place:
    """A folder ($PLACE in the program) with the program of a test and the daemon's state directory."""

    def __init__(self, script):
        self.folder = tempfile.mkdtemp(prefix="test-exec-")
        self.program = self.path("program")
        os.mkdir(self.path("state"))
        with open(self.program, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(self.program, 0o755)

    def path(self, name):
        return os.path.join(self.folder, name)

    def lines(self, name):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), encoding="utf-8") as file:
            return file.read().splitlines()

    def consumer(self, server, *words, queue="test.fifo", prefix=(), endpoint=None, **settings):
        return Daemon("sqs-consumerd", server, queue=queue, prefix=prefix, endpoint=endpoint,
                      env={"PLACE": self.folder, "STATE_DIRECTORY": self.path("state"),
                           "SQS_MESSAGE_GROUP_ID": "the daemon's own"},
                      consumer={"handler": "exec", "command": [self.program, *words],
                                "retry_delay": 0, **settings})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


def is_running(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(daemon):
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children",
              encoding="utf-8") as file:
        return file.read().split()


def received(server, body):
    """The records of the receives of the message with this body."""
    ids = {r["message_id"] for r in server.records("sent") if r["body"] == body}
    return [r for r in server.records("received") if r["message_id"] in ids]


@tap.test
def messages_are_handled_in_order_and_deleted():
    with Place('cat >> $PLACE/handled; echo >> $PLACE/handled\n') as place, \
            SqsLocal(queues=[FIFO]) as server:
        for i in range(20):
            sqs.send(server, f"body {i}")
        daemon = place.consumer(server, concurrency=5, max_messages=10)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(place.lines("handled"), [f"body {i}" for i in range(20)])
        tap.equal(len(server.records("deleted")), 20)
        tap.equal(len(server.records("received")), 20)


@tap.test
def program_gets_arguments_environment_and_no_other_descriptors():
    with Place('printf "%s|" "$@"; echo\nenv | grep -E "^(SQS|AWS|PLACE)" | sort\n'
               'ls /proc/self/fd | tr "\\n" " "\n') as place, \
            SqsLocal(queues=[FIFO]) as server:
        sent = sqs.send(server, "body", group="a-group", MessageAttributes={
            "trace-id": {"DataType": "String", "StringValue": "t 1"},
            "raw": {"DataType": "Binary", "BinaryValue": "AP8="},
            "n.x": {"DataType": "Number", "StringValue": "1.5"},
        })
        daemon = place.consumer(server, "two words", "", "$HOME")
        tap.equal(daemon.wait(), 0, daemon.text)
        said = [line.split(": ", 1)[1] for line in daemon.lines
                if re.match(r"program\[\d+\]: ", line)]
        tap.equal(said[0], "two words||$HOME|")
        variables = dict(line.split("=", 1) for line in said[1:-1])
        for name, value in {
                "PLACE": place.folder, "SQS_MESSAGE_ID": sent["MessageId"],
                "SQS_MESSAGE_GROUP_ID": "a-group", "SQS_RECEIVE_COUNT": "1",
                "SQS_SEQUENCE_NUMBER": sent["SequenceNumber"], "SQS_ATTRIBUTE_TRACE_ID": "t 1",
                "SQS_ATTRIBUTE_RAW": "AP8=", "SQS_ATTRIBUTE_N_X": "1.5"}.items():
            tap.equal(variables.pop(name), value, name)
        for name in ("SQS_SENT_TIMESTAMP", "SQS_FIRST_RECEIVED_TIMESTAMP"):
            tap.ok(abs(int(variables.pop(name)) / 1000 - time.time()) < 3600, name)
        variables.pop("SQS_SENDER_ID", None)
        tap.equal(list(variables), ["SQS_MESSAGE_DEDUPLICATION_ID"])
        tap.equal(said[-1].split(), ["0", "1", "2", "3"])  # 3 is the folder that ls has open


@tap.test
def failed_message_is_retried_before_its_successors():
    with Place('read -r body\n'
               'echo "$body $SQS_RECEIVE_COUNT" >> $PLACE/handled\n'
               '[ "$body" != "first" ] || [ $SQS_RECEIVE_COUNT -gt 3 ] || exit $SQS_RECEIVE_COUNT\n'
               ) as place, SqsLocal(queues=[FIFO]) as server:
        for body in ("first", "second", "third"):
            sqs.send(server, body + "\n")
        sqs.send(server, "other\n", group="h")
        daemon = place.consumer(server, concurrency=5, max_messages=10)
        tap.equal(daemon.wait(), 0, daemon.text)
        handled = [line.split() for line in place.lines("handled")]
        tap.equal([line[0] for line in handled if line[0] != "other"],
                  ["first"] * 4 + ["second", "third"])
        tap.equal([line[1] for line in handled if line[0] == "first"], ["1", "2", "3", "4"])
        for status in (1, 2, 3):
            daemon.wait_for_line(f"has ended with exit status {status}: the message comes back")
        tap.equal(len(server.records("deleted")), 4)


@tap.test
def retry_delay_grows_except_after_status_75():
    """After status 75 the delay is always retry_delay; after other failures it doubles each time."""
    with Place('read -r body\n[ $SQS_RECEIVE_COUNT -gt 3 ] || exit $body\n') as place, \
            SqsLocal(queues=["plain"]) as server, Recorder(server) as recorder:
        for body in ("75", "1"):
            sqs.send(server, body, queue="plain")
        daemon = place.consumer(server, queue="plain", endpoint=recorder.url, concurrency=5, max_messages=10,
                                retry_delay=1, exit_after_empty_receives=0)
        server.wait_for_records("deleted", 2, 60)
        daemon.stop()
        for body, delays in (("75", [1, 1, 1]), ("1", [1, 2, 4])):
            records = received(server, body)
            times, handles = [r["time"] for r in records], [r["receipt_handle"] for r in records]
            tap.equal(len(times), 4)
            # A request may be sent twice, if its answer is late.
            asked = {(entry["ReceiptHandle"], entry["VisibilityTimeout"])
                     for entry in recorder.entries("ChangeMessageVisibility")}
            tap.equal({pair for pair in asked if pair[0] in handles}, set(zip(handles, delays)))
            for i, delay in enumerate(delays):
                tap.ok(times[i + 1] - times[i] > delay - 0.1, f"{body}: {times}")


@tap.test
def rejected_message_is_deleted_and_its_body_logged():
    with Place('exit 65\n') as place, SqsLocal(queues=[FIFO]) as server:
        sent = sqs.send(server, "a body with a\nline break")
        daemon = place.consumer(server)
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line(f"Message {sent['MessageId']} is rejected and will be deleted: "
                             "a body with a\\nline break")
        tap.equal(len(server.records("deleted")), 1)


@tap.test
def rejected_message_with_a_long_body_is_logged_whole_where_lines_have_no_fields():
    bodies = "long \U0001f600 \"body\"\n" * 2000, "\\" * 4096, "\u200f" * 1360  # the others are long when escaped
    with Place('exec 3<&0; exit 65\n') as place, SqsLocal(queues=[FIFO]) as server:
        sent = [(body, sqs.send(server, body)["MessageId"]) for body in bodies]
        daemon = place.consumer(server)
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("is rejected and will be deleted", 3)
        entries = [json.loads(line) for line in daemon.lines if "is rejected and will be deleted" in line]
        tap.equal([(entry["SQS_BODY"], entry["SQS_MESSAGE_ID"]) for entry in entries], sent)
        tap.equal(len(server.records("deleted")), 3)


@tap.test
def lost_lease_ends_the_whole_process_group():
    # A run that is ended before it has written the file "left" is repeated.
    with Place('[ ! -e $PLACE/left ] || exit 0\n'
               'trap \'echo ended >> $PLACE/ended; exit\' TERM\n'
               'sleep 1000 & echo $! > $PLACE/left.new\nmv $PLACE/left.new $PLACE/left\n'
               'while :; do sleep 0.05; done\n') as place, \
            SqsLocal(queues=["test.fifo,FifoQueue=true,VisibilityTimeout=4"]) as server:
        sqs.send(server, "body")
        daemon = place.consumer(server, exit_after_empty_receives=0)
        tap.wait_until(lambda: place.lines("left"))
        left = int(place.lines("left")[0])
        server.set_faults("ChangeMessageVisibilityBatch:error-500",
                          "ChangeMessageVisibility:error-500")
        daemon.wait_for_line("is lost while it was handled", seconds=60)
        tap.wait_until(lambda: place.lines("ended") and not is_running(left))
        daemon.end()


@tap.test
def timeout_ends_the_whole_process_group():
    # A run that is ended before it has written the file is repeated.
    with Place('[ ! -e $PLACE/left ] || exit 0\n'
               'sleep 1000 & echo $! $$ > $PLACE/left.new\nmv $PLACE/left.new $PLACE/left\nwait\n') as place, \
            SqsLocal(queues=[FIFO]) as server:
        sqs.send(server, "body")
        daemon = place.consumer(server, timeout=0.5)
        tap.equal(daemon.wait(), 0, daemon.text)
        daemon.wait_for_line("it took longer than consumer.timeout (0.5 s)")
        for pid in place.lines("left")[0].split():
            tap.ok(not is_running(pid))
        tap.equal(len(server.records("deleted")), 1)


@tap.test
def stop_waits_for_running_programs():
    with Place('touch $PLACE/begun\nwhile [ ! -e $PLACE/go ]; do sleep 0.02; done\n') as place, \
            SqsLocal(queues=[FIFO]) as server:
        sqs.send(server, "body")
        sqs.send(server, "after it")
        daemon = place.consumer(server, max_messages=10)
        tap.wait_until(lambda: os.path.exists(place.path("begun")))
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        with open(place.path("go"), "w", encoding="utf-8"):
            pass
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(server.records("deleted")), 1)


def check_no_process_left(place, daemon):
    status = daemon.wait()
    tap.equal(status, 1, daemon.text)
    for line in place.lines("pids"):
        for pid in line.split():
            tap.wait_until(lambda p=pid: not is_running(p))


STUBBORN = ('trap "" TERM\nsleep 1000 & echo $! $$ >> $PLACE/pids\n'
            'while :; do sleep 0.05; done\n')


@tap.test
def stop_at_its_deadline_kills_programs_and_releases_their_messages():
    with Place(STUBBORN) as place, SqsLocal(queues=[FIFO]) as server:
        for group in ("a", "b", "c"):
            sqs.send(server, "body " + group, group=group)
        daemon = place.consumer(server, concurrency=3, max_messages=10, stop_timeout=24)
        tap.wait_until(lambda: len(place.lines("pids")) == 3)
        daemon.signal()
        check_no_process_left(place, daemon)
        tap.equal(len(sqs.receive(server)), 3)


@tap.test
def second_signal_leaves_no_process():
    with Place(STUBBORN) as place, SqsLocal(queues=[FIFO]) as server:
        sqs.send(server, "body")
        daemon = place.consumer(server)
        tap.wait_until(lambda: len(place.lines("pids")) == 1)
        daemon.signal()
        daemon.wait_for_line("Asked to stop")
        daemon.signal()
        check_no_process_left(place, daemon)


@tap.test
def missing_program_is_an_outage_until_it_exists_again():
    with Place('exit 0\n') as place, SqsLocal(queues=[FIFO]) as server:
        daemon = place.consumer(server, exit_after_empty_receives=0)
        sqs.send(server, "one")
        server.wait_for_records("deleted", 1)
        os.rename(place.program, place.path("away"))
        sqs.send(server, "two")
        daemon.wait_for_line(f"is not reached: cannot run consumer.command ({place.program})")
        os.rename(place.path("away"), place.program)
        server.wait_for_records("deleted", 2)
        daemon.stop()


@tap.test
def programs_that_print_too_much_and_leave_processes_cost_no_memory_or_descriptors():
    """60 programs print too much, and leave a process each."""
    with Place('sleep 1000 &\nyes noise | head -n 5000\n') as place, \
            SqsLocal(queues=["plain"]) as server:
        for i in range(60):
            sqs.send(server, f"{i}", queue="plain")
        daemon = place.consumer(server, queue="plain", concurrency=20, receivers=2, max_messages=10,
                                exit_after_empty_receives=0)
        server.wait_for_records("deleted", 60, 120)
        tap.equal(len(server.records("received", "plain")), 60)
        # At its end the daemon waits only briefly for the log.
        daemon.wait_for_line("has printed 4000 more lines", 60, 120)
        tap.wait_until(lambda: not children(daemon))
        tap.wait_until(lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) < 40, 60, "few descriptors")
        with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as file:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1))
        # The address sanitizer takes far more memory.
        if "asan" not in open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8").read():
            tap.ok(peak < 40 * 1024, f"{peak} KiB")
        daemon.signal()
        tap.equal(daemon.wait(), 0, "\n".join(daemon.lines[-20:]))
        tap.equal(sum("has printed 4000 more lines" in line for line in daemon.lines), 60)


# Writes to "overlaps" when two of these programs run at the same time. The first run of the message m1 writes the
# file "begun", and goes on until it is cancelled; told() and DEAF make variants that differ in what happens then.
ALONE = """
read -r body
mkdir "$PLACE/runs" || echo "$body beside another" >>"$PLACE/overlaps"
end() { rmdir "$PLACE/runs"; echo "$body $SQS_RECEIVE_COUNT $1" >>"$PLACE/ended"; exit "$2"; }
if [ "$body" = m1 ] && [ ! -e "$PLACE/begun" ]; then
%s
    echo begun >"$PLACE/begun"
    while :; do sleep 0.05; %s done
fi
end itself 0
"""


def told(status):
    """On SIGTERM this program works for 0.7 s more, and ends with `status`."""
    return ALONE % (f"    trap 'sleep 0.7; end told {status}' TERM", "")


# This program ignores SIGTERM, and writes to "ended" until it is killed.
DEAF = ALONE % ("    trap '' TERM; rmdir \"$PLACE/runs\"", 'echo "m1 1 on" >>"$PLACE/ended";')


def without_repeats(lines):
    return [line for i, line in enumerate(lines) if i == 0 or line != lines[i - 1]]


def lease_is_lost(script, ended):
    """The renewals of a lease stall until the lease is lost, so the message is received again."""
    with Place(script) as place, SqsLocal(queues=[FIFO + ",VisibilityTimeout=6"]) as server:
        for body in "m1", "m2", "m3":
            sqs.send(server, body)
        daemon = place.consumer(server, max_messages=10, concurrency=10,
                                exit_after_empty_receives=0)
        tap.wait_until(lambda: place.lines("begun"), 60, "the first program")
        server.set_faults("ChangeMessageVisibilityBatch:stall")
        daemon.wait_for_line("is lost while it was handled")
        server.set_faults()
        server.wait_for_records("deleted", 3, 60)
        daemon.stop()
        tap.equal(place.lines("overlaps"), [], daemon.text)
        lines = [re.sub(r" \d+ ", " ", line) for line in place.lines("ended")]
        tap.equal(without_repeats(lines), ended, daemon.text)


tap.add("program whose lease is lost ends before its message is handled again", lease_is_lost, told(1),
        ["m1 told", "m1 itself", "m2 itself", "m3 itself"])
tap.add("message is handled again when its program ends with 0 after the lease was lost", lease_is_lost,
        told(0), ["m1 told", "m1 itself", "m2 itself", "m3 itself"])
tap.add("program that ignores SIGTERM is killed before its message is handled again", lease_is_lost,
        DEAF, ["m1 on", "m1 itself", "m2 itself", "m3 itself"])


class CancelledAtAStop:
    """A daemon stops while a program runs, and another daemon gets its message."""

    def __init__(self, stack, script):
        self.place, self.server = stack.enter_context(Place(script)), stack.enter_context(SqsLocal(queues=[FIFO]))
        for body in "m1", "m2":
            sqs.send(self.server, body)
        self.daemon = self.place.consumer(self.server, stop_timeout=24)
        tap.wait_until(lambda: self.place.lines("begun"), 60, "the first program")
        self.other = self.place.consumer(self.server, exit_after_empty_receives=0, ledger_max_messages=0)
        self.daemon.signal()

    def check(self, ended):
        tap.equal(self.daemon.wait(), 1, self.daemon.text)
        self.server.wait_for_records("deleted", 2)
        self.other.stop()
        tap.equal(self.place.lines("overlaps"), [], self.daemon.text)
        tap.equal(without_repeats(self.place.lines("ended")), ended, self.daemon.text)


@tap.test
def message_is_released_at_a_stop_and_handled_again_only_when_its_program_has_ended():
    """The program ends with 1, with 0, and is killed. The three stops take their time together."""
    with contextlib.ExitStack() as stack:
        stops = [CancelledAtAStop(stack, script) for script in (told(1), told(0), DEAF)]
        for stop, last in zip(stops, ("told", "told", "on")):
            stop.check([f"m1 1 {last}", "m1 2 itself", "m2 1 itself"])


def refused(command, says):
    with Place("exit 0\n") as place, SqsLocal(queues=[FIFO]) as server:
        command = [word.replace("PLACE", place.folder) for word in command]
        settings = {"handler": "exec", **({"command": command} if command else {})}
        for arguments in ((), ("--check-config",)):
            daemon = Daemon("sqs-consumerd", server, consumer=settings, arguments=arguments,
                            env={"STATE_DIRECTORY": place.path("state")})
            tap.equal(daemon.wait(), 78, daemon.text)
            tap.equal(len(daemon.lines), 1, daemon.text)
            tap.ok("consumer.command: " in daemon.text and says in daemon.text, daemon.text)
        tap.equal(server.records("received"), [])


for wrong, text in ((["/nonexistent/program"], '"/nonexistent/program" does not exist'),
                    (["PLACE"], "is a folder"),
                    (["/etc/passwd"], "may not be run"),
                    (["no-such-program"], "is not in any folder of PATH"),
                    (["/bin/echo hello"], "each argument is a text of its own"),
                    (["echo hello"], "each argument is a text of its own"),
                    ([], "not set")):
    tap.add(f"start with the command {wrong} is refused: {text}", refused, wrong, text)


@tap.test
def check_config_with_a_program_that_exists_succeeds():
    with Place("exit 0\n") as place, SqsLocal(queues=[FIFO]) as server:
        daemon = Daemon("sqs-consumerd", server, arguments=("--check-config",),
                        consumer={"handler": "exec", "command": [place.program, "x"]})
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.ok(f'command = ["{place.program}", "x"];' in daemon.stdout())


@tap.test
def program_hidden_by_the_sandbox_gets_advice():
    advice = '"PrivateTmp=no" into a drop-in (systemctl edit sqs-consumerd)'
    with Place("exit 0\n") as place, SqsLocal(queues=[FIFO]) as server:
        for program, warned in (place.program, os.geteuid() == 0), ("/bin/true", False):
            checked = Daemon("sqs-consumerd", server, arguments=("--check-config",),
                             consumer={"handler": "exec", "command": [program]},
                             env={"INVOCATION_ID": None})
            tap.equal(checked.wait(), 0, checked.text)
            tap.equal("the service will not find" in checked.text, warned, checked.text)
            tap.equal(advice in checked.text, warned, checked.text)
        # To the service the program is missing.
        service = Daemon("sqs-consumerd", server, env={"INVOCATION_ID": "1"},
                         consumer={"handler": "exec", "command": [place.path("absent")]})
        tap.equal(service.wait(), 78, service.text)
        tap.ok("does not exist" in service.text and advice in service.text, service.text)


@tap.test
def as_the_first_process_of_a_container_it_collects_its_programs_and_stops():
    enter = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*enter, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise tap.Skip("no process namespace can be made here")
    with Place('cat >/dev/null\n'
               'cat /proc/[0-9]*/status | grep -c "^State:.Z" >>$PLACE/zombies\n'
               'cat /proc/1/comm >>$PLACE/first\n') as place, SqsLocal(queues=[FIFO]) as server:
        for i in range(5):
            sqs.send(server, f"body {i}")
        daemon = place.consumer(server, prefix=enter, exit_after_empty_receives=0, wait_time=1)
        server.wait_for_records("deleted", 5)
        tap.equal(place.lines("first"), ["sqs-consumerd"] * 5)
        tap.equal(place.lines("zombies"), ["0"] * 5)
        first, = children(daemon)
        os.kill(int(first), signal.SIGTERM)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.ok("Terminated!" in daemon.text, daemon.text)


if __name__ == "__main__":
    tap.main()
