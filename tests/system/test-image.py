# SPDX-License-Identifier: MIT
"""Builds the container image of the manual, by its own steps, in roots made by debootstrap, and runs its command."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "lib"))

import sqs
import tap
from sqs_local import SqsLocal

TOP = os.path.dirname(TESTS)
MANUAL = os.path.join(TOP, "src", "sqs-demo.7")
ROOT_TOOL = os.path.join(TESTS, "lib", "debian-root")
CANNOT = 77
CODENAMES = {"12": "bookworm", "13": "trixie"}
QUEUE = "orders.fifo"

# The first image has only what it runs; /results is a folder of this machine.
BUILD = """
mkdir /context /out
cp -a . /context
mount --bind "$RESULTS" /out
mount --bind /context /src
cd /
( {run} )
cp -a /image /out/image
"""

# The second has apt, and the network to reach the mirror.
INSTALL = """
mount -t proc proc "$1/proc"
mount --bind /dev "$1/dev"
exec chroot "$1" sh -euc "$2"
"""


def section():
    """The manual's text about containers."""
    with open(MANUAL, encoding="utf-8") as file:
        return re.search(r"^\.Sh IN A CONTAINER\n(.*?)^\.Sh ", file.read(), re.M | re.S).group(1)


def steps(release):
    """The steps of the image on a release, as [(instruction, its text)]."""
    lines = re.search(r"^\.Bd .*?\n(.*?)^\.Ed$", section(), re.M | re.S).group(1)
    lines = lines.replace("\\e\n", "").strip()
    if release != "12":
        named, other = re.search(rf"With\n\.Ql debian:{release}\nthe image has\n\.Ql (\S+)\n.*?\n\.Ql (\S+) \.$",
                                 section(), re.M | re.S).groups()
        tap.ok(other in lines, other)
        lines = lines.replace("debian:12", f"debian:{release}").replace(other, named)
    found = [tuple(line.split(None, 1)) for line in lines.splitlines()]
    tap.equal([instruction for instruction, _ in found],
              ["FROM", "COPY", "RUN", "FROM", "RUN", "COPY", "ENV", "USER", "CMD"])
    tap.equal([text.split()[0].removesuffix("-slim") for instruction, text in found if instruction == "FROM"],
              [f"debian:{release}"] * 2)
    return [text for _, text in found]


def make_root(release, kind, *sections):
    """The folder of a root; skips the test with the reason if there can be none."""
    done = subprocess.run([ROOT_TOOL, "make", release, kind, *sections], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode == CANNOT:
        raise tap.Skip(done.stdout.strip())
    tap.equal(done.returncode, 0)
    return done.stdout.splitlines()[-1]


def run(what, *command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)
    tap.equal(done.returncode, 0, f"{what}: {done.stdout[-3000:]}")
    return done.stdout


def apt_proxy():
    shell = run("apt-config", "apt-config", "shell", "http_proxy", "Acquire::http::Proxy")
    return dict(re.findall(r"^(http_proxy)='(.*)'$", shell, re.M))


def build_program(root, folder, step):
    run("the build", ROOT_TOOL, "run", root, TOP, folder, "bash", "-euc", BUILD.replace("{run}", step))


def build_image(root, folder, step):
    """Makes the second image, without the program."""
    image = os.path.join(folder, "root")
    run("the copy", "cp", "-a", "--one-file-system", root, image)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", **apt_proxy()}
    run("the installation", "unshare", "--mount", "--propagation=private", "sh", "-euc", INSTALL, "sh", image, step,
        env=environment)
    return image


def work(image, variables, user, command):
    """Runs the image's command, with settings in the environment alone, until it has handled a message."""
    with SqsLocal([QUEUE + ",FifoQueue=true"]) as server:
        name, value = variables.split("=", 1)
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", name: value, "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": server.access_key_id, "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
            "SQS_DEMO_AWS_QUEUE_URL": server.queue_url(QUEUE), "SQS_DEMO_AWS_ENDPOINT_URL": server.url,
            "SQS_DEMO_AWS_REGION": "eu-west-1", "SQS_DEMO_CONSUMER_WAIT_TIME": "1",
            "SQS_DEMO_CONSUMER_HANDLER": "exec", "SQS_DEMO_CONSUMER_COMMAND": '["sh", "-c", "cat >> /var/lib/sqs/x"]'}
        sqs.send(server, "hello", queue=QUEUE)
        daemon = subprocess.Popen(["chroot", f"--userspec={user}", image, *command], env=environment,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True)
        try:
            server.wait_for_records("deleted", 1, 60)
        finally:
            daemon.terminate()
            output, _ = daemon.communicate(timeout=60)
        tap.equal(daemon.returncode, 0, output)
    with open(os.path.join(image, "var/lib/sqs/x"), encoding="utf-8") as file:
        tap.equal(file.read(), "hello")
    tap.ok(os.path.exists(os.path.join(image, "var/lib/sqs/ledger.db")), "no ledger")


def image_works(release):
    _, context, compile_, _, install, copy, variables, user, command = steps(release)
    tap.equal((context, copy), (". /src", "--from=build /image/usr/bin /usr/bin"))
    with tempfile.TemporaryDirectory(prefix="sqs-image-") as folder:
        build_program(make_root(CODENAMES[release], "native", "build", "run", "test"), folder, compile_)
        image = build_image(make_root(CODENAMES[release], "image", "image"), folder, install)
        shutil.copytree(os.path.join(folder, "image/usr/bin"), os.path.join(image, "usr/bin"), dirs_exist_ok=True,
                        symlinks=True)
        work(image, variables, user, json.loads(command))


for number in CODENAMES:
    tap.add(f"image of the manual works with debian {number}", image_works, number)

if __name__ == "__main__":
    if os.geteuid() != 0:
        tap.skip_all("only root can make and enter roots of Debian")
    tap.main()
