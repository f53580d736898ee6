# SPDX-License-Identifier: MIT
"""Settings from files, standard input, the environment and the command line, as a process sees them."""
import json
import os
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap
from daemon import FIFO, Daemon
from sqs_local import BUILD_ROOT, SqsLocal

PRODUCER = os.path.join(BUILD_ROOT, "src", "producerd", "sqs-producerd")
QUEUE = 'aws: { queue_url = "https://sqs.eu-west-3.amazonaws.com/1/q.fifo"; };\n'
OK, USAGE, CONFIG = 0, 64, 78


def run(*arguments, text="", env=None, prefix=()):
    """Runs the producer until its end; returns its exit status, standard output and standard error."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SQS_DEMO_", "JOURNAL_"))}
    done = subprocess.run([*prefix, PRODUCER, *arguments], input=text, check=False, text=True, capture_output=True,
                          timeout=60, env={**clean, "HOME": "/nonexistent", **(env or {})})
    return done.returncode, done.stdout, done.stderr


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


@tap.test
def each_place_wins_over_those_below_it():
    with tempfile.TemporaryDirectory() as folder:
        shared = write(folder, "x.conf", QUEUE + "producer: { batch_size = 2; groups = 2;\n"
                                                 "max_connections = 2; rate_limit = 2; };")
        os.mkdir(os.path.join(folder, "x.d"))
        own = write(folder, "x.d/orders.conf", QUEUE.replace("q.fifo", "orders") +
                    "producer: { batch_size = 3; groups = 3; max_connections = 3; };")
        status, out, err = run("--check-config", f"--config={shared}", "--instance=orders",
                               "--set=producer.batch_size=5",
                               env={"SQS_DEMO_PRODUCER_BATCH_SIZE": "4", "SQS_DEMO_PRODUCER_GROUPS": "4"})
        tap.equal((status, err), (OK, ""))
        places = {line.split()[0]: (line.split()[2], line.split("[")[-1]) for line in out.splitlines()
                  if line.startswith("    ")}
        tap.equal(places["batch_size"], ("5;", "--set]"))
        tap.equal(places["groups"], ("4;", "SQS_DEMO_PRODUCER_GROUPS]"))
        tap.equal(places["max_connections"], ("3;", f"{own}:2]"))
        tap.equal(places["rate_limit"], ("2;", f"{shared}:3]"))
        tap.equal(places["order"], ('"strict";', "default]"))
        tap.ok("queue: orders (standard)" in out, out)
        tap.ok(out.startswith(f"# The settings in force, from {shared}, {own}, the environment, --set\n"), out)


@tap.test
def a_daemon_runs_with_settings_from_standard_input():
    with tempfile.TemporaryDirectory() as folder:
        status, out, err = run("--check-config", "--config=-", text=QUEUE + "log: { level = \"debug\"; };")
        tap.equal((status, err), (OK, ""))
        tap.ok("[standard input:2]" in out, out)
        more = write(folder, "more.conf", "log: { level = \"error\"; };")
        status, out, err = run("--check-config", "--config=-", f"--config={more}", text=QUEUE)
        tap.equal((status, err), (OK, ""))
        tap.ok(f"from standard input, {more}\n" in out, out)


@tap.test
def a_daemon_works_with_its_environment_alone_and_its_program_does_not_get_it():
    with SqsLocal([FIFO]) as server, tempfile.TemporaryDirectory() as folder:
        env = {"SQS_DEMO_AWS_QUEUE_URL": server.queue_url("test.fifo"), "SQS_DEMO_AWS_ENDPOINT_URL": server.url,
               "SQS_DEMO_AWS_REGION": "eu-west-1", "SQS_DEMO_PRODUCER_MESSAGES_TO_SEND": "1",
               "SQS_DEMO_PRODUCER_START_DELAY": "0", "SQS_DEMO_LOG_LEVL": "debug"}
        producer = Daemon("sqs-producerd", server, config="", env=env)
        tap.equal(producer.wait(), 0, producer.text)
        tap.equal([line for line in producer.lines if "SQS_DEMO_" in line],
                  ["SQS_DEMO_LOG_LEVL is not a setting, so it has no effect; did you mean SQS_DEMO_LOG_LEVEL?"])
        tap.equal(len(server.records("sent", "test.fifo")), 1)

        state = os.path.join(folder, "state")
        os.mkdir(state)
        seen = os.path.join(folder, "seen")
        env |= {"SQS_DEMO_CONSUMER_HANDLER": "exec", "SQS_DEMO_CONSUMER_START_DELAY": "0", "STATE_DIRECTORY": state,
                "SQS_DEMO_CONSUMER_COMMAND": f'["sh", "-c", "env >{seen}"]',
                "SQS_DEMO_CONSUMER_EXIT_AFTER_EMPTY_RECEIVES": "1", "SQS_DEMO_CONSUMER_WAIT_TIME": "1"}
        consumer = Daemon("sqs-consumerd", server, config="", env=env)
        tap.equal(consumer.wait(), 0, consumer.text)
        with open(seen, encoding="utf-8") as file:
            inherited = file.read()
        tap.ok("SQS_MESSAGE_ID=" in inherited and "SQS_DEMO_" not in inherited, inherited)


@tap.test
def json_lines_have_the_journals_fields():
    with SqsLocal([FIFO]) as server:
        producer = Daemon("sqs-producerd", server, log={"format": "json"}, producer={"messages_to_send": 2},
                          env={"SQS_DEMO_UNKNOWN": "1"})
        tap.equal(producer.wait(), 0, producer.text)
        lines = [json.loads(line) for line in producer.lines]
        tap.equal(len([1 for line in lines if line["MESSAGE"].startswith("SQS Response:")]), 2, producer.text)
        for line in lines:
            tap.equal((line["SYSLOG_IDENTIFIER"], line["SQS_QUEUE_URL"]),
                      ("sqs-producerd", server.queue_url("test.fifo")))
            tap.ok(line["__REALTIME_TIMESTAMP"].isdigit() and line["PRIORITY"] in "3456", line)
        tap.ok(any("SQS_MESSAGE_ID" in line for line in lines), producer.text)


@tap.test
def without_any_file_the_environment_must_name_the_queue():
    if os.path.exists("/etc/sqs-demo.conf"):
        return
    status, out, err = run("--check-config")
    tap.equal((status, out), (CONFIG, ""))
    tap.ok(err.startswith("cannot read /"), err)
    tap.ok("--config=PATH" in err and err.count("\n") == 1, err)
    status, out, err = run("--check-config", env={
        "SQS_DEMO_AWS_QUEUE_URL": "https://sqs.eu-west-3.amazonaws.com/1/q.fifo"})
    tap.equal(status, OK, err)
    tap.ok(err.startswith("There is no /") and err.count("\n") == 1, err)
    tap.ok("from no file, the environment\n" in out, out)


def refused(expected_status, expected, *arguments, **options):
    for check in ([], ["--check-config"]):
        status, out, err = run(*arguments, *check, **options)
        tap.equal((status, out), (expected_status, ""), err)
        tap.ok(expected in err and err.count("\n") == 1, f"{expected!r} is not in {err!r}")


@tap.test
def bad_settings_are_told_in_one_line():
    with tempfile.TemporaryDirectory() as folder:
        good = "--config=" + write(folder, "x.conf", QUEUE)
        os.mkdir(os.path.join(folder, "x.d"))
        refused(CONFIG, "--set: producer.batchsize (did you mean batch_size?): found an", good, "--set=producer.batchsize=3")
        refused(CONFIG, "--set: produce (did you mean producer?): found an unknown group", good, "--set=produce.batch_size=3")
        refused(CONFIG, "--set: producer.batch_size: found 11, allowed a whole number, 1 to 10", good,
                "--set=producer.batch_size=11")
        refused(CONFIG, "--set: producer.batch_size: found nothing", good, "--set=producer.batch_size=")
        refused(USAGE, "--set needs GROUP.NAME=VALUE: producer.batch_size", good,
                "--set=producer.batch_size")
        refused(CONFIG, "SQS_DEMO_PRODUCER_BATCH_SIZE: producer.batch_size: found many, allowed a whole number",
                good, env={"SQS_DEMO_PRODUCER_BATCH_SIZE": "many"})
        refused(CONFIG, f"cannot read {folder}/y.conf: No such file", good, f"--config={folder}/y.conf")
        refused(CONFIG, f"cannot read {folder}/x.d/orders.conf: No such file or directory; write this file for "
                "the instance orders", good, "--instance=orders")
        refused(CONFIG, "standard input:1: aws.queue_url: not set, but it is required", "--config=-")
        refused(CONFIG, "standard input:1: found a NUL byte", "--config=-", text="\0\1\2")
        refused(USAGE, "no instance may have this name", good, "--instance=submit")
        refused(USAGE, "the name of an instance has 1 to 64 letters", good, "--instance=../x")


@tap.test
def bad_files_are_told_with_their_path_and_line():
    with tempfile.TemporaryDirectory() as folder:
        good = "--config=" + write(folder, "x.conf", QUEUE)
        os.mkdir(os.path.join(folder, "x.d"))
        own = write(folder, "x.d/orders.conf", "")
        for text, expected in [
                ("", f"{own}:1: aws.queue_url: not set, but each instance needs it: an http"),
                (QUEUE + "producer: { batch_si", f"{own}:2: found a syntax error"),
                (QUEUE + "producer: {\nbatch_size = 11; };", f"{own}:3: producer.batch_size: found 11"),
                (os.urandom(4096) + b"\0", f"{own}:")]:
            write(folder, "x.d/orders.conf", text)
            refused(CONFIG, expected, good, "--instance=orders")
        if os.geteuid() == 0:  # as a user who may not read it
            os.chmod(folder, 0o755)
            os.chmod(own, stat.S_IRUSR)
            refused(CONFIG, f"cannot read {own}: Permission denied; make it and its folders readable", good,
                    "--instance=orders", prefix=["setpriv", "--reuid=4242", "--clear-groups"])


tap.main()
