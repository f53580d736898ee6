# SPDX-License-Identifier: MIT
"""Reloads both daemons again and again while messages are in flight and submitters connected, with settings that flip:
nothing is lost, doubled or out of order, and no connection is dropped. 100 reloads; with --long 1,000."""

import os
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from daemon import FIFO, QUICK, Daemon, config_text
from spool import Gone, Spool, check_once_and_in_order
from sqs_local import SqsLocal

RELOADS = 1000 if "--long" in sys.argv else 100
SUBMITTERS = 4
WRONG_EACH = 10  # every tenth file is cut off

METRICS = f"unix:/tmp/test-reload-{os.getpid()}-"  # the rest is the daemon's name

PRODUCER = [
    {"batch_size": 10, "max_connections": 4, "batch_linger": 0.01, "rate_limit": 0,
     "metrics_listen": METRICS + "producer"},
    {"batch_size": 1, "max_connections": 1, "batch_linger": 0.0, "rate_limit": 2000},
    {"batch_size": 3, "max_connections": 64, "spool_max_messages": 200000, "stop_timeout": 20},
]
CONSUMER = [
    {"concurrency": 8, "receivers": 4, "max_messages": 10, "delete_linger": 0.02, "timeout": 60,
     "metrics_listen": METRICS + "consumer"},
    {"concurrency": 1, "receivers": 1, "max_messages": 1, "delete_linger": 0.0, "timeout": 30},
    {"concurrency": 4, "receivers": 32, "max_messages": 3, "receive_interval": 0.01,
     "visibility_timeout": 60, "ledger_max_messages": 50000, "retry_delay": 1},
]
LEVELS = ["notice", "info"]
AWS = [{}, {"request_timeout": 5}, {"connect_timeout": 2}]


class Settings:
    """The file of a daemon, which a reload reads anew."""

    def __init__(self, daemon, fixed):
        self.daemon, self.fixed = daemon, fixed
        self.n_read = self.n_refused = self.at = 0

    def write(self, text):
        """As an editor does: the daemon sees the old file or the new one."""
        with open(self.daemon.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.daemon.config + ".new", self.daemon.config)

    def reload(self, text, is_wrong):
        self.write(text[:len(text) // 2] if is_wrong else text)
        self.n_refused += is_wrong
        self.n_read += not is_wrong
        self.daemon.signal(1)

    def wait(self):
        """Waits until the last reload is over."""
        wanted = {"The settings were read again": self.n_read,
                  "The settings stay as they were": self.n_refused}

        def is_over():
            lines = self.daemon.lines
            for line in lines[self.at:len(lines)]:
                self.at += 1
                for text in found:
                    found[text] += text in line
            tap.ok(self.daemon.process.poll() is None, self.daemon.text[-4000:])
            return found == wanted

        found = self.found = getattr(self, "found", dict.fromkeys(wanted, 0))
        tap.wait_until(is_over, 60, "the end of the reload")


class Submitters:
    """Each keeps one connection, and hands in messages of a group of its own until the end."""

    def __init__(self, spool):
        self.bodies = {f"group-{i}": [] for i in range(SUBMITTERS)}
        self.errors, self.is_over = [], threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(spool, group))
                         for group in self.bodies]
        for thread in self._threads:
            thread.start()

    def _run(self, spool, group):
        bodies = self.bodies[group]
        try:
            with spool.connect() as submitter:
                while not self.is_over.is_set():
                    body = f"{group} {len(bodies)}"
                    submitter.submit(body, group=group)
                    bodies.append(body)
                    time.sleep(0.02)
        except (Gone, OSError, ValueError) as error:
            self.errors.append(f"{group}: {error!r}")

    def count(self):
        return sum(map(len, self.bodies.values()))

    def end(self):
        self.is_over.set()
        for thread in self._threads:
            thread.join(60)


def text(daemon_group, server, variant, i, fixed):
    groups = {"aws": {"region": "eu-west-1", "queue_url": server.queue_url("test.fifo"),
                      "endpoint_url": server.url, **AWS[i % len(AWS)]},
              "log": {"level": LEVELS[i % len(LEVELS)]}}
    groups[daemon_group] = {**QUICK[daemon_group], **fixed, **variant}
    return config_text(groups)


@tap.test(f"{RELOADS} reloads with messages in flight disturb none of them")
def reloads_under_load():
    with Spool() as spool, SqsLocal(queues=[FIFO], rtt_ms=5) as server, \
            tempfile.TemporaryDirectory() as folder:
        handled = os.path.join(folder, "handled")
        os.mkdir(os.path.join(folder, "state"))
        commands = [["/bin/sh", "-c", f"echo \"$(cat)\" >> {handled}; : {word}"]
                    for word in ("one", "two")]
        in_producer = {"source": "spool", "submit_socket": spool.socket}
        in_consumer = {"handler": "exec", "command": commands[0], "exit_after_empty_receives": 0}
        producer = spool.producer(server, log={"level": "notice"})
        consumer = Daemon("sqs-consumerd", server, consumer=in_consumer, log={"level": "notice"},
                          env={"STATE_DIRECTORY": os.path.join(folder, "state")})
        for daemon in (producer, consumer):
            daemon.wait_for_line("works on the")
        submitters = Submitters(spool)
        files = [Settings(producer, in_producer), Settings(consumer, in_consumer)]
        try:
            for i in range(RELOADS):
                in_consumer["command"] = commands[i % 2]
                is_wrong = i % WRONG_EACH == WRONG_EACH - 1
                files[0].reload(text("producer", server, PRODUCER[i % 3], i, in_producer), is_wrong)
                files[1].reload(text("consumer", server, CONSUMER[i % 3], i, in_consumer), is_wrong)
                for file in files:
                    file.wait()
            tap.wait_until(lambda: submitters.count() > RELOADS or submitters.errors, message="enough messages to tell")
        finally:
            submitters.end()
        tap.equal(submitters.errors, [])
        count = submitters.count()
        tap.comment(f"{count} messages")
        server.wait_for_records("deleted", count, 300)
        producer.stop()
        consumer.stop()
        check_once_and_in_order(server.records(), submitters.bodies)
        with open(handled, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for group, bodies in submitters.bodies.items():
            tap.equal([line for line in lines if line.split()[0] == group], bodies,
                      "handled once and in order")


if __name__ == "__main__":
    sys.argv = [word for word in sys.argv if word != "--long"]
    tap.main()
