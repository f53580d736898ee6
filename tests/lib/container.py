# SPDX-License-Identifier: MIT
"""A stand-in for the endpoint from which containers get the keys of their role (ECS, EKS Pod Identity).

    from container import Container

    with Container(token="Bearer abc") as container:
        run_daemon(env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.credentials_url,
                        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer abc"})
        container.keys.rotate()                 # new keys from now on
        container.token = "Bearer def"          # the required token; None: none is required
        container.reply = Reply(500, "oops")    # its answer from now on; a list: the next answers
        container.reply = None

Also a program: container.py [--address=A] [--port=N] [--token=T] [--lifetime=S] [--rotate-every=N].
Needs only the standard library."""

import argparse
import json

from role_keys import RoleKeys
from standin import Reply, StandIn, serve_until_killed

PATH = "/v2/credentials/stand-in"


class Container(StandIn):
    def __init__(self, address="127.0.0.1", port=0, *, token=None, keys=None):
        self.token = token
        self.keys = keys or RoleKeys(prefix="ASIACONTAINER")
        self.reply = None
        super().__init__(address, port)
        self.credentials_url = self.url + PATH

    def answer(self, request):
        instead = self.reply
        if isinstance(instead, list):
            instead = instead.pop(0) if instead else None
        if instead:
            return instead
        if request.method != "GET" or request.path.split("?")[0] != PATH:
            return self._error(404, "InvalidPath", "no such path")
        if self.token is not None and request.headers.get("authorization") != self.token:
            return self._error(401, "AccessDenied", "wrong token")
        return Reply(200, json.dumps({"RoleArn": "arn:aws:iam::000000000000:role/stand-in",
                                      **self.keys.next_answer()}), "application/json")

    @staticmethod
    def _error(status, code, message):
        return Reply(status, json.dumps({"code": code, "message": message}), "application/json")


def main():
    parser = argparse.ArgumentParser(description="A stand-in for a container's credentials endpoint")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token")
    parser.add_argument("--lifetime", type=int, default=6 * 3600)
    parser.add_argument("--rotate-every", type=int, default=0)
    a = parser.parse_args()
    keys = RoleKeys(lifetime=a.lifetime, rotate_every=a.rotate_every, prefix="ASIACONTAINER")
    serve_until_killed(Container(a.address, a.port, token=a.token, keys=keys), "container")


if __name__ == "__main__":
    main()
