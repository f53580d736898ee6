# SPDX-License-Identifier: MIT
"""Both units under a systemd that is booted for the test: the sandbox, the journal, the status, stops, restarts,
the watchdog, failed starts."""

import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import throwaway  # which adds tests/lib to the path
import tap
from sqs_local import ACCOUNT, SECRET_ACCESS_KEY, TESTS
from throwaway import ENDPOINT, QUEUE, SOCKET, UNITS

PRODUCER, CONSUMER = UNITS
QUEUE_URL = f"{ENDPOINT}/{ACCOUNT}/{QUEUE}"
# The producer has 0.1 more since it has no PrivateUsers=; its unit says why.
EXPOSURE_MAX = {PRODUCER: 1.3, CONSUMER: 1.2}
NEVER = 0

with open(os.path.join(TESTS, "..", "src/common/daemon/message-ids.h"), encoding="utf-8") as header:
    MESSAGE_ID = dict(re.findall(r'^#define MESSAGE_ID_(\w+) "(.*)"$', header.read(), re.M))


def test(function):
    """Registers a test, which gets the journal's cursor."""
    throwaway.add_test(function, lambda m: [m.cursor()])


def entries_of(entries, name):
    """The entries with this message id."""
    return [e for e in entries if e.get("MESSAGE_ID") == MESSAGE_ID[name]]


def messages(entries, unit):
    """The log lines of the daemon itself."""
    return [e["MESSAGE"] for e in entries if e.get("SYSLOG_IDENTIFIER") == unit]


def wait_for_state(m, unit, *states, seconds=60):
    tap.wait_until(lambda: m.state(unit) in states, seconds, f"{unit} to be {' or '.join(states)}")


def check_ended_with_success(m, unit):
    tap.equal(m.show(unit, "ActiveState", "Result", "ExecMainCode", "ExecMainStatus", "NRestarts"),
              {"ActiveState": "inactive", "Result": "success", "ExecMainCode": "1",
               "ExecMainStatus": "0", "NRestarts": "0"}, unit)


# --- The units ---


@test
def units_pass_systemd_analyze_verify(m, _):
    done = m.run("systemd-analyze", "verify", *(unit + ".service" for unit in UNITS), SOCKET)
    tap.equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


@test
def exposure_level_is_low(m, _):
    for unit in UNITS:
        out = m.check("systemd-analyze", "security", "--no-pager", unit + ".service")
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", out).group(1))
        tap.ok(exposure <= EXPOSURE_MAX[unit], f"{unit}: {exposure}")


@test
def sandbox_takes_effect(m, _):
    m.serve()
    m.configure(producer={"messages_to_send": NEVER}, consumer={"exit_after_empty_receives": NEVER})
    tap.equal(m.start(*UNITS).returncode, 0)
    for unit in UNITS:
        pid = m.show(unit, "MainPID")["MainPID"]
        status = dict(re.findall(r"^(\w+):\s+(.*)$", m.check("cat", f"/proc/{pid}/status"), re.M))
        tap.equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), unit)
        tap.equal({int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")}, {0}, unit)
        tap.ok(int(status["Uid"].split()[0]) >= 61184, f"{unit} runs as {status['Uid']}")
        environment = m.check("cat", f"/proc/{pid}/environ")
        tap.ok(SECRET_ACCESS_KEY not in environment, "the secret is in the environment")
        tap.ok(m.run("nsenter", "-t", pid, "-m", "touch", "/etc/x", "/var/x").returncode != 0,
               "the file system can be written")


@test
def ledger_is_kept_over_a_restart(m, _):
    m.serve()
    m.configure(consumer={"exit_after_empty_receives": NEVER, "handler": "http",
                          "url": "http://127.0.0.1:9/"})
    folder, kept = "/var/lib/sqs-consumerd", set()
    for _ in range(2):
        tap.equal(m.start(CONSUMER).returncode, 0)
        modes = m.check("stat", "-Lc", "%n %a", folder, f"{folder}/ledger.db").splitlines()
        tap.equal(modes, [f"{folder} 700", f"{folder}/ledger.db 600"])
        kept.add(m.check("stat", "-Lc", "%i", f"{folder}/ledger.db"))
        m.check("systemctl", "stop", CONSUMER)
        tap.equal(m.show(CONSUMER, "Result")["Result"], "success")
    tap.equal(len(kept), 1, "ledger files")


@test
def catalog_has_each_event(m, _):
    for name, number in MESSAGE_ID.items():
        tap.ok("Defined-By: sqs-demo" in m.check("journalctl", "--dump-catalog", number), name)


@test
def missing_file_of_keys_is_not_logged_by_systemd(m, cursor):
    m.serve()
    m.configure()
    tap.ok(not os.path.exists(m.path("/etc/credstore/aws.config")), "there is an aws.config")
    tap.equal(m.start(*UNITS).returncode, 0)
    for unit in UNITS:
        # Lines of systemd, and of its children, which have names such as "(sqs-prod)".
        said = [e["MESSAGE"] for e in m.journal(unit, cursor) if e.get("SYSLOG_IDENTIFIER") != unit]
        tap.equal([line for line in said if "credential" in line.lower()], [], unit)


# --- Messages ---


@test
def messages_are_sent_by_one_unit_and_handled_by_the_other(m, cursor):
    m.serve()
    m.configure()
    for unit in UNITS:  # one after the other: the consumer ends when the queue stays empty
        tap.equal(m.start(unit).returncode, 0)
        wait_for_state(m, unit, "inactive", "failed")
        check_ended_with_success(m, unit)

    sent = m.records("sent")
    tap.equal(len(sent), 5)
    for event in ("received", "deleted"):
        tap.equal([e["message_id"] for e in m.records(event)], [e["message_id"] for e in sent], event)

    said = messages(m.journal(PRODUCER, cursor), PRODUCER)
    tap.equal(said[0], "Running...")
    tap.matches(said[1], "Version * works on the FIFO queue *; source demo; keys from *.")
    tap.matches(said[2], "Sending message with id *...")
    own_id = said[2].removeprefix("Sending message with id ").removesuffix("...")
    tap.equal(said[3], f"SQS Response: Status:200 Id:{own_id} "
                       f"SQS Message Id:{sent[0]['message_id']}")
    tap.matches(said[-2], "In all, in * s: 5 sent; in flight: 0.")
    tap.equal(said[-1], "Terminated!")
    said = messages(m.journal(CONSUMER, cursor), CONSUMER)
    tap.equal(said[0], "Running...")
    read = [line for line in said if line.startswith("Message read from queue: ")]
    tap.equal([line.split()[4] for line in read], [f"Data:mydata{i}" for i in range(5)])
    tap.equal([line for line in said if line.startswith("Message deleted from queue.")],
              [f"Message deleted from queue. SQS Message Id:{e['message_id']}" for e in sent])
    # Further receives are empty, and do not count, if a message of the group is in flight for long.
    tap.equal([line for line in said if line.startswith("Number of messages received: ")][-2:],
              ["Number of messages received: 0"] * 2)


@test
def journal_entries_have_their_fields(m, cursor):
    m.serve()
    m.configure()
    for unit in UNITS:  # one after the other: the consumer ends when the queue stays empty
        m.start(unit)
        wait_for_state(m, unit, "inactive", "failed")
    sent = m.records("sent")
    producer, consumer = (m.journal(unit, cursor) for unit in UNITS)
    for entries, name in ((producer, "MESSAGE_SENT"), (consumer, "MESSAGE_RECEIVED"),
                          (consumer, "MESSAGE_DELETED")):
        found = entries_of(entries, name)
        tap.equal([e.get("SQS_MESSAGE_ID") for e in found], [e["message_id"] for e in sent], name)
        tap.equal({e.get("SQS_MESSAGE_GROUP_ID") for e in found}, {"test"}, name)
        tap.equal({e.get("SQS_QUEUE_URL") for e in found}, {QUEUE_URL}, name)
        tap.equal({e["PRIORITY"] for e in found}, {"6"}, name)
    # A send, a receive and a delete are requests of their own, so each has a request id of its own.
    for name, entries in (("MESSAGE_SENT", producer), ("MESSAGE_DELETED", consumer)):
        ids = {e.get("SQS_REQUEST_ID") for e in entries_of(entries, name)}
        tap.ok(None not in ids and len(ids) == 5, f"{name} has the request ids {ids}")
    for unit, entries in zip(UNITS, (producer, consumer)):
        for name in ("STARTED", "FINISHED"):
            tap.equal(len(entries_of(entries, name)), 1, f"{unit} {name}")
        own = [e for e in entries if e.get("SYSLOG_IDENTIFIER") == unit]
        tap.equal({e["_SYSTEMD_UNIT"] for e in own}, {unit + ".service"})
        tap.equal({e["_TRANSPORT"] for e in own}, {"journal"})


@test
def journalctl_x_explains_an_event(m, cursor):
    m.serve()
    m.configure()
    m.start(PRODUCER)
    wait_for_state(m, PRODUCER, "inactive")
    m.check("journalctl", "--sync")
    text = m.check("journalctl", "-x", "-u", PRODUCER, f"--after-cursor={cursor}")
    tap.ok("Subject: A message was sent" in text, text)
    tap.ok(m.records("sent")[0]["message_id"] + "." in text, "the text does not have the message id")


@test
def status_has_the_counts(m, _):
    m.serve()
    m.configure(producer={"messages_to_send": 7}, consumer={"exit_after_empty_receives": NEVER})
    m.start(*UNITS)
    wait_for_state(m, PRODUCER, "inactive")
    tap.equal(m.show(PRODUCER, "StatusText"), {"StatusText": "Sent 7 of 7"})
    tap.wait_until(lambda: "7" in m.show(CONSUMER, "StatusText")["StatusText"],
                   message="the consumer's count")
    tap.ok("Sent 7 of 7" in m.status(PRODUCER), "systemctl status is silent")


@test
def metrics_are_served_from_inside_the_sandbox(m, _):
    m.serve()
    path = "/var/lib/sqs-consumerd/metrics.socket"
    m.configure(producer={"messages_to_send": 7, "send_interval": 0.01},
                consumer={"exit_after_empty_receives": NEVER, "metrics_listen": f"unix:{path}"})
    m.start(CONSUMER)
    m.start(PRODUCER)
    tap.wait_until(lambda: "\nsqs_consumerd_messages_deleted_total 7\n" in m.run(
        "curl", "-s", "--unix-socket", path, "http://localhost/metrics").stdout, message="the consumer's count")
    wait_for_state(m, PRODUCER, "inactive")
    m.configure(producer={"messages_to_send": NEVER, "metrics_listen": "127.0.0.1:9464"})
    m.start(PRODUCER)
    tap.equal(m.check("curl", "-s", "http://127.0.0.1:9464/healthz"), "ok\n")


@test
def start_without_network_succeeds_and_messages_flow_when_it_is_up(m, cursor):
    m.configure()
    tap.equal(m.start(PRODUCER).returncode, 0)
    tap.equal(m.state(PRODUCER), "active")
    tap.wait_until(lambda: m.show(PRODUCER, "StatusText")["StatusText"].lower().startswith("wait"),
                   message="a status that says so")
    m.serve()
    wait_for_state(m, PRODUCER, "inactive", "failed")
    check_ended_with_success(m, PRODUCER)
    tap.equal(len(m.records("sent")), 5)
    entries = m.journal(PRODUCER, cursor)
    tap.ok(entries_of(entries, "QUEUE_UNREACHABLE") and entries_of(entries, "QUEUE_REACHABLE"), "no line about it")


# --- Stops ---


@test
def stop_of_the_producer_loses_no_message(m, cursor):
    m.serve()
    m.configure(producer={"messages_to_send": NEVER})
    m.start(PRODUCER)
    tap.wait_until(lambda: m.records("sent"), message="a first message")
    m.check("systemctl", "stop", PRODUCER)
    check_ended_with_success(m, PRODUCER)
    entries = m.journal(PRODUCER, cursor)
    tap.equal(len(entries_of(entries, "STOPPING")), 1)
    tap.equal([e["SQS_MESSAGE_ID"] for e in entries_of(entries, "MESSAGE_SENT")],
              [e["message_id"] for e in m.records("sent")])


@test
def stop_waits_for_a_long_poll(m, cursor):
    m.serve()
    m.configure(consumer={"wait_time": 4, "exit_after_empty_receives": NEVER})
    m.start(CONSUMER)
    empty = "Number of messages received: 0"
    # The next poll begins at once.
    tap.wait_until(lambda: empty in messages(m.journal(CONSUMER, cursor), CONSUMER), message="the first poll's end")
    m.check("systemctl", "stop", CONSUMER)
    check_ended_with_success(m, CONSUMER)
    entries = m.journal(CONSUMER, cursor)
    stopping = entries_of(entries, "STOPPING")
    tap.equal(len(stopping), 1)
    after = messages(entries[entries.index(stopping[0]):], CONSUMER)
    tap.ok(empty in after, f"no poll has ended after the stop began: {after}")


@test
def message_that_arrives_during_a_stop_stays_visible(m, _):
    m.serve()
    m.configure(producer={"messages_to_send": 1},
                consumer={"wait_time": 8, "exit_after_empty_receives": NEVER})
    m.start(CONSUMER)
    time.sleep(1)
    m.check("systemctl", "--no-block", "stop", CONSUMER)
    m.start(PRODUCER)
    for unit in CONSUMER, PRODUCER:
        wait_for_state(m, unit, "inactive", "failed")
        check_ended_with_success(m, unit)
    # The message was handled, or is visible at once and not after the visibility timeout of 30 s.
    m.configure(consumer={"exit_after_empty_receives": 2})
    m.start(CONSUMER)
    wait_for_state(m, CONSUMER, "inactive")
    tap.equal([e["message_id"] for e in m.records("deleted")],
              [e["message_id"] for e in m.records("sent")])


# --- Restarts ---


@test
def killed_service_is_restarted_and_works(m, _):
    m.serve()
    m.configure(consumer={"exit_after_empty_receives": NEVER})
    m.start(CONSUMER)
    m.check("systemctl", "kill", "--signal=KILL", CONSUMER)
    tap.wait_until(lambda: m.show(CONSUMER, "NRestarts")["NRestarts"] == "1", message="a restart")
    wait_for_state(m, CONSUMER, "active")
    m.start(PRODUCER)
    tap.wait_until(lambda: len(m.records("deleted")) == 5, message="all messages")


@test
def watchdog_ends_a_service_that_hangs_and_not_one_that_waits(m, _):
    watchdog_sec = 12
    m.write("/etc/systemd/system/sqs-consumerd.service.d/test.conf",
            f"[Service]\nWatchdogSec={watchdog_sec}\nRestartSec=1\n")
    m.check("systemctl", "daemon-reload")

    def fed_usec():
        return int(m.show(CONSUMER, "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])

    try:
        m.serve()
        m.configure(consumer={"wait_time": 20, "exit_after_empty_receives": NEVER})
        m.start(CONSUMER)
        first_usec = fed_usec()
        # Mostly during one long poll.
        tap.wait_until(lambda: fed_usec() > first_usec + watchdog_sec * 1000000, message="signs of life")
        tap.equal(m.show(CONSUMER, "ActiveState", "NRestarts"), {"ActiveState": "active", "NRestarts": "0"})
        m.check("systemctl", "kill", "--signal=STOP", CONSUMER)
        tap.wait_until(lambda: m.show(CONSUMER, "NRestarts")["NRestarts"] == "1", message="a restart")
    finally:
        os.unlink(m.path("/etc/systemd/system/sqs-consumerd.service.d/test.conf"))
        m.check("systemctl", "daemon-reload")


# --- Failed starts ---


def check_start_fails(m, cursor, unit, status, event, *texts, code=None):
    """The start fails with this exit status and is not repeated; one entry of the journal has the texts."""
    done = m.start(unit)
    tap.ok(done.returncode != 0, f"the start of {unit} succeeds")
    tap.ok("failed" in done.stderr, done.stderr)
    tap.equal(m.show(unit, "ActiveState", "SubState", "ExecMainStatus", "NRestarts"),
              {"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": str(status),
               "NRestarts": "0"}, unit)
    entries = m.journal(unit, cursor)
    found = entries_of(entries, event)
    tap.equal(len(found), 1, f"{unit}: entries about {event}")
    tap.ok(int(found[0]["PRIORITY"]) <= 3, f"{unit}: priority {found[0]['PRIORITY']}")
    for text in texts:
        tap.ok(text in found[0]["MESSAGE"], f"no {text!r} in {found[0]['MESSAGE']!r}")
    if code:
        tap.ok(found[0].get("SQS_ERROR_CODE", "").endswith(code), f"{unit}: {found[0]}")
    # systemctl start tells the administrator to run this command.
    tap.ok(found[0]["MESSAGE"] in m.status(unit), "systemctl status does not show it")


@test
def missing_queue_fails_the_start(m, cursor):
    m.serve(queues=["other.fifo,FifoQueue=true"])
    m.configure()
    for unit in UNITS:
        check_start_fails(m, cursor, unit, 69, "QUEUE_MISSING", "aws.queue_url", code="NonExistentQueue")


@test
def missing_credentials_fail_the_start(m, cursor):
    m.serve()
    m.configure()
    m.remove_credentials()
    # Otherwise the start waits for a metadata service.
    drop_ins = [f"/etc/systemd/system/{unit}.service.d/test.conf" for unit in UNITS]
    for drop_in in drop_ins:
        m.write(drop_in, "[Service]\nEnvironment=AWS_EC2_METADATA_DISABLED=true\n")
    m.check("systemctl", "daemon-reload")
    try:
        for unit in UNITS:
            check_start_fails(m, cursor, unit, 77, "CREDENTIALS_MISSING",
                        "/etc/credstore/aws.credentials")
    finally:
        for drop_in in drop_ins:
            os.unlink(m.path(drop_in))
        m.check("systemctl", "daemon-reload")


@test
def wrong_secret_fails_the_start_and_is_not_logged(m, cursor):
    secret = "wrongwrongwrongwrongwrongwrongwrongwrong"
    m.serve()
    m.configure()
    m.set_credentials(secret=secret)
    for unit in UNITS:
        check_start_fails(m, cursor, unit, 77, "CREDENTIALS_REFUSED", "Secret Access Key",
                    code="SignatureDoesNotMatch")
    tap.ok(secret not in m.check("journalctl", "-o", "export", "-a"), "the secret is in the journal")


@test
def unknown_key_fails_the_start(m, cursor):
    m.serve()
    m.configure()
    m.set_credentials(key="AKIAUNKNOWNUNKNOWN00")
    for unit in UNITS:
        check_start_fails(m, cursor, unit, 77, "CREDENTIALS_REFUSED")


@test
def missing_permission_fails_the_start(m, cursor):
    denied = {PRODUCER: "SendMessage", CONSUMER: "DeleteMessage"}
    m.serve(options=[f"--deny={action}" for action in denied.values()])
    m.configure()
    for unit, action in denied.items():
        checked = m.run("/usr/bin/" + unit, "--check-queue")
        tap.equal(checked.returncode, 77, checked.stdout + checked.stderr)
        for text in ("credentials: from /etc/credstore/aws.credentials", f"sqs:{action}: denied"):
            tap.ok(text in checked.stdout, checked.stdout)

    # The daemons ask again for 30 s. A clock put forward would also end a request that is under way.
    done = []
    thread = threading.Thread(target=lambda: done.append(m.start(*UNITS)))
    thread.start()
    for unit, action in denied.items():
        tap.wait_until(lambda: f"sqs:{action} is denied" in m.show(unit, "StatusText").get("StatusText", ""),
                       message=f"{unit}: a status that names the permission")
    thread.join()
    tap.ok(done[0].returncode != 0 and "failed" in done[0].stderr, done[0].stderr)
    for unit, action in denied.items():
        tap.equal(m.show(unit, "ActiveState", "SubState", "ExecMainStatus", "NRestarts"),
                  {"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "77", "NRestarts": "0"}, unit)
        entries = entries_of(m.journal(unit, cursor), "ACCESS_DENIED")
        tap.ok("Cannot begin yet" in entries[0]["MESSAGE"], entries[0]["MESSAGE"])
        found = [e for e in entries if int(e["PRIORITY"]) <= 3]
        tap.equal(len(found), 1, f"{unit}: errors about permissions")
        tap.ok(f"Cannot start: sqs:{action} is denied" in found[0]["MESSAGE"] and
               "allow these credentials" in found[0]["MESSAGE"], found[0]["MESSAGE"])


@test
def invalid_configuration_fails_the_start(m, cursor):
    m.serve()
    m.configure(text='aws:\n{\n    queue_url = "http://127.0.0.1/0/q";\n    colour = "red";\n};\n')
    for unit in UNITS:
        check_start_fails(m, cursor, unit, 78, "CONFIG_INVALID", "/etc/sqs-demo.conf:4:", "colour")
    tap.equal(m.records("sent") + m.records("received"), [])


@test
def missing_configuration_fails_the_start(m, cursor):
    os.unlink(m.path("/etc/sqs-demo.conf"))
    for unit in UNITS:
        check_start_fails(m, cursor, unit, 78, "CONFIG_INVALID", "/etc/sqs-demo.conf")


@test
def installed_configuration_is_valid(m, _):
    with open(os.path.join(TESTS, "..", "etc", "sqs-demo.conf"), encoding="utf-8") as file:
        m.configure(text=file.read())
    for unit in UNITS:
        out = m.check("/usr/bin/" + unit, "--check-config")
        tap.ok("https://eu-west-1.queue.amazonaws.com/123456789012/test.fifo" in out, out)


# --- Secrets ---


@test
def secret_is_not_in_the_journal(m, _):
    m.check("journalctl", "--sync")
    tap.ok(SECRET_ACCESS_KEY not in m.check("journalctl", "-o", "export", "-a"), "the journal has the secret")


if __name__ == "__main__":
    throwaway.main()
