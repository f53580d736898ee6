#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signs random requests with botocore and with sign-request, and compares every stage.

Usage: test-signature-botocore.py SIGN_REQUEST. Prints TAP. The variables SEED and REQUESTS set the seed and the
number of the requests; a difference is printed with its seed.
"""
import json
import os
import random
import string
import subprocess
import sys
import time

try:
    import botocore
    from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError as e:
    print(f"1..0 # SKIP python3 cannot import botocore ({e})")
    sys.exit(0)

SEED = int(os.environ.get("SEED", "20150830"))
REQUESTS = int(os.environ.get("REQUESTS", "400"))

UNRESERVED = string.ascii_letters + string.digits + "-._~"
UTF8 = "äßéñ€ሴ日本𝄞😀"
STAGES = ("host", "canonical", "string_to_sign", "authorization")


def text(rng, alphabet, low, high):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


def percent(rng, alphabet, low, high):
    """Percent-encoded text in its normal form, so that both encode it in the same way."""
    return "".join(c if c in UNRESERVED else "".join(f"%{b:02X}" for b in c.encode())
                   for c in text(rng, alphabet, low, high))


def random_path(rng):
    if rng.random() < 0.2:
        return rng.choice(["", "/"])
    segments = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.random()
        if kind < 0.1:
            segments.append("")
        elif kind < 0.2:
            segments.append(".")
        elif kind < 0.3:
            segments.append("..")
        elif kind < 0.5:
            segments.append(percent(rng, UNRESERVED + " %+/?" + UTF8, 1, 12))
        elif kind < 0.6:
            segments.append(text(rng, UNRESERVED + UTF8, 1, 8))
        else:
            segments.append(text(rng, UNRESERVED + "!$&'()*+,;=:@", 1, 12))
    # Two slashes at the start would begin a host name.
    return "/" + "/".join(segments).lstrip("/") + rng.choice(["", "", "/"])


def random_query(rng):
    if rng.random() < 0.4:
        return ""
    keys = [percent(rng, UNRESERVED + " +=&/" + UTF8, 1, 6) for _ in range(rng.randint(1, 5))]
    keys += [k + "-3" for k in keys[:2]]
    return "&".join(rng.choice(keys) + "=" + percent(rng, UNRESERVED + " +=&/%" + UTF8, 0, 6)
                    for _ in range(rng.randint(1, 12)))


def random_origin(rng):
    host = rng.choice(["sqs.eu-west-1.amazonaws.com", "SQS.Us-East-1.amazonaws.com", "localhost",
                       "127.0.0.1", "[::1]", "[fd00:ec2::254]", "gate.example.org"])
    port = rng.choice(["", "", ":80", ":443", ":8080", ":9324", ":65535"])
    return rng.choice(["http", "https"]) + "://" + host + port


def random_headers(rng):
    headers = [["Content-Type", "application/x-amz-json-1.0"],
               ["X-Amz-Target", "AmazonSQS." + text(rng, string.ascii_letters, 4, 20)]]
    for _ in range(rng.randint(0, 8)):
        name = rng.choice(["X-Amz-", "x-custom-", "My-Header", "A", "z"]) + text(rng, "ab1-", 0, 3)
        words = [text(rng, string.ascii_letters + string.digits + '";,=/+' + UTF8, 1, 9)
                 for _ in range(rng.randint(0, 5))]
        value = rng.choice(["", " ", "\t "]) + rng.choice([" ", "  ", " \t "]).join(words)
        headers.append([rng.choice([name, name.lower(), name.upper()]), value + rng.choice(["", "  "])])
    for name in ("User-Agent", "Connection", "Expect", "X-Amzn-Trace-Id"):
        # An older botocore signs "Connection", which belongs to one hop and must not be signed.
        if rng.random() < 0.3 and name.lower() in SIGNED_HEADERS_BLACKLIST:
            headers.append([name, text(rng, string.ascii_letters, 1, 9)])
    rng.shuffle(headers)
    return headers


def random_request(rng):
    token = text(rng, string.ascii_letters + string.digits + "+/=", 16, 600)
    headers = random_headers(rng)
    request = {
        "origin": random_origin(rng),
        "method": rng.choice(["POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD"]),
        "path": random_path(rng),
        "query": random_query(rng),
        "headers": headers,
        "body": text(rng, string.printable + UTF8, 0, rng.choice([0, 10, 2000])),
        "region": rng.choice(["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]),
        "service": rng.choice(["sqs", "sqs", "sts"]),
        "time": rng.randint(1000000000, 4000000000),
        "access_key_id": "AKIA" + text(rng, string.ascii_uppercase + "234567", 16, 16),
        "secret_access_key": text(rng, string.ascii_letters + string.digits + "+/", 40, 40),
    }
    return request, token if rng.random() < 0.5 else None


def sign_with_botocore(r, token):
    url = r["origin"] + r["path"] + ("?" + r["query"] if r["query"] else "")
    request = AWSRequest(method=r["method"], url=url, data=r["body"].encode())
    for name, value in r["headers"]:
        request.headers.add_header(name, value)
    credentials = Credentials(r["access_key_id"], r["secret_access_key"], token)
    auth = SigV4Auth(credentials, r["service"], r["region"])
    # The steps of add_auth, with a given clock.
    request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(r["time"]))
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    to_sign = auth.string_to_sign(request, canonical)
    auth._inject_signature_to_request(request, auth.signature(to_sign, request))
    host = [line[5:] for line in canonical.split("\n") if line.startswith("host:")]
    return {"host": host[0], "canonical": canonical, "string_to_sign": to_sign,
            "authorization": request.headers["Authorization"]}


def main():
    rng = random.Random(SEED)
    requests, want = [], []
    for _ in range(REQUESTS):
        request, token = random_request(rng)
        want.append(sign_with_botocore(request, token))
        if token:
            request["headers"].append(["X-Amz-Security-Token", token])
        requests.append(request)

    lines = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in requests)
    ours = subprocess.run([sys.argv[1]], input=lines.encode(), stdout=subprocess.PIPE, check=False,
                          timeout=60)
    have = [json.loads(line) for line in ours.stdout.decode().splitlines()]

    print(f"# {REQUESTS} requests, seed {SEED}, botocore {botocore.__version__}")
    print(f"1..{len(STAGES) + 1}")
    complete = ours.returncode == 0 and len(have) == REQUESTS
    print(f"{'ok' if complete else 'not ok'} 1 - every request was signed")
    failed = not complete
    for number, stage in enumerate(STAGES, 2):
        wrong = [i for i, (h, w) in enumerate(zip(have, want)) if h[stage] != w[stage]]
        for i in wrong[:3]:
            print(f"# request {i}: {json.dumps(requests[i])}")
            print(f"#   botocore: {json.dumps(want[i][stage])}")
            print(f"#   ours:     {json.dumps(have[i][stage])}")
        failed = failed or bool(wrong)
        print(f"{'not ok' if wrong or not complete else 'ok'} {number} - {stage} agrees with "
              f"botocore's in {REQUESTS} requests")
    sys.exit(1 if failed else 0)


main()
