# SPDX-License-Identifier: Apache-2.0
"""Faults of a node: its processes, network, disk, clock. (Its power: lab/machines/cluster.py.)

    machine.kill(lab, "n1", "mariadbd")          machine.partition(lab, "n1")       machine.fill_disk(lab, "n1")
    machine.stop(lab, "n1", "mariadbd")          machine.heal(lab)                  machine.free_disk(lab, "n1")
    machine.cont(lab, "n1", "mariadbd")          machine.slow_net(lab, "n1", 0.1)   machine.slow_disk(lab, "n1")

Each lasts until its counterpart or undo_all is called; slow_net, stop and slow_disk end also when the node loses its
power.
"""

import errno
import os
import signal
import subprocess

from lab import PROGRAMS, LabError, state
from lab.machines import cgroups, machine, names, network

FAKETIME = "libfaketime.so.1"


# -- processes

def processes(lab, node, pattern):
    """{pid on this machine: argv} of the processes in `node` called `pattern`, else of those with it in their argv."""
    first = machine.pid_of(lab.name, node)
    if first is None:
        raise LabError("node %s is off" % node)
    called, mention = {}, {}
    for pid in cgroups.processes(machine.group(lab.name, node)) - {first, _parent(first)}:
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                argv = file.read().decode("utf-8", "replace").split("\0")[:-1]
            with open("/proc/%d/comm" % pid) as file:
                comm = file.read().strip()
        except OSError:
            continue
        if pattern in (comm, os.path.basename(argv[0]) if argv else ""):
            called[pid] = argv
        elif pattern in " ".join(argv):
            mention[pid] = argv
    return called or mention


def send(lab, node, pattern, number):
    """Send signal `number` to the processes of `node` that match `pattern`; their argv. LabError if there are none."""
    found = processes(lab, node, pattern)
    if not found:
        raise LabError("no process on %s is called %s or has that in its arguments" % (node, pattern))
    for pid in found:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
    return [argv for _, argv in sorted(found.items())]


def kill(lab, node, pattern):
    """Send SIGKILL to the processes that match `pattern`; their argv."""
    return send(lab, node, pattern, signal.SIGKILL)


def stop(lab, node, pattern=None):
    """Send SIGSTOP: the processes exist and hang. Without a pattern the whole node is frozen."""
    if pattern:
        return send(lab, node, pattern, signal.SIGSTOP)
    if not cgroups.freeze(machine.group(lab.name, node), True):
        raise LabError("this kernel has no freezer for control groups; name a process to stop")
    return [[node]]


def cont(lab, node, pattern=None):
    """End stop."""
    if pattern:
        return send(lab, node, pattern, signal.SIGCONT)
    cgroups.freeze(machine.group(lab.name, node), False)
    return [[node]]


def _parent(pid):
    with open("/proc/%d/stat" % pid, "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


# -- the network

def partition(lab, *nodes):
    """Cut `nodes` off from all others and from the client, but not from each other. Lasts until heal, also over
    reboots."""
    for node in nodes:
        lab.address(node)  # raises where there is no such node, before anything is moved
    for number in range(1, 100):
        bridge = "br%d" % number
        if not any(machine.bridge_of(lab.name, node) == bridge for node in lab.node_names):
            break
    network.add_bridge(lab.namespace, bridge)
    for node in nodes:
        _plug(lab, node, bridge)


def heal(lab, *nodes):
    """Plug `nodes` (default: all) into the common network again."""
    for node in nodes or lab.node_names:
        if machine.bridge_of(lab.name, node) != network.BRIDGE:
            _plug(lab, node, network.BRIDGE)


def _plug(lab, node, bridge):
    machine.set_bridge(lab.name, node, bridge)
    port = "vb-" + node
    if _wire(lab, node):
        port = "sl-" + node
    if lab.is_on(node):
        network.attach(lab.namespace, port, bridge)


def slow_net(lab, node, delay, loss=0.0):
    """Every frame to and from `node` takes `delay` seconds longer; of each 100 about `loss` are lost.

    Ends with fast_net, or with the node's power. By tc's netem where the kernel has it, else by a small relay in the
    cable (lab/programs/wire.py)."""
    fast_net(lab, node)
    if not lab.is_on(node):
        raise LabError("node %s is off" % node)
    rule = ["tc", "-n", lab.namespace, "qdisc", "replace", "dev", "vb-" + node, "root", "netem",
            "delay", "%dus" % (delay * 1e6), "loss", "%g%%" % loss]
    if subprocess.run(rule, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        inside = ["tc", "qdisc", "replace", "dev", "host0"] + rule[7:]
        if lab.run(node, inside).rc == 0:
            return
    _relay(lab, node, delay, loss)


def _relay(lab, node, delay, loss):
    group = "%s/wire" % names.cgroup(lab.name)
    cgroups.create(group)
    joined = " ".join(os.path.join(path, "cgroup.procs") for path in cgroups.paths(group))
    command = ["/bin/sh", "-c", "for p in %s; do echo $$ >$p; done; exec \"$@\"" % joined, "sh"] + lab.client(
        ["/usr/bin/python3", os.path.join(PROGRAMS, "wire.py"),
         "vb-" + node, "sl-" + node, "sr-" + node, machine.bridge_of(lab.name, node), str(delay), str(loss)])
    with open(os.path.join(machine.directory(lab.name, node), "wire.log"), "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    with open(_wire_path(lab, node), "w") as file:
        file.write("%d %d\n" % (process.pid, state.process_start(process.pid) or 0))
    lab.wait(lambda: process.poll() is not None or "sl-" + node in network.ip("-br", "link", namespace=lab.namespace),
             5, "the relay of the slow network did not start", every=0.02)
    if process.poll() is not None:
        raise LabError("the relay of the slow network did not start; see %s" % log.name)


def _wire_path(lab, node):
    return os.path.join(machine.directory(lab.name, node), "wire")


def _wire(lab, node):
    """The pid of the relay between `node` and its bridge, None if there is none."""
    try:
        with open(_wire_path(lab, node)) as file:
            pid, start = map(int, file.read().split())
    except (OSError, ValueError):
        return None
    return pid if state.process_start(pid) == start else None


def fast_net(lab, node):
    """End slow_net."""
    subprocess.run(["tc", "-n", lab.namespace, "qdisc", "del", "dev", "vb-" + node, "root"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if lab.is_on(node):
        lab.run(node, "tc qdisc del dev host0 root 2>/dev/null")
    pid = _wire(lab, node)
    if pid:
        os.kill(pid, signal.SIGTERM)  # it plugs the node in again
        lab.wait(lambda: _wire(lab, node) is None, 5, "the relay of the slow network of %s does not end" % node,
                 every=0.02)


# -- the disk

def _own_disk(lab, node):
    """The path, on this machine, of the node's own disk. LabError if it has none, or is off."""
    first = machine.pid_of(lab.name, node)
    if first is None:
        raise LabError("node %s is off" % node)
    path = "/proc/%d/root%s" % (_parent(first), os.path.join(machine.directory(lab.name, node), "disk"))
    if not os.path.isdir(os.path.join(path, "mysql")):
        raise LabError("node %s has no disk of its own to fill; make the lab with `lab up --disk`" % node)
    return path


def fill_disk(lab, node):
    """Use up all free space of the disk with /var/lib/mysql and /var/lib/rabbitmq; the bytes taken."""
    disk = _own_disk(lab, node)
    taken = 0
    with open(os.path.join(disk, "fill"), "ab") as file:
        block = 1 << 28
        while block >= 4096:
            try:
                os.posix_fallocate(file.fileno(), taken, block)
                taken += block
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block >>= 1
    return taken


def free_disk(lab, node):
    """End fill_disk."""
    path = os.path.join(_own_disk(lab, node), "fill")
    if os.path.exists(path):
        os.unlink(path)


def slow_disk(lab, node, bytes_per_second=1 << 20, operations=50):
    """Limit what the node's processes write, in bytes and operations a second. 0 and 0: no limit."""
    group = machine.group(lab.name, node)
    found = cgroups.hierarchies()
    devices = _devices(lab, node)
    if "blkio" in found:
        for what, limit in (("bps", bytes_per_second), ("iops", operations)):
            for device in devices:
                _put(os.path.join(found["blkio"], group, "blkio.throttle.write_%s_device" % what),
                     "%s %d" % (device, limit))
        return
    path = os.path.join(found.get("", "/nonexistent"), group, "io.max")
    if not os.path.exists(path):
        raise LabError("this machine's control groups cannot limit a disk (no io controller for %s)" % group)
    for device in devices:
        _put(path, "%s wbps=%s wiops=%s" % (device, bytes_per_second or "max", operations or "max"))


def fast_disk(lab, node):
    """End slow_disk."""
    slow_disk(lab, node, 0, 0)


def _put(path, text):
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise LabError("the kernel cannot limit this disk: %s" % error) from None


def _devices(lab, node):
    """major:minor of the whole disks that the node writes to."""
    found = set()
    paths = [machine.directory(lab.name, node)]
    try:
        paths.append(_own_disk(lab, node))
    except LabError:
        pass
    for path in paths:
        device = os.stat(path).st_dev
        name = os.path.realpath("/sys/dev/block/%d:%d" % (os.major(device), os.minor(device)))
        if os.path.exists(os.path.join(name, "partition")):  # limits go to whole disks
            name = os.path.dirname(name)
        try:
            with open(os.path.join(name, "dev")) as file:
                found.add(file.read().strip())
        except OSError:
            continue
    if not found:
        raise LabError("the disk of %s cannot be limited" % paths[0])
    return sorted(found)


# -- the clock

def clock(lab, node, seconds):
    """Set the clock of `node` ahead (or back) by `seconds`, for processes started from now on; 0 ends it.

    Containers share the machine's wall clock: the kernel separates only the monotonic one. So this is libfaketime,
    loaded into every process that starts: agents and tools at once, a server when it is restarted. Running processes
    are not affected.
    """
    if not seconds:
        lab.check(node, "rm -f /etc/ld.so.preload /etc/faketimerc")
        return
    found = lab.check(node, "find /usr/lib -name %s" % FAKETIME).split()
    if not found:
        raise LabError("the image has no %s; build it again with `lab build --force`" % FAKETIME)
    lab.check(node, "printf '%+d\\n' >/etc/faketimerc && echo %s >/etc/ld.so.preload" % (seconds, found[0]))


def undo_all(lab):
    """End all faults of this module, on every node that is on."""
    heal(lab)
    for node in lab.node_names:
        if not lab.is_on(node):
            continue
        cont(lab, node)
        fast_net(lab, node)
        for undo in (fast_disk, free_disk):
            try:
                undo(lab, node)
            except LabError:
                pass
        clock(lab, node, 0)
