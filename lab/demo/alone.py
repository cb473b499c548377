# SPDX-License-Identifier: Apache-2.0
"""The demo on a machine where no cluster can run: a Galera node, the agent's actions, the check behind HAProxy."""

import os
import shutil
import signal
import subprocess
import tempfile

from lab import ROOT, LabError
from lab.demo.alone_node import Alone, until

CHECK, FRONT, STATS = "127.0.0.1:29200", "127.0.0.1:29306", "haproxy.sock"
HAPROXY = """\
global
    stats socket {home}/{stats} mode 600 level admin
defaults
    mode tcp
    timeout connect 2s
    timeout client 1m
    timeout server 1m
listen galera
    bind {front}
    option httpchk GET /
    http-check disable-on-404
    default-server check port 29200 inter 500ms fall 2 rise 2 on-marked-down shutdown-sessions
    server n1 127.0.0.1:{port}
"""


def run(show):
    """Run it; needs the packages of scripts/packages.alone. Returns the exit code."""
    if os.geteuid() != 0:
        show("This needs root as well: the server runs as its own user. Run it with sudo.")
        return 1
    home = tempfile.mkdtemp(prefix="quorate-demo-")
    node, processes = Alone(home, 29306 + 1000), []
    try:
        _scenes(show, node, processes)
        return 0
    except AssertionError as error:
        raise LabError(str(error)) from None
    finally:
        for process in processes:
            process.terminate()
            process.wait(10)
        node.end()
        shutil.rmtree(home, ignore_errors=True)


def _scenes(show, node, processes):
    show.title("One Galera node on this machine, the agent called directly")
    for action in ("monitor", "start", "promote", "monitor"):
        _act(show, node, action)
    show.title("galera-check behind HAProxy")
    processes.append(subprocess.Popen(
        [os.path.join(ROOT, "checks", "galera-check"), "--listen", CHECK, "--socket", node.path("run", "my.sock")],
        stdin=subprocess.DEVNULL))
    config = node.path("haproxy.cfg")
    with open(config, "w", encoding="ascii") as file:
        file.write(HAPROXY.format(home=node.home, stats=STATS, front=FRONT, port=node.port))
    processes.append(subprocess.Popen(["/usr/sbin/haproxy", "-f", config], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    until(lambda: _state(node) == "UP")
    show("   HAProxy sees the node: UP")
    show.title("The server hangs (SIGSTOP)")
    node.kill(signal.SIGSTOP)
    until(lambda: _state(node) == "DOWN")
    show("   HAProxy sees the node: DOWN")
    for action in ("monitor", "demote", "promote", "monitor"):
        _act(show, node, action)
    until(lambda: _state(node) == "UP")
    show("   HAProxy sees the node: UP")
    show.title("The end")
    _act(show, node, "stop")


def _act(show, node, action):
    """Run one action as an operator would, and print its output."""
    code, _, text = node.act(action, interactive=True)
    show("   %s -> %d" % (action, code))
    for line in text.splitlines():
        show("       " + line)


def _state(node):
    """HAProxy's state of the node; None while HAProxy does not answer."""
    import socket
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(node.path(STATS))
            one.sendall(b"show stat\n")
            text = b"".join(iter(lambda: one.recv(65536), b"")).decode()
    except OSError:
        return None
    for line in text.splitlines():
        fields = line.split(",")
        if fields[:2] == ["galera", "n1"]:
            return fields[17].split(" ")[0]
    return None
