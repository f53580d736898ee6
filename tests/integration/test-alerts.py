# SPDX-License-Identifier: MIT
"""The alert rules (etc/sqs-demo.rules.yml): Prometheus accepts them, each fires where it should, and a real
Prometheus sees each fire with daemons that have the trouble."""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import metrics
import sqs
import tap
from daemon import FIFO, Daemon
from spool import NO_SENDS, Spool
from sqs_local import SqsLocal

RULES = os.path.join(TESTS, "..", "etc", "sqs-demo.rules.yml")
RULE_TESTS = os.path.join(TESTS, "integration", "alert-rules.yml")


def promtool(*arguments):
    if not shutil.which("promtool"):
        raise tap.Skip("no promtool here")
    found = subprocess.run(["promtool", *arguments], text=True, capture_output=True, check=False)
    tap.equal(found.returncode, 0, found.stdout + found.stderr)


def alert_names():
    with open(RULES, encoding="utf-8") as file:
        return re.findall(r"- alert: (\w+)", file.read())


@tap.test
def rules_are_valid():
    promtool("check", "rules", RULES)


@tap.test
def each_rule_fires_with_the_numbers_that_it_is_for():
    with open(RULE_TESTS, encoding="utf-8") as file:
        text = file.read()
    for name in alert_names():
        tap.ok(re.search(rf"alertname: {name}\n\s+exp_alerts:\n\s+- exp_labels", text), f"{name} is not seen to fire")
        tap.ok(re.search(rf"alertname: {name}, exp_alerts: \[\]", text), f"{name} is not seen to be silent")
    promtool("test", "rules", RULE_TESTS)


class Prometheus:
    """Runs Debian's Prometheus with a quick copy of the rules: minutes are seconds there. `targets`: a list of
    (job, address)."""

    def __init__(self, targets):
        self.folder = tempfile.mkdtemp(prefix="prometheus-")
        self.address = f"127.0.0.1:{metrics.free_port()}"
        with open(RULES, encoding="utf-8") as file:
            rules = file.read()
        for pattern, quick in ((r"\bfor: \w+", "for: 0s"), (r"\[\d+m\]", "[6s]"), (r"offset \w+", "offset 10s"),
                               (r"> 300\b", "> 2"), (r"> 60\b", "> 1")):
            rules, n = re.subn(pattern, quick, rules)
            tap.ok(n > 0, pattern)
        with open(os.path.join(self.folder, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(rules)
        settings = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "1s"},
                    "rule_files": ["rules.yml"],
                    "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [address]}]}
                                       for job, address in targets]}
        with open(os.path.join(self.folder, "prometheus.yml"), "w", encoding="utf-8") as file:
            json.dump(settings, file)  # JSON is YAML
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data",
             f"--web.listen-address={self.address}", "--log.level=warn"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def firing(self):
        """Returns the names of the alerts that fire."""
        tap.ok(self.process.poll() is None, "Prometheus has ended")
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/alerts", timeout=30) as reply:
                alerts = json.load(reply)["data"]["alerts"]
        except OSError:
            return set()  # it is starting
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if failure[0]:
            self.log.seek(0)
            tap.comment(self.log.read())
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def short_lived_keys(folder, server):
    """Variables with which a daemon has keys that end in four minutes and are not replaced by better ones."""
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=4)
    keys = {"Version": 1, "AccessKeyId": server.access_key_id, "SecretAccessKey": server.secret_access_key,
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    for name, text in (("keys", json.dumps(keys)),
                       ("config", f"[default]\ncredential_process = /bin/cat {folder}/keys\n")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    return {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_CONFIG_FILE": f"{folder}/config",
            "STATE_DIRECTORY": folder}


def leave_in_doubt(spool, server):
    """Leaves a message in the spool whose attempt before the last five minutes had no known outcome."""
    daemon = spool.producer(server)
    with spool.connect(daemon) as submitter:
        submitter.submit("in doubt", group="doubt")
        tap.wait_until(lambda: spool.count("sending") == 1)
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    spool.change("UPDATE sending SET since_usec = since_usec - 301 * 1000000")


def leave_full(spool, server):
    """Leaves a spool that is full of two rejected messages."""
    daemon = spool.producer(server)
    with spool.connect(daemon) as submitter:
        for body in ("one", "two"):
            submitter.submit(body, group="full")
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    spool.set_aside()


@tap.test
def prometheus_sees_every_alert_fire():
    if not shutil.which("prometheus"):
        raise tap.Skip("no Prometheus here")
    folder = tempfile.mkdtemp(prefix="test-alerts-")
    endless = {"exit_after_empty_receives": 0}
    addresses = [f"127.0.0.1:{metrics.free_port()}" for _ in range(5)]
    try:
        with SqsLocal(queues=[FIFO], faults=NO_SENDS) as away, SqsLocal(queues=[FIFO]) as good, \
                SqsLocal(queues=[FIFO], faults=["ReceiveMessage:empty"]) as silent, \
                SqsLocal(queues=[FIFO]) as failing, Spool() as spool, Spool() as full:
            leave_in_doubt(spool, away)
            leave_full(full, away)
            sqs.send(good, "handle me")
            sqs.send(silent, "receive me")
            sqs.send(failing, "fail with me")
            targets = [("sqs-producerd", addresses[0]), ("sqs-consumerd", addresses[1]),
                       ("sqs-consumerd@silent", addresses[2]), ("sqs-consumerd@failing", addresses[3]),
                       ("sqs-producerd@full", addresses[4])]
            with Prometheus(targets) as prometheus:
                producer = spool.producer(away, producer={"metrics_listen": addresses[0]})
                consumer = Daemon("sqs-consumerd", good, env=short_lived_keys(folder, good), consumer={
                    **endless, "handler": "http", "url": f"http://127.0.0.1:{metrics.free_port()}/",
                    "metrics_listen": addresses[1]})
                Daemon("sqs-consumerd", silent, consumer={
                    **endless, "receive_interval": 0.1, "metrics_listen": addresses[2]})
                os.mkdir(f"{folder}/failing")
                Daemon("sqs-consumerd", failing, env={"STATE_DIRECTORY": f"{folder}/failing"}, consumer={
                    **endless, "handler": "exec", "command": ["/bin/false"], "retry_delay": 1, "retry_delay_max": 1,
                    "metrics_listen": addresses[3]})
                full.producer(away, producer={"spool_max_messages": 2, "metrics_listen": addresses[4]})
                # A spool that cannot be written needs a disk of its own: the numbers above do for that alert.
                wanted, seen = set(alert_names()) - {"SqsDaemonDown", "SqsSpoolUnwritable"}, set()
                with spool.connect(producer) as submitter:
                    def look():
                        submitter.submit("one more", group="more")
                        seen.update(prometheus.firing())
                        return wanted <= seen

                    try:
                        tap.wait_until(look, 180, "each alert")
                    except AssertionError as error:
                        raise AssertionError(f"{error}; missing: {wanted - seen}\n{consumer.text}") from error
                tap.wait_until(lambda: "SqsDaemonDown" not in prometheus.firing(), 120, "each daemon is up")
                consumer.stop()
                tap.wait_until(lambda: "SqsDaemonDown" in prometheus.firing(), 120, "SqsDaemonDown")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    tap.main()
