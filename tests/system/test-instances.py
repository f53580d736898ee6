# SPDX-License-Identifier: MIT
"""Instances of the template units beside the plain units, under a systemd that is booted for the test: a queue,
a handler, keys and state for each; and the units of `systemctl --user`."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from throwaway import ENDPOINT, QUEUE, SOCKET, UNITS, Machine, why_not
import tap
from daemon import config_text
from sqs_local import ACCOUNT

PRODUCER, CONSUMER = UNITS
# Beside test.fifo, which the plain units have.
QUEUES = ["orders", "mails-eu.fifo", "Bills_2"]
INSTANCES = ["orders", "mails.eu", "Bills_2"]
USER = "member"
RELOAD_REFUSED = "a59b873d3cee40d089e31abf58f7a3d0"  # as in message-ids.h
# The plain unit would end after ten empty receives, however long the test takes to send a message.
PLAIN_CONSUMER = {"wait_time": 1, "exit_after_empty_receives": 0}

# Notes the body, and the name of the handler, in the folder of its unit's state.
HANDLER = """#!/bin/sh
set -eu
printf '%s %s\n' "$1" "$(cat)" >>"${STATE_DIRECTORY}/handled"
"""

machine = None


def test(function):
    """As tap.test, on a machine from which the leftovers of earlier tests are removed."""

    def fresh():
        remove_instances(machine)
        machine.reset()
        machine.configure(text=settings(QUEUE, consumer=PLAIN_CONSUMER))
        function(machine, machine.cursor())

    tap.add(function.__name__.replace("_", " "), fresh)


def settings(queue, **groups):
    """The text of a file of settings for the queue; None: without a queue."""
    aws = {"region": "eu-west-1", "endpoint_url": ENDPOINT}
    if queue:
        aws["queue_url"] = f"{ENDPOINT}/{ACCOUNT}/{queue}"
    return config_text({"aws": aws, **groups})


def remove_instances(m):
    units = [f"{unit}@{name}" for unit in UNITS for name in (*INSTANCES, "submit", "none", "other")]
    sockets = [unit + ".socket" for unit in units if unit.startswith(PRODUCER)]
    m.run("systemctl", "disable", "--now", *sockets, *units)
    m.run("systemctl", "stop", SOCKET, *UNITS)  # before sqs-local, which they would wait for
    for unit in units:
        m.run("rm", "-rf", f"/etc/systemd/system/{unit}.service.d", f"/etc/systemd/system/{unit}.socket.d")
    m.run("sh", "-c", "rm -f /etc/sqs-demo.d/*.conf /etc/credstore/*")
    m.check("systemctl", "daemon-reload")
    m.run("systemctl", "clean", "--what=state", *units)


def write_instance(m, name, queue=None, handler=None, **producer):
    """The file of an instance that hands its messages to the test's handler, which notes them under its name or
    that of `handler`."""
    m.write(f"/etc/sqs-demo.d/{name}.conf",
            config_text({"aws": {"queue_url": f"{ENDPOINT}/{ACCOUNT}/{queue or name}"},
                         "producer": {"source": "spool", **producer},
                         "consumer": {"handler": "exec", "command": ["/usr/local/bin/handle", handler or name]}}))


def serve(m):
    m.serve(queues=[name + (",FifoQueue=true" if name.endswith(".fifo") else "") for name in [QUEUE, *QUEUES]])


def submit(m, body, *options):
    return m.run("sh", "-c", f"printf %s '{body}' | {PRODUCER} --submit \"$@\"", "sh", *options)


def handled(m, unit):
    return m.run("cat", f"/var/lib/{unit}/handled").stdout.splitlines()


def uid(m, unit):
    pid = m.show(unit, "MainPID")["MainPID"]
    return re.search(r"^Uid:\s+(\d+)", m.check("cat", f"/proc/{pid}/status"), re.M).group(1)


def start_fails(m, unit, exit_status, *texts):
    """The start fails and stays failed; `systemctl status` shows a line with these texts."""
    tap.ok(m.start(unit).returncode != 0, f"the start of {unit} succeeds")
    tap.equal(m.show(unit, "ActiveState", "ExecMainStatus", "NRestarts"),
              {"ActiveState": "failed", "ExecMainStatus": str(exit_status), "NRestarts": "0"}, unit)
    shown = m.status(unit)
    tap.ok(any(all(text in line for text in texts) for line in shown.splitlines()), f"no {texts} in: {shown}")


# --- Work ---


@test
def systemd_has_nothing_to_say_against_the_templates(m, _):
    done = m.run("systemd-analyze", "verify", f"{PRODUCER}@orders.service", f"{CONSUMER}@orders.service",
                 f"{PRODUCER}@orders.socket")
    tap.equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


@test
def three_instances_work_beside_the_plain_units(m, cursor):
    serve(m)
    for name, queue in zip(INSTANCES, QUEUES):
        write_instance(m, name, queue)
    m.configure(text=settings(QUEUE, consumer=PLAIN_CONSUMER, producer={"source": "spool"}))
    tap.equal(m.start(CONSUMER, SOCKET).returncode, 0)
    for name in INSTANCES:
        m.check("systemctl", "enable", "--now", f"{CONSUMER}@{name}")
        m.check("systemctl", "enable", "--now", f"{PRODUCER}@{name}.socket", f"{PRODUCER}@{name}")
    for round_ in range(2):
        for name in INSTANCES:
            done = submit(m, f"{round_} for {name}", f"--to={name}")
            tap.equal((done.returncode, done.stderr), (0, ""))
        tap.equal(submit(m, f"{round_} for the plain unit").returncode, 0)
    for name in INSTANCES:
        unit = f"{CONSUMER}@{name}"
        expected = [f"{name} {round_} for {name}" for round_ in range(2)]
        tap.wait_until(lambda: len(handled(m, unit)) >= 2, message=f"the messages of {name}")
        tap.equal(sorted(handled(m, unit)), expected)
        tap.ok(m.run("test", "-e", f"/var/lib/{unit}/ledger.db", "-a", "-e",
                     f"/var/lib/{PRODUCER}@{name}/spool.db").returncode == 0, f"the state of {name}")
        tap.ok(m.run("test", "-e", f"/var/lib/{CONSUMER}/handled").returncode != 0, "the plain unit's state")
    tap.wait_until(lambda: len(m.records("deleted")) == 8, message="the plain unit's messages")
    read = [e["MESSAGE"] for e in m.journal(CONSUMER, cursor) if "Message read" in str(e["MESSAGE"])]
    tap.equal([re.search(r"\d for the plain unit", line).group() for line in read],
              ["0 for the plain unit", "1 for the plain unit"])
    # Under DynamicUser= a state folder within the plain unit's would fail it with 238 here.
    m.check("systemctl", "stop", SOCKET, *UNITS)
    tap.equal(m.start(SOCKET, *UNITS).returncode, 0)


@test
def lines_of_an_instance_have_its_name(m, cursor):
    serve(m)
    write_instance(m, "orders")
    tap.equal(m.start(f"{CONSUMER}@orders").returncode, 0)

    def running():
        return [e for e in m.journal(f"{CONSUMER}@orders", cursor) if e["MESSAGE"] == "Running..."]

    entries = tap.wait_until(running, message="the daemon's first line")  # written by a thread of its own
    tap.equal([(e["SYSLOG_IDENTIFIER"], e["_SYSTEMD_UNIT"]) for e in entries],
              [(f"{CONSUMER}@orders", f"{CONSUMER}@orders.service")])


@test
def message_starts_the_instance_and_root_sees_what_it_has_rejected(m, _):
    write_instance(m, "orders")
    unit = f"{PRODUCER}@orders"
    tap.equal(m.start(f"{unit}.socket").returncode, 0)
    m.serve(queues=["orders,MaximumMessageSize=1024"])
    tap.equal(submit(m, "x", "--to=orders").returncode, 0)
    tap.equal(m.state(unit), "active")
    tap.wait_until(lambda: m.records("sent"), message="the message on the queue")
    m.check("systemctl", "stop", f"{unit}.socket", unit, "sqs-local")
    tap.equal(m.start(f"{unit}.socket").returncode, 0)
    large = submit(m, "x" * 2000, "--to=orders").stdout.strip()
    m.serve(queues=["orders,MaximumMessageSize=1024"])

    def listed():
        return [line.split("\t")[0] for line in m.check(PRODUCER, "--rejected", "--to=orders").splitlines()]

    tap.wait_until(lambda: listed() == [large], message="the rejection")
    tap.wait_until(lambda: "sqs-producerd --rejected --to=orders" in m.status(unit), message="the line about it")
    m.check("systemctl", "stop", f"{unit}.socket", unit)
    tap.equal(listed(), [large])
    tap.equal(m.check(PRODUCER, "--rejected", "--to=orders", "--drop=all"), "1 message dropped\n")
    tap.equal(listed(), [])


@test
def instances_share_a_user_unless_a_drop_in_says_otherwise(m, _):
    serve(m)
    for name, queue in zip(INSTANCES, QUEUES):
        write_instance(m, name, queue)
    m.write(f"/etc/systemd/system/{CONSUMER}@orders.service.d/user.conf", "[Service]\nUser=sqs-orders\n")
    m.check("systemctl", "daemon-reload")
    tap.equal(m.start(CONSUMER, *(f"{CONSUMER}@{name}" for name in INSTANCES)).returncode, 0)
    plain = uid(m, CONSUMER)
    tap.equal([uid(m, f"{CONSUMER}@{name}") == plain for name in INSTANCES], [False, True, True])


@test
def instance_has_keys_of_its_own_by_a_drop_in(m, _):
    serve(m)
    write_instance(m, "orders")
    m.check("mv", "/etc/credstore/aws.credentials", "/etc/credstore/orders.credentials")
    m.set_credentials(key="AKIAUNKNOWNUNKNOWN00")
    m.write(f"/etc/systemd/system/{CONSUMER}@orders.service.d/keys.conf",
            "[Service]\nLoadCredential=aws.credentials:orders.credentials\n")
    m.check("systemctl", "daemon-reload")
    tap.equal(m.start(f"{CONSUMER}@orders").returncode, 0)


@test
def instance_is_reloaded_with_its_own_file(m, cursor):
    serve(m)
    write_instance(m, "orders")
    unit = f"{CONSUMER}@orders"
    tap.equal(m.start(unit).returncode, 0)
    pid = m.show(unit, "MainPID")
    good = m.check("cat", "/etc/sqs-demo.d/orders.conf")
    m.write("/etc/sqs-demo.d/orders.conf", good + "consumer = 1;\n")
    tap.ok(m.run("systemctl", "reload", unit).returncode != 0, "the reload of a wrong file succeeds")
    line = next(e for e in m.journal(unit, cursor) if "/etc/sqs-demo.d/orders.conf:" in str(e["MESSAGE"]))
    tap.equal((line["SYSLOG_IDENTIFIER"], line["MESSAGE_ID"], line["SQS_CONFIG_FILE"], line["PRIORITY"]),
              (unit, RELOAD_REFUSED, "/etc/sqs-demo.d/orders.conf", "3"))
    m.write("/etc/sqs-demo.d/orders.conf", good.replace("/usr/local/bin/handle", "/none/here"))
    tap.ok(m.run("systemctl", "reload", unit).returncode != 0, "the reload to a missing program succeeds")
    tap.ok(any(re.search(r'^/etc/sqs-demo\.d/orders\.conf:\d+: consumer\.command: "/none/here"', str(e["MESSAGE"]))
               for e in m.journal(unit, cursor)), "the journal does not name the line")
    write_instance(m, "orders", handler="other")
    tap.equal(m.run("systemctl", "reload", unit).returncode, 0)
    tap.equal((m.show(unit, "MainPID"), m.state(unit)), (pid, "active"))
    tap.equal(submit(m, "x", "--to=orders").returncode, 69)
    tap.equal(m.start(f"{PRODUCER}@orders.socket").returncode, 0)
    tap.equal(submit(m, "x", "--to=orders").returncode, 0)
    tap.wait_until(lambda: handled(m, unit) == ["other x"], message="the message by the other handler")


# --- Faults ---


@test
def instance_without_its_file_is_told_which_to_write(m, _):
    for unit in UNITS:
        start_fails(m, f"{unit}@none", 78, "/etc/sqs-demo.d/none.conf", "aws: { queue_url")


@test
def socket_of_an_instance_that_cannot_run_is_refused_at_once(m, cursor):
    socket = f"{PRODUCER}@none.socket"
    for text, words in ((None, "cannot read /etc/sqs-demo.d/none.conf: No such file or directory; write this file for "
                               "the instance none"),
                        ("aws: { queue_u", "/etc/sqs-demo.d/none.conf:1: found a syntax error")):
        if text:
            m.write("/etc/sqs-demo.d/none.conf", text)
        tap.ok(m.start(socket).returncode != 0, "the socket starts")
        tap.equal(m.state(socket), "failed")
        lines = [str(e["MESSAGE"]) for e in m.journal(socket, cursor)]
        tap.ok(any(line.startswith(words) for line in lines), f"no {words!r} in {lines}")
        done = submit(m, "x", "--to=none")
        tap.equal(done.returncode, 69)
        tap.ok(f"systemd no longer starts {socket}, because it or the daemon failed" in done.stderr, done.stderr)
        tap.equal(m.state(f"{PRODUCER}@none"), "inactive")


@test
def instance_whose_file_names_no_queue_is_refused(m, _):
    m.write("/etc/sqs-demo.d/none.conf", 'consumer: { handler = "journal"; };\n')
    for unit in UNITS:
        start_fails(m, f"{unit}@none", 78, "aws.queue_url", "none")


@test
def instance_called_submit_does_not_get_the_plain_socket(m, cursor):
    serve(m)
    m.configure(text=settings(QUEUE, producer={"source": "spool"}))
    tap.equal(m.start(SOCKET).returncode, 0)
    write_instance(m, "submit", "orders")
    tap.ok(m.start(f"{PRODUCER}@submit.socket").returncode != 0, "the socket starts")
    tap.ok(any("no instance may have this name" in str(e["MESSAGE"])
               for e in m.journal(f"{PRODUCER}@submit.socket", cursor)), "the journal does not say why")
    tap.ok(m.start(f"{CONSUMER}@submit").returncode != 0, "the service starts")
    tap.equal(submit(m, "x").returncode, 0)
    tap.wait_until(lambda: m.records("sent"), message="the message")
    tap.equal(m.state(PRODUCER), "active")


@test
def two_instances_with_one_socket_are_told_so(m, _):
    serve(m)
    write_instance(m, "orders")
    write_instance(m, "other", "Bills_2", submit_socket="/run/sqs-producerd/orders.socket")
    tap.equal(m.start(f"{PRODUCER}@orders.socket", f"{PRODUCER}@orders", f"{PRODUCER}@other.socket").returncode, 0)
    start_fails(m, f"{PRODUCER}@other", 78, 'producer.submit_socket: found "/run/sqs-producerd/orders.socket"',
                f"{PRODUCER}@other.socket listens at", "which no other unit has")
    tap.equal(submit(m, "x", "--to=orders").returncode, 0)
    tap.wait_until(lambda: m.records("sent"), message="the message")


# --- A user's own systemd ---


@test
def units_of_a_user_work_after_the_boot(m, _):
    serve(m)
    folder = f"/home/{USER}"
    number = m.check("id", "-u", USER).strip()
    m.check("install", "-D", "/etc/credstore/aws.credentials", f"{folder}/.aws/credentials")
    m.write(f"{folder}/.config/sqs-demo.d/orders.conf",
            settings("orders",
                     producer={"source": "spool", "submit_socket": f"/run/user/{number}/orders.socket"},
                     consumer={"handler": "exec", "wait_time": 1,
                               "command": ["/bin/sh", "-c", f"cat >>{folder}/handled"]}))
    m.check("chown", "-R", f"{USER}:", folder)
    # As a service: systemd 257 refuses who is in a control group outside of the machine.
    m.check("systemd-run", "--quiet", "--wait", "loginctl", "enable-linger", USER)

    def user(*command):
        return m.run("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", f"HOME={folder}",
                     f"XDG_RUNTIME_DIR=/run/user/{number}", *command)

    tap.wait_until(lambda: user("systemctl", "--user", "is-system-running").stdout.strip() == "running", 60,
                   "the user's systemd")
    units = [f"{unit}@orders" for unit in UNITS]
    done = user("systemctl", "--user", "enable", "--now", *units)
    try:
        tap.equal(done.returncode, 0, done.stderr)
        done = user("sh", "-c", f"printf hello | {PRODUCER} --submit --config={folder}/.config/sqs-demo.d/orders.conf")
        tap.equal((done.returncode, done.stderr), (0, ""))
        tap.wait_until(lambda: m.run("cat", f"{folder}/handled").stdout == "hello", message="the message")
        shown = user("systemctl", "--user", "show", "--property=ActiveState,User,StatusText", units[1]).stdout
        tap.ok("ActiveState=active" in shown, shown)
    finally:
        user("systemctl", "--user", "disable", "--now", *units)
    for unit in units:
        shown = user("systemctl", "--user", "show", "--property=Result,ExecMainStatus", unit).stdout
        tap.equal(sorted(shown.split()), ["ExecMainStatus=0", "Result=success"], unit)


if __name__ == "__main__":
    reason = why_not()
    if reason:
        tap.skip_all(reason)
    with Machine() as machine:
        machine.write("/usr/local/bin/handle", HANDLER, 0o755)
        machine.check("useradd", "-m", USER)
        # The user's systemd needs it.
        machine.check("systemctl", "unmask", "systemd-logind")
        machine.check("systemctl", "start", "systemd-logind")
        tap.main()
