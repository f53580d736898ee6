# SPDX-License-Identifier: MIT
"""Every example in README.md and in the manual has a mark that says how it is tried (lib/examples.py). The system test
"documents" runs them; here only their form is checked. """
import os
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import examples
import tap

BUILD = os.path.realpath(os.environ["BUILD_ROOT"])
PRODUCER = os.path.join(BUILD, "src", "producerd", "sqs-producerd")
QUEUE = 'aws: { queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/test.fifo"; };\n'


def run(command, text):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def check_settings(example):
    """A part of a file of settings may lack the queue."""
    with_queue = example.text if "queue_url" in example.text else QUEUE + example.text
    done = run([PRODUCER, "--config=-", "--check-config"], with_queue)
    tap.equal(done.returncode, 0, f"{example.place}: {done.stderr}")


def check_program(example):
    is_python = "python3" in example.more or example.text.startswith("#!/usr/bin/python3")
    if is_python:
        compile(example.text, example.place, "exec")
    else:
        done = run(["sh", "-n"], example.text)
        tap.equal(done.returncode, 0, f"{example.place}: {done.stderr}")


def check(example):
    if example.kind == "settings" or (example.kind == "file" and "/sqs-demo.d/" in example.more):
        check_settings(example)
    elif example.kind == "run" or (example.kind == "file" and example.more.endswith(" 755")):
        check_program(example)


for document in examples.DOCUMENTS:
    @tap.test(f"examples in {document} have a mark and are well-formed")
    def well_formed(document=document):
        found = examples.of(document)
        tap.ok(found, "there is none")
        for example in found:
            tap.ok(example.kind, f"{example.place} has no mark that says how it is tried")
            if example.kind == "not run":
                tap.ok(len(example.more) > 10, f"{example.place} does not say why it is not run")
            check(example)


@tap.test
def most_examples_are_tried():
    found = [example for document in examples.DOCUMENTS for example in examples.of(document)]
    tried = [example for example in found if example.kind != "not run"]
    tap.ok(len(tried) > 20 and len(tried) > len(found) / 2, f"{len(tried)} of {len(found)}")


@tap.test
def readme_is_short():
    with open(os.path.join(examples.TOP, "README.md"), encoding="utf-8") as file:
        tap.ok(len(file.readlines()) < 150, "README.md is for a first look; the manual has the rest")


if __name__ == "__main__":
    tap.main()
