"""Ports of 127.0.0.1 for servers that may go down and come up again. `free_ports.py COUNT` prints some."""
import random
import socket
import sys

RESERVED = []  # the sockets that hold the ports


def free_ports(count):
    """Kept for this process's servers until it ends, whether they are up or down. A socket bound and not listening keeps
    other tests away; with SO_REUSEADDR, set when the port is had, it lets in a server that sets the same, as holdfast and
    all of Go's do. Below what the kernel gives to outgoing connections, since in a network namespace nothing is held."""
    ports = []
    while len(ports) < count:
        port = random.randrange(12000, 32000)
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            s.close()
            continue
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        RESERVED.append(s)
        ports.append(port)
    return ports


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1])))
