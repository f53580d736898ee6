# SPDX-License-Identifier: MIT
"""Submitting messages to the units under a systemd that is booted for the test: socket activation, who may submit,
and which errors other users get."""

import json
import math
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import throwaway  # which adds tests/lib to the path
import tap
from sqs_local import BUILD_ROOT, TESTS
from throwaway import SOCKET, UNITS

PRODUCER = UNITS[0]
GROUP = "sqs-submit"
PATH = "/run/sqs-producerd/submit.socket"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OK, REFUSED, UNAVAILABLE, TRY_LATER = 0, 65, 69, 75


def test(function):
    """Registers a test; it begins with a configuration for the spool."""
    throwaway.add_test(function, lambda m: m.configure(producer={"source": "spool"}) or ())


def submit(m, body, *options, user=None):
    """Runs sqs-producerd --submit; returns a CompletedProcess. The body must not have single quotes."""
    as_user = f"setpriv --reuid={user} --regid={user} --init-groups " if user else ""
    return m.run("sh", "-c", f"printf '%s' '{body}' | {as_user}{PRODUCER} --submit \"$@\"", "sh", *options)


def submit_accepted(m, body, *options, user=None):
    """Submits a message, which must be accepted; returns its id."""
    done = submit(m, body, *options, user=user)
    tap.equal((done.returncode, done.stderr), (OK, ""))
    tap.ok(UUID.fullmatch(done.stdout.rstrip("\n")), done.stdout)
    return done.stdout.rstrip("\n")


def wait_for_sent(m, *bodies):
    tap.wait_until(lambda: len(m.records("sent")) >= len(bodies), message="the messages on the queue")
    tap.equal([r["body"] for r in m.records("sent")], list(bodies))


def start_socket(m):
    m.check("systemctl", "start", SOCKET)
    tap.equal(m.state(SOCKET), "active")


@test
def first_message_starts_the_service(m):
    m.serve()
    start_socket(m)
    tap.equal(m.state(PRODUCER), "inactive")
    first = submit_accepted(m, "one\n")
    tap.equal(m.state(PRODUCER), "active")
    submit_accepted(m, "two", "--group=other", "--deduplication-id=mine", "--attribute=n:Number=5")
    # Groups have no order among each other.
    tap.wait_until(lambda: len(m.records("sent")) >= 2, message="the messages on the queue")
    tap.equal(sorted((r["group"], r["body"], r["deduplication_id"]) for r in m.records("sent")),
              [("other", "two", "mine"), ("test", "one\n", first)])


@test
def message_starts_a_service_that_was_stopped(m):
    m.serve()
    start_socket(m)
    submit_accepted(m, "before")
    wait_for_sent(m, "before")
    m.check("systemctl", "stop", PRODUCER)
    tap.equal(m.show(PRODUCER, "ActiveState", "Result", "ExecMainStatus"),
              {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
    tap.equal(m.state(SOCKET), "active")
    submit_accepted(m, "after")
    tap.equal(m.state(PRODUCER), "active")
    wait_for_sent(m, "before", "after")


@test
def message_waits_on_disk_until_the_queue_exists(m):
    start_socket(m)
    submit_accepted(m, "early")
    tap.equal(m.state(PRODUCER), "active")
    tap.wait_until(lambda: "1 waiting" in m.show(PRODUCER, "StatusText")["StatusText"], message="the status")
    m.check("systemctl", "kill", "--signal=KILL", PRODUCER)
    m.serve()
    wait_for_sent(m, "early")


@test
def members_of_the_group_may_submit_and_others_may_not(m):
    m.serve()
    start_socket(m)
    tap.equal(m.check("stat", "-c", "%U:%G %a", PATH), f"root:{GROUP} 660\n")

    done = submit(m, "no", user="outsider")
    tap.equal((done.returncode, done.stdout), (UNAVAILABLE, ""))
    tap.equal(done.stderr, f"sqs-producerd: cannot reach the daemon: only members of the group {GROUP} may "
              f"use {PATH}; as root run 'usermod -aG {GROUP} USER', then sign in again\n")
    tap.equal(m.state(PRODUCER), "inactive")

    submit_accepted(m, "yes", user="member")
    wait_for_sent(m, "yes")


@test
def submitter_without_a_readable_configuration_uses_the_default_socket(m):
    m.serve()
    start_socket(m)
    submit_accepted(m, "readable", user="member")
    m.check("chmod", "600", "/etc/sqs-demo.conf")
    submit_accepted(m, "not readable", user="member")
    m.check("chmod", "644", "/etc/sqs-demo.conf")
    m.configure(text="aws: { colour = 1; };\n")
    done = submit(m, "not good", user="member")
    tap.equal((done.returncode, bool(UUID.match(done.stdout))), (OK, True), done.stderr)
    tap.ok("using the default, " + PATH in done.stderr, done.stderr)
    wait_for_sent(m, "readable", "not readable", "not good")


@test
def invalid_message_is_refused_with_the_reason(m):
    m.serve()
    start_socket(m)
    for body, option, error in (
            ("", "--group=g", "body: empty"),
            ("x", "--group=a b", "group id: character 2"),
            ("x", "--delay=5", "delay: 5 s, but on a FIFO queue"),
            ("x", "--attribute=AWS.x=1", "attribute 1 (AWS.x): names that begin with AWS.")):
        done = submit(m, body, option)
        tap.equal((done.returncode, done.stdout), (REFUSED, ""))
        tap.ok(done.stderr.startswith(f"sqs-producerd: refused: {error}"), done.stderr)


@test
def submit_without_the_socket_fails_with_advice(m):
    done = submit(m, "x", user="member")
    tap.equal((done.returncode, done.stdout), (UNAVAILABLE, ""))
    tap.ok(f"there is no socket {PATH}" in done.stderr, done.stderr)
    tap.ok("systemctl enable --now sqs-producerd.socket sqs-producerd" in done.stderr, done.stderr)
    start_socket(m)
    m.check("systemctl", "stop", SOCKET)
    tap.ok(m.run("test", "-e", PATH).returncode != 0, "the socket was not removed")


@test
def service_without_the_socket_fails_with_advice(m):
    m.serve()
    tap.ok(m.start(PRODUCER).returncode != 0, "the service starts")
    tap.equal(m.show(PRODUCER, "ExecMainStatus"), {"ExecMainStatus": "78"})
    tap.ok("under systemd start sqs-producerd.socket" in m.status(PRODUCER),
           "the status does not say what to do")


@test
def socket_with_the_demo_as_source_fails_the_start(m):
    m.serve()
    m.configure()
    start_socket(m)
    tap.ok(m.start(PRODUCER).returncode != 0, "the service starts")
    tap.equal(m.show(PRODUCER, "ExecMainStatus"), {"ExecMainStatus": "78"})
    tap.ok('producer.source: found "demo"' in m.status(PRODUCER),
           "the status does not say why")


@test
def rejected_messages_are_listed_dropped_and_retried_by_root(m):
    # The queue does not exist yet, so the daemon does not know its maximum message size.
    start_socket(m)
    large = "x" * 2000
    first, second = (submit_accepted(m, large, f"--group={group}") for group in "ab")
    submit_accepted(m, "small")
    m.serve(queues=["test.fifo,FifoQueue=true,MaximumMessageSize=1024"])
    wait_for_sent(m, "small")
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").count("\n") == 2, message="the rejections")
    listed = m.check(PRODUCER, "--rejected")
    rows = [line.split("\t") for line in listed.splitlines()]
    tap.equal([(row[0], row[2], row[3]) for row in rows],
              [(first, "a", "2000"), (second, "b", "2000")])
    tap.ok(all("takes at most 1024" in row[4] for row in rows), listed)

    done = m.run("setpriv", "--reuid=member", "--regid=member", "--init-groups", PRODUCER, "--rejected")
    tap.equal((done.returncode, done.stdout), (REFUSED, ""))
    tap.ok("only root and the daemon's own user" in done.stderr, done.stderr)
    done = m.run(PRODUCER, "--rejected", "--drop=none")
    tap.equal((done.returncode, done.stdout), (REFUSED, ""))

    tap.equal(m.check(PRODUCER, "--rejected", f"--drop={first}"), "1 message dropped\n")
    tap.equal(m.check(PRODUCER, "--rejected", "--retry=all"), "1 message waits to be sent again\n")
    # The message is rejected again, and is then the last of the list.
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").startswith(second), message="the second rejection")
    tap.equal(m.check(PRODUCER, "--rejected", "--drop=all"), "1 message dropped\n")
    tap.equal(m.check(PRODUCER, "--rejected"), "")
    done = submit(m, large)
    tap.equal(done.returncode, REFUSED)
    tap.ok("the queue takes at most 1024" in done.stderr, done.stderr)


@test
def rejected_messages_of_a_stopped_service_are_dropped_and_retried_by_root(m):
    start_socket(m)
    first, second = (submit_accepted(m, "x" * 2000, f"--group={group}") for group in "ab")
    m.serve(queues=["test.fifo,FifoQueue=true,MaximumMessageSize=1024"])
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").count("\n") == 2, message="the rejections")
    m.check("systemctl", "stop", SOCKET, PRODUCER)
    tap.equal([line.split("\t")[0] for line in m.check(PRODUCER, "--rejected").splitlines()], [first, second])
    tap.equal(m.check(PRODUCER, "--rejected", f"--drop={first}"), "1 message dropped\n")
    tap.equal(m.check(PRODUCER, "--rejected", f"--retry={second}"), "1 message waits to be sent again\n")
    # The files belong to the user with which the service ran last; the next start may have another one.
    owner = m.check("stat", "-c", "%u", "/var/lib/private/sqs-producerd").strip()
    tap.ok(owner != "0", owner)
    listed = m.check("sh", "-c", "stat -c '%u %a %n' /var/lib/sqs-producerd/*").splitlines()
    tap.equal([(line.split()[:2]) for line in listed], [[owner, "600"]] * len(listed))
    tap.equal(m.state(PRODUCER), "inactive")
    tap.equal(m.start(SOCKET, PRODUCER).returncode, OK)
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").startswith(second), message="the second rejection")


# Opens all its connections at the same time, each as another user and with half of a line. Then it completes the
# lines, one after the other.
MANY = """
import grp, json, os, socket, sys
path, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setegid(grp.getgrnam("sqs-submit").gr_gid)
submitters = []
for i in range(count):
    s = socket.socket(socket.AF_UNIX)
    os.seteuid(20000 + i)
    s.connect(path)
    os.seteuid(0)
    s.sendall(b'{"body": "' + b"x" * size)
    submitters.append(s)
for i, s in enumerate(submitters):
    s.sendall(b'%d"}\\n' % i)
print(json.dumps([json.loads(s.makefile().readline())["ok"] for s in submitters]))
"""


def check_a_thousand_accepted(m, size):
    """A thousand users submit at the same time, each a body of about `size` bytes."""
    done = m.run("sh", "-c", 'ulimit -n 4096 && exec python3 -c "$@"', "sh", MANY, PATH, "1000", str(size))
    tap.equal((done.returncode, done.stderr), (0, ""))
    tap.equal(json.loads(done.stdout), [True] * 1000)


@test
def thousand_users_at_the_same_time_are_accepted_in_the_sandbox(m):
    m.serve()
    start_socket(m)
    check_a_thousand_accepted(m, 0)


# Opens connections until some are refused. Prints how many are open, and keeps them until it is killed: each begins a
# new line now and then, since one that is not complete after 30 s is refused. And it goes on to open more, since the
# daemon calls this over when none was refused for 10 s.
HOLD = """
import select, socket, sys, time
poll = select.poll()
held = []
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(b'{')
    except BrokenPipeError:  # the connection was refused
        pass
    return s
for _ in range(520):
    held.append(connect())
    poll.register(held[-1], select.POLLIN)
for _ in range(600):
    refused = {number for number, _ in poll.poll(0)}
    if len(refused) >= 20:  # these were refused and closed
        break
    time.sleep(0.1)
print(len(held) - len(refused), flush=True)
held = [s for s in held if s.fileno() not in refused]
while True:
    for s in held:
        s.sendall(b'}\\n{')
        s.recv(4096)
    time.sleep(1)
    connect().close()
"""


@test
def user_with_too_many_connections_is_refused_and_others_are_accepted(m):
    m.serve()
    start_socket(m)
    submit_accepted(m, "first")
    cursor = m.cursor()
    m.write("/srv/hold.py", HOLD)
    m.check("systemd-run", "--quiet", "--unit=hold", "--collect", "--uid=member",
            "--property=LimitNOFILE=4096", "--property=StandardOutput=file:/srv/held",
            "python3", "/srv/hold.py", PATH)
    try:
        tap.wait_until(lambda: m.run("test", "-s", "/srv/held").returncode == 0, 90, "a refused connection")
        tap.equal(m.check("cat", "/srv/held"), "500\n")
        uid = m.check("id", "-u", "member").strip()
        tap.wait_until(lambda: f"500 of 1000 connections are in use, 500 of them by user {uid}"
                       in m.show(PRODUCER, "StatusText")["StatusText"], message="the status")
        tap.wait_until(lambda: any(f"500 of them by user {uid}" in str(e["MESSAGE"]) and e["PRIORITY"] == "4"
                                   for e in m.journal(PRODUCER, cursor)), message="the warning")
        done = submit(m, "no place", user="member")
        tap.equal((done.returncode, done.stdout), (TRY_LATER, ""), done.stderr)
        tap.ok("too many connections" in done.stderr and "try again later" in done.stderr, done.stderr)
        submit_accepted(m, "other", user="colleague")
    finally:
        m.run("systemctl", "stop", "hold")
    # The daemon may notice the ends of the connections after it has seen the next one.
    tap.wait_until(lambda: submit(m, "again", user="member").returncode == OK, message="a place")
    wait_for_sent(m, "first", "other", "again")


@test
def socket_that_systemd_has_stopped_is_named_with_advice(m):
    """With an invalid configuration each message starts the service, which fails, until systemd stops the
    socket."""
    m.configure(text="aws: {};\n")
    start_socket(m)
    done = submit(m, "x", user="member")
    tap.ok(done.returncode in (UNAVAILABLE, TRY_LATER), done.stderr)
    for _ in range(60):
        if m.state(SOCKET) == "failed":
            break
        submit(m, "x")
    tap.equal(m.state(SOCKET), "failed")
    done = submit(m, "x", user="member")
    tap.equal((done.returncode, done.stdout), (UNAVAILABLE, ""))
    tap.ok(f"systemd no longer starts {SOCKET}" in done.stderr, done.stderr)
    tap.ok(f"systemctl reset-failed {SOCKET} {PRODUCER}" in done.stderr, done.stderr)
    m.configure(producer={"source": "spool"})
    m.serve()
    m.check("systemctl", "reset-failed", SOCKET, PRODUCER)
    start_socket(m)
    submit_accepted(m, "at last", user="member")


def intake_bound(name):
    """Returns a bound in bytes from intake.h."""
    path = os.path.join(TESTS, "..", "src/producerd/intake/intake.h")
    with open(path, encoding="utf-8") as header:
        factors = re.search(rf"^ +{name} = ([0-9 *]+),$", header.read(), re.M).group(1)
    return math.prod(map(int, factors.split("*")))


def peak_bytes(m, pid):
    status = m.check("cat", f"/proc/{pid}/status")
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M).group(1)) * 1024


@test
def thousand_users_with_long_lines_take_no_more_memory_than_the_bound(m):
    """The bound is the memory after the first message, the lines of all connections that are read and not
    answered, and the lines that one round of the loop stores."""
    with open(os.path.join(BUILD_ROOT, "src", "producerd", "sqs-producerd"), "rb") as file:
        if b"__asan_init" in file.read():
            raise tap.Skip("the address sanitizer keeps freed memory")
    most = intake_bound("INTAKE_BUFFERED_MAX_BYTES") + intake_bound("INTAKE_DISPATCH_BYTES_MAX")
    size = 60000  # the socket holds so much when it is not read
    tap.ok(1000 * size > 2 * most, "the lines are too few to reach the bound")
    m.serve()
    start_socket(m)
    submit_accepted(m, "the first")
    wait_for_sent(m, "the first")
    pid = m.show(PRODUCER, "MainPID")["MainPID"]
    before = peak_bytes(m, pid)
    check_a_thousand_accepted(m, size)
    tap.equal(m.show(PRODUCER, "MainPID")["MainPID"], pid)
    more = peak_bytes(m, pid) - before
    tap.comment(f"{more // 1024} KiB more than before, {most // 1024} allowed")
    tap.ok(more <= most, f"{more // 1024} KiB more than before, at most {most // 1024} allowed")


def add_users(m):
    """Adds the users of the tests; only the outsider is no member of the group."""
    for name in ("member", "colleague", "outsider"):
        m.check("useradd", name)
    for name in ("member", "colleague"):
        m.check("usermod", "-aG", GROUP, name)


if __name__ == "__main__":
    throwaway.main(add_users)
