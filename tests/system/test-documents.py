# SPDX-License-Identifier: MIT
"""The examples in README.md and in the manual work, in their order, in a machine with the daemons and sqs-local. """
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import examples
import tap
import throwaway
from sqs_local import ACCESS_KEY_ID, ACCOUNT, SECRET_ACCESS_KEY
from throwaway import ENDPOINT, TESTS

APPLICATION = "order-application"
INSTANCES = ("orders", "invoices")
SHORT = "wait_time = 1"  # a stop waits for a receive


def test(function):
    throwaway.add_test(function)


def set_up(m):
    """What the documents suppose: keys and a user. """
    m.write("/etc/credstore/aws.config", f"[default]\nendpoint_url = {ENDPOINT}\n", 0o600)
    m.write("/root/.aws/credentials",
            f"[default]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n", 0o600)
    m.check("useradd", "-m", "-G", "sqs-submit", "alice")


def here(text):
    """The queues of the documents are at AWS; the same are at sqs-local."""
    return re.sub(r"https://(sqs\.eu-west-1|eu-west-1\.queue)\.amazonaws\.com/\d+/", f"{ENDPOINT}/{ACCOUNT}/", text)


def serve(m):
    m.serve(queues=["test.fifo,FifoQueue=true", "orders.fifo,FifoQueue=true", "invoices"])


def configure(m, **overrides):
    """The shipped file, with these values in place of its own."""
    with open(os.path.join(TESTS, "..", "etc", "sqs-demo.conf"), encoding="utf-8") as file:
        text = file.read()
    for name, value in overrides.items():
        lines = text.splitlines()
        at = [number for number, line in enumerate(lines) if line.strip().startswith(f"{name} = ")]
        tap.equal(len(at), 1, name)
        lines[at[0]] = f"    {name} = {value};"
        text = "\n".join(lines) + "\n"
    m.configure(text=here(text))


def command_of(example):
    user, _, program = example.more.partition(" ")
    command = ["python3", "-c", example.text] if program == "python3" else ["sh", "-euc", example.text]
    home = f"/home/{user}" if user else "/root"
    run_as = ["runuser", "-u", user, "--"] if user else []
    return [*run_as, "env", f"HOME={home}", *command]


def try_example(m, example):
    if example.kind == "file":
        path, mode = example.more.split()
        m.write(path, here(example.text), int(mode, 8))
    elif example.kind == "run":
        done = m.run(*command_of(example))
        if done.returncode != 0:
            tap.comment(m.check("journalctl", "-n", "40", "-o", "cat"))
        tap.equal(done.returncode, 0, f"{example.place}: {done.stderr}{done.stdout}")
        return done.stdout
    return ""


def try_document(m, document):
    """Returns what its commands print."""
    return "".join(try_example(m, example) for example in examples.of(document))


def stop_instances(m):
    names = [f"sqs-{daemon}@{name}" for daemon in ("producerd", "consumerd") for name in INSTANCES]
    m.run("systemctl", "disable", "--now", *(f"sqs-producerd@{name}.socket" for name in INSTANCES), *names)


def wait_for_lines(m, unit, *wanted):
    """Waits until the journal of the unit has lines with each of these texts."""
    def lines():
        out = m.check("journalctl", "-u", unit, "-o", "cat")
        return all(text in out for text in wanted)

    tap.wait_until(lines, 60, f"{wanted} of {unit}")


@test
def readme_runs_two_queues(m):
    serve(m)
    configure(m)
    out = try_document(m, "README.md")
    tap.ok("SendMessage" in out or "allowed" in out, out)
    wait_for_lines(m, "sqs-consumerd@orders", "from test, receive 1: hello", "from clock, receive 1: ")
    tap.equal(m.state("sqs-consumerd@invoices"), "active")
    stop_instances(m)


@test
def overview_runs_the_demo_an_instance_and_a_timer(m):
    serve(m)
    configure(m)
    m.write("/usr/local/bin/handle-order", "#!/bin/sh\ncat\n", 0o755)
    for example in examples.of("src/sqs-demo.7"):
        if example.more.startswith("/etc/systemd/system/backup-task.service"):
            # The timer's text supposes that.
            configure(m, source='"spool"')
            m.check("systemctl", "stop", throwaway.SOCKET, *throwaway.UNITS)
            m.check("systemctl", "start", throwaway.SOCKET)
        try_example(m, example)
    tap.equal(m.state("backup-task.timer"), "active")
    stop_instances(m)
    m.check("systemctl", "disable", "--now", "backup-task.timer")


@test
def page_of_the_producer_submits(m):
    serve(m)
    configure(m, source='"spool"')
    m.check("systemctl", "start", throwaway.SOCKET)
    out = try_document(m, "src/producerd/sqs-producerd.8")
    tap.ok(len(out.split()) >= 5, out)
    tap.ok("status 0; refused lines: 0\n" in out, out)
    wanted = ["orders"] * (1 + 5 + 3) + ["test"] * (1 + 100)
    tap.wait_until(lambda: len(m.records("sent")) == len(wanted), 60, "all messages are sent")
    tap.equal(sorted(entry["group"] for entry in m.records("sent")), wanted)


@test
def page_of_the_consumer_handles(m):
    serve(m)
    configure(m, source='"spool"', handler='"exec"; command = ["/usr/local/bin/handle-order"]; ' + SHORT)
    found = examples.of("src/consumerd/sqs-consumerd.8")
    for example in found:
        if example.kind == "file":
            try_example(m, example)
    m.check("systemctl", "start", throwaway.SOCKET, "sqs-consumerd")
    m.check("sh", "-c", "echo hello | sqs-producerd --submit --group=orders")
    wait_for_lines(m, "sqs-consumerd", "from orders, receive 1: hello")
    for example in found:
        if example.kind == "run":
            tap.ok("from orders, receive 1: hello" in try_example(m, example), example.place)
    m.check("systemctl", "stop", "sqs-consumerd")

    # The other handlers of the page.
    configure(m, source='"spool"', handler='"exec"; command = ["/usr/local/bin/handle-order.py"]; ' + SHORT)
    m.check("systemctl", "start", "sqs-consumerd")
    m.check("sh", "-c", "echo python | sqs-producerd --submit")
    wait_for_lines(m, "sqs-consumerd", "receive 1 of python")
    m.check("systemctl", "stop", "sqs-consumerd")
    configure(m, source='"spool"', handler='"http"; url = "http://127.0.0.1:8080/messages"; ' + SHORT)
    m.check("systemd-run", "--quiet", "--collect", f"--unit={APPLICATION}", f"/usr/local/bin/{APPLICATION}")
    m.check("systemctl", "start", "sqs-consumerd")
    m.check("sh", "-c", "echo posted | sqs-producerd --submit")
    wait_for_lines(m, APPLICATION, "b'posted\\n'")
    m.check("systemctl", "stop", APPLICATION, "sqs-consumerd")


@test
def page_of_the_settings_shows_them(m):
    configure(m)
    out = try_document(m, "etc/sqs-demo.conf.5.in")
    tap.ok("messages_to_send = 100;" in out, out)


if __name__ == "__main__":
    throwaway.main(set_up)
