# SPDX-License-Identifier: MIT
"""Every message id of src/common/daemon/message-ids.h has an entry in units/sqs-demo.catalog, so that
journalctl -x explains each event."""

import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))

import tap


def read(path):
    with open(os.path.join(TESTS, "..", path), encoding="utf-8") as file:
        return file.read()


IDS = dict(re.findall(r'^#define MESSAGE_ID_(\w+) "(.*)"$', read("src/common/daemon/message-ids.h"),
                      re.M))
ENTRIES = re.findall(r"^-- (\S+)\n(.*?)(?=^-- |\Z)", read("units/sqs-demo.catalog"), re.M | re.S)


@tap.test
def each_id_has_32_hex_digits_and_one_event():
    tap.ok(len(IDS) > 10, "the ids were not read")
    for name, value in IDS.items():
        tap.ok(re.fullmatch("[0-9a-f]{32}", value), f"{name} is {value!r}")
    tap.equal(len(set(IDS.values())), len(IDS))


@tap.test
def each_id_has_one_entry():
    tap.equal(sorted(entry[0] for entry in ENTRIES), sorted(IDS.values()))


@tap.test
def each_entry_has_a_subject_and_a_text():
    for number, text in ENTRIES:
        header, _, body = text.partition("\n\n")
        tap.matches(header, "Subject: [A-Z]*\nDefined-By: sqs-demo", number)
        tap.ok(len(body.strip()) > 40, f"{number} has no text")


@tap.test
def no_entry_makes_a_socket_of_the_unit_that_logs():
    for number, text in ENTRIES:
        tap.ok("@SYSLOG_IDENTIFIER@.socket" not in text, f"{number}: a consumer has no socket")


@tap.test
def fields_in_entries_are_logged():
    source = "".join(
        read(os.path.join(folder, name))
        for folder, _, names in os.walk(os.path.join(TESTS, "..", "src"))
        for name in names if name.endswith(".c"))
    for field in set(re.findall(r"@(\w+)@", read("units/sqs-demo.catalog"))):
        tap.ok(f'"{field}"' in source, f"nothing logs {field}")


if __name__ == "__main__":
    tap.main()
