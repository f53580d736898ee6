# SPDX-License-Identifier: MIT
"""A stand-in for AWS's Security Token Service: AssumeRole and AssumeRoleWithWebIdentity in the query protocol. It
verifies the signature of AssumeRole with code of its own.

    from sts import Sts, error

    with Sts({"AKID": ("secret", None)}) as sts:        # the accepted keys: id -> (secret, session token)
        run_daemon(env={"AWS_ENDPOINT_URL_STS": sts.url, ...})
        sts.calls                                       # a dict for each call: its parameters, and "signer"
        sts.keys.lifetime = 60                          # keys expire in a minute
        sts.reply = error("AccessDenied", 403)          # its answer from now on; a list: the next answers
        sts.reply = None
        sts.clock_offset = 3600                         # its clock is an hour ahead
        sts.web_identity_tokens = {"eyJ..."}            # the accepted tokens; None: any

The keys in its answers are accepted, too. Each answer has new keys unless `keys` is given.

Also a program: sts.py [--port=N] [--access-key-id=ID --secret-access-key=S] [--lifetime=S]
[--region=R] [--mode=ok|expiring|denied|idp-then-ok|garbage|503]. Needs only the standard library."""

import argparse
import datetime
import email.utils
import hashlib
import hmac
import re
import time
import urllib.parse
from xml.sax.saxutils import escape

from role_keys import RoleKeys
from standin import Reply, StandIn, serve_until_killed

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
ALLOWED_SKEW = 15 * 60
PARAMETERS = {
    "AssumeRole": {"RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId"},
    "AssumeRoleWithWebIdentity": {"RoleArn", "RoleSessionName", "DurationSeconds",
                                  "WebIdentityToken"},
}


def error(code, status=400, message="No."):
    """An error in the form of STS."""
    sender = "Sender" if status < 500 else "Receiver"
    return Reply(status, f'<ErrorResponse xmlns="{NAMESPACE}">\n  <Error>\n    <Type>{sender}'
                 f"</Type>\n    <Code>{code}</Code>\n    <Message>{escape(message)}</Message>\n"
                 "  </Error>\n  <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\n"
                 "</ErrorResponse>\n", "text/xml")


class Refused(Exception):
    """The request is refused with this error."""

    def __init__(self, code, message, status=403):
        super().__init__(message)
        self.reply = error(code, status, message)


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Sts(StandIn):
    def __init__(self, signers=None, address="127.0.0.1", port=0, *, keys=None,
                 region="eu-west-1"):
        self.signers = dict(signers or {})
        self.keys = keys or RoleKeys(prefix="ASIAROLE", rotate_every=1, lifetime=3600)
        self.region = region
        self.reply = None
        self.clock_offset = 0
        self.web_identity_tokens = None
        self.calls = []
        super().__init__(address, port)

    def now(self):
        return time.time() + self.clock_offset

    def answer(self, request):
        instead = self.reply
        if isinstance(instead, list):
            instead = instead.pop(0) if instead else None
        try:
            parameters = self._parameters(request)
            signer = self._signer(request, parameters["Action"])
            self.calls.append({**parameters, "signer": signer})
            reply = instead or self._assume(parameters)
        except Refused as refused:
            reply = refused.reply
        if not any(name == "Date" for name, _ in reply.headers):
            reply.headers = [*reply.headers,
                             ("Date", email.utils.formatdate(self.now(), usegmt=True))]
        return reply

    def _parameters(self, request):
        if request.method != "POST" or request.path != "/":
            raise Refused("InvalidAction", f"{request.method} {request.path}", 400)
        if request.headers.get("content-type") != \
                "application/x-www-form-urlencoded; charset=utf-8":
            raise Refused("MalformedInput", "content type", 400)
        pairs = urllib.parse.parse_qsl(request.body.decode("ascii"), keep_blank_values=True,
                                       strict_parsing=True)
        parameters = dict(pairs)
        if len(parameters) != len(pairs):
            raise Refused("MalformedInput", "a parameter is there twice", 400)
        known = PARAMETERS.get(parameters.get("Action"))
        if known is None or parameters.get("Version") != "2011-06-15":
            raise Refused("InvalidAction", "no such action and version", 400)
        unknown = set(parameters) - known - {"Action", "Version"}
        if unknown:
            raise Refused("ValidationError", f"unknown: {unknown}", 400)
        return parameters

    def _signer(self, request, action):
        """Verifies the signature; returns its access key id, or None if the action is not signed."""
        headers = request.headers
        if action == "AssumeRoleWithWebIdentity":
            if "authorization" in headers:
                raise Refused("IncompleteSignature", "this action is not signed", 400)
            return None
        form = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/"
                            r"aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
                            headers.get("authorization", ""))
        if not form:
            raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token")
        key_id, day, region, service, signed, signature = form.groups()
        date = headers.get("x-amz-date", "")
        if (region, service, day) != (self.region, "sts", date[:8]):
            raise Refused("SignatureDoesNotMatch",
                          f"Credential should be scoped to {self.region}/sts")
        if key_id not in self.signers:
            raise Refused("InvalidClientTokenId",
                          "The security token included in the request is invalid.")
        secret, token = self.signers[key_id]
        if headers.get("x-amz-security-token") != token:
            raise Refused("InvalidClientTokenId",
                          "The security token included in the request is invalid.")
        names = signed.split(";")
        must = {"host", "x-amz-date"} | ({"x-amz-security-token"} if token else set())
        if names != sorted(names) or not must <= set(names):
            raise Refused("SignatureDoesNotMatch", f"these headers must be signed: {must}")
        canonical = "\n".join(
            ["POST", request.path, ""]
            + [f"{name}:{' '.join(headers.get(name, '').split())}" for name in names]
            + ["", signed, hashlib.sha256(request.body).hexdigest()])
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        if not hmac.compare_digest(_hmac(key, text).hex(), signature):
            raise Refused("SignatureDoesNotMatch", "The request signature we calculated does not "
                          "match the signature you provided.")
        self._check_date(date)
        return key_id

    def _check_date(self, date):
        then = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(
            tzinfo=datetime.timezone.utc).timestamp()
        if then < self.now() - ALLOWED_SKEW:
            raise Refused("SignatureDoesNotMatch", f"Signature expired: {date} is now too early")
        if then > self.now() + ALLOWED_SKEW:
            raise Refused("SignatureDoesNotMatch", f"Signature not yet current: {date}")

    def _assume(self, parameters):
        action = parameters["Action"]
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", parameters.get("RoleSessionName", ""), re.ASCII):
            raise Refused("ValidationError", "RoleSessionName", 400)
        if not parameters.get("RoleArn", "").startswith("arn:"):
            raise Refused("ValidationError", "RoleArn", 400)
        if not 900 <= int(parameters.get("DurationSeconds", 3600)) <= 43200:
            raise Refused("ValidationError", "DurationSeconds", 400)
        if action == "AssumeRoleWithWebIdentity":
            token = parameters.get("WebIdentityToken", "")
            if self.web_identity_tokens is not None and token not in self.web_identity_tokens:
                raise Refused("InvalidIdentityToken", "The token cannot be validated.", 400)
        keys = self.keys.next_answer()
        expiry = datetime.datetime.fromtimestamp(self.now() + self.keys.lifetime,
                                                 datetime.timezone.utc)
        self.signers[keys["AccessKeyId"]] = (keys["SecretAccessKey"], keys["Token"])
        name = parameters["RoleSessionName"]
        return Reply(200, f'<{action}Response xmlns="{NAMESPACE}">\n  <{action}Result>\n'
                     "    <AssumedRoleUser>\n"
                     f"      <AssumedRoleId>AROAEXAMPLE:{escape(name)}</AssumedRoleId>\n"
                     f"      <Arn>{escape(parameters['RoleArn'])}</Arn>\n"
                     "    </AssumedRoleUser>\n    <Credentials>\n"
                     f"      <AccessKeyId>{keys['AccessKeyId']}</AccessKeyId>\n"
                     f"      <SecretAccessKey>{keys['SecretAccessKey']}</SecretAccessKey>\n"
                     f"      <SessionToken>{keys['Token']}</SessionToken>\n"
                     f"      <Expiration>{expiry:%Y-%m-%dT%H:%M:%SZ}</Expiration>\n"
                     f"    </Credentials>\n  </{action}Result>\n  <ResponseMetadata>\n"
                     "    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>\n"
                     f"  </ResponseMetadata>\n</{action}Response>\n", "text/xml")


def set_mode(sts, mode):
    """Sets a mode of the program."""
    if mode == "expiring":
        sts.keys.lifetime = 60
    elif mode != "ok":
        sts.reply = {"denied": error("AccessDenied", 403), "garbage": Reply(200, "garbage"),
                     "503": Reply(503, "<html>down</html>", "text/html"),
                     "idp-then-ok": [error("IDPCommunicationError")]}[mode]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--access-key-id", default="AKIAIOSFODNN7EXAMPLE")
    parser.add_argument("--secret-access-key", default="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    parser.add_argument("--lifetime", type=int, default=3600)
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument("--mode", default="ok",
                        choices=["ok", "expiring", "denied", "idp-then-ok", "garbage", "503"])
    a = parser.parse_args()
    sts = Sts({a.access_key_id: (a.secret_access_key, None)}, port=a.port, region=a.region)
    sts.keys.lifetime = a.lifetime
    set_mode(sts, a.mode)
    serve_until_killed(sts, "sts")


if __name__ == "__main__":
    main()
