# SPDX-License-Identifier: MIT
"""The providers for containers and instances at the real addresses of their services. The program starts itself
again in a new network namespace, whose loopback device has these addresses, so nothing is sent outside."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import credentials_tool
import tap
from container import PATH, Container
from credentials_tool import check_found
from imds import Imds

TOOL = sys.argv.pop(1)
OUTSIDE = "TEST_NETWORK_NAMESPACE_OUTSIDE"
IMDS4, IMDS6 = "169.254.169.254", "fd00:ec2::254"
ECS, EKS4, EKS6 = "169.254.170.2", "169.254.170.23", "fd00:ec2::23"


def namespace():
    return os.readlink("/proc/self/ns/net")


def enter():
    """Starts this program again in a new network namespace, or skips all its tests."""
    for options in ["-n"], ["-r", "-n"]:
        command = ["unshare", *options, "--"]
        try:
            if subprocess.run([*command, "ip", "link", "set", "lo", "up"],
                              stderr=subprocess.DEVNULL, check=False).returncode != 0:
                continue
        except OSError as error:
            tap.skip_all(f"unshare(1) cannot be run: {error}")
        os.environ[OUTSIDE] = namespace()
        sys.argv.insert(1, TOOL)
        os.execvp(command[0], [*command, sys.executable, *sys.argv])
    tap.skip_all("network namespaces cannot be made here (or ip(8) is missing)")


def set_up():
    """Gives the addresses to the loopback device, the only device of the namespace."""
    with open("/proc/net/dev", encoding="ascii") as file:
        devices = [line.split(":")[0].strip() for line in file if ":" in line]
    # A kernel with built-in tunnels adds tunnel devices to each namespace; they are down.
    tunnels = ("tunl", "sit", "gre", "erspan", "ip_vti", "ip6_vti", "ip6tnl", "ip6gre")
    if (namespace() == os.environ[OUTSIDE]
            or any(d != "lo" and not d.startswith(tunnels) for d in devices)):
        sys.exit("this is not a new network namespace: nothing may be sent from here")
    commands = [["link", "set", "lo", "up"]]
    commands += [["addr", "add", f"{a}/32", "dev", "lo"] for a in (IMDS4, ECS, EKS4)]
    for command in commands:
        subprocess.run(["ip", *command], check=True)
    return all(subprocess.run(["ip", "addr", "add", f"{a}/128", "dev", "lo", "nodad"],
                              stderr=subprocess.DEVNULL, check=False).returncode == 0
               for a in (IMDS6, EKS6))


def ask(provider, **env):
    """A stand-in on a slow machine may take longer than the time-outs of one and two seconds."""
    arguments = ["--timeout-ms=30000"] if provider == "container" else []
    return credentials_tool.run(TOOL, provider, *arguments, metadata=True,
                                env={"AWS_METADATA_SERVICE_TIMEOUT": "30", **env})


if OUTSIDE not in os.environ:
    enter()
HAS_IPV6 = set_up()


def need_ipv6():
    if not HAS_IPV6:
        raise tap.Skip("no IPv6 here")


@tap.test
def address_without_a_listener_is_soon_not_reached():
    answers = ask("imds")
    tap.equal(answers.outcome, "not reached")
    tap.ok(f"http://{IMDS4}/" in answers.text and "timed out" not in answers.text, answers.text)


@tap.test
def metadata_service_is_asked_at_its_address():
    with Imds(IMDS4, 80) as imds:
        check_found(ask("imds"), imds.keys.current())
        tap.equal(imds.requests[0].headers["host"], IMDS4)


@tap.test
def metadata_service_is_asked_at_its_ipv6_address():
    need_ipv6()
    with Imds(IMDS6, 80) as imds:
        for env in ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"},
                    {"AWS_IMDS_USE_IPV6": "true"}):
            check_found(ask("imds", **env), imds.keys.current())
        tap.equal(imds.requests[0].headers["host"], f"[{IMDS6}]")
        tap.equal(ask("imds").outcome, "not reached")


@tap.test
def task_gets_its_role_at_the_address_of_ecs():
    with Container(ECS, 80) as container:
        check_found(ask("container", AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=PATH),
                    container.keys.current())


@tap.test
def pod_gets_its_role_at_the_addresses_of_eks():
    need_ipv6()
    for address, host in (EKS4, EKS4), (EKS6, f"[{EKS6}]"):
        with Container(address, 80, token="pod") as container:
            check_found(ask("container",
                            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://{host}{PATH}",
                            AWS_CONTAINER_AUTHORIZATION_TOKEN="pod"), container.keys.current())


if __name__ == "__main__":
    tap.main()
