# SPDX-License-Identifier: MIT
"""The manual, the example of the settings and the daemons say the same. """
import os
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TOP = os.path.realpath(os.path.join(TESTS, ".."))
sys.path.insert(0, os.path.join(TESTS, "lib"))
import tap

BUILD = os.path.realpath(os.environ["BUILD_ROOT"])
DAEMONS = {name: os.path.join(BUILD, "src", name[4:], name) for name in ("sqs-producerd", "sqs-consumerd")}
DOCUMENT = os.path.join(BUILD, "src", "common", "daemon", "settings-document")
CONF = os.path.join(BUILD, "etc", "sqs-demo.conf.5")
EXAMPLE = os.path.join(BUILD, "etc", "sqs-demo.conf")
MANUALS = [CONF]
QUEUE = 'aws: { queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/test.fifo"; };'


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def plain(text):
    """Text of mdoc without its escapes."""
    return re.sub(r"\\f[BR]|\\&", "", text).replace("\\-", "-").replace("\\e", "\\")


def settings_in_force(*options, text=""):
    """The values that --check-config prints: {"aws.region": ("eu-west-1", "default")}."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SQS_"))}
    run = subprocess.run([DAEMONS["sqs-producerd"], "--check-config", *options], input=text, capture_output=True,
                         text=True, env={**environment, "HOME": "/nonexistent"}, check=False)
    tap.equal(run.returncode, 0, run.stderr)
    found, group = {}, None
    for line in run.stdout.splitlines():
        if re.fullmatch(r"\w+:", line):
            group = line[:-1]
        row = re.fullmatch(r"    (\w+) = (.*?); # .* \[(.*)\]", line)
        if row:
            found[f"{group}.{row[1]}"] = (row[2], row[3])
    return found


def settings_of_manual():
    """The items of the manual: {"aws.region": text}."""
    found, group = {}, None
    for part in re.split(r"(?m)^(?=\.Ss Group |\.It Cm |\.El$)", read(CONF)):
        head = re.match(r"\.Ss Group (\w+)|\.It Cm (\w+)", part)
        if head and head[1]:
            group = head[1]
        elif head and group:
            found[f"{group}.{head[2]}"] = " ".join(plain(part).split("\n")[1:])
        else:
            group = None
    return found


@tap.test
def manual_has_the_settings_of_the_daemons():
    manual = settings_of_manual()
    tap.equal(list(manual), list(settings_in_force("--config=-", text=QUEUE)))
    for name, text in manual.items():
        tap.ok("Allowed: " in text and re.search(r"A (?:reload|change) ", text), f"{name}: {text}")


@tap.test
def defaults_in_the_manual_are_in_force():
    manual = settings_of_manual()
    for name, (value, place) in settings_in_force("--config=-", text=QUEUE).items():
        if place == "default":
            said = {"[]": "none"}.get(value, value)
            tap.ok(f"Default: {said}" in manual[name], f"{name} = {value}, but the manual says: {manual[name]}")
    elsewhere = QUEUE + 'producer: { source = "spool"; }; consumer: { handler = "exec"; command = ["/bin/true"]; };'
    for name, (value, _) in settings_in_force("--config=-", text=elsewhere).items():
        said = re.search(r"otherwise (\S+)\.", manual[name])
        tap.ok(not said or said[1] == value, f"{name} = {value}, but the manual says: {manual[name]}")


@tap.test
def the_example_has_the_defaults():
    defaults = settings_in_force("--config=-", text=QUEUE)
    tap.equal({name: value for name, (value, _) in settings_in_force("--config=" + EXAMPLE).items()},
              {name: value for name, (value, _) in defaults.items()})


@tap.test
def what_is_made_twice_is_the_same():
    template = os.path.join(TOP, "etc", "sqs-demo.conf.5.in")
    for what, source, made in ("manual", template, CONF), ("example", "/dev/null", EXAMPLE):
        for environment in ({"LC_ALL": "C", "TZ": "UTC"},
                            {"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1", "HOME": "/"}):
            with tempfile.TemporaryDirectory() as folder, open(source, "rb") as file:
                again = subprocess.run([DOCUMENT, what], stdin=file, capture_output=True, cwd=folder,
                                       env=environment, check=True).stdout
            with open(made, "rb") as file:
                tap.ok(file.read() == again, f"{made} is not what is made now")


@tap.test
def a_fault_makes_no_document():
    for arguments, text in ([], ""), (["manuals"], ""), (["manual"], "no place for the settings\n"):
        run = subprocess.run([DOCUMENT, *arguments], input=text, capture_output=True, text=True, check=False)
        tap.equal((run.returncode, run.stdout), (70, ""))
        tap.ok("cannot make the document" in run.stderr, run.stderr)


@tap.test
def mandoc_finds_nothing():
    if not shutil.which("mandoc"):
        raise tap.Skip("mandoc is not installed")
    for path in MANUALS:
        run = subprocess.run(["mandoc", "-T", "lint", path], capture_output=True, text=True, check=False)
        lines = [line for line in run.stdout.splitlines()
                 # It looks for them where manuals are installed.
                 if not re.search(r"referenced manual not found: Xr", line)]
        tap.ok(not lines, "\n".join(lines))


if __name__ == "__main__":
    tap.main()
