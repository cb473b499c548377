# SPDX-License-Identifier: Apache-2.0
"""The power daemon of a lab: the parent of every node; it serves the nodes' fence agents and the operator.

There is one process for each lab. When the process that owns the lab ends, in whatever way, the daemon removes the lab.
Its nodes do not outlive it: a node whose power nobody can cut must not go on running.

A request is one line, an answer is text that ends with a line that holds a dot. On the nodes' socket: on, off, reboot,
status NODE, list. On the operator's also: stay-off NODE, hold on|off, refuse on|off, shutdown NODE, pid, disown, quit,
destroy.
"""

import os
import select
import signal
import socket
import sys
import time

from lab import LabError, state
from lab.machines import cgroups, machine, names, network, teardown

ASK_TIMEOUT = 60.0
SHUTDOWN_TIMEOUT = 60.0
# A node that is reset stays off for a while, as a real machine does. If it were back before corosync noticed (token
# timeout: 3.65 s for three nodes), Pacemaker 2.1.5 might leave it OFFLINE and UNCLEAN ("allegedly just fenced").
RESET_PAUSE = 5.0  # seconds
_ON_FENCE_SOCKET = frozenset(("on", "off", "reboot", "status", "list"))


class Daemon:
    """State of a lab's power: which nodes run, and which have to stay off."""

    def __init__(self, name):
        record = state.read(name)
        self.name = name
        self.lower = record["lower"]
        self.order = [node[0] for node in record["nodes"]]
        self.running = {}       # node -> Popen of its systemd-nspawn
        self.leaders = {}       # node -> pid of its systemd, once known
        self.kept_off = set()   # nodes that only the operator may switch on again
        self.resetting = {}     # nodes that were reset, and when they are switched on again (monotonic seconds)
        self.hold = False       # a fenced node stays off
        self.refuse = False     # fencing fails, as with a broken device
        self.ending = None
        self.owner = None       # pidfd of the process whose end removes the lab
        self.in_order = None    # file: a byte in it tells the guard that nothing is left to do

    # -- the nodes

    def switch_on(self, node):
        """Start `node` unless it runs."""
        self.reap()
        if node in self.running:
            return
        network.ip("link", "delete", "vb-" + node, namespace=names.network_namespace(self.name), check=False)
        self.running[node] = machine.start(self.name, node, self.lower)
        self.say("%s on" % node)

    def cut(self, node):
        """Cut the power of `node`: when this returns, none of its processes runs."""
        process = self.running.pop(node, None)
        leader = self.leaders.pop(node, None)
        self.forget_pid(node)
        for pid in (leader, process.pid if process else None):
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        if process:
            process.wait()
        cgroups.freeze(machine.group(self.name, node), False)  # a frozen process cannot die
        if not cgroups.remove(machine.group(self.name, node)):
            self.say("%s: processes are left after SIGKILL" % node)
        self.say("%s off" % node)

    def forget_pid(self, node):
        """Remove the record of the node's pid."""
        try:
            os.unlink(os.path.join(machine.directory(self.name, node), "pid"))
        except FileNotFoundError:
            pass

    def reap(self):
        """Notice nodes that went off by themselves, find the pid 1 of those that have just started, and switch on those
        whose pause after a reset is over."""
        for node in [node for node, until in self.resetting.items() if time.monotonic() >= until]:
            del self.resetting[node]
            try:
                self.switch_on(node)
            except LabError as error:
                self.say("%s cannot be switched on: %s" % (node, error))
        for node in list(self.running):
            process = self.running[node]
            if process.poll() is not None:
                del self.running[node]
                self.leaders.pop(node, None)
                self.forget_pid(node)
                cgroups.remove(machine.group(self.name, node))
                self.say("%s went off (status %s)" % (node, process.returncode))
                continue
            pid = self.leaders.get(node)
            if pid is None or state.process_start(pid) is None:  # a reboot from inside gives it a new one
                self.record_leader(node, machine.first_process(process.pid))

    def record_leader(self, node, pid):
        """Record `pid` as the node's first process."""
        start = state.process_start(pid) if pid else None
        if start is None:
            self.leaders.pop(node, None)
            return
        self.leaders[node] = pid
        path = os.path.join(machine.directory(self.name, node), "pid")
        with open(path + ".new", "w") as file:
            file.write("%d %d\n" % (pid, start))
        os.rename(path + ".new", path)

    # -- requests

    def answer(self, words, operator):
        """The answer to a request; None if it comes later."""
        verb, argument = words[0], (words[1] if len(words) > 1 else "")
        if verb == "list":
            return " ".join(self.order)
        if verb in ("hold", "refuse") and operator:
            setattr(self, verb, argument == "on")
            return "ok"
        if verb == "disown" and operator:
            os.write(self.in_order, b".")
            self.owner, self.in_order = None, guard(self.name, self.order, None)
            return "ok"
        if verb == "pid" and operator:
            return str(os.getpid())
        if verb in ("quit", "destroy") and operator:
            self.ending = verb
            return "ok"
        if argument not in self.order:
            return "error: no node %r in lab %s" % (argument, self.name)
        return self.switch(verb, argument, operator)

    def switch(self, verb, node, operator):
        """Carry out `verb` on `node`."""
        if verb == "status":
            self.reap()
            return "on" if node in self.running else "off"
        if self.refuse and not operator:
            return "error: fencing is refused (lab fence-hold off ends it)"
        self.resetting.pop(node, None)
        if verb == "on":
            if operator:
                self.kept_off.discard(node)
            if node not in self.kept_off:
                self.switch_on(node)
        elif verb in ("off", "stay-off", "reboot"):
            self.say("%s: %s%s" % (node, verb, "" if operator else " by the cluster"))
            if verb == "stay-off":
                self.kept_off.add(node)
            self.cut(node)
            if verb == "reboot" and node not in self.kept_off and (operator or not self.hold):
                self.resetting[node] = time.monotonic() + RESET_PAUSE
        elif verb == "shutdown" and operator:
            self.reap()
            pid = self.leaders.get(node)
            if pid:
                os.kill(pid, machine.SHUTDOWN)
        else:
            return "error: unknown request %r" % verb
        return "ok"

    def say(self, text):
        """One line in the daemon's log."""
        sys.stdout.write("%s %s\n" % (time.strftime("%H:%M:%S"), text))
        sys.stdout.flush()

    def serve(self, sockets):
        """Answer requests until one of them ends this, or the owner has ended."""
        poller = select.poll()
        for file in list(sockets) + ([self.owner] if self.owner is not None else []):
            poller.register(file, select.POLLIN)
        watched = self.owner
        while not self.ending:
            if watched is not None and self.owner is None:
                poller.unregister(watched)
                watched = None
            for descriptor, _ in poller.poll(100 if len(self.leaders) < len(self.running) else 500):
                if descriptor == self.owner:
                    self.say("the owner has ended: removing the lab")
                    self.ending = "destroy"
                    break
                for listener, operator in sockets.items():
                    if descriptor == listener.fileno():
                        self.one_request(listener, operator)
            self.reap()

    def one_request(self, listener, operator):
        """Read one request, carry it out, answer."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(2)
            try:
                line = b""
                while not line.endswith(b"\n") and len(line) < 200:
                    part = connection.recv(200)
                    if not part:
                        break
                    line += part
                words = line.decode("ascii", "replace").split()
                if not words or (not operator and words[0] not in _ON_FENCE_SOCKET):
                    reply = "error: unknown request"
                else:
                    reply = self.answer(words, operator)
                connection.sendall((reply + "\n.\n").encode())
            except LabError as error:
                connection.sendall(("error: %s\n.\n" % error).encode())
            except OSError as error:
                self.say("request failed: %s" % error)


def listen(path, mode):
    """A listening socket at `path`."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, mode)
    listener.listen(16)
    return listener


def guard(name, nodes, owner):
    """Fork a process that cuts the nodes' power if this one is killed (a node's systemd outlives its systemd-nspawn),
    and that removes the lab when `owner` has ended too. A file; a byte in it tells that process that nothing is left to
    do."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return writing
    os.close(writing)
    os.setsid()
    try:
        if not os.read(reading, 1):
            for node in nodes:
                cgroups.freeze(machine.group(name, node), False)
                cgroups.remove(machine.group(name, node))
            if owner is not None:
                select.select([owner], [], [])
                teardown.remove_what_was_made(name)
    finally:
        os._exit(0)


def main(name, owner_pid):
    """Run the daemon of lab `name`; owner_pid: of the process whose end removes the lab, 0: none."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    daemon = Daemon(name)
    signal.signal(signal.SIGTERM, lambda *_: setattr(daemon, "ending", "quit"))
    base = state.directory(name)
    try:
        daemon.owner = os.pidfd_open(owner_pid) if owner_pid else None
        gone = False
    except OSError:
        gone = True
    daemon.in_order = guard(name, daemon.order, daemon.owner)
    sockets = {listen(os.path.join(base, "fence", "sock"), 0o600): False,
               listen(os.path.join(base, "control"), 0o600): True}
    if gone:
        daemon.ending = "destroy"
    try:
        daemon.serve(sockets)
    finally:
        for node in list(daemon.running):
            daemon.cut(node)
        for path in ("control", "fence/sock"):
            if os.path.lexists(os.path.join(base, path)):
                os.unlink(os.path.join(base, path))
    os.write(daemon.in_order, b".")
    if daemon.ending == "destroy":
        teardown.remove_what_was_made(name)
    return 0


def ask(name, request, timeout=ASK_TIMEOUT):
    """The answer of the power daemon of lab `name`. LabError if there is no daemon, or if it refuses."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(os.path.join(state.directory(name), "control"))
            connection.sendall((request + "\n").encode())
            answer = b""
            while not answer.endswith(b"\n.\n"):
                part = connection.recv(4096)
                if not part:
                    break
                answer += part
    except (FileNotFoundError, ConnectionRefusedError):
        raise LabError("lab %s is not up; `lab up --name %s` starts it" % (name, name)) from None
    except OSError as error:
        raise LabError("the power daemon of lab %s does not answer: %s" % (name, error)) from None
    text = answer.decode().rsplit("\n.\n", 1)[0]
    if text.startswith("error: "):
        raise LabError(text[7:])
    return text
