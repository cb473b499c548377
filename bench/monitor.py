# SPDX-License-Identifier: Apache-2.0
"""What the recurring monitor of a promoted node costs: both agents in turn, on the same server."""

import json
import os
import re
import shutil
import statistics
import subprocess
from typing import Dict, List, NamedTuple, Optional

from bench.sides import SIDES
from lab import LabError
from lab.machines import machine
from lab.services import galera

_HERE = os.path.dirname(os.path.abspath(__file__))
PROMOTED = 8  # the exit code of both
SETTLE = 0.05


class Cost(NamedTuple):
    """Medians in ms (wall, cpu with all children, server: the database's CPU), and programs executed; spread: min..max of CPU."""

    side: str
    wall: float
    cpu: float
    server: float
    execs: Optional[int]
    spread: str


def measure(lab, runs, node=None):
    """[Cost] of each side on `node`, whose server is synced. LabError if a monitor does not answer 'promoted'."""
    node = node or lab.node_names[0]
    agents = [{"label": side.label, "provider": side.provider, "type": side.type, "wanted": PROMOTED,
               "parameters": dict(side.parameters, wsrep_cluster_address="gcomm://" + ",".join(lab.node_names))} for side in SIDES]
    spec = {"runs": runs, "agents": agents, "node": node, "instance": galera.RESOURCE, "settle": SETTLE}
    with open(os.path.join(_HERE, "node_monitor.py"), encoding="utf-8") as file:
        script = file.read()
    rows = json.loads(lab.check(node, ["/usr/bin/python3", "-I", "-", json.dumps(spec)], 60 + runs * 5, stdin=script))
    execs = {agent["label"]: executed(lab, node, spec, agent, script) for agent in agents}
    return [summary(label, [row for row in rows if row["label"] == label], execs[label])
            for label in (agent["label"] for agent in agents)]


def summary(label, rows: List[Dict], execs):
    """Cost by the rows of node_monitor.py."""
    def median(key):
        return statistics.median(row[key] for row in rows)

    cpus = sorted(row["cpu"] for row in rows)
    return Cost(label, median("wall"), median("cpu"), median("server"), execs, "%.0f..%.0f" % (cpus[0], cpus[-1]))


def executed(lab, node, spec, agent, script):
    """How many programs one run of the agent executes, itself included; None without strace on this machine."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    one = dict(spec, agents=[agent], runs=0)
    argv = machine.entry(lab.name, node, machine.pid_of(lab.name, node), ["/usr/bin/python3", "-I", "-c", script, json.dumps(one)])
    done = subprocess.run([strace, "-f", "-qq", "-e", "trace=execve", "-e", "signal=none"] + argv, env=machine.ENVIRONMENT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", timeout=120)
    lines = [line for line in done.stderr.splitlines() if "execve(" in line or "execve resumed" in line]
    start = next((at for at, line in enumerate(lines) if "resource.d/%s/%s" % (agent["provider"], agent["type"]) in line), None)
    if done.returncode or start is None:
        raise LabError("strace of %s failed: %s" % (agent["label"], done.stderr.strip()[-300:]))
    return sum(1 for line in lines[start:] if re.search(r"= 0$", line))
