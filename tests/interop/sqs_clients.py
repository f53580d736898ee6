# SPDX-License-Identifier: MIT
"""The clients with which test-sqs-calls.py makes its calls. Each has

    call(operation, parameters, region)  -> {"reply": {...}} or {"error": {"status", "name", "code",
                                            "message"}}, without members that the client does not show
    stop()
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys

import sqs
from sqs_local import BUILD_ROOT

HERE = os.path.dirname(os.path.abspath(__file__))


class Missing(Exception):
    """The client cannot be used here, for this reason."""


class Older(Missing):
    """The client exists, but speaks only the query protocol of SQS. `client` is the client."""

    def __init__(self, client, what):
        super().__init__(f"{what} does not speak SQS's JSON protocol")
        self.client = client


class Plain:
    """tests/lib/sqs.py."""

    def __init__(self, server):
        self.server = server

    def call(self, operation, parameters, region):
        try:
            return {"reply": sqs.call(self.server, operation, region=region, **parameters)}
        except sqs.Error as error:
            return {"error": {"status": error.status, "name": error.code, "code": error.query_code,
                              "message": error.message}}

    def stop(self):
        pass


class Program:
    """A program that first prints the version of its client, and then answers each line with a call by a line."""

    def __init__(self, server, command):
        self.process = subprocess.Popen(command, env=server.env(NODE_NO_WARNINGS="1"),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self._read()["version"]

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client has ended with status {self.process.wait(60)}")
        return json.loads(line)

    def call(self, operation, parameters, region):
        self.process.stdin.write(json.dumps([operation, parameters, region]) + "\n")
        self.process.stdin.flush()
        return self._read()

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(60)


class CommandLine:
    """The AWS CLI: one process for each call."""

    def __init__(self, server, program):
        self.server, self.program = server, program

    def call(self, operation, parameters, region):
        name = re.sub("(?<!^)([A-Z])", r"-\1", operation).lower()
        run = subprocess.run(
            [self.program, "--endpoint-url", self.server.url, "--output", "json", "--region", region,
             "sqs", name, "--cli-input-json", json.dumps(parameters)],
            env=self.server.env(AWS_PAGER="", AWS_MAX_ATTEMPTS="1"), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120)
        if run.returncode == 0:
            return {"reply": json.loads(run.stdout or "{}")}
        found = re.search(r"An error occurred \((.*?)\) when calling the \w+ operation(?: \(.*?\))?: (.*)",
                          run.stderr.strip(), re.DOTALL)
        if not found:
            raise RuntimeError(run.stderr)
        return {"error": {"code": found[1], "message": found[2]}}

    def stop(self):
        pass


def start_boto3(server, python):
    """Starts call-boto3.py with this Python; raises Missing."""
    if not os.path.exists(python):
        raise Missing(f"there is no {python}")
    found = subprocess.run([python, "-c", "import boto3, botocore; print(botocore.__version__)"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if found.returncode != 0:
        raise Missing(f"{python} has no boto3")
    client = Program(server, [python, os.path.join(HERE, "call-boto3.py")])
    if tuple(int(n) for n in found.stdout.strip().split(".")[:3]) < (1, 31, 81):
        raise Older(client, f"botocore {found.stdout.strip()} of {python}")
    return client


def start_command_line(server, program):
    """Returns the AWS CLI with this name; raises Missing."""
    path = shutil.which(program)
    if not path:
        raise Missing(f"there is no {program}")
    found = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           timeout=120)
    match = re.match(r"aws-cli/(\d+)\.(\d+)", found.stdout + found.stderr)
    if not match:
        raise Missing(f"{path} does not tell its version")
    client = CommandLine(server, path)
    version = int(match[1]), int(match[2])
    if version < ((2, 14) if version[0] >= 2 else (1, 30)):
        raise Older(client, match[0])
    return client


def javascript_folder():
    """Returns a folder of the build in which npm has installed the packages of javascript/package.json; raises
    Missing. Only the first call uses the network."""
    wanted = os.path.join(HERE, "javascript", "package.json")
    folder = os.path.join(BUILD_ROOT, "tests", "interop", "javascript")
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Missing(f"there is no {'npm' if node else 'node'}")
    version = subprocess.run([node, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if int(version.stdout.strip().lstrip("v").split(".")[0]) < 20:
        raise Missing(f"the packages need node 20, and here is {version.stdout.strip()}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        install_packages(npm, wanted, folder)
    return folder


def install_packages(npm, wanted, folder):
    """Installs the packages of a package.json, unless it has done so before."""
    done = os.path.join(folder, "installed.json")  # a copy of the last installed package.json
    if os.path.exists(done) and open(done, "rb").read() == open(wanted, "rb").read():
        return
    shutil.copy(wanted, os.path.join(folder, "package.json"))
    try:
        run = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline",
             "--no-package-lock", "--fetch-retries=1", "--fetch-timeout=30000", "--prefix", folder],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        raise Missing("npm has not installed the packages within 180 s") from None
    if run.returncode != 0:
        raise Missing("npm cannot install the packages: " + " ".join(run.stderr.split())[:300])
    shutil.copy(wanted, done)


def start(name, server):
    """Starts the client with this name; raises Missing if it cannot be used here."""
    if name == "plain":
        return Plain(server)
    if name == "javascript":
        folder = javascript_folder()
        return Program(server, ["node", os.path.join(HERE, "javascript", "call.cjs"), folder])
    if name in ("boto3", "debian-boto3"):
        return start_boto3(server, sys.executable if name == "boto3" else "/usr/bin/python3")
    if name in ("cli", "debian-cli"):
        return start_command_line(server, "aws" if name == "cli" else "/usr/bin/aws")
    raise ValueError(name)
