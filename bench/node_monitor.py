# SPDX-License-Identifier: Apache-2.0
"""Runs inside a node: runs the agents' monitors in turn, each as pacemaker-execd would run it.

An interpreter of the node reads it from standard input, so it needs nothing but Python. Its argument is a JSON text:
runs (rounds), agents: a list of {label, provider, type, parameters, wanted (exit code)}, node, instance, settle (s),
server: names of the server's program.
Prints a JSON list of rows: label, wall, cpu, server (ms each), rc.
"""

import glob
import json
import os
import sys
import time


def of_process(name):
    """pid of the process whose program has this name, None if there is none."""
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="ascii") as file:
                if file.read().strip() == name[:15]:
                    return int(path.split("/")[2])
        except OSError:
            pass
    return None


def environment(agent, node, instance):
    """The environment of the recurring monitor of a promoted instance: pacemaker-execd's own, and what Pacemaker adds
    (recorded from an operation of Pacemaker 2.1.5)."""
    with open("/proc/%d/environ" % of_process("pacemaker-execd"), "rb") as file:
        own = dict(item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)
    env = {name.decode(): value.decode() for name, value in own.items()}
    meta = {"clone": "0", "clone_max": "3", "clone_node_max": "1", "globally_unique": "false", "interval": "10000",
            "name": "monitor", "notify": "false", "on_node": node, "on_node_uuid": node[1:], "promoted_max": "3",
            "promoted_node_max": "1", "master_max": "3", "master_node_max": "1", "role": "Promoted", "timeout": "30000"}
    env.update(OCF_ROOT="/usr/lib/ocf", OCF_RA_VERSION_MAJOR="1", OCF_RA_VERSION_MINOR="1",
               OCF_EXIT_REASON_PREFIX="ocf-exit-reason:",
               OCF_RESOURCE_INSTANCE=instance, OCF_RESOURCE_PROVIDER=agent["provider"], OCF_RESOURCE_TYPE=agent["type"],
               OCF_RESKEY_crm_feature_set="3.16.1", OCF_OUTPUT_FORMAT="text", LC_ALL="C",
               PCMK_service="pacemaker-execd",
               PWD="/var/lib/pacemaker/cores")
    env.update({"OCF_RESKEY_CRM_meta_" + name: value for name, value in meta.items()})
    env.update({"OCF_RESKEY_" + name: value for name, value in agent["parameters"].items()})
    return env


def once(path, env):
    """(wall s, CPU s with all children, exit code, output) of one run; output goes to pipes, as under Pacemaker."""
    ours, theirs = os.pipe()
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, theirs, 1),
               (os.POSIX_SPAWN_DUP2, theirs, 2), (os.POSIX_SPAWN_CLOSE, ours)]
    began = time.monotonic()
    pid = os.posix_spawn(path, [path, "monitor"], env, file_actions=actions, setpgroup=0)
    os.close(theirs)
    output = b""
    while True:
        chunk = os.read(ours, 65536)
        if not chunk:
            break
        output += chunk
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - began
    os.close(ours)
    return wall, usage.ru_utime + usage.ru_stime, os.waitstatus_to_exitcode(status), output.decode(errors="replace")


def cpu_clock(pid):
    """The clock of the CPU time of a process, as clock_getcpuclockid(3) makes it."""
    return (~pid) << 3 | 2


def main():
    spec = json.loads(sys.argv[1])
    os.chdir("/var/lib/pacemaker/cores")
    server = next(pid for pid in map(of_process, spec.get("server", ("mariadbd", "mysqld"))) if pid)
    clock = cpu_clock(server)
    known = [(agent, "/usr/lib/ocf/resource.d/%s/%s" % (agent["provider"], agent["type"]),
              environment(agent, spec["node"], spec["instance"])) for agent in spec["agents"]]
    rows = []
    for turn in range(-1, spec["runs"]):  # the first run of each fills the page cache and is not counted
        for agent, path, env in known:
            time.sleep(spec["settle"])
            before = time.clock_gettime(clock)
            wall, cpu, rc, output = once(path, env)
            time.sleep(0.005)  # the server finishes after the client has gone
            if rc != agent["wanted"]:
                sys.exit("%s ended with %d instead of %d: %s" % (agent["label"], rc, agent["wanted"], output.strip()))
            if turn >= 0:
                rows.append({"label": agent["label"], "wall": wall * 1000, "cpu": cpu * 1000,
                             "server": (time.clock_gettime(clock) - before) * 1000})
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
