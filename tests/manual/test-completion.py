# SPDX-License-Identifier: MIT
"""The completion of bash, in an interactive bash on a terminal. """
import os
import pty
import shutil
import signal
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import tap

BUILD = os.path.realpath(os.environ["BUILD_ROOT"])
COMPLETION = os.path.join(BUILD, "src", "sqs-producerd")
ALL = b"\x1b*"  # readline: insert all completions
ONE = b"\t"
BEGIN, END = b"\x01", b"\x05"


class Bash:
    """An interactive bash with the completion, in a folder of its own, with the programs of the build."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sqs-completion-")
        os.mkdir(self.path("bin"))
        for name in ("sqs-producerd", "sqs-consumerd"):
            os.symlink(os.path.join(BUILD, "src", name[4:], name), self.path("bin", name))
        os.mkdir(self.path("instances"))
        for name in ("orders", "invoices"):
            with open(self.path("instances", name + ".conf"), "w", encoding="utf-8"):
                pass
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(self.folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       {"PATH": f"{self.path('bin')}:/usr/bin:/bin", "HOME": self.folder, "TERM": "dumb",
                        "INPUTRC": "/dev/null", "LC_ALL": "C.UTF-8"})
        self.number = 0
        self.type(b"bind 'set enable-bracketed-paste off'\n")
        self.type(f"source {COMPLETION}\n_sqs_demo_folder={self.path('instances')}\n".encode())
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.terminal)
        os.waitpid(self.pid, 0)
        shutil.rmtree(self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def type(self, text):
        os.write(self.terminal, text)

    def complete(self, line, key=ONE, more=b""):
        """Types the line and the key, and returns the words that are there then, without the command."""
        self.number += 1
        words, done = self.path(f"words{self.number}"), self.path(f"done{self.number}")
        self.type(line.encode() + key + more + BEGIN + f"printf '%s\\n' >{words} ".encode() +
                  END + f" ; echo >{done}\n".encode())
        tap.wait_until(lambda: os.path.exists(done), 60, f"the completion of {line}")
        with open(words, encoding="utf-8") as file:
            return file.read().splitlines()[1:]


def check(line, wanted, key=ONE, more=b""):
    with Bash() as bash:
        tap.equal(bash.complete(line, key, more), wanted)


def options(line):
    with Bash() as bash:
        return bash.complete(line, ALL)


@tap.test
def options_are_those_of_help():
    producer, consumer = options("sqs-producerd --"), options("sqs-consumerd --")
    tap.ok({"--submit", "--group=", "--rejected", "--retry=", "--set=", "--help"} <= set(producer), producer)
    tap.ok({"--instance=", "--check-queue", "--reload=", "--version"} <= set(consumer), consumer)
    tap.equal([option for option in consumer if option in ("--submit", "--set", "--config")], [])
    tap.equal(len(producer), len(set(producer)))


tap.add("an option that takes a value waits for it", check, "sqs-consumerd --inst", ["--instance=x"], ONE, b"x")
tap.add("an option without a value is complete", check, "sqs-consumerd --check-q", ["--check-queue", "x"], ONE, b"x")
tap.add("a setting is completed", check, "sqs-producerd --set=producer.batch_s", ["--set=producer.batch_size=5"], ONE, b"5")
tap.add("the values of a setting are listed", check, "sqs-producerd --set=producer.source=",
        ["--set=producer.source=demo", "spool"], ALL)
tap.add("the value of a setting is completed", check, "sqs-consumerd --set=log.level=deb", ["--set=log.level=debug", "x"],
        ONE, b"x")
tap.add("a value in the next word is completed", check, "sqs-consumerd --set log.targ", ["--set", "log.target=x"], ONE, b"x")
tap.add("switches have two values", check, "sqs-consumerd --set=aws.use_fips_endpoint=t",
        ["--set=aws.use_fips_endpoint=true"])
tap.add("instances come after --instance", check, "sqs-consumerd --instance=", ["--instance=invoices", "orders"], ALL)
tap.add("instances come after --to", check, "sqs-producerd --submit --to=ord", ["--submit", "--to=orders"])
tap.add("all may be retried", check, "sqs-producerd --rejected --retry=", ["--rejected", "--retry=all"])
tap.add("a file of settings is completed", check, "sqs-producerd --config=inst", ["--config=instances/orders.conf"],
        ONE, b"ord\t")
tap.add("the file of a message is completed", check, "sqs-producerd --submit inst", ["--submit", "instances/invoices.conf"],
        ONE, b"inv\t")
tap.add("what is no beginning stays", check, "sqs-producerd --set=nothing.such", ["--set=nothing.such"])


if __name__ == "__main__":
    if not shutil.which("bash"):
        tap.skip_all("bash is not installed")
    tap.main()
