# SPDX-License-Identifier: MIT
"""Goes through the table of settings. Of each setting that a reload changes it sees, in a running daemon, that the new
value is used, and when. Of all others it sees that a reload names them and leaves them as they were."""

import contextlib
import copy
import http.client
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import database
import sqs
import tap
from certificates import Authority
from daemon import FIFO, end_all
from metrics import free_port
from reloading import READ, RESTART, Folder, Recorder, Running
from spool import NO_SENDS, Refused, Spool
from sqs_local import BUILD_ROOT, SqsLocal
from standin import Reply, StandIn

PLAIN = "plain"
FOR_EVER = 3600

# Another value for each setting that needs a restart. FIPS and dual-stack exclude an endpoint_url.
OTHER = {
    "aws.region": "eu-west-2", "aws.queue_url": "https://sqs.eu-west-2.amazonaws.com/000000000000/other",
    "aws.endpoint_url": "", "aws.profile": "other", "aws.use_fips_endpoint": True,
    "aws.use_dualstack_endpoint": True, "log.target": "stderr", "log.format": "json",
    "producer.source": "spool", "producer.submit_socket": "/nowhere", "producer.start_delay": 9,
    "producer.message_group_id": "other", "producer.groups": 9, "producer.order": "batch",
    "consumer.handler": "http", "consumer.start_delay": 9,
}

observed = {} # by the name of a setting: the class that the test has observed


def table():
    """The settings of the product, in order: {name: class}."""
    text = subprocess.run([os.path.join(BUILD_ROOT, "tests", "integration", "list-settings")], check=True,
                          text=True, capture_output=True).stdout
    return dict(line.split(" ", 1) for line in text.splitlines())


def observes(name, reload_class):
    """Registers the test that sees how a setting changes."""
    def register(function):
        def run():
            try:
                function()
            finally:
                end_all()
        observed[name] = reload_class
        tap.add(f"{name} changes: {reload_class}", run)
        return function
    return register


UNTIL_GO = "echo $body >>handled; until [ -e go ]; do sleep 0.05; done"


def fill(server, count, queue=PLAIN):
    for i in range(count):
        sqs.send(server, f"m{i}", queue=queue, group=f"g{i}")


# --- All ---

@tap.test
def every_setting_of_the_table_is_observed_here():
    classes = table()
    tap.ok(set(classes.values()) == {"now", "next message", "restart"}, classes)
    tap.equal(observed, {name: c for name, c in classes.items() if c != "restart"})
    tap.equal(set(OTHER), {name for name, c in classes.items() if c == "restart"})


def keeps(name, queue, group, is_working):
    """Reloads once with other values of all settings that need a restart, and once with those of the start."""
    names = [n for n, c in table().items() if c == "restart" and n.split(".")[0] in ("aws", "log", group)]
    with SqsLocal(queues=[FIFO]) as server:
        run = Running(name, server, queue=queue)
        is_working(server, 1)
        before = copy.deepcopy(run.settings)
        for full in names:
            run.settings[full.split(".")[0]][full.split(".")[1]] = OTHER[full]
        tap.ok(run.reload_all().endswith(READ + "nothing else has changed."), run.daemon.text)
        tap.equal([line.split(RESTART)[1] for line in run.daemon.lines if RESTART in line], [", ".join(names) + "."])
        is_working(server, 2)
        # No setting differs from the start's, so none has changed.
        run.settings = before
        tap.ok(run.reload_all().endswith(READ + "none has changed."), run.daemon.text)
        tap.equal(sum(RESTART in line for line in run.daemon.lines), 1, run.daemon.text)
        run.daemon.stop()


@tap.test
def producer_names_each_setting_that_needs_a_restart_in_one_warning_and_keeps_it():
    def is_working(server, turn):
        n = len(server.records("sent"))
        tap.equal({r["group"] for r in server.wait_for_records("sent", n + 3)}, {"test"}, f"turn {turn}")

    keeps("sqs-producerd", "test.fifo", "producer", is_working)


@tap.test
def consumer_names_each_setting_that_needs_a_restart_in_one_warning_and_keeps_it():
    def is_working(server, turn):
        sqs.send(server, f"turn {turn}")
        server.wait_for_records("deleted", turn)

    keeps("sqs-consumerd", "test.fifo", "consumer", is_working)


# --- aws and log: both daemons ---

def both(server, **groups):
    for name in ("sqs-producerd", "sqs-consumerd"):
        yield Running(name, server, **groups)
        end_all()


@observes("aws.ca_bundle", "next message")
def ca_bundle():
    if not shutil.which("openssl"):
        raise tap.Skip("openssl is not installed")
    with Authority() as good, Authority() as other, \
            SqsLocal(queues=[PLAIN], tls=good.certificate()) as server:
        for run in both(server, aws={"ca_bundle": good.path}, producer={"send_interval": 0.05}):
            run.wait_for_line("SQS Response" if run.group == "producer" else "messages received")
            run.reload("aws.ca_bundle", other.path)
            run.wait_for_line("check aws.ca_bundle")
            run.reload("aws.ca_bundle", good.path)
            run.wait_for_line("The queue answers again")


@observes("aws.connect_timeout", "next message")
def connect_timeout():
    with SqsLocal(queues=[PLAIN]) as server, socket.create_server(("127.0.0.1", 0)) as silent:
        # The system accepts the connection, but nobody answers the TLS handshake.
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        for run in both(server, endpoint=url, aws={"connect_timeout": 0.1}, log={"level": "debug"}):
            run.wait_for_line("after 0.1 s; the next attempt has 0.2 s")
            run.reload("aws.connect_timeout", 0.7)
            run.wait_for_line("after 0.7 s; the next attempt has 1.4 s")


@observes("aws.request_timeout", "next message")
def request_timeout():
    debug = {"level": "debug"}  # tells each failed attempt: the first may have had another cause on a busy machine
    with SqsLocal(queues=[PLAIN]) as server:
        run = Running("sqs-producerd", server, log=debug)
        server.wait_for_records("sent", 1)
        server.set_faults("SendMessage:delay:delay=1000")
        server.wait_for_records("sent", len(server.records("sent")) + 2)
        tap.ok("timed out" not in run.daemon.text, run.daemon.text)
        run.reload("aws.request_timeout", 0.2)
        run.wait_for_line("timed out waiting for the reply")
    with SqsLocal(queues=[PLAIN]) as server:
        run = Running("sqs-consumerd", server, log=debug, consumer={"wait_time": 0})
        run.wait_for_line("Number of messages received", 2)
        run.reload("aws.request_timeout", 0.2)
        server.set_faults("ReceiveMessage:delay:delay=5000")
        run.wait_for_line("timed out waiting for the reply")


@observes("log.level", "now")
def log_level():
    with SqsLocal(queues=[PLAIN]) as server:
        for run in both(server, log={"level": "error"}, consumer={"receive_interval": 0.05, "wait_time": 0}):
            text = "SQS Response" if run.group == "producer" else "Number of messages received"
            wait_for_work(server, run)
            tap.ok(text not in run.daemon.text, run.daemon.text)
            run.reload("log.level", "info")
            run.wait_for_line(text)


def wait_for_work(server, run):
    if run.group == "consumer":
        sqs.send(server, "x", queue=PLAIN)
    server.wait_for_records("sent" if run.group == "producer" else "deleted", 1)


def metrics_of(name):
    """Metrics are served at the new address, and no longer at the old one."""
    with SqsLocal(queues=[PLAIN]) as server:
        addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        run = Running(name, server)
        run.wait_for_line("works on the")
        for i, address in enumerate(addresses):
            run.reload(f"{run.group}.metrics_listen", address)
            tap.wait_until(lambda: is_served(address), 60, f"metrics at {address}")
            tap.ok(i == 0 or not is_served(addresses[0]), "the old address is served as well")


def is_served(address):
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        try:
            connection.request("GET", "/metrics")
        except ConnectionRefusedError:
            return False
        return connection.getresponse().status == 200


@observes("producer.metrics_listen", "now")
def producer_metrics_listen():
    metrics_of("sqs-producerd")


@observes("consumer.metrics_listen", "now")
def consumer_metrics_listen():
    metrics_of("sqs-consumerd")


# --- producer ---

def submits(server, spool, **settings):
    return Running("sqs-producerd", server, env={"STATE_DIRECTORY": spool.path}, queue=settings.pop("queue", PLAIN),
                   endpoint=settings.pop("endpoint", None),
                   producer={"source": "spool", "submit_socket": spool.socket, **settings})


def is_refused(submitter, body):
    try:
        submitter.submit(body)
    except Refused as refused:
        return "full" in str(refused)
    return False


@observes("producer.spool_max_messages", "next message")
def spool_max_messages():
    with SqsLocal(queues=[PLAIN], faults=NO_SENDS) as server, Spool() as spool:
        run = submits(server, spool)
        with spool.connect(run.daemon) as submitter:
            submitter.submit("1")
            submitter.submit("2")
            run.reload("producer.spool_max_messages", 2)
            tap.ok(is_refused(submitter, "3"))
            run.reload("producer.spool_max_messages", 3)
            submitter.submit("3")
            tap.ok(is_refused(submitter, "4"))


@observes("producer.spool_max_bytes", "next message")
def spool_max_bytes():
    body = 600_000 * "x"
    with SqsLocal(queues=[PLAIN], faults=NO_SENDS) as server, Spool() as spool:
        run = submits(server, spool)
        with spool.connect(run.daemon) as submitter:
            submitter.submit(body)
            run.reload("producer.spool_max_bytes", 1 << 20)
            tap.ok(is_refused(submitter, body))
            run.reload("producer.spool_max_bytes", 2 << 20)
            submitter.submit(body)


@observes("producer.messages_to_send", "next message")
def messages_to_send():
    with SqsLocal(queues=[PLAIN]) as server:
        run = Running("sqs-producerd", server)
        server.wait_for_records("sent", 3)
        run.reload("producer.messages_to_send", 2)
        run.ends_with(0)


@observes("producer.send_interval", "next message")
def send_interval():
    with SqsLocal(queues=[PLAIN]) as server:
        run = Running("sqs-producerd", server, producer={"send_interval": FOR_EVER})
        server.wait_for_records("sent", 1)
        run.reload("producer.send_interval", 0.01)
        server.wait_for_records("sent", 3)


@observes("producer.max_connections", "now")
def max_connections():
    with SqsLocal(queues=[PLAIN], faults=["SendMessage:stall"]) as server:
        run = Running("sqs-producerd", server, producer={"send_interval": 0}, aws={"request_timeout": 300})
        tap.wait_until(lambda: server.faults()[0]["requests"] == 1, 60, "a request")
        run.reload("producer.max_connections", 4)
        # The one under way does not end, so the others begin at once.
        tap.wait_until(lambda: server.faults()[0]["requests"] == 4, 60, "four requests")


@observes("producer.batch_size", "next message")
def batch_size():
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder:
        run = Running("sqs-producerd", server, endpoint=recorder.url, producer={"send_interval": 0})
        server.wait_for_records("sent", 3)
        tap.equal(recorder.asked("SendMessageBatch"), [])
        run.reload("producer.batch_size", 10)
        tap.wait_until(lambda: any(len(p["Entries"]) == 10 for p in recorder.asked("SendMessageBatch")), 60,
                       "a full batch")


@observes("producer.batch_linger", "next message")
def batch_linger():
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder, Spool() as spool:
        run = submits(server, spool, endpoint=recorder.url, batch_size=3)
        with spool.connect(run.daemon) as submitter:
            submitter.submit("alone")
            server.wait_for_records("sent", 1)
            run.reload("producer.batch_linger", 60)
            for i in range(3):
                submitter.submit(f"together {i}")
            server.wait_for_records("sent", 4)
        tap.equal([len(p["Entries"]) for p in recorder.asked("SendMessageBatch")], [3])


@observes("producer.rate_limit", "now")
def rate_limit():
    with SqsLocal(queues=[PLAIN]) as server:
        run = Running("sqs-producerd", server,
                      producer={"send_interval": 0, "rate_limit": 1, "messages_to_send": 1000})
        server.wait_for_records("sent", 2)
        run.reload("producer.rate_limit", 0)
        run.ends_with(0)


@observes("producer.stop_timeout", "now")
def producer_stop_timeout():
    with SqsLocal(queues=[PLAIN], faults=["SendMessage:stall"]) as server:
        run = Running("sqs-producerd", server, producer={"stop_timeout": FOR_EVER}, aws={"request_timeout": 300})
        tap.wait_until(lambda: server.faults()[0]["requests"] == 1, 60, "a request")
        run.reload("producer.stop_timeout", 0.2)
        run.daemon.signal()
        run.ends_with(1)
        tap.ok("the stop took longer than stop_timeout" in run.daemon.text, run.daemon.text)


# --- consumer: the handlers ---

@observes("consumer.command", "next message")
def command():
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder:
        run = folder.handle(server, UNTIL_GO + "; echo old $body >>handled")
        sqs.send(server, "m0", queue=PLAIN)
        folder.wait_for("m0")
        run.reload("consumer.command", folder.command("echo new $body >>handled"))
        sqs.send(server, "m1", queue=PLAIN)
        folder.wait_for("new m1")
        folder.touch("go")
        folder.wait_for("old m0")
        server.wait_for_records("deleted", 2)
        tap.equal(folder.lines(), ["m0", "new m1", "old m0"])


class Application(StandIn):
    """Answers 200, and the body "slow" after a time."""

    def answer(self, request):
        return Reply(200, "done", delay=1.0 if request.body == b"slow" else 0.0)


def posts(server, folder, application):
    return Running("sqs-consumerd", server, env={"STATE_DIRECTORY": folder.path + "/state"},
                   consumer={"handler": "http", "url": application.url + "/old", "concurrency": 10})


@observes("consumer.url", "next message")
def url():
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder, Application() as old, Application() as new:
        run = posts(server, folder, old)
        sqs.send(server, "slow", queue=PLAIN)
        tap.wait_until(lambda: old.requests, 60, "a request")
        run.reload("consumer.url", new.url + "/new")
        sqs.send(server, "m1", queue=PLAIN)
        tap.wait_until(lambda: new.requests, 60, "a request at the new URL")
        server.wait_for_records("deleted", 2)
        tap.equal([(r.path, r.body) for r in old.requests + new.requests], [("/old", b"slow"), ("/new", b"m1")])


@observes("consumer.content_type", "next message")
def content_type():
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder, Application() as application:
        run = posts(server, folder, application)
        for i, kind in enumerate(("application/json", "text/x-new")):
            sqs.send(server, f"m{i}", queue=PLAIN)
            tap.wait_until(lambda: len(application.requests) > i, 60, "a request")
            tap.equal(application.requests[i].headers["content-type"], kind)
            if i == 0:
                run.reload("consumer.content_type", "text/x-new")


@observes("consumer.timeout", "next message")
def timeout():
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder:
        run = folder.handle(server, "echo $body >>handled; exec sleep 3600", consumer={"retry_delay": FOR_EVER})
        sqs.send(server, "m0", queue=PLAIN)
        folder.wait_for("m0")
        run.reload("consumer.timeout", 0.2)
        late = sqs.send(server, "m1", queue=PLAIN)["MessageId"]
        line = run.wait_for_line("took longer than consumer.timeout")
        tap.ok(late in line, line)
        tap.equal(sum("took longer" in line for line in run.daemon.lines), 1, run.daemon.text)


# --- consumer: the ledger ---

def ledger_rows(folder):
    """The ids of the ledger."""
    return database.rows(folder.path + "/state/ledger.db", "SELECT message_id FROM handled")


def with_ledger(change, value, left):
    """Handles a message before and after the reload: the second addition forgets all but `left` rows."""
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder:
        first = folder.handle(server, "true")
        sqs.send(server, "m0", queue=PLAIN)
        server.wait_for_records("deleted", 1)
        first.daemon.stop()
        with contextlib.closing(sqlite3.connect(folder.path + "/state/ledger.db")) as ledger:
            ledger.execute("DELETE FROM handled")
            ledger.executemany("INSERT INTO handled (message_id, handled_sec) VALUES (?, ?)",
                               [(f"old-{i}", int(time.time()) - FOR_EVER) for i in range(9)])
            ledger.commit()
        run = folder.handle(server, "true", consumer={"ledger_max_messages": 1000})
        sqs.send(server, "m1", queue=PLAIN)
        server.wait_for_records("deleted", 2)
        tap.equal(len(ledger_rows(folder)), 10)
        run.reload(change, value)
        sqs.send(server, "m2", queue=PLAIN)
        server.wait_for_records("deleted", 3)
        tap.wait_until(lambda: len(ledger_rows(folder)) == left, 60, f"{left} rows")


@observes("consumer.ledger_max_messages", "next message")
def ledger_max_messages():
    with_ledger("consumer.ledger_max_messages", 5, 5)


@observes("consumer.ledger_max_age", "next message")
def ledger_max_age():
    with_ledger("consumer.ledger_max_age", 600, 2)


# --- consumer: receiving ---

def asks(setting, value, member, wanted, **before):
    """The receives that begin after the reload ask for another value."""
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder:
        run = Running("sqs-consumerd", server, endpoint=recorder.url,
                      consumer={"wait_time": 0, "receive_interval": 0.05, **before})
        tap.wait_until(lambda: len(recorder.asked("ReceiveMessage")) > 1, 60, "receives")
        tap.ok(all(p.get(member, 1) != wanted for p in recorder.asked("ReceiveMessage")))
        run.reload("consumer." + setting, value)
        recorder.wait_for("ReceiveMessage", member, wanted)


@observes("consumer.wait_time", "next message")
def wait_time():
    asks("wait_time", 2, "WaitTimeSeconds", 2)


@observes("consumer.max_messages", "next message")
def max_messages():
    asks("max_messages", 7, "MaxNumberOfMessages", 7)


@observes("consumer.visibility_timeout", "next message")
def visibility_timeout():
    asks("visibility_timeout", 77, "VisibilityTimeout", 77)


@observes("consumer.receive_interval", "next message")
def receive_interval():
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder:
        run = Running("sqs-consumerd", server, endpoint=recorder.url,
                      consumer={"wait_time": 0, "receive_interval": FOR_EVER})
        run.wait_for_line("Number of messages received")
        run.reload("consumer.receive_interval", 0.05)
        run.wait_for_line("Number of messages received", 3)


@observes("consumer.receivers", "now")
def receivers():
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server, "ReceiveMessage", 0.1) as recorder:
        fill(server, 40)
        run = Running("sqs-consumerd", server, endpoint=recorder.url, consumer={"concurrency": 100})
        server.wait_for_records("deleted", 4)
        tap.equal(recorder.most, 1)
        run.reload("consumer.receivers", 4)

        def is_reached():
            sqs.send(server, "more", queue=PLAIN)  # an idle queue has one receive at a time
            return recorder.most == 4

        tap.wait_until(is_reached, 60, "four receives at once")


def most_asked(recorder):
    return [p["MaxNumberOfMessages"] for p in recorder.asked("ReceiveMessage")]


@observes("consumer.receive_memory", "next message")
def receive_memory():
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder:
        run = Running("sqs-consumerd", server, endpoint=recorder.url, log={"level": "notice"},
                      consumer={"wait_time": 0, "receive_interval": 0.05, "max_messages": 10, "concurrency": 10})
        for turn in range(2):
            sqs.send(server, 1_000_000 * "x", queue=PLAIN)
            server.wait_for_records("deleted", turn + 1)
            if turn == 0:
                n = len(recorder.asked("ReceiveMessage"))
                # While the message is still in flight, 9 are asked for.
                tap.wait_until(lambda: 10 in most_asked(recorder)[n:], 60, "a receive of ten messages")
                tap.ok(min(most_asked(recorder)) > 8, most_asked(recorder))
                run.reload("consumer.receive_memory", 16 << 20)
        # Half of it is for 8 messages of that size.
        recorder.wait_for("ReceiveMessage", "MaxNumberOfMessages", 8)


@observes("consumer.concurrency", "now")
def concurrency():
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder:
        fill(server, 5)
        run = folder.handle(server, UNTIL_GO, consumer={"concurrency": 1, "max_messages": 10})
        tap.wait_until(folder.lines, 60, "a message that is handled")
        tap.equal(len(folder.lines()), 1)
        run.reload("consumer.concurrency", 3)
        # The one in the handler does not end, so the others begin at once.
        tap.wait_until(lambda: len(folder.lines()) == 3, 60, "three messages that are handled")
        folder.touch("go")
        server.wait_for_records("deleted", 5)


# --- consumer: after the handler ---

@observes("consumer.delete_linger", "next message")
def delete_linger():
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder, Folder() as folder:
        run = folder.handle(server, "until [ -e go-$body ]; do sleep 0.02; done; echo $body >>handled",
                            endpoint=recorder.url)

        def handle_one_by_one(turn):
            """Handles two messages, the second after the first; returns how many deletes they needed."""
            before = len(recorder.asked("DeleteMessage") + recorder.asked("DeleteMessageBatch"))
            for name in (f"first-{turn}", f"second-{turn}"):
                sqs.send(server, name, queue=PLAIN)
                folder.touch("go-" + name)
                folder.wait_for(name)
            server.wait_for_records("deleted", 2 * turn + 2)
            return len(recorder.asked("DeleteMessage") + recorder.asked("DeleteMessageBatch")) - before

        # On a busy machine the first program may end as late as the second, and the second may come a second later.
        turns = iter(range(20))
        tap.ok(any(handle_one_by_one(next(turns)) == 2 for _ in range(10)), "two messages shared each delete")
        run.reload("consumer.delete_linger", 1)
        tap.ok(any(handle_one_by_one(next(turns)) == 1 for _ in range(10)), "each message had its own delete")


def delays(setting, value, before, status):
    """The delay of a message that fails for the first time, before and after a reload: `before`, `value`."""
    with SqsLocal(queues=[PLAIN]) as server, Recorder(server) as recorder, Folder() as folder:
        run = folder.handle(server, f"exit {status}", endpoint=recorder.url, consumer={"retry_delay": 300})
        for i, delay in enumerate((before, value)):
            sqs.send(server, f"m{i}", queue=PLAIN)
            recorder.wait_for("ChangeMessageVisibility", "VisibilityTimeout", delay)
            if i == 0:
                run.reload("consumer." + setting, value)


@observes("consumer.retry_delay", "next message")
def retry_delay():
    delays("retry_delay", 77, 300, 75)


@observes("consumer.retry_delay_max", "next message")
def retry_delay_max():
    delays("retry_delay_max", 77, 300, 1)


@observes("consumer.exit_after_empty_receives", "next message")
def exit_after_empty_receives():
    with SqsLocal(queues=[PLAIN]) as server:
        run = Running("sqs-consumerd", server, consumer={"wait_time": 0, "receive_interval": 0.05})
        run.wait_for_line("Number of messages received", 3)
        run.reload("consumer.exit_after_empty_receives", 2)
        run.ends_with(0)


@observes("consumer.stop_timeout", "now")
def consumer_stop_timeout():
    with SqsLocal(queues=[PLAIN]) as server, Folder() as folder:
        run = folder.handle(server, UNTIL_GO, consumer={"stop_timeout": FOR_EVER})
        sqs.send(server, "m0", queue=PLAIN)
        folder.wait_for("m0")
        run.reload("consumer.stop_timeout", 1)
        run.daemon.signal()
        run.ends_with(1)


if __name__ == "__main__":
    tap.main()
