"""Members that each have a network of their own, with a router between them that can drop what one sends to another. Needs the
right to make network namespaces."""
import os
import subprocess
import sys
import unittest

import harness

INSIDE = "HOLDFAST_E2E_INSIDE"


def sh(command, check=True):
    return subprocess.run(command, shell=True, check=check, capture_output=True, text=True)


def may_make_networks():
    return os.geteuid() == 0 and harness.have("ip", "unshare", "etcdctl") and sh(
        "unshare --net --mount sh -c 'mount -t tmpfs none /run && ip netns add a && ip link add v0 type veth peer name v1"
        " && ip rule add from 10.9.9.1 to 10.9.9.2 blackhole'", check=False).returncode == 0


class Router:
    """This process's network namespace, in which packets from one member to another can be dropped."""

    def __init__(self, members):
        sh("ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward")
        for number, member in enumerate(members, 1):
            ns = f"m{number}"
            member.host = f"10.9.{number}.2"
            member.prefix = ["ip", "netns", "exec", ns]
            sh(f"ip netns add {ns} && ip link add r{number} type veth peer name eth0 netns {ns}"
               f" && ip addr add 10.9.{number}.1/24 dev r{number} && ip link set r{number} up"
               f" && ip -n {ns} addr add {member.host}/24 dev eth0 && ip -n {ns} link set eth0 up"
               f" && ip -n {ns} link set lo up && ip -n {ns} route add default via 10.9.{number}.1")

    def drop(self, sender, receiver):
        sh(f"ip rule add from {sender.host} to {receiver.host} priority 10 blackhole && ip route flush cache")

    def cut(self, one, others):
        for other in others:
            self.drop(one, other)
            self.drop(other, one)

    def heal(self):
        while sh("ip rule del priority 10", check=False).returncode == 0:
            pass

    def slow(self, member):
        """What goes to and from the member is late, and some of it gets lost. Returns how."""
        number, ns = member.host.split(".")[2], member.prefix[-1]
        for how in ("netem delay 20ms 15ms loss 3%", "tbf rate 300kbit burst 4kb latency 40ms"):
            if all(sh(f"tc {where} qdisc replace dev {device} root {how}", check=False).returncode == 0
                   for where, device in (("", f"r{number}"), (f"-n {ns}", "eth0"))):
                return how
        return None

    def fast(self, member):
        number, ns = member.host.split(".")[2], member.prefix[-1]
        sh(f"tc qdisc del dev r{number} root; tc -n {ns} qdisc del dev eth0 root", check=False)


def main():
    """unittest.main() in a network namespace of its own."""
    if os.environ.get(INSIDE):
        unittest.main()
    elif not may_make_networks():
        print("skipped: network namespaces can't be made here", file=sys.stderr)
    else:
        os.execvpe("unshare", ["unshare", "--net", "--mount", "sh", "-c",
                               'mount -t tmpfs none /run && exec "$@"', "sh", sys.executable, *sys.argv],
                   {**os.environ, INSIDE: "1"})
