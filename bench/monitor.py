# SPDX-License-Identifier: Apache-2.0
"""What a recurring monitor costs: agents in turn, on the same server of a node (bench/node_monitor.py)."""

import json
import os
import re
import shutil
import statistics
import subprocess
from typing import Dict, List, NamedTuple, Optional

from lab import ROOT, LabError
from lab.machines import machine

_SCRIPT = os.path.join(ROOT, "bench", "node_monitor.py")
SETTLE = 0.05  # seconds before each run


class Cost(NamedTuple):
    """Medians in ms: wall, cpu (with all children), server (CPU of the database or broker). execs: programs executed;
    spread: min..max of CPU."""

    side: str
    wall: float
    cpu: float
    server: float
    execs: Optional[int]
    spread: str


def agent(side, wanted, **more):
    """A side's monitor, which has to end with `wanted`, for `measure`; more: parameters that an operator need not
    give."""
    return {"label": side.label, "provider": side.provider, "type": side.type, "wanted": wanted,
            "parameters": dict(side.parameters, **more)}


def measure(lab, node, agents, runs, instance, timeout, settle=SETTLE, server=()):
    """[Cost] of each of `agents` on `node`, in turn on the same server. LabError if a monitor ends with another code.

    timeout: seconds for all runs; settle: seconds before each run; server: names of its program, unless it is MariaDB.
    """
    spec = {"runs": runs, "agents": agents, "node": node, "instance": instance, "settle": settle}
    if server:
        spec["server"] = list(server)
    with open(_SCRIPT, encoding="utf-8") as file:
        script = file.read()
    rows = json.loads(lab.check(node, ["/usr/bin/python3", "-I", "-", json.dumps(spec)], timeout, stdin=script))
    return [summary(one["label"], [row for row in rows if row["label"] == one["label"]],
                    executed(lab, node, spec, one, script))
            for one in agents]


def summary(label, rows: List[Dict], execs):
    """Cost by the rows of node_monitor.py."""
    def median(key):
        return statistics.median(row[key] for row in rows)

    cpus = sorted(row["cpu"] for row in rows)
    return Cost(label, median("wall"), median("cpu"), median("server"), execs, "%.0f..%.0f" % (cpus[0], cpus[-1]))


def executed(lab, node, spec, measured, script):
    """How many programs one run of the agent executes, itself included; None without strace on this machine."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    one = dict(spec, agents=[measured], runs=0)
    argv = machine.entry(lab.name, node, machine.pid_of(lab.name, node),
                         ["/usr/bin/python3", "-I", "-c", script, json.dumps(one)])
    done = subprocess.run([strace, "-f", "-qq", "-e", "trace=execve", "-e", "signal=none"] + argv,
                          env=machine.ENVIRONMENT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          cwd="/", timeout=120)
    lines = [line for line in done.stderr.splitlines() if "execve(" in line or "execve resumed" in line]
    start = next((at for at, line in enumerate(lines) if "resource.d/%s/%s"
                  % (measured["provider"], measured["type"]) in line), None)
    if done.returncode or start is None:
        raise LabError("strace of %s failed: %s" % (measured["label"], done.stderr.strip()[-300:]))
    return sum(1 for line in lines[start:] if re.search(r"= 0$", line))
