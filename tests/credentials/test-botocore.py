# SPDX-License-Identifier: MIT
"""Paths of the shared files and old names of FIPS regions have the same meaning as for botocore. Skipped without
botocore."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap

TOOL = sys.argv.pop(1)
PRODUCER = os.path.join(os.environ["BUILD_ROOT"], "src", "producerd", "sqs-producerd")

# Both programs read an environment from each line, as JSON, and answer with a line.
ASK_KEYS = """
import json, os, sys
import botocore.session
for line in sys.stdin:
    os.environ.clear()
    os.environ.update(json.loads(line))
    keys = botocore.session.Session().get_credentials()
    print(keys.access_key if keys else "none")
"""
ASK_REGION = """
import json, os, sys
import botocore.session
for line in sys.stdin:
    os.environ.clear()
    os.environ.update(json.loads(line))
    client = botocore.session.Session().create_client("sqs", aws_access_key_id="a",
                                                      aws_secret_access_key="b")
    print(client.meta.region_name, client.meta.endpoint_url.rstrip("/"))
"""


def need_botocore():
    try:
        import botocore.session  # pylint: disable=unused-import,import-outside-toplevel
    except ImportError:
        raise tap.Skip("botocore is not installed")


def ask_botocore(program, environments):
    base = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                          input="".join(json.dumps({**base, **env}) + "\n" for env in environments),
                          env=base, check=False)
    tap.equal(done.returncode, 0, done.stderr)
    return done.stdout.splitlines()


PATHS = ["$D/keys", "${D}/keys", "$D/$K", "${D}/${K}", "$D/k$E${REST}", "~/keys", "$TILDE/keys",
         "$HOME/keys", "$HOME/./$K", "$NONE/keys", "$D/$NONE", "${D/keys", "$D/${}", "$D/$", "$D/$$K",
         "$DOLLAR/keys", "\\$D/keys", "$D/a b", "$D/${A B}", "~nobody-here/keys", "$D/keys/", "$D"]


def check_paths(variable, profile):
    need_botocore()
    with tempfile.TemporaryDirectory(prefix="test-botocore-") as folder:
        for name in "keys", "$NONE", "${}", "$", "$keys", "a b", "\\keys":
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(f"[{profile}]\naws_access_key_id = KEY{len(name)}\n"
                           "aws_secret_access_key = SEKRET\n")
        env = {"HOME": folder + "/", "D": folder, "K": "keys", "E": "e", "REST": "ys", "TILDE": "~",
               "DOLLAR": "$D"}
        n_found = 0
        answers = ask_botocore(ASK_KEYS, [{**env, variable: path} for path in PATHS])
        for path, theirs in zip(PATHS, answers, strict=True):
            ours = credentials_tool.run(TOOL, "chain", env={**env, variable: path})
            found = getattr(ours, "access_key_id", "none") if ours.outcome == "found" else "none"
            tap.equal(found, theirs, f"{variable}={path}: {ours}")
            n_found += found != "none"
            if "NONE" in path and found == "none":
                tap.ok(f"{variable} names {path.replace('$D', folder)}: no such file" in ours.text,
                       ours.text)
        tap.ok(n_found >= 10, f"{n_found} found")


tap.add("AWS_SHARED_CREDENTIALS_FILE is expanded as by botocore", check_paths,
        "AWS_SHARED_CREDENTIALS_FILE", "default")
tap.add("AWS_CONFIG_FILE is expanded as by botocore", check_paths, "AWS_CONFIG_FILE", "default")


REGIONS = ["us-east-1", "fips-us-east-1", "us-east-1-fips", "fips-us-gov-west-1", "us-fips-west-2",
           "fips-us-east-1-fips", "fips-ca-central-1"]


@tap.test
def region_with_fips_in_its_name_has_the_endpoint_of_botocore():
    need_botocore()
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write('aws: { queue_url = "https://queue.invalid/1/q"; };\n')
        file.flush()
        answers = ask_botocore(ASK_REGION, [{"AWS_DEFAULT_REGION": region} for region in REGIONS])
        for region, wanted in zip(REGIONS, answers, strict=True):
            done = subprocess.run([PRODUCER, f"--config={file.name}", "--check-config"], text=True,
                                  env={"AWS_DEFAULT_REGION": region}, capture_output=True,
                                  check=False, timeout=60)
            tap.equal(done.returncode, 0, done.stderr)
            lines = dict(line[2:].split(": ", 1) for line in done.stdout.splitlines()
                         if line.startswith("# ") and ": " in line)
            found = lines["region"].split()[0] + " " + lines["requests go to"].split()[0].rstrip("/")
            tap.equal(found, wanted, region)


if __name__ == "__main__":
    tap.main()
