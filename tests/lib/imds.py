# SPDX-License-Identifier: MIT
"""A stand-in for the EC2 instance metadata service.

    from imds import Imds

    with Imds() as imds:                              # versions 1 and 2, keys for six hours
        run_daemon(env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": imds.url,
                        "AWS_EC2_METADATA_DISABLED": None})
        imds.keys.rotate()                            # new keys from now on
        imds.keys.lifetime = 60                       # keys that expire soon; below 0: expired ones
        imds.v2 = False                               # only version 1: PUT is answered with 404
        imds.v1 = False                               # only version 2: GET without a token, 401
        imds.role = None                              # no role: 404
        imds.replies["keys"] = Reply(500, "oops")     # its answer from now on; also for "token" and
                                                      # "role"; a list: the next answers
        del imds.replies["keys"]

As with the real service, each request for keys must have a valid token; forget_tokens() makes all tokens invalid.
Also a program: imds.py [--address=A] [--port=N] [--role=NAME] [--lifetime=S] [--rotate-every=N]. Needs only the
standard library."""

import argparse
import json
import secrets

from role_keys import RoleKeys
from standin import Reply, StandIn, serve_until_killed

TOKEN_PATH = "/latest/api/token"
ROLES_PATH = "/latest/meta-data/iam/security-credentials/"


class Imds(StandIn):
    def __init__(self, address="127.0.0.1", port=0, *, role="stand-in-role", keys=None):
        self.v1 = True
        self.v2 = True
        self.role = role
        self.keys = keys or RoleKeys(prefix="ASIAIMDS")
        self.replies = {}
        self._tokens = set()
        super().__init__(address, port)

    def forget_tokens(self):
        self._tokens.clear()

    def _instead(self, kind):
        reply = self.replies.get(kind)
        if isinstance(reply, list):
            reply = reply.pop(0) if reply else None
        return reply

    def answer(self, request):
        if request.path == TOKEN_PATH:
            return self._instead("token") or self._token(request)
        if request.method != "GET":
            return Reply(405)
        token = request.headers.get("x-aws-ec2-metadata-token")
        if token is None and not self.v1 or token is not None and token not in self._tokens:
            return Reply(401, "Unauthorized")
        if request.path == ROLES_PATH:
            return self._instead("role") or (Reply(200, self.role) if self.role else Reply(404))
        if self.role and request.path == ROLES_PATH + self.role:
            return self._instead("keys") or self._keys()
        return Reply(404, "Not Found")

    def _token(self, request):
        if not self.v2:
            return Reply(404)
        if request.method != "PUT":
            return Reply(405)
        ttl = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return Reply(400)
        # The service gives no token to a request from a proxy.
        if "x-forwarded-for" in request.headers:
            return Reply(403)
        token = secrets.token_urlsafe(42)
        self._tokens.add(token)
        return Reply(200, token, headers=[("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", ttl)])

    def _keys(self):
        return Reply(200, json.dumps({"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z",
                                      "Type": "AWS-HMAC", **self.keys.next_answer()}, indent=2))


def main():
    parser = argparse.ArgumentParser(description="A stand-in for the instance metadata service")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--role", default="stand-in-role")
    parser.add_argument("--lifetime", type=int, default=6 * 3600)
    parser.add_argument("--rotate-every", type=int, default=0)
    a = parser.parse_args()
    keys = RoleKeys(lifetime=a.lifetime, rotate_every=a.rotate_every, prefix="ASIAIMDS")
    serve_until_killed(Imds(a.address, a.port, role=a.role, keys=keys), "imds")


if __name__ == "__main__":
    main()
