#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""galera-check measured: load, resets, CPU of an answer, clients that misbehave, HAProxy, a frozen database server.

    bench/check_bench.py [--quick] [--clustercheck PATH]

It starts a MariaDB of its own with Galera, on the loopback only. With --clustercheck the peer is measured in the same
run, under xinetd without limits. It prints Markdown.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench import check_load  # noqa: E402
from bench.one_server import Check, Server, exchange, free_port, missing, until  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
CLIENTS = 50


def cpu(pid, children=False):
    """Seconds of CPU that a process used; children: with those of its ended children."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(int(fields[index]) for index in ((11, 12, 13, 14) if children else (11, 12))) / TICK


def load_row(name, port, pid, requests, children=False):
    """One row of the table of loads."""
    before = cpu(pid, children)
    load = check_load.run(port, CLIENTS, requests)
    spent = cpu(pid, children) - before
    failed = ", ".join("%d %s" % (count, word) for word, count in list(zip(check_load.OUTCOMES, load.outcomes))[1:]
                       if count)
    return "| %s | %d | %.0f/s | %.2f ms | %.2f ms | %.1f ms | %.1f us | %s |" % (
        name, load.total, load.rate, load.quantile(0.5) * 1e3, load.quantile(0.99) * 1e3, load.latencies[-1] * 1e3,
        spent / load.total * 1e6, failed or "none")


class Nuisance:
    """Clients that connect and send nothing, half a request, or one without end."""

    def __init__(self, port, silent=500, half=250, endless=20):
        self.sockets = []
        for count, data in ((silent, b""), (half, b"GET / HT"), (endless, b"GET /" + b"x" * 1000000)):
            for _ in range(count):
                one = socket.create_connection(("127.0.0.1", port), 5)
                one.setblocking(False)
                try:
                    one.send(data) if data else None
                except OSError:
                    pass  # the check refused it and closed the connection, as it should
                self.sockets.append(one)

    def end(self):
        for one in self.sockets:
            one.close()


def loads(server, check, options, requests):
    """The table of loads, ours and the peer's."""
    lines = ["| %d clients | requests | rate | median | p99 | longest | CPU an answer | failed |" % CLIENTS,
             "|---|---|---|---|---|---|---|---|"]
    pid = check.process.pid
    lines.append(load_row("galera-check", check.port, pid, requests))
    nuisance = Nuisance(check.port)
    lines.append(load_row("the same, beside 770 clients that send nothing, half a request, or no end", check.port, pid,
                          requests // 5))
    nuisance.end()
    if options.clustercheck:
        with Peer(server, options.clustercheck) as peer:
            lines.append(load_row("clustercheck under xinetd", peer.port, peer.process.pid, min(requests, 500), True))
    return lines


class Peer:
    """clustercheck under an xinetd of its own."""

    def __init__(self, server, path):
        self.port, self._config = free_port(), os.path.join(server.home, "xinetd.conf")
        with open(self._config, "w", encoding="ascii") as file:
            file.write("defaults\n{\n cps = 100000 1\n instances = UNLIMITED\n per_source = UNLIMITED\n}\nservice peer\n{\n"
                       " type = UNLISTED\n socket_type = stream\n protocol = tcp\n bind = 127.0.0.1\n port = %d\n wait = no\n"
                       " user = root\n server = %s\n env = MYSQL_USERNAME=root DEFAULTS_EXTRA_FILE=%s\n}\n"
                       % (self.port, os.path.abspath(path), server.credentials))

    def __enter__(self):
        self.process = subprocess.Popen(["xinetd", "-dontfork", "-f", self._config], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, 10, "an answer of clustercheck")
        return self

    def _answers(self):
        try:
            return exchange(self.port, check_load.REQUEST)
        except OSError:
            return True

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def frozen(server, check, rounds):
    """SIGSTOP of the server: after how long the answer is 503, the longest request meanwhile, after how long it is 200
    again."""
    refused, longest, back = [], 0.0, []
    for _ in range(rounds):
        until(lambda: check.get() == 200, 10, "a node that serves")
        for number, wanted, into in ((signal.SIGSTOP, 503, refused), (signal.SIGCONT, 200, back)):
            server.signal(number)
            begin, changed = time.monotonic(), None
            while time.monotonic() < begin + 1.5 or changed is None:
                asked = time.monotonic()
                status = check.get(timeout=10)
                longest = max(longest, time.monotonic() - asked)
                if status == wanted and changed is None:
                    changed = time.monotonic() - begin
                time.sleep(0.003)
            into.append(changed)
    refused.sort()
    back.sort()
    return ["", "| SIGSTOP of mariadbd, %d times | median | longest |" % rounds, "|---|---|---|",
            "| until the answer is 503 | %.2f s | %.2f s |" % (refused[rounds // 2], refused[-1]),
            "| a request in all that time | | %.1f ms |" % (longest * 1e3),
            "| SIGCONT until the answer is 200 | %.2f s | %.2f s |" % (back[rounds // 2], back[-1])]


HAPROXY = """\
global
    stats socket {home}/haproxy.sock
defaults
    mode tcp
    timeout connect 2s
    timeout client 5s
    timeout server 5s
listen galera
    bind 127.0.0.1:{listen}
    option httpchk GET /
    server one 127.0.0.1:{mysql} check port {check} inter 50ms
"""


def haproxy(server, check, checks):
    """How long HAProxy's own checks take, by its own clock."""
    if not shutil.which("haproxy"):
        return ["", "HAProxy is not installed: its checks were not measured."]
    config = os.path.join(server.home, "haproxy.cfg")
    with open(config, "w", encoding="ascii") as file:
        file.write(HAPROXY.format(home=server.home, listen=free_port(), mysql=server.port, check=check.port))
    process = subprocess.Popen(["haproxy", "-db", "-f", config], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    try:
        control = os.path.join(server.home, "haproxy.sock")
        until(lambda: os.path.exists(control) and stat(control).get("check_status") == "L7OK", 10, "L7OK")
        durations = []
        for _ in range(checks):
            durations.append(int(stat(control)["check_duration"]))
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    durations.sort()
    return ["", "HAProxy's check (L7OK, %d times, by its own clock in whole ms): median %d ms, longest %d ms." % (
        checks, durations[checks // 2], durations[-1])]


def stat(path):
    """HAProxy's row of the server, {column: value}."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)
        one.sendall(b"show stat\n")
        data = b""
        while True:
            more = one.recv(65536)
            if not more:
                break
            data += more
    rows = [line.split(",") for line in data.decode().lstrip("# ").splitlines() if line]
    return next(dict(zip(rows[0], row)) for row in rows if row[1] == "one")


def versions(server):
    with open("/proc/loadavg", encoding="ascii") as file:
        busy = file.read().split()[0]
    return "MariaDB %s, Python %s, %d cores (load %s before), %s." % (
        server.sql("SELECT VERSION()")[0][0], sys.version.split()[0], os.cpu_count(), busy, time.strftime("%Y-%m-%d"))


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="10,000 requests instead of 100,000")
    options.add_argument("--clustercheck", metavar="PATH", help="measure this clustercheck as well (needs xinetd)")
    options = options.parse_args()
    reason = missing() or (options.clustercheck and not shutil.which("xinetd") and "xinetd is not installed")
    if reason:
        sys.stderr.write("check_bench: %s\n" % reason)
        return 1
    server, check = Server(), None
    try:
        server.start()
        check = Check(server)
        lines = [versions(server), ""] + loads(server, check, options, 10000 if options.quick else 100000)
        lines += haproxy(server, check, 20 if options.quick else 100)
        lines += frozen(server, check, 3 if options.quick else 10)
        print("\n".join(lines))
    finally:
        if check is not None:
            check.stop()
        server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
