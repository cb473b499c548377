#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""haproxy-check measured: what one run costs, also when HAProxy is killed or stopped.

    bench/proxy_bench.py [--runs N]

It starts an HAProxy of its own on the loopback with 20 listeners of three servers each, as a control plane has, and
prints Markdown.
"""

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench.one_server import free_port, until  # noqa: E402
from lab import ROOT  # noqa: E402

CHECK = os.path.join(ROOT, "checks", "haproxy-check")
LISTENERS = 20


def config(home):
    """The text of haproxy.cfg."""
    lines = ["global", "    stats socket %s/admin.sock level user" % home, "defaults", "    mode http",
             "    timeout connect 1s",
             "    timeout client 5s", "    timeout server 5s"]
    back = free_port()
    for number in range(LISTENERS):
        lines += ["listen api%d" % number, "    bind 127.0.0.1:%d" % free_port()]
        lines += ["    server n%d 127.0.0.1:%d" % (each, back) for each in range(3)]
    return "\n".join(lines) + "\n"


def runs(argv, number):
    """(wall of each run, sorted; average CPU of one) of a command, in seconds; it is run `number` times, one after the
    other."""
    found, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(number):
        began = time.perf_counter()
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)
        found.append(time.perf_counter() - began)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sorted(found), (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / number


def row(name, argv, number):
    """One row of the table."""
    walls, cpu = runs(argv, number)
    return "| %s | %.1f ms | %.1f ms | %.1f ms | %.1f ms |" % (
        name, walls[0] * 1e3, walls[number // 2] * 1e3, walls[number * 9 // 10] * 1e3, cpu * 1e3)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=200, help="number of runs")
    options = options.parse_args()
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
    if not program:
        sys.stderr.write("proxy_bench: HAProxy is not installed: apt-get install haproxy\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="quorate-proxy-") as home:
        path, control = os.path.join(home, "haproxy.cfg"), os.path.join(home, "admin.sock")
        with open(path, "w", encoding="ascii") as file:
            file.write(config(home))
        pidfile = os.path.join(home, "pid")
        process = subprocess.Popen([program, "-W", "-db", "-f", path, "-p", pidfile], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)  # master and worker, as systemd has it
        words = [CHECK, "--socket", control, "--pidfile", pidfile]
        try:
            until(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode == 0, 20, "HAProxy")
            with open("/proc/loadavg", encoding="ascii") as file:
                busy = file.read().split()[0]
            version = subprocess.run([program, "-v"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()[2]
            print("HAProxy %s, Python %s, %d cores (load %s before), %s.\n" % (
                version, subprocess.run(["/usr/bin/python3", "-V"], stdout=subprocess.PIPE, text=True,
                                        check=False).stdout.split()[1],
                os.cpu_count(), busy, time.strftime("%Y-%m-%d")))
            print("| %d times | shortest | median | nine of ten | CPU |\n|---|---|---|---|---|" % options.runs)
            print(row("`python3 -I -c pass`, for comparison", ["/usr/bin/python3", "-I", "-c", "pass"], options.runs))
            print(row("`haproxy-check`, %d listeners, %d servers" % (LISTENERS, 3 * LISTENERS), words, options.runs))
            with open("/proc/%d/task/%d/children" % (process.pid, process.pid), encoding="ascii") as file:
                worker = int(file.read().split()[0])
            os.kill(worker, signal.SIGSTOP)
            print(row("the same, HAProxy stopped by a signal", words, options.runs // 10))
            process.kill()
            process.wait()
            os.kill(worker, signal.SIGKILL)
            print(row("the same, HAProxy killed", words, options.runs // 10))
        finally:
            process.terminate()  # a master ends its workers
            process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
