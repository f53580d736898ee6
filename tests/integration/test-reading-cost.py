# SPDX-License-Identifier: MIT
"""The cost of reading the settings and AWS's files grows linearly with their size; valgrind counts the
instructions. A FIFO, a device or a folder in place of a file is refused at once."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap

PRODUCER = os.path.join(os.environ["BUILD_ROOT"], "src", "producerd", "sqs-producerd")
GOOD = 'aws: { queue_url = "https://sqs.eu-west-1.amazonaws.com/1/q"; };\n'

SETTINGS = {
    "settings": lambda n: GOOD + "x: {" + "".join(f"a{i}=1;" for i in range(n)) + "};",
    "words of a command": lambda n: GOOD + "consumer: { command = [" + ",".join(['"a"'] * n) + "]; };",
}
PROFILES = {
    "profiles": lambda n: "".join(f"[profile p{i}]\nregion=eu-west-1\n" for i in range(n)),
    "keys of services": lambda n: "[default]\nservices=s\n[services s]\n" + "".join(
        f"k{i}=\n  endpoint_url=http://a\n" for i in range(n)),
}


def check_config(folder, config, profiles, *prefix):
    paths = []
    for name, text in ("sqs-demo.conf", config), ("config", profiles):
        paths.append(os.path.join(folder, name))
        if text is not None:
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
    return subprocess.run([*prefix, PRODUCER, f"--config={paths[0]}", "--check-config"], text=True,
                          capture_output=True, check=False, timeout=300,
                          env={"PATH": os.environ["PATH"], "AWS_CONFIG_FILE": paths[1],
                               "AWS_SHARED_CREDENTIALS_FILE": os.devnull})


def count(config, profiles):
    if not shutil.which("valgrind"):
        raise tap.Skip("valgrind is not installed")
    with tempfile.TemporaryDirectory(prefix="test-reading-cost-") as folder:
        done = check_config(folder, config, profiles, "valgrind", "--tool=callgrind",
                            "--callgrind-out-file=/dev/null")
    found = re.search(r"Collected *: *([0-9]+)", done.stderr)
    if not found:
        raise tap.Skip("valgrind does not run this program")
    return int(found[1])


def check_linear(make):
    few, many = make(10_000), make(20_000)
    tap.ok(many <= 3 * few, f"{few:,} instructions for 10,000, {many:,} for 20,000")


for what, text in SETTINGS.items():
    tap.add(f"twice as many {what} cost at most three times as much", check_linear,
            lambda n, text=text: count(text(n), ""))
for what, text in PROFILES.items():
    tap.add(f"twice as many {what} cost at most three times as much", check_linear,
            lambda n, text=text: count(GOOD, text(n)))


@tap.test
def fifo_in_place_of_a_file_is_refused_at_once():
    with tempfile.TemporaryDirectory(prefix="test-reading-cost-") as folder:
        for name, config, profiles in ("sqs-demo.conf", None, ""), ("config", GOOD, None):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                os.unlink(path)
            os.mkfifo(path)  # nobody writes to it
            done = check_config(folder, config, profiles)
            tap.equal(done.returncode, 78, done.stderr)
            tap.ok(f"{path}: not a file, but a FIFO" in done.stderr, done.stderr)
            os.unlink(path)


@tap.test
def file_that_is_too_large_is_refused_at_once():
    with tempfile.TemporaryDirectory(prefix="test-reading-cost-") as folder:
        path = os.path.join(folder, "config")
        with open(path, "wb") as file:
            file.truncate(1 << 40)
        done = check_config(folder, GOOD, None)
        tap.equal(done.returncode, 78, done.stderr)
        tap.ok(f"{path}: larger than" in done.stderr, done.stderr)


if __name__ == "__main__":
    tap.main()
