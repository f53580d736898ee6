# SPDX-License-Identifier: MIT
"""Handing in messages under a systemd that is booted for the test: socket activation, who may hand in, and what
others are told."""

import json
import math
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from throwaway import SOCKET, UNITS, Machine, why_not
import tap
from sqs_local import BUILD_ROOT, TESTS

PRODUCER = UNITS[0]
GROUP = "sqs-submit"
PATH = "/run/sqs-producerd/submit.socket"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
OK, REFUSED, UNAVAILABLE, TRY_LATER = 0, 65, 69, 75

machine = None


def test(function):
    """As tap.test, on a machine from which the leftovers of earlier tests are removed."""

    def fresh():
        machine.reset()
        machine.configure(producer={"source": "spool"})
        function(machine)

    tap.add(function.__name__.replace("_", " "), fresh)


def submit(m, body, *options, user=None):
    """sqs-producerd --submit with a body that a shell's single quotes can hold; a CompletedProcess."""
    as_user = f"setpriv --reuid={user} --regid={user} --init-groups " if user else ""
    return m.run("sh", "-c", f"printf '%s' '{body}' | {as_user}{PRODUCER} --submit \"$@\"", "sh", *options)


def submit_well(m, body, *options, user=None):
    """The message's id."""
    done = submit(m, body, *options, user=user)
    tap.equal((done.returncode, done.stderr), (OK, ""))
    tap.ok(UUID.fullmatch(done.stdout.rstrip("\n")), done.stdout)
    return done.stdout.rstrip("\n")


def wait_for_sent(m, *bodies):
    tap.wait_until(lambda: len(m.records("sent")) >= len(bodies), 30, "the messages on the queue")
    tap.equal([r["body"] for r in m.records("sent")], list(bodies))


def start_socket(m):
    m.check("systemctl", "start", SOCKET)
    tap.equal(m.state(SOCKET), "active")


@test
def the_first_message_starts_the_service(m):
    m.serve()
    start_socket(m)
    tap.equal(m.state(PRODUCER), "inactive")
    first = submit_well(m, "one\n")
    tap.equal(m.state(PRODUCER), "active")
    submit_well(m, "two", "--group=other", "--deduplication-id=mine", "--attribute=n:Number=5")
    wait_for_sent(m, "one\n", "two")
    records = m.records("sent")
    tap.equal([(r["group"], r["deduplication_id"]) for r in records],
              [("test", first), ("other", "mine")])


@test
def a_message_starts_a_service_that_was_stopped(m):
    m.serve()
    start_socket(m)
    submit_well(m, "before")
    wait_for_sent(m, "before")
    m.check("systemctl", "stop", PRODUCER)
    tap.equal(m.show(PRODUCER, "ActiveState", "Result", "ExecMainStatus"),
              {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"})
    tap.equal(m.state(SOCKET), "active")
    submit_well(m, "after")
    tap.equal(m.state(PRODUCER), "active")
    wait_for_sent(m, "before", "after")


@test
def messages_wait_on_disk_for_the_queue(m):
    start_socket(m)
    submit_well(m, "early")
    tap.equal(m.state(PRODUCER), "active")
    tap.wait_until(lambda: "1 waiting" in m.show(PRODUCER, "StatusText")["StatusText"], 10, "the status")
    m.check("systemctl", "kill", "--signal=KILL", PRODUCER)
    m.serve()
    wait_for_sent(m, "early")


@test
def members_of_the_group_may_hand_in_and_others_may_not(m):
    m.serve()
    start_socket(m)
    tap.equal(m.check("stat", "-c", "%U:%G %a", PATH), f"root:{GROUP} 660\n")

    done = submit(m, "no", user="outsider")
    tap.equal((done.returncode, done.stdout), (UNAVAILABLE, ""))
    tap.equal(done.stderr, f"sqs-producerd: cannot reach the daemon: only members of the group {GROUP} may "
              f"use {PATH}; as root run 'usermod -aG {GROUP} USER', then sign in anew\n")
    tap.equal(m.state(PRODUCER), "inactive")

    submit_well(m, "yes", user="member")
    wait_for_sent(m, "yes")


@test
def who_hands_in_need_not_read_the_configuration(m):
    m.serve()
    start_socket(m)
    submit_well(m, "readable", user="member")
    m.check("chmod", "600", "/etc/sqs-demo.conf")
    submit_well(m, "not readable", user="member")
    m.check("chmod", "644", "/etc/sqs-demo.conf")
    m.configure(text="aws: {};\n")
    done = submit(m, "not good", user="member")
    tap.equal((done.returncode, bool(UUID.match(done.stdout))), (OK, True), done.stderr)
    tap.ok("going by the default, " + PATH in done.stderr, done.stderr)
    wait_for_sent(m, "readable", "not readable", "not good")


@test
def a_bad_message_is_refused_with_its_fault(m):
    m.serve()
    start_socket(m)
    for body, option, error in (
            ("", "--group=g", "body: empty"),
            ("x", "--group=a b", "group id: character 2"),
            ("x", "--delay=5", "delay: 5 s, but messages to a FIFO queue"),
            ("x", "--attribute=AWS.x=1", "attribute 1 (AWS.x): names that begin with AWS.")):
        done = submit(m, body, option)
        tap.equal((done.returncode, done.stdout), (REFUSED, ""))
        tap.ok(done.stderr.startswith(f"sqs-producerd: refused: {error}"), done.stderr)


@test
def without_the_socket_it_says_how_to_get_it(m):
    done = submit(m, "x", user="member")
    tap.equal((done.returncode, done.stdout), (UNAVAILABLE, ""))
    tap.ok(f"there is no socket {PATH}" in done.stderr, done.stderr)
    tap.ok("systemctl enable --now sqs-producerd.socket sqs-producerd" in done.stderr, done.stderr)
    start_socket(m)
    m.check("systemctl", "stop", SOCKET)
    tap.ok(m.run("test", "-e", PATH).returncode != 0, "the socket stays behind")


@test
def without_the_socket_the_service_says_so_too(m):
    m.serve()
    tap.ok(m.start(PRODUCER).returncode != 0, "it starts")
    tap.equal(m.show(PRODUCER, "ExecMainStatus"), {"ExecMainStatus": "78"})
    tap.ok("under systemd start sqs-producerd.socket" in m.run("systemctl", "status", "-l", PRODUCER).stdout,
           "the status does not say what to do")


@test
def a_demo_does_not_start_at_the_socket(m):
    m.serve()
    m.configure()
    start_socket(m)
    tap.ok(m.start(PRODUCER).returncode != 0, "it starts")
    tap.equal(m.show(PRODUCER, "ExecMainStatus"), {"ExecMainStatus": "78"})
    tap.ok('producer.source: found "demo"' in m.run("systemctl", "status", "-l", PRODUCER).stdout,
           "the status does not say why")


@test
def root_sees_what_was_rejected_and_acts_on_it(m):
    # That the queue takes no more than 1024 bytes is not known yet at the door.
    start_socket(m)
    large = "x" * 2000
    first, second = (submit_well(m, large, f"--group={group}") for group in "ab")
    submit_well(m, "small")
    m.serve(queues=["test.fifo,FifoQueue=true,MaximumMessageSize=1024"])
    wait_for_sent(m, "small")
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
    # It is rejected again, and then the last.
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").startswith(second), 30, "the second rejection")
    tap.equal(m.check(PRODUCER, "--rejected", "--drop=all"), "1 message dropped\n")
    tap.equal(m.check(PRODUCER, "--rejected"), "")
    done = submit(m, large)
    tap.equal(done.returncode, REFUSED)
    tap.ok("the queue takes at most 1024" in done.stderr, done.stderr)


@test
def root_acts_on_what_was_rejected_while_the_service_is_stopped(m):
    start_socket(m)
    first, second = (submit_well(m, "x" * 2000, f"--group={group}") for group in "ab")
    m.serve(queues=["test.fifo,FifoQueue=true,MaximumMessageSize=1024"])
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").count("\n") == 2, 30, "the rejections")
    m.check("systemctl", "stop", SOCKET, PRODUCER)
    tap.equal([line.split("\t")[0] for line in m.check(PRODUCER, "--rejected").splitlines()], [first, second])
    tap.equal(m.check(PRODUCER, "--rejected", f"--drop={first}"), "1 message dropped\n")
    tap.equal(m.check(PRODUCER, "--rejected", f"--retry={second}"), "1 message waits to be sent again\n")
    # The files are those of the user that the service had, whatever user it is next time.
    owner = m.check("stat", "-c", "%u", "/var/lib/private/sqs-producerd").strip()
    tap.ok(owner != "0", owner)
    listed = m.check("sh", "-c", "stat -c '%u %a %n' /var/lib/sqs-producerd/*").splitlines()
    tap.equal([(line.split()[:2]) for line in listed], [[owner, "600"]] * len(listed))
    tap.equal(m.state(PRODUCER), "inactive")
    tap.equal(m.start(SOCKET, PRODUCER).returncode, OK)
    tap.wait_until(lambda: m.check(PRODUCER, "--rejected").startswith(second), 30, "the second rejection")


# Its connections at once, each of a user of its own and with half a line, and then one after the other
# with the rest.
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


def serve_a_thousand(m, size):
    """At once, each with a body of about `size` bytes."""
    done = m.run("sh", "-c", 'ulimit -n 4096 && exec python3 -c "$@"', "sh", MANY, PATH, "1000", str(size))
    tap.equal((done.returncode, done.stderr), (0, ""))
    tap.equal(json.loads(done.stdout), [True] * 1000)


@test
def a_thousand_are_served_at_once_in_the_sandbox(m):
    m.serve()
    start_socket(m)
    serve_a_thousand(m, 0)


# Holds connections until it has no more place; prints how many it has, and waits to be ended.
HOLD = """
import select, socket, sys, time
poll = select.poll()
held = []
for _ in range(520):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    try:
        s.sendall(b'{')
    except BrokenPipeError:  # it was turned away already
        pass
    poll.register(s, select.POLLIN)
    held.append(s)
for _ in range(600):
    if len(poll.poll(0)) >= 20:  # these were told so, and closed
        break
    time.sleep(0.1)
print(len(held) - len(poll.poll(0)), flush=True)
time.sleep(1000)
"""


@test
def one_user_with_all_connections_leaves_places_for_others(m):
    m.serve()
    start_socket(m)
    submit_well(m, "first")
    cursor = m.cursor()
    m.write("/srv/hold.py", HOLD)
    m.check("systemd-run", "--quiet", "--unit=hold", "--collect", "--uid=member",
            "--property=LimitNOFILE=4096", "--property=StandardOutput=file:/srv/held",
            "python3", "/srv/hold.py", PATH)
    try:
        tap.wait_until(lambda: m.run("test", "-s", "/srv/held").returncode == 0, 90, "no more place")
        tap.equal(m.check("cat", "/srv/held"), "500\n")
        uid = m.check("id", "-u", "member").strip()
        tap.wait_until(lambda: f"500 of 1000 places are taken, 500 of them by user {uid}"
                       in m.show(PRODUCER, "StatusText")["StatusText"], 10, "the status")
        tap.ok(any(f"500 of them by user {uid}" in str(e["MESSAGE"]) and e["PRIORITY"] == "4"
                   for e in m.journal(PRODUCER, cursor)), "the warning")
        start = time.monotonic()
        done = submit(m, "no place", user="member")
        tap.equal((done.returncode, done.stdout), (TRY_LATER, ""), done.stderr)
        tap.ok("no place" in done.stderr and "try again later" in done.stderr, done.stderr)
        tap.ok(time.monotonic() - start < 30, "it was not told at once")
        submit_well(m, "other", user="colleague")
    finally:
        m.run("systemctl", "stop", "hold")
    submit_well(m, "again", user="member")
    wait_for_sent(m, "first", "other", "again")


@test
def a_socket_that_was_given_up_is_named(m):
    """A bad configuration under traffic: each message starts the service, which fails."""
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
    tap.ok(f"systemd has given up {SOCKET}" in done.stderr, done.stderr)
    tap.ok(f"systemctl reset-failed {SOCKET} {PRODUCER}" in done.stderr, done.stderr)
    m.configure(producer={"source": "spool"})
    m.serve()
    m.check("systemctl", "reset-failed", SOCKET, PRODUCER)
    start_socket(m)
    submit_well(m, "at last", user="member")


def intake_bound(name):
    """A number of bytes that intake.h documents."""
    path = os.path.join(TESTS, "..", "src/producerd/intake/intake.h")
    with open(path, encoding="utf-8") as header:
        factors = re.search(rf"^ +{name} = ([0-9 *]+),$", header.read(), re.M).group(1)
    return math.prod(map(int, factors.split("*")))


def peak_bytes(m, pid):
    status = m.check("cat", f"/proc/{pid}/status")
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.M).group(1)) * 1024


@test
def a_thousand_with_long_lines_take_no_more_memory_than_the_intake_may(m):
    """The bound is the memory after the first message, and in addition the lines of all connections that are
    read and not answered, and the lines that one round of the loop stores."""
    with open(os.path.join(BUILD_ROOT, "src", "producerd", "sqs-producerd"), "rb") as file:
        if b"__asan_init" in file.read():
            raise tap.Skip("the address sanitizer keeps what is freed")
    most = intake_bound("INTAKE_BUFFERED_MAX_BYTES") + intake_bound("INTAKE_DISPATCH_BYTES_MAX")
    size = 60000  # which the socket holds when it is not read
    tap.ok(1000 * size > 2 * most, "the lines would fit in any case")
    m.serve()
    start_socket(m)
    submit_well(m, "the first")
    wait_for_sent(m, "the first")
    pid = m.show(PRODUCER, "MainPID")["MainPID"]
    before = peak_bytes(m, pid)
    serve_a_thousand(m, size)
    tap.equal(m.show(PRODUCER, "MainPID")["MainPID"], pid)
    more = peak_bytes(m, pid) - before
    tap.comment(f"{more // 1024} KiB more, of {most // 1024}")
    tap.ok(more <= most, f"{more // 1024} KiB more, and not {most // 1024}")


if __name__ == "__main__":
    reason = why_not()
    if reason:
        tap.skip_all(reason)
    with Machine() as machine:
        for name in ("member", "colleague", "outsider"):
            machine.check("useradd", name)
        for name in ("member", "colleague"):
            machine.check("usermod", "-aG", GROUP, name)
        tap.main()
