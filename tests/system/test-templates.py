# SPDX-License-Identifier: MIT
"""The template units agree with the plain units, but for what they must differ in; so does what the units for
`systemctl --user` have in common with them. Reads the units that the build has made."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap

UNITS = os.path.join(os.environ["BUILD_ROOT"], "units")


def directives(name):
    """The lines of a unit, each with its section, without comments."""
    section, found = "", []
    with open(os.path.join(UNITS, name), encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("["):
                section = line
            elif line and not line.startswith("#"):
                found.append(section + line)
    return found


def differences(plain, template):
    """(lines that the plain unit has alone, lines that the template has alone)"""
    return ([line for line in directives(plain) if line not in directives(template)],
            [line for line in directives(template) if line not in directives(plain)])


def program(unit):
    """The path that the unit starts."""
    return next(line.split("=", 1)[1].split()[0] for line in directives(unit)
                if line.startswith("[Service]ExecStart="))


@tap.test
def services_differ_in_the_instance_alone():
    for daemon, what in (("sqs-producerd", "producer"), ("sqs-consumerd", "consumer")):
        path = program(f"{daemon}.service")
        alone, of_template = differences(f"{daemon}.service", f"{daemon}@.service")
        reload = [line for line in alone if "ExecReload=" in line]
        tap.equal([line for line in alone if line not in reload],
                  [f"[Unit]Description=Amazon SQS {what}", f"[Service]ExecStart={path}",
                   f"[Service]StateDirectory={daemon}"])
        tap.equal([line for line in of_template if "ExecReload=" not in line],
                  [f"[Unit]Description=Amazon SQS {what} (%i)", f"[Service]ExecStart={path} --instance=%i",
                   f"[Service]StateDirectory={daemon}@%i"])
        # A reload checks the settings of the instance.
        tap.equal([line.replace(" --instance=%i", "") for line in of_template if "ExecReload=" in line], reload)


@tap.test
def sockets_differ_in_path_and_check_alone():
    path = program("sqs-producerd.service")
    alone, of_template = differences("sqs-producerd.socket", "sqs-producerd@.socket")
    tap.equal(alone, ["[Unit]Description=Socket for messages to Amazon SQS",
                      "[Socket]ListenStream=/run/sqs-producerd/submit.socket"])
    tap.equal(of_template, ["[Unit]Description=Socket for messages to Amazon SQS (%i)",
                            "[Socket]ListenStream=/run/sqs-producerd/%i.socket",
                            f"[Socket]ExecStartPre={path} --instance=%i --check-config",
                            "[Socket]StandardOutput=null", "[Socket]StandardError=journal"])


@tap.test
def order_of_directives_is_the_same():
    for plain in ("sqs-producerd.service", "sqs-consumerd.service", "sqs-producerd.socket"):
        template = plain.replace(".", "@.")
        common = [line for line in directives(plain) if line in directives(template)]
        tap.equal([line for line in directives(template) if line in common], common, template)


@tap.test
def units_of_users_differ_in_what_only_the_system_manager_can_do():
    for daemon in ("sqs-producerd", "sqs-consumerd"):
        _, alone = differences(f"{daemon}@.service", f"user/{daemon}@.service")
        path = program(f"{daemon}.service")
        expected = {"[Unit]Description": None,
                    "[Service]ExecStart": f"{path} --config=%E/sqs-demo.d/%i.conf",
                    "[Service]RestartPreventExitStatus": "64 69 77 78",
                    "[Install]WantedBy": "default.target"}
        if daemon == "sqs-producerd":
            expected["[Service]OOMPolicy"] = "continue"
        for line in alone:
            name, value = line.split("=", 1)
            if name == "[Service]ExecReload":
                continue
            tap.ok(name in expected and expected[name] in (None, value), line)


if __name__ == "__main__":
    tap.main()
