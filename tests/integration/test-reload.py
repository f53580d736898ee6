# SPDX-License-Identifier: MIT
"""What SIGHUP does to a running daemon: which settings change, what is refused, and what systemd is told."""

import os
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import sqs
import tap
from daemon import FIFO, QUICK, Daemon, config_text
from notify import Notify
from sqs_local import SqsLocal

READ = "The settings were read again: "
REFUSED = "The settings stay as they were: "
RESTART = "These settings need a restart, and keep their values until then: "


def settings(server, **groups):
    """The text of a file; without a group of a daemon both have their own."""
    all_groups = {"aws": {"region": "eu-west-1", "queue_url": server.queue_url("test.fifo"),
                          "endpoint_url": server.url, **groups.pop("aws", {})}}
    for group in ("log", "producer", "consumer"):
        all_groups[group] = {**QUICK.get(group, {}), **groups.get(group, {})}
    return config_text(all_groups)


def line_of(path, name):
    """"PATH:LINE" of a setting."""
    with open(path, encoding="utf-8") as file:
        return f"{path}:{next(i for i, line in enumerate(file, 1) if name + ' =' in line)}"


def write_text(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write(daemon, text):
    write_text(daemon.config, text)


def reload(daemon, text, line, count=1):
    """Writes the file and asks for a reload; returns the line that tells its end."""
    write(daemon, text)
    daemon.signal(signal.SIGHUP)
    return daemon.wait_for_line(line, count)


@tap.test
def changed_settings_are_told_and_those_that_need_a_restart_in_one_warning():
    with SqsLocal(queues=[FIFO]) as server:
        slow = {"send_interval": 3600, "messages_to_send": 3}
        daemon = Daemon("sqs-producerd", server, producer=slow)
        daemon.wait_for_line("SQS Response")
        line = reload(daemon, settings(server, producer={**slow, "batch_size": 5, "groups": 7,
                                                         "submit_socket": "/run/other"},
                                       log={"level": "debug", "target": "stderr"},
                                       aws={"ca_bundle": "/etc/ssl/certs/ca-certificates.crt",
                                            "region": "eu-west-2"}), READ)
        tap.equal(line.split(READ)[1],
                  'aws.ca_bundle "" -> "/etc/ssl/certs/ca-certificates.crt", log.level "info" -> "debug", '
                  'producer.batch_size 1 -> 5.')
        tap.equal([line.split(RESTART)[1] for line in daemon.lines if RESTART in line],
                  ["aws.region, log.target, producer.submit_socket, producer.groups."])
        # The next interval is counted from the message before it.
        line = reload(daemon, settings(server, producer={**slow, "send_interval": 0.01}), READ, 2)
        tap.ok("producer.send_interval 3600 -> 0.01" in line, line)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.equal(len(server.records("sent")), 3)
        tap.equal({r["group"] for r in server.records("sent")}, {"test"}) # groups is 1 still


@tap.test
def file_that_is_wrong_changes_nothing_and_the_line_says_where():
    with SqsLocal(queues=[FIFO]) as server, Notify() as notify:
        slow = {"receive_interval": 0.01, "exit_after_empty_receives": 0}
        daemon = Daemon("sqs-consumerd", server, consumer=slow, env={"NOTIFY_SOCKET": notify.path})
        daemon.wait_for_line("Number of messages received")
        good = settings(server, consumer={**slow, "max_messages": 10})
        at = good.index("max_messages")
        cases = [
            (good[:len(good) // 2], f"{daemon.config}:"),
            ("", f"{daemon.config}:1: aws.queue_url: not set, but it is required"),
            (good.replace("max_messages = 10", "max_messages = 11"),
             f"{daemon.config}:{good.count(chr(10), 0, at) + 1}: consumer.max_messages: found 11"),
            (good.replace("max_messages", "max_mesages"), "consumer.max_mesages (did you mean max_messages?): found"),
            (good + "x", f"{daemon.config}:"),
        ]
        for i, (text, part) in enumerate(cases):
            line = reload(daemon, text, REFUSED, i + 1)
            tap.ok(part in line, line)
        os.remove(daemon.config)
        daemon.signal(signal.SIGHUP)
        line = daemon.wait_for_line(REFUSED, len(cases) + 1)
        tap.ok(f"cannot read {daemon.config}: No such file" in line, line)
        os.mkdir(daemon.config)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line(REFUSED, len(cases) + 2)
        os.rmdir(daemon.config)
        tap.ok(READ not in daemon.text, daemon.text)
        sqs.send(server, "body")
        server.wait_for_records("deleted", 1)

        line = reload(daemon, good, READ)
        tap.equal(line.split(READ)[1], "consumer.max_messages 1 -> 10.")
        daemon.stop()


@tap.test
def handler_that_cannot_run_is_refused():
    with SqsLocal(queues=[FIFO]) as server, tempfile.TemporaryDirectory() as folder:
        mine = {"handler": "exec", "command": ["/bin/true"], "exit_after_empty_receives": 0}
        daemon = Daemon("sqs-consumerd", server, consumer=mine, env={"STATE_DIRECTORY": folder})
        daemon.wait_for_line("Number of messages received")
        line = reload(daemon, settings(server, consumer={**mine, "command": ["/none/here"],
                                                         "concurrency": 7}), REFUSED)
        tap.ok(f'{line_of(daemon.config, "command")}: consumer.command: "/none/here" ' in line, line)
        line = reload(daemon, settings(server, consumer={"handler": "http", "url": "http://h/",
                                                         "exit_after_empty_receives": 0}), REFUSED, 2)
        tap.ok("consumer.command: not set" in line and "consumer.handler" in line, line)
        line = reload(daemon, settings(server, consumer={**mine, "command": ["/bin/false"]}), READ)
        tap.equal(line.split(READ)[1], 'consumer.command ["/bin/true"] -> ["/bin/false"].')
        sqs.send(server, "body")
        daemon.wait_for_line("has ended with exit status 1")
        daemon.stop()


@tap.test
def systemd_is_told_and_the_state_goes_on():
    with SqsLocal(queues=[FIFO]) as server, Notify() as notify:
        daemon = Daemon("sqs-producerd", server, env={"NOTIFY_SOCKET": notify.path},
                        producer={"send_interval": 3600, "messages_to_send": 0})
        daemon.wait_for_line("SQS Response")
        tap.wait_until(lambda: "READY=1" in notify.lines, message="READY=1")
        before = len(notify.lines)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line(READ)
        tap.wait_until(lambda: "READY=1" in notify.lines[before:], message="READY=1 after the reload")
        told = [n for n in notify.lines[before:] if not n.startswith("STATUS=")]
        tap.equal((told[0], told[2]), ("RELOADING=1", "READY=1"))
        tap.matches(told[1], "MONOTONIC_USEC=[0-9]*")
        tap.ok(0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - int(told[1].split("=")[1])
               < 60_000_000, told[1])
        tap.ok(READ + "none has changed." in daemon.text, daemon.text)
        daemon.stop()


@tap.test
def sighup_right_after_the_start_reloads_and_ends_nothing():
    with SqsLocal(queues=[FIFO], latency_ms=300) as server:
        daemon = Daemon("sqs-producerd", server, producer={"messages_to_send": 0})
        tap.wait_until(lambda: "sqs-producerd" in
                       open(f"/proc/{daemon.process.pid}/comm", encoding="utf-8").read())
        # SIGHUP is blocked once the program has begun.
        tap.wait_until(lambda: is_blocked(daemon, signal.SIGHUP), message="a blocked SIGHUP")
        for _ in range(5):
            daemon.signal(signal.SIGHUP)
        daemon.wait_for_line(READ)
        server.wait_for_records("sent", len(server.records("sent")) + 2)
        daemon.stop()


def is_blocked(daemon, number):
    with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as file:
        mask = next(line for line in file if line.startswith("SigBlk:")).split()[1]
    return int(mask, 16) >> (number - 1) & 1


@tap.test
def keys_in_a_file_are_read_again():
    with SqsLocal(queues=[FIFO]) as server, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "credentials")

        def write_keys(secret):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"[default]\naws_access_key_id = {server.access_key_id}\n"
                           f"aws_secret_access_key = {secret}\n")

        write_keys(server.secret_access_key)
        daemon = Daemon("sqs-producerd", server, producer={"messages_to_send": 2,
                                                           "send_interval": 3600},
                        env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None,
                             "AWS_SHARED_CREDENTIALS_FILE": path})
        daemon.wait_for_line("SQS Response")
        server.set_credentials(server.access_key_id, "another-secret")
        write_keys("another-secret")
        reload(daemon, settings(server, producer={"messages_to_send": 2}), READ)
        tap.equal(daemon.wait(), 0, daemon.text)
        tap.ok("SignatureDoesNotMatch" not in daemon.text, daemon.text)


@tap.test
def region_and_endpoint_in_awss_files_need_a_restart():
    def profile(region, port):
        return f"[default]\nregion = {region}\nendpoint_url = http://127.0.0.1:{port}\n"

    with SqsLocal(queues=[FIFO]) as server, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config")
        daemons = []
        for name in ("sqs-producerd", "sqs-consumerd"):
            write_text(path, profile("eu-west-1", server.port))
            daemon = Daemon(name, server, aws={"region": "", "endpoint_url": ""}, env={"AWS_CONFIG_FILE": path},
                            producer={"messages_to_send": 0}, consumer={"exit_after_empty_receives": 0})
            daemon.wait_for_line("works on the")
            write_text(path, profile("eu-west-2", 1))
            daemon.signal(signal.SIGHUP)
            tap.ok(daemon.wait_for_line(READ).endswith("nothing else has changed."), daemon.text)
            tap.equal([line.split(RESTART)[1] for line in daemon.lines if RESTART in line],
                      ["the profile's region, the profile's endpoint_url."])
            daemons.append(daemon)
        # Both go on as before.
        n = len(server.records("deleted"))
        server.wait_for_records("deleted", n + 3)
        for daemon in daemons:
            tap.ok("failed" not in daemon.text, daemon.text)
            daemon.stop()


if __name__ == "__main__":
    tap.main()
