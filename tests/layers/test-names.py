# SPDX-License-Identifier: MIT
"""Names in documents, comments and scripts exist: files, tests, and, in the documents for developers, functions
and types. So a rename must also change the places that quote the name. """
import glob
import json
import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import objects
import tap

TOP = objects.TOP
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "NEWS.md", "src/README.md"]
FOR_DEVELOPERS = ["CONTRIBUTING.md", "src/README.md"]
# A file, with or without its folder. NAME and FOLDER are placeholders.
FILE = re.compile(r"(?<![\w/.*<>$~{}-])((?:[\w.-]+/)*[\w-]+\.(?:c|h|py|build|list|cjs|mjs))\b(?![\w(*])")
# A file or folder, by its path from the top of the project.
PATH = re.compile(r"(?<![\w/.-])((?:src|tests|units|etc|\.ci)/[\w./-]*\w)")


def files():
    """The paths of the project's files without the corpus of the fuzzers."""
    paths = [os.path.relpath(os.path.join(folder, name), TOP)
             for top in ("src", "tests", "etc", "units")
             for folder, _, names in os.walk(os.path.join(TOP, top))
             for name in names if "/corpus/" not in folder + "/" and "__pycache__" not in folder]
    return paths + [name for name in os.listdir(TOP) if os.path.isfile(os.path.join(TOP, name))]


PATHS = files()
BASENAMES = {os.path.basename(path) for path in PATHS}


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_there(name, path):
    """Whether the file that the text of `path` calls `name` exists."""
    pattern = name.replace("NAME", "*").replace("FOLDER", "*")
    folders = ["", os.path.dirname(path), "src", "src/common", "tests", "tests/lib", "tests/unit", "/usr/include"]
    if any(glob.glob(os.path.join(TOP, folder, pattern)) for folder in folders):
        return True
    return "/" not in name and ("*" in pattern or name in BASENAMES)


def comments(path):
    """The comments of a C file, the comments and docstrings of a Python file."""
    text = read(path)
    if path.endswith(".py"):
        return "\n".join(re.findall(r'""".*?"""|(?m:^\s*#[^\n]*$)', text, re.S))
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    return "\n".join(re.findall(r"/\*.*?\*/", text, re.S))


def tests(suite=""):
    with open(os.path.join(os.environ["BUILD_ROOT"], "meson-info", "intro-tests.json"), encoding="utf-8") as file:
        return [test["name"] for test in json.load(file)
                if any(name.endswith(suite) for name in test["suite"])]


@tap.test
def files_in_documents_exist():
    for document in DOCUMENTS:
        text = read(document)
        found = FILE.findall(text) + PATH.findall(text)
        found += [link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
        lost = sorted({name for name in found if not is_there(name, document)})
        tap.ok(not lost, f"{document} names {', '.join(lost)}")
        tap.ok(found or document == "NEWS.md", f"no file is found in {document}")


@tap.test
def files_in_comments_exist():
    lost = []
    for path in PATHS:
        if path.endswith((".c", ".h", ".py")):
            lost += [f"{path} names {name}" for name in FILE.findall(comments(path)) if not is_there(name, path)]
    tap.ok(not lost, "\n".join(lost))


@tap.test
def functions_and_types_in_documents_exist():
    words = set()
    for path in PATHS:
        if path.endswith((".c", ".h", ".py", ".build", ".txt")):
            words |= set(re.findall(r"\w+", read(path)))
    for document in FOR_DEVELOPERS:
        quoted = re.findall(r"`(?:struct |enum )?([A-Za-z]\w*_\w+)(?:\(\)|\[\])?`", read(document))
        tap.ok(quoted, f"no function is found in {document}")
        for name in quoted:
            pattern = re.compile(name.replace("NAME", r"\w+"))
            tap.ok(any(pattern.fullmatch(word) for word in words) if "NAME" in name else name in words,
                   f"{document} names {name}")


@tap.test
def tests_in_documents_exist():
    for document in DOCUMENTS:
        for line in re.findall(r"meson test -C build((?: [\w-]+)+)", read(document)):
            for name in line.split():
                tap.ok(name.startswith("-") or name in tests() or name in ("unit", "integration"),
                       f"{document} names the test {name}")


@tap.test
def unit_tests_that_are_left_out_exist():
    names = re.findall(r'^    \[([\w-]+)\]="', read("tests/lib/release-steps"), re.M)
    tap.ok(names, "tests/lib/release-steps leaves none out")
    tap.equal([name for name in names if name not in tests("unit")], [])


@tap.test
def no_two_tests_have_the_same_name():
    names = tests()
    tap.equal(sorted({name for name in names if names.count(name) > 1}), [])


if __name__ == "__main__":
    tap.main()
