# SPDX-License-Identifier: MIT
"""The examples in README.md and in the manual: every indented block, and every literal display. Before each stands a
mark, which readers do not see: a comment of HTML or of mdoc.

    run                 commands, for root, in sh
    run: USER           commands for another user
    run: USER python3   a program in Python
    file: PATH MODE     the content of a file
    settings            settings that --check-config accepts
    not run: REASON
"""
import os
import re
from dataclasses import dataclass

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCUMENTS = ["README.md", "src/sqs-demo.7", "src/producerd/sqs-producerd.8", "src/consumerd/sqs-consumerd.8",
             "etc/sqs-demo.conf.5.in"]
MARK = re.compile(r"(?P<kind>run|file|settings|not run)(?:: (?P<more>.+))?")


@dataclass
class Example:
    place: str  # "README.md:12"
    kind: str  # "" without a mark
    more: str  # what stands after the colon
    text: str


def _make(path, line, mark, lines):
    found = MARK.fullmatch(mark or "")
    indent = min(len(text) - len(text.lstrip()) for text in lines if text.strip())
    return Example(f"{path}:{line}", found["kind"] if found else "", (found["more"] or "") if found else "",
                   "".join(text[indent:] + "\n" for text in lines))


def _of_markdown(path, lines):
    examples, at = [], 0
    while at < len(lines):
        begin = at
        if re.match(r" {4}", lines[at]) and (not lines[at - 1].strip() or "-->" in lines[at - 1]):
            while at < len(lines) and (re.match(r" {4}", lines[at]) or not lines[at].strip()):
                at += 1
            block = lines[begin:at]
            while not block[-1].strip():
                block.pop()
            mark = re.fullmatch(r"\s*<!-- (.*) -->", lines[begin - 1])
            examples.append(_make(path, begin + 1, mark and mark[1], block))
        else:
            at += 1
    return examples


def _plain(line):
    return re.sub(r"\\(e|-|&|\(dq)", lambda found: {"e": "\\", "-": "-", "&": "", "(dq": '"'}[found[1]], line)


def _of_mdoc(path, lines):
    examples = []
    for at, line in enumerate(lines):
        mark = re.fullmatch(r'\.\\" (.*)', lines[at - 1])
        if line.startswith(".Bd -literal"):
            end = lines.index(".Ed", at)
            examples.append(_make(path, at + 1, mark and mark[1], [_plain(text) for text in lines[at + 1:end]]))
        elif line.startswith(".Dl "):
            examples.append(_make(path, at + 1, mark and mark[1], [_plain(line[4:])]))
    return examples


def of(document):
    """The examples of a document, in order."""
    with open(os.path.join(TOP, document), encoding="utf-8") as file:
        lines = file.read().splitlines()
    return (_of_markdown if document.endswith(".md") else _of_mdoc)(document, lines)
