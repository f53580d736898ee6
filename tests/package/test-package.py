# SPDX-License-Identifier: MIT
"""The Debian package under a systemd that is booted for the test: installed, upgraded, removed and purged.
tests/lib/package-steps has built what is installed: PACKAGES is the folder of the builds, SOURCE that of the source."""

import glob
import os
import sqlite3
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import throwaway  # which adds tests/lib to the path
import tap
from daemon import config_text
from sqs_local import ACCOUNT, BUILD_ROOT
from throwaway import ENDPOINT, QUEUE, SOCKET, UNITS, Machine

PACKAGES = os.environ["PACKAGES"]
SOURCE = os.environ["SOURCE"]
PRODUCER, CONSUMER = UNITS
CONFIG = "/etc/sqs-demo.conf"
STATE = "/var/lib/private/"
NEW, NEXT, PREVIOUS = "/srv/new.deb", "/srv/next.deb", "/srv/previous.deb"
EX_CONFIG = "78"


class PackageMachine(Machine):
    """A machine with sqs-local and the files of the packages, and nothing installed."""

    def _install(self):
        shutil.copy(os.path.join(BUILD_ROOT, "tests", "sqs-local", "sqs-local"),
                    self.path("/usr/local/bin/sqs-local"))
        os.makedirs(self.path("/srv/sqs-local"))
        # The root of the release has it; a Debian has not.
        self.run("rm", "-f", "/usr/sbin/policy-rc.d")
        shutil.copy(deb("new"), self.path(NEW))
        shutil.copy(next_deb(), self.path(NEXT))
        if os.path.isdir(os.path.join(PACKAGES, "previous")):
            shutil.copy(deb("previous"), self.path(PREVIOUS))
        self.set_credentials()

    def reset(self):
        """Removes what the last test has left."""
        self.run("systemctl", "stop", SOCKET, f"{PRODUCER}@*.socket", *UNITS, f"{PRODUCER}@*", f"{CONSUMER}@*",
                 "sqs-local")
        self.run("dpkg", "--purge", "sqs-demo")
        self.run("sh", "-c", "rm -rf /var/lib/private/sqs-* /var/lib/sqs-* /etc/sqs-demo* /srv/sqs-local/* "
                             "/usr/local/bin/sqs-[pc]* /etc/systemd/system/sqs-*")
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "reset-failed")


def deb(build):
    (found,) = glob.glob(os.path.join(PACKAGES, build, "sqs-demo_*.deb"))
    return found


def next_deb():
    """The package with a higher version number."""
    folder = tempfile.mkdtemp(dir=PACKAGES)
    subprocess.run(["dpkg-deb", "-R", deb("new"), folder + "/tree"], check=True)
    control = folder + "/tree/DEBIAN/control"
    with open(control, encoding="utf-8") as file:
        text = file.read()
    with open(control, "w", encoding="utf-8") as file:
        file.write(text.replace("-1\nArch", "-2\nArch"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder + "/tree", folder + "/next.deb"],
                   stdout=subprocess.DEVNULL, check=True)
    return folder + "/next.deb"


def test(function):
    """Registers a test. It begins without the package, and with the journal's cursor."""
    throwaway.add_test(function, lambda m: [m.cursor()])


def apt(m, *arguments):
    """Runs apt-get, with the answer of an administrator who keeps his configuration. Returns its output."""
    done = m.run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", "-o", "Dpkg::Options::=--force-confold",
                 "-o", "Dpkg::Use-Pty=0", *arguments)
    tap.equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout + done.stderr


def install(m, file):
    return apt(m, "install", "--allow-downgrades", file)


def installed_version(m):
    return m.check("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", "sqs-demo")


def settings(queue=QUEUE, **groups):
    """The text of a configuration for sqs-local."""
    aws = {"region": "eu-west-1", "endpoint_url": ENDPOINT, "queue_url": f"{ENDPOINT}/{ACCOUNT}/{queue}"}
    return config_text({"aws": aws, **groups})


def states(m, *units):
    return [m.state(unit) for unit in units]


def invocation(m, unit):
    """It changes when the unit is started."""
    return m.show(unit, "InvocationID")["InvocationID"]


def lines(m, unit, cursor):
    return [str(entry["MESSAGE"]) for entry in m.journal(unit, cursor)]


def submit(m, *bodies, to=()):
    for body in bodies:
        m.check("sh", "-c", f"printf %s '{body}' | {PRODUCER} --submit --group=g \"$@\"", "sh", *to)


def exists(m, path):
    return m.run("test", "-e", path, "-o", "-L", path).returncode == 0


def rows(m, folder, file, table):
    """The number of rows of a table, read from a copy of the database; 0: there is none."""
    with tempfile.TemporaryDirectory() as copy:
        for path in glob.glob(m.path(STATE + folder) + f"/{file}*"):
            shutil.copy(path, copy)
        if not os.listdir(copy):
            return 0
        database = sqlite3.connect(os.path.join(copy, file))
        try:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        finally:
            database.close()


# --- Installing ---


@test
def installing_enables_and_starts_nothing(m, _):
    install(m, NEW)
    tap.equal(states(m, *UNITS, SOCKET), ["inactive"] * 3)
    enabled = m.run("systemctl", "is-enabled", *UNITS, SOCKET).stdout.split()
    tap.equal(enabled, ["disabled"] * 3)
    tap.equal(m.run("getent", "group", "sqs-submit").returncode, 0)
    tap.ok("Defined-By: sqs-demo" in m.check("journalctl", "--dump-catalog"), "the catalog lacks the package")
    tap.equal(m.check("sh", "-c", "ls /etc/sqs-demo*"), "/etc/sqs-demo.conf\n\n/etc/sqs-demo.d:\n")
    tap.equal(m.check("dpkg", "--verify", "sqs-demo"), "")


@test
def two_files_and_one_command_run_a_queue(m, _):
    m.serve()
    install(m, NEW)
    m.configure(consumer={"exit_after_empty_receives": 0})
    m.check("systemctl", "enable", "--now", *UNITS)
    tap.wait_until(lambda: len(m.records("deleted")) == 5, 60, "the messages")
    ids = [[entry["message_id"] for entry in m.records(event)] for event in ("sent", "received", "deleted")]
    tap.equal(ids[1:], [ids[0]] * 2)


@test
def autopkgtest_of_the_package_passes(m, _):
    install(m, NEW)
    m.check("sh", "-c", f"cd {SOURCE} && mkdir -p /srv/autopkgtest && AUTOPKGTEST_TMP=/srv/autopkgtest debian/tests/demo")


@test
def installation_by_hand_is_named(m, _):
    m.write("/usr/local/bin/sqs-producerd", "#!/bin/sh\n", 0o755)
    m.write("/etc/systemd/system/sqs-consumerd.service", "[Service]\nExecStart=/bin/true\n")
    out = install(m, NEW)
    for file in ("/usr/local/bin/sqs-producerd", "/etc/systemd/system/sqs-consumerd.service"):
        tap.ok(f"sqs-demo: {file} is not from this package, and is used instead" in out, out)
    tap.equal(out.count("is not from this package"), 2, out)
    m.reset()
    m.write("/usr/bin/sqs-producerd", "#!/bin/sh\n", 0o755)
    tap.ok("takes the place of an installation by \"meson install\" in /usr" in install(m, NEW))
    m.reset()
    tap.ok("sqs-demo: " not in install(m, NEW), "a clean installation is silent")


# --- Upgrading ---


@test
def upgrade_restarts_what_runs_and_starts_nothing_else(m, _):
    m.serve(queues=[QUEUE + ",FifoQueue=true", "orders", "bills"])
    install(m, NEW)
    m.write(CONFIG, settings(producer={"source": "spool"}, consumer={"exit_after_empty_receives": 0}))
    for name in ("orders", "bills"):
        m.write(f"/etc/sqs-demo.d/{name}.conf",
                settings(name, producer={"source": "spool"}, consumer={"exit_after_empty_receives": 0}))
    running = [PRODUCER, f"{CONSUMER}@orders", f"{PRODUCER}@orders"]
    stopped = [CONSUMER, f"{CONSUMER}@bills", f"{PRODUCER}@bills"]
    sockets = [SOCKET, f"{PRODUCER}@orders.socket"]
    # One that is enabled and does not run is not started.
    m.check("systemctl", "enable", CONSUMER, f"{CONSUMER}@bills")
    m.check("systemctl", "start", *sockets, *running)
    before = {unit: invocation(m, unit) for unit in (*running, *sockets)}
    out = install(m, NEXT)
    tap.equal(installed_version(m).split("-")[1], "2 installed")
    tap.equal(states(m, *running, *sockets), ["active"] * 5, out)
    tap.equal(states(m, *stopped), ["inactive"] * 3)
    tap.equal([unit for unit in (*running, *sockets) if invocation(m, unit) == before[unit]], sockets)
    submit(m, "plain")
    submit(m, "instance", to=["--to=orders"])
    tap.wait_until(lambda: len(m.records("sent")) == 2, 60, "the messages")
    # A reload reads a file that has changed since.
    m.write(CONFIG, settings(producer={"source": "spool", "batch_size": 7}))
    m.check("systemctl", "reload", PRODUCER)


@test
def programs_submit_during_an_upgrade_and_lose_nothing(m, _):
    m.serve()
    install(m, NEW)
    m.write(CONFIG, settings(producer={"source": "spool"}))
    m.check("systemctl", "start", SOCKET, PRODUCER)
    m.check("systemd-run", "--quiet", "--unit=submitter", "--property=StandardError=file:/srv/sqs-local/errors",
            "sh", "-c", f"n=0; while [ ! -e /srv/sqs-local/end ]; do echo $n | {PRODUCER} --submit --group=g && "
                        "n=$((n + 1)); done; echo $n >/srv/sqs-local/submitted")
    tap.wait_until(lambda: len(m.records("sent")) >= 5, 60, "messages before the upgrade")
    install(m, NEXT)
    sent = len(m.records("sent"))
    tap.wait_until(lambda: len(m.records("sent")) >= sent + 5, 60, "messages after the upgrade")
    m.write("/srv/sqs-local/end", "")
    tap.wait_until(lambda: exists(m, "/srv/sqs-local/submitted"), 60, "the end of the submitter")
    n = int(m.check("cat", "/srv/sqs-local/submitted"))
    tap.wait_until(lambda: len(m.records("sent")) >= n, 60, "the messages")
    tap.equal([entry["body"] for entry in m.records("sent")], [f"{i}\n" for i in range(n)])


def with_previous(m):
    if not exists(m, PREVIOUS):
        raise tap.Skip("the tree of 1.0.0 is not in the history")
    install(m, PREVIOUS)
    tap.equal(installed_version(m), "1.0.0-1 installed")


@test
def upgrade_from_1_0_0_keeps_spool_ledger_and_configuration(m, cursor):
    with_previous(m)
    # Deletes fail, so that the ledger has what was handled; then the sends fail, so that the spool fills.
    m.serve(options=["--fault=DeleteMessageBatch:error-500", "--fault=DeleteMessage:error-500"])
    text = settings(producer={"source": "spool"},
                    consumer={"handler": "exec", "command": ["/bin/true"], "exit_after_empty_receives": 0,
                              "wait_time": 1, "stop_timeout": 1})
    m.write(CONFIG, text)
    m.check("systemctl", "start", SOCKET, *UNITS)
    submit(m, *(f"handled {i}" for i in range(3)))
    tap.wait_until(lambda: len(m.records("received")) >= 1, 60, "a message for the handler")
    tap.wait_until(lambda: rows(m, CONSUMER, "ledger.db", "handled") >= 1, 60, "a handled message in the ledger")
    m.run("systemctl", "stop", CONSUMER)
    m.check("systemctl", "stop", "sqs-local")
    submit(m, *(f"waiting {i}" for i in range(20)))
    handled = rows(m, CONSUMER, "ledger.db", "handled")
    before = invocation(m, PRODUCER)
    install(m, NEW)
    tap.equal(m.check("cat", CONFIG), text)
    tap.equal([exists(m, CONFIG + end) for end in (".dpkg-dist", ".new")], [True, False])
    tap.equal(states(m, PRODUCER, SOCKET), ["active"] * 2)
    tap.ok(m.state(CONSUMER) != "active", "the consumer, which was stopped, was started")
    tap.ok(invocation(m, PRODUCER) != before, "the producer was not restarted")
    tap.equal(rows(m, CONSUMER, "ledger.db", "handled"), handled)
    m.run("rm", "/srv/sqs-local/record")
    m.serve()
    tap.wait_until(lambda: len(m.records("sent")) >= 20, 60, "the spooled messages")
    tap.equal([entry["body"] for entry in m.records("sent")][:20], [f"waiting {i}" for i in range(20)])
    tap.equal(m.start(CONSUMER).returncode, 0)
    tap.wait_until(lambda: len(m.records("deleted")) >= 20, 60, "the messages are handled")


@test
def downgrade_refuses_the_newer_files_with_a_clear_line(m, _):
    with_previous(m)
    install(m, NEW)
    m.write(CONFIG, settings(producer={"source": "spool"}))
    m.check("systemctl", "start", SOCKET, PRODUCER)
    submit(m, "one", "two")
    cursor = m.cursor()
    install(m, PREVIOUS)
    tap.equal(installed_version(m), "1.0.0-1 installed")
    tap.wait_until(lambda: m.state(PRODUCER) == "failed", 60, "the producer's failure")
    tap.equal(m.show(PRODUCER, "ExecMainStatus")["ExecMainStatus"], EX_CONFIG)
    tap.ok(any("spool.db was written by a newer version" in line for line in lines(m, PRODUCER, cursor)),
           lines(m, PRODUCER, cursor))
    # The way back.
    install(m, NEW)
    m.run("systemctl", "reset-failed", SOCKET, PRODUCER)
    m.serve()
    m.check("systemctl", "start", SOCKET, PRODUCER)
    tap.wait_until(lambda: len(m.records("sent")) == 2, 60, "the messages")


# --- Removing ---


@test
def removal_stops_sockets_and_instances_and_keeps_settings_and_state(m, cursor):
    install(m, NEW)
    m.write(CONFIG, settings(producer={"source": "spool"}))
    m.write("/etc/sqs-demo.d/orders.conf", settings("orders", producer={"source": "spool"}))
    units = [SOCKET, PRODUCER, f"{PRODUCER}@orders.socket", f"{PRODUCER}@orders.service"]
    m.check("systemctl", "enable", "--now", *units)
    submit(m, "one")
    submit(m, "two", to=["--to=orders"])
    out = apt(m, "remove", "sqs-demo")
    tap.equal([state for state in states(m, *units) if state == "active"], [], out)
    for folder in (PRODUCER, f"{PRODUCER}@orders"):
        tap.ok(f"sqs-demo: {STATE}{folder}/spool.db is kept, as it may have messages that SQS has not accepted "
               "(1 waiting, 0 rejected). To send them, install the package again, and start the service." in out, out)
    tap.equal(out.count("is kept"), 2, out)
    stops = [line for line in lines(m, SOCKET, cursor) + lines(m, f"{PRODUCER}@orders.socket", cursor)]
    tap.ok(not any("it can still be activated" in line for line in stops), stops)
    for path in (CONFIG, "/etc/sqs-demo.d/orders.conf", STATE + PRODUCER + "/spool.db"):
        tap.ok(exists(m, path), path)
    # Installed again, it goes on.
    m.serve(queues=[QUEUE + ",FifoQueue=true", "orders"])
    install(m, NEW)
    m.check("systemctl", "start", *units)
    tap.wait_until(lambda: len(m.records("sent")) == 2, 60, "the messages")


@test
def purge_removes_all_but_spools_with_messages(m, _):
    install(m, NEW)
    m.serve(queues=[QUEUE + ",FifoQueue=true", "orders", "bills"])
    m.write(CONFIG, settings(producer={"source": "spool"}))
    for name in ("orders", "bills", "own"):
        m.write(f"/etc/sqs-demo.d/{name}.conf",
                settings("orders" if name == "own" else name, producer={"source": "spool"},
                         consumer={"handler": "exec", "command": ["/bin/true"]}))
    # An instance with a user of its own has its state outside of /var/lib/private.
    m.check("useradd", "--system", "--home-dir=/nonexistent", "sqs-own")
    m.write(f"/etc/systemd/system/{PRODUCER}@own.service.d/user.conf", "[Service]\nDynamicUser=no\nUser=sqs-own\n")
    m.check("systemctl", "daemon-reload")
    instances = [f"{PRODUCER}@orders", f"{PRODUCER}@bills", f"{PRODUCER}@own"]
    sockets = [f"{unit}.socket" for unit in instances]
    m.check("systemctl", "enable", SOCKET, *sockets, PRODUCER, *instances, f"{CONSUMER}@bills")
    done = m.start(SOCKET, *sockets, PRODUCER, *instances, f"{CONSUMER}@bills")
    tap.equal(done.returncode, 0, done.stderr + m.run("journalctl", "-n", "40").stdout)
    submit(m, "sent")
    for name in ("orders", "bills", "own"):
        submit(m, "sent", to=[f"--to={name}"])
    tap.wait_until(lambda: len(m.records("sent")) == 4, 60, "the messages")
    m.check("systemctl", "stop", "sqs-local")
    submit(m, "stays", to=["--to=orders"])
    submit(m, "stays", to=["--to=own"])
    out = apt(m, "purge", "sqs-demo")
    kept = [STATE + PRODUCER + "@orders", f"/var/lib/{PRODUCER}@own"]
    found = m.check("sh", "-c", "cd / && find /var/lib/private/sqs-* /var/lib/sqs-* -maxdepth 0 -type d || :").split()
    tap.equal(found, kept, out)
    for folder, link in zip(kept, [f" /var/lib/{PRODUCER}@orders", ""]):
        tap.ok(f"sqs-demo: {folder}/spool.db is kept" in out and f"rm -r {folder}{link}\n" in out, out)
    # Once by the removal, and once by the purge that follows it.
    tap.equal(out.count("not accepted (1 waiting, 0 rejected)."), 4, out)
    tap.equal([out.count(text) for text in ("is kept", "A purge keeps them", "To remove them")], [4, 2, 2], out)
    tap.ok(exists(m, f"/var/lib/{PRODUCER}@orders/spool.db"), "the link to the kept folder")
    for path in (CONFIG, f"/var/lib/{PRODUCER}", f"/var/lib/{CONSUMER}@bills", "/var/lib/sqs-demo"):
        tap.ok(not exists(m, path), path)
    tap.ok(m.run("getent", "group", "sqs-submit").returncode != 0, "the group")
    tap.equal(m.run("sh", "-c", "find /etc/systemd/system -name 'sqs-*' -type l").stdout, "")
    # What the administrator has made stays, and with it the messages go out after a new installation.
    m.check("rm", "/srv/sqs-local/record")
    m.serve(queues=["orders", "bills"])
    install(m, NEW)
    m.check("systemctl", "start", *sockets, f"{PRODUCER}@orders", f"{PRODUCER}@own")
    tap.wait_until(lambda: [entry["body"] for entry in m.records("sent")] == ["stays"] * 2, 60, "the kept messages")


@test
def purge_keeps_a_spool_that_was_used_since_the_removal(m, _):
    install(m, NEW)
    m.serve(queues=["orders", QUEUE + ",FifoQueue=true"])
    m.write(CONFIG, settings(producer={"source": "spool"}))
    m.write("/etc/sqs-demo.d/orders.conf", settings("orders", producer={"source": "spool"}))
    m.check("systemctl", "start", SOCKET, PRODUCER, f"{PRODUCER}@orders.socket", f"{PRODUCER}@orders")
    submit(m, "one")
    submit(m, "two", to=["--to=orders"])
    tap.wait_until(lambda: len(m.records("sent")) == 2, 60, "the messages")
    m.check("systemctl", "stop", SOCKET, PRODUCER, f"{PRODUCER}@orders.socket", f"{PRODUCER}@orders")
    out = apt(m, "remove", "sqs-demo")
    tap.ok("is kept" not in out, "a removal without messages is silent: " + out)
    m.check("touch", f"{STATE}{PRODUCER}@orders/spool.db")
    out = m.check("dpkg", "--purge", "sqs-demo")
    tap.ok(f"{PRODUCER}@orders/spool.db is kept" in out, out)
    tap.ok("not accepted. To send" in out, "the number of messages is not known any more: " + out)
    tap.ok(not exists(m, STATE + PRODUCER), out)


@test
def what_cannot_be_written_or_removed_stops_no_removal(m, _):
    install(m, NEW)
    m.write(CONFIG, settings(producer={"source": "spool"}))
    m.check("systemctl", "start", SOCKET, PRODUCER)
    submit(m, "stays")
    mounts = ["/var/lib/sqs-demo", STATE + CONSUMER]
    m.check("mkdir", "-p", *mounts)
    for mount in mounts:
        m.check("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", mount)
    try:
        out = m.check("dpkg", "--purge", "sqs-demo")
        tap.equal(m.run("dpkg-query", "-W", "sqs-demo").stdout, "")
    finally:
        m.run("umount", *mounts)
    tap.equal(out.count(f"{STATE}{PRODUCER}/spool.db is kept"), 2, out)
    tap.ok("not accepted. To send" in out, "the number of messages is not known: " + out)
    tap.ok(f"sqs-demo: {STATE}{CONSUMER} could not be removed" in out, out)
    tap.ok(m.run("getent", "group", "sqs-submit").returncode != 0, "the group")
    m.run("rm", "-rf", *mounts)


@test
def removal_that_may_not_stop_services_keeps_their_spools(m, _):
    m.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    try:
        install(m, NEW)
        m.write(CONFIG, settings(producer={"source": "spool"}))
        m.check("systemctl", "start", SOCKET, PRODUCER)
        submit(m, "stays")
        for action in ("remove", "purge"):
            out = m.check("dpkg", f"--{action}", "sqs-demo")
            tap.ok(f"{STATE}{PRODUCER}/spool.db is kept, as it may have messages that SQS has not accepted. To" in out,
                   out)
            tap.equal(states(m, PRODUCER, SOCKET), ["active"] * 2, out)
    finally:
        m.run("rm", "/usr/sbin/policy-rc.d")


@test
def scripts_of_the_package_that_remove_nothing_touch_nothing(m, _):
    install(m, NEW)
    m.write(CONFIG, settings(producer={"source": "spool"}))
    m.check("systemctl", "start", SOCKET, PRODUCER)
    submit(m, "stays")
    # As dpkg calls them when something fails, and for the old package of an upgrade.
    for call in ("prerm upgrade 2.0.0-2", "prerm failed-upgrade 1.0.0-1", "prerm deconfigure in-favour x 1",
                 "preinst upgrade 1.0.0-1", "preinst abort-upgrade 2.0.0-2", "postrm upgrade 2.0.0-2",
                 "postrm failed-upgrade 1.0.0-1", "postrm abort-install", "postrm abort-install 1.0.0-1",
                 "postrm abort-upgrade 1.0.0-1", "postrm disappear x 1", "postinst abort-upgrade 2.0.0-2",
                 "postinst abort-remove", "postinst abort-remove in-favour x 1",
                 "postinst abort-deconfigure in-favour x 1"):
        script, *arguments = call.split()
        done = m.run("env", "DPKG_MAINTSCRIPT_PACKAGE=sqs-demo", f"DPKG_MAINTSCRIPT_NAME={script}",
                     f"/var/lib/dpkg/info/sqs-demo.{script}", *arguments)
        tap.equal((done.returncode, done.stdout), (0, ""), call + ": " + done.stderr)
        tap.equal(states(m, PRODUCER, SOCKET), ["active"] * 2, call)
    tap.equal(rows(m, PRODUCER, "spool.db", "waiting"), 1)
    tap.equal(m.run("getent", "group", "sqs-submit").returncode, 0)
    tap.equal(m.check("dpkg", "--verify", "sqs-demo").split()[2:], [CONFIG])


if __name__ == "__main__":
    throwaway.main(kind=PackageMachine)
