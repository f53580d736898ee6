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
PAGES = {name: os.path.join(TOP, "src", name[4:], name + ".8") for name in DAEMONS}
OVERVIEW = os.path.join(TOP, "src", "sqs-demo.7")
COMPLETION = os.path.join(BUILD, "src", "sqs-producerd")
MANUALS = [CONF, OVERVIEW, *PAGES.values()]
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
    for what, source, made in (("manual", template, CONF), ("example", "/dev/null", EXAMPLE),
                               ("completion", os.path.join(TOP, "src", "sqs-demo.bash.in"), COMPLETION)):
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


def sources(folder="src"):
    """The text of all C files and headers, without comments."""
    text = ""
    for path, _, names in os.walk(os.path.join(TOP, folder)):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                text += read(os.path.join(path, name))
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def section(page, title):
    """The text of a section of a page."""
    found = re.search(rf"(?ms)^\.Sh {title}$(.*?)(?=^\.Sh |\Z)", read(page))
    tap.ok(found, f"{page} has no section {title}")
    return found[1]


@tap.test
def every_option_is_in_the_manual():
    for name, program in DAEMONS.items():
        text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))
        tap.ok({"config", "help"} <= options, text)
        described = set(re.findall(r"^\.It Fl -([a-z-]+)", read(PAGES[name]), re.M))
        described |= set(re.findall(r"^\.It Fl .* Fl -([a-z-]+)", read(PAGES[name]), re.M))
        tap.equal(sorted(options - described), [], f"options of {name} that its manual lacks")
        tap.equal(sorted(described - options), [], f"options in the manual that {name} lacks")


@tap.test
def every_exit_status_is_in_the_manual():
    """The producer's page has all: those of the daemon, and those of --submit."""
    values = {name: int(value) for name, value in
              re.findall(r"#define\s+(EX_\w+)\s+(\d+)", read("/usr/include/sysexits.h"))}
    code = sources()
    used = {values[name] for name in re.findall(r"\bEX_[A-Z]+\b", code) if name in values}
    used -= {values["EX_SOFTWARE"]}  # of a program of the build alone
    used |= {int(value) for value in re.findall(r"EXIT_UNFINISHED = (\d+)", code)}
    tap.ok({0, 1, 75, 78} <= used, used)
    said = {}
    for name, page in PAGES.items():
        lines = re.findall(r"^\.It ([\d ,]+)$", section(page, "EXIT STATUS"), re.M)
        said[name] = {int(number) for line in lines for number in re.findall(r"\d+", line)}
    tap.equal(said["sqs-producerd"], used)
    tap.equal(said["sqs-consumerd"], used - {65, 66, 73, 75, 76})
    for name in ("sqs-producerd", "sqs-consumerd"):
        unit = read(os.path.join(TOP, "units", name + ".service.in"))
        for status in re.search(r"RestartPreventExitStatus=([\d ]+)", unit)[1].split():
            tap.ok(int(status) in said[name], f"{name} does not explain {status}")


@tap.test
def every_message_id_is_in_the_manual():
    defined = re.findall(r'#define MESSAGE_ID_(\w+) "(\w{32})"',
                         read(os.path.join(TOP, "src", "common", "daemon", "message-ids.h")))
    said = re.findall(r"^\.It Li (\w{32}) Pq (\w+)$", section(OVERVIEW, "THE JOURNAL"), re.M)
    tap.ok(defined, "no MESSAGE_ID is found")
    tap.equal([(name, number) for number, name in said], defined)


@tap.test
def every_variable_and_field_is_in_the_manual():
    code = sources()
    names = set(re.findall(r'getenv\("(\w+)"\)', code)) | set(re.findall(r'"((?:AWS|SQS)_[A-Z0-9_]+)"', code))
    # Beginnings of names; and a variable of tests, in builds for them.
    names -= {"AWS_", "SQS_", "SQS_DEMO_", "SQS_ATTRIBUTE_", "SQS_FAULT_POINT"}
    tap.ok({"AWS_PROFILE", "STATE_DIRECTORY", "SQS_BODY", "SQS_SENDER_ID"} <= names, names)
    text = "".join(read(page) for page in MANUALS)
    said = {name for line in re.findall(r"^\.It (Ev .*)$", text, re.M) for name in re.findall(r"Ev (\w+)", line)}
    tap.equal(sorted(names - said), [], "not in the manual")
    # The other way: what the manual lists is in the code, or is read by a library.
    libraries = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "NOTIFY_SOCKET", "WATCHDOG_USEC",
                 "LISTEN_FDS", "SQS_DEMO_", "SQS_ATTRIBUTE_"}
    tap.equal(sorted(said - names - libraries), [], "only in the manual")


@tap.test
def members_of_the_protocol_are_in_the_manual():
    text = section(PAGES["sqs-producerd"], "THE SOCKET")
    code = "".join(read(os.path.join(TOP, "src", "producerd", "intake", name))
                   for name in ("submission.c", "submission-reply.c"))
    code = re.sub(r"/\*.*?\*/", "", code, flags=re.S)
    lists = re.findall(r"static const char \*const \w+\[\] = \{(.*?)\};", code, re.S)
    members = set(re.findall(r'"(\w+)"', " ".join(lists))) | set(re.findall(r'\\"(\w+)\\": ', code))
    tap.ok({"body", "delay", "ok", "temporary", "more", "after", "rejected"} <= members, members)
    words = set(re.findall(r"\w+", text))
    tap.equal(sorted(members - words), [])
    number = re.search(r"6 \* SQS_MESSAGE_MAX_BYTES \+ 64 \* 1024", sources("src/producerd/intake"))
    tap.ok(number and str(6 * 1048576 + 64 * 1024) in words, "the longest line")


@tap.test
def headers_for_an_application_are_in_the_manual():
    code = read(os.path.join(TOP, "src", "consumerd", "handler", "sqsd-headers.c"))
    headers = set(re.findall(r'"(X-Aws-Sqsd-[A-Za-z-]+?)-?"', code))
    tap.ok(len(headers) >= 8, headers)
    text = section(PAGES["sqs-consumerd"], "AN APPLICATION")
    tap.equal(sorted(name for name in headers if name not in text), [])


@tap.test
def units_name_the_manual():
    ours = {re.sub(r"(.*)\.(\d)", r"\1(\2)", os.path.basename(path)) for path in MANUALS}
    for folder, name in ("", "sqs-producerd.service"), ("", "sqs-consumerd.service"), ("", "sqs-producerd.socket"), \
                        ("", "sqs-consumerd@.service"), ("user", "sqs-producerd@.service"):
        line = re.search(r"^Documentation=(.*)$", read(os.path.join(BUILD, "units", folder, name)), re.M)
        tap.ok(line, f"{name} names no manual")
        pages = [page.removeprefix("man:") for page in line[1].split()]
        tap.equal(pages[0], re.sub(r"@?\..*", "", name) + "(8)")
        tap.ok(set(pages) <= ours, f"{name} names {pages}")


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


@tap.test
def pages_that_are_named_exist():
    ours = {os.path.basename(path) for path in MANUALS}
    for path in MANUALS:
        found = re.findall(r"^\.Xr (\S+) (\d)", read(path), re.M)
        tap.ok(found, f"{path} names no other page")
        for name, number in found:
            tap.ok(not name.startswith("sqs-") or f"{name}.{number}" in ours, f"{path} names {name}({number})")


if __name__ == "__main__":
    tap.main()
