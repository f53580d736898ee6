# SPDX-License-Identifier: MIT
"""`systemctl reload` of both units, under a systemd that is booted for the test. The keys are those that systemd hands
over, which the process of ExecReload= may not be able to read."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import throwaway  # which adds tests/lib to the path
import tap
from throwaway import UNITS

PRODUCER, CONSUMER = UNITS
READ = "The settings were read again: "
PRODUCER_IDLE = {"messages_to_send": 0, "send_interval": 3600}
CONSUMER_IDLE = {"exit_after_empty_receives": 0}


def test(function):
    """Registers a test, which gets the journal's cursor."""

    def run(m, cursor):
        try:
            function(m, cursor)
        finally:
            m.run("systemctl", "stop", *UNITS)  # before sqs-local, which they would wait for

    run.__name__ = function.__name__
    throwaway.add_test(run, lambda m: [m.cursor()])


def lines(m, unit, cursor):
    return [e["MESSAGE"] for e in m.journal(unit, cursor)]


def wait_for_line(m, unit, cursor, text):
    tap.wait_until(lambda: any(text in line for line in lines(m, unit, cursor)), message=text)


def state(m, unit):
    return m.show(unit, "ActiveState", "SubState", "MainPID", "NRestarts", "StatusText")


def start(m):
    m.serve()
    m.configure(producer=PRODUCER_IDLE, consumer=CONSUMER_IDLE)
    tap.equal(m.start(*UNITS).returncode, 0)
    for unit, done in (PRODUCER, "Sent 1"), (CONSUMER, "deleted 1"):
        tap.equal(state(m, unit)["SubState"], "running")
        tap.wait_until(lambda: done in state(m, unit)["StatusText"], message=f"{unit}: {done}")


@test
def reload_ends_when_the_settings_are_in_use(m, cursor):
    start(m)
    before = {unit: state(m, unit)["MainPID"] for unit in UNITS}
    for i in range(1, 11):
        m.configure(producer={**PRODUCER_IDLE, "batch_size": i},
                    consumer={**CONSUMER_IDLE, "max_messages": i})
        done = m.run("systemctl", "reload", *UNITS)
        tap.equal((done.returncode, done.stderr), (0, ""))
        for unit in UNITS:
            now = state(m, unit)
            tap.equal((now["ActiveState"], now["SubState"], now["MainPID"], now["NRestarts"]),
                      ("active", "running", before[unit], "0"))
    wait_for_line(m, PRODUCER, cursor, READ + "producer.batch_size 9 -> 10.")
    wait_for_line(m, CONSUMER, cursor, READ + "consumer.max_messages 9 -> 10.")


@test
def file_that_is_wrong_fails_the_reload_and_the_units_go_on(m, cursor):
    start(m)
    m.check("sh", "-c", "echo '}' >>/etc/sqs-demo.conf")
    for unit in UNITS:
        before = state(m, unit)
        tap.ok(m.run("systemctl", "reload", unit).returncode != 0, unit)
        tap.equal(state(m, unit), before)
        wait_for_line(m, unit, cursor, "/etc/sqs-demo.conf:")
        tap.ok(not any(READ in line for line in lines(m, unit, cursor)), unit)
    m.check("rm", "/etc/sqs-demo.conf")
    tap.ok(m.run("systemctl", "reload", CONSUMER).returncode != 0, "a missing file")
    # SIGHUP alone is refused by the daemon itself.
    m.check("systemctl", "kill", "--kill-who=main", "--signal=HUP", CONSUMER)
    wait_for_line(m, CONSUMER, cursor, "The settings stay as they were: ")
    m.configure(producer=PRODUCER_IDLE, consumer={**CONSUMER_IDLE, "receivers": 3})
    tap.equal(m.run("systemctl", "reload", CONSUMER).returncode, 0)
    wait_for_line(m, CONSUMER, cursor, READ + "consumer.receivers 1 -> 3.")
    tap.equal(state(m, CONSUMER)["NRestarts"], "0")


if __name__ == "__main__":
    throwaway.main()
