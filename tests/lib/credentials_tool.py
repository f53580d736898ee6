# SPDX-License-Identifier: MIT
"""Runs tests/credentials/credentials-tool, which asks one credential provider. Needs only the standard library."""

import hashlib
import json
import os
import subprocess

import tap

ANSWER_MAX_SEC = 60


class Answers:
    """The output of one run: `lines`, a list of dicts. The members of the first line are attributes."""

    def __init__(self, lines):
        self.lines = lines
        self.outcome = lines[0]["outcome"] if lines else None
        self.text = lines[0].get("text") if lines else None

    def __getattr__(self, name):
        try:
            return self.lines[0][name]
        except (IndexError, KeyError):
            raise AttributeError(name)

    def __repr__(self):
        return repr(self.lines)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def run(tool, provider, *arguments, env=(), metadata=False):
    """Runs the tool; returns its Answers. `env`: variables beside PATH and empty shared files; None removes one.
    Without `metadata` the instance metadata service is disabled."""
    full = {"PATH": os.environ["PATH"], "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}
    for name in os.environ:
        if name.endswith("SAN_OPTIONS"):
            full[name] = os.environ[name]
    if metadata:
        del full["AWS_EC2_METADATA_DISABLED"]
    for name, value in dict(env).items():
        if value is None:
            full.pop(name, None)
        else:
            full[name] = value
    try:
        done = subprocess.run([tool, provider, *arguments], env=full, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=ANSWER_MAX_SEC)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"credentials-tool {provider} has not answered within {ANSWER_MAX_SEC} s") from e
    tap.equal((done.returncode, done.stderr), (0, ""), "credentials-tool")
    # Every secret of these tests contains one of these words.
    tap.ok("SEKRET" not in done.stdout and "T0KEN" not in done.stdout, done.stdout)
    return Answers([json.loads(line) for line in done.stdout.splitlines()])


def check_found(answer, keys):
    """The answer (Answers, or one of its lines) has these keys, a tuple."""
    line = answer.lines[0] if isinstance(answer, Answers) else answer
    tap.equal(line["outcome"], "found", str(line))
    tap.equal(line["access_key_id"], keys[0])
    tap.equal(line["secret_sha256"], sha256(keys[1]))
    tap.equal(line["token_sha256"], sha256(keys[2]) if keys[2] else None)


def check_no_keys(answers, *words, outcome="failed"):
    """The answer has this outcome, and its text has all the words."""
    tap.equal(answers.outcome, outcome, str(answers))
    for word in words:
        tap.ok(word in answers.text, f"no {word!r} in {answers.text!r}")
