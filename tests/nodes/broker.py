# SPDX-License-Identifier: Apache-2.0
"""The RabbitMQ broker of one machine: its files, its boot, the tools that are run on it.

A boot takes time, as Mnesia's does (rabbit_mnesia.erl, rabbit_table.erl): it starts, waits for the members that it last
saw running unless one of them is up or its boot is forced, recovers its store, and serves.
"""

import os

from quorate.host.command import Result
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.participant import Participant
from quorate.rabbitmq.broker import health, layout, observe
from tests.nodes.machine import Service, here
from tests.unit.rabbitmq.actions.nodes import records

BEAM = ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "-s", "rabbit", "boot")
SIGKILL, SIGTERM = 9, 15
STARTS, WAITS, RECOVERS, SERVES, STANDS = "starts", "waits", "recovers", "serves", "stands still"
BUSY = (STARTS, RECOVERS)
STATES = {STARTS: facts.STARTING, WAITS: facts.WAITING, RECOVERS: facts.STARTING, SERVES: facts.RUNNING,
          STANDS: facts.STARTING}


class Brokers:
    """What goes on between the brokers. harm: what must never happen."""

    def __init__(self, clock, journal):
        self.clock, self.journal, self.harm, self.all = clock, journal, [], {}
        self.founded = 0
        self.queues = {}          # (vhost, queue) -> set of Erlang names of its members
        self.operator = set()     # what an operator ordered: ("forget", Erlang name), ("stop", machine)

    def up(self):
        """Names of the nodes that serve."""
        return sorted(name for name, one in self.all.items() if one.stage == SERVES)

    def serving(self, of=None):
        """dict Erlang name -> Broker of those that serve; of: those of that cluster."""
        return {one.nodename: one for one in self.all.values() if one.stage == SERVES and of in (None, one.cluster)}

    def note(self):
        """Every broker that serves writes down whom it sees running, as rabbit_node_monitor does."""
        for one in self.serving().values():
            one.write(one.members(), set(self.serving(one.cluster)) & one.members() - one.cut_off)

    def change(self, change):
        """change(members) of each queue that can decide it: most of its members serve. The others are passed over, and
        RabbitMQ 3.10 says of none."""
        for queue, members in self.queues.items():
            if 2 * len(members & set(self.serving())) > len(members):
                change(queue, members)

    def wrong(self, text):
        self.harm.append(text)
        self.journal.add("-", "harm", text)


class Broker(Service):
    def __init__(self, machine, brokers, user):
        self.machine, self.brokers, self.user = machine, brokers, user
        self.nodename = "rabbit@" + machine.name
        self.base = os.path.join(machine.root, "mnesia")
        self.log = os.path.join(machine.root, "broker.log")
        self.stage = self.pid = None
        self.arguments, self.cpu, self.since = "", 0.0, 0.0
        self.launches = 0
        self.cluster = None             # a word for the cluster whose data it runs with
        self.cut_off = frozenset()      # Erlang names that it does not see, with cluster_partition_handling=ignore
        self.by_hand = False            # whether somebody else than the agent started it
        # What it is like
        self.starts_in, self.recovers_in, self.stops_in = 1.0, 1.0, 1.0
        self.gives_up = 300.0           # seconds after which it no longer waits
        self.killed_after = None        # seconds after a launch, when something kills it
        self.waits_forced = False       # it waits though its boot is forced
        self.is_stuck = False           # it stands still where it should recover its store
        self.refuses_force = False
        self.version = "3.10.8"
        with open(os.path.join(machine.root, "cookie"), "w", encoding="ascii") as file:
            file.write("secret")
        brokers.all[machine.name] = self

    # Files

    @property
    def directory(self):
        return os.path.join(self.base, self.nodename)

    def has_data(self):
        return os.path.exists(os.path.join(self.directory, "schema.DAT"))

    def _terms(self, name):
        return {word for word in layout.text_of(os.path.join(self.directory, name)).strip("{}[].\n").replace(
            "]", "").replace("[", "").replace(",", " ").split()}

    def members(self):
        return self._terms("cluster_nodes.config")

    def saw(self):
        return self._terms("nodes_running_at_shutdown")

    def write(self, members, running):
        os.makedirs(self.directory, exist_ok=True)
        for name, text in (("schema.DAT", self.cluster), ("cluster_nodes.config", "{[%s],[%s]}.\n" % ((",".join(sorted(
                members)),) * 2)), ("nodes_running_at_shutdown", "[%s].\n" % ",".join(sorted(running)))):
            with open(os.path.join(self.directory, name), "w", encoding="ascii") as file:
                file.write(text)

    def place(self):
        """What find_layout() finds."""
        return layout.Layout("/usr/sbin/rabbitmq-server", self.nodename, self.base, self.directory, self.log, self.user,
                             self.user, os.path.join(self.machine.root, "cookie"), "/nonexistent", 5672, False,
                             self.version, self.machine.root)

    def _count_boot(self):
        """RabbitMQ counts the boots of a data directory (rabbit_guid.erl)."""
        path = os.path.join(self.directory, "rabbit_serial")
        count = int(layout.text_of(path).strip(".\n") or 0)
        with open(path, "w", encoding="ascii") as file:
            file.write("%d.\n" % (count + 1))

    # Its process

    def start_by_hand(self):
        """systemctl start rabbitmq-server, or its unit at the boot of the machine."""
        if self.pid is None and self.machine.on:
            self._begin("", True)

    def stop_by_hand(self):
        """systemctl disable --now rabbitmq-server."""
        self.die()

    def launched(self, argv, output):
        assert argv == ("/usr/sbin/rabbitmq-server",), argv
        assert self.pid is None, "a second broker on one data directory"
        self.launches += 1
        self._begin((self.machine.commands.environment or {}).get("RABBITMQ_SERVER_START_ARGS", ""), False)
        return self.pid

    def _begin(self, arguments, by_hand):
        self.pid, self.arguments, self.by_hand = self.machine.processes.add(BEAM).pid, arguments, by_hand
        self.brokers.journal.add(self.machine.name, "by hand" if by_hand else "launch", self.arguments)
        self._enter(STARTS)
        self._later(self.starts_in, self._started)
        if self.killed_after is not None:
            self._later(self.killed_after, lambda: self.die() if self.stage != SERVES else None)

    def _enter(self, stage):
        self.cpu, self.since, self.stage = self._work(), self.machine.clock.elapsed, stage
        self.brokers.journal.add(self.machine.name, "stage", stage)

    def _later(self, seconds, effect):
        pid = self.pid
        self.machine.clock.at(seconds, lambda: effect() if self.pid == pid else None)

    def _work(self):
        """Seconds of processor time so far."""
        busy = self.machine.clock.elapsed - self.since if self.stage in BUSY else 0.0
        return self.cpu + busy

    def work(self, process):
        return (self._work(), 0) if process.pid == self.pid else None

    def _started(self):
        if self.has_data():
            self.cluster = layout.text_of(os.path.join(self.directory, "schema.DAT"))
            self._wait()
        elif self.arguments:
            self._join()
        else:
            if not self.by_hand and (any(one.has_data() for one in self.brokers.all.values()) or self.hidden()):
                self.brokers.wrong("%s founds a cluster beside data" % self.machine.name)
            self.brokers.founded += not self.by_hand
            self.cluster = "%s at %d" % (self.nodename, self.machine.clock.elapsed)
            self.write({self.nodename}, {self.nodename})
            self._serve()

    def hidden(self):
        """Other data directories on any machine, mounted or not."""
        return [os.path.join(folder, name) for one in self.brokers.all.values()
                for folder, names, _ in os.walk(one.machine.root) for name in names
                if os.path.exists(os.path.join(folder, name, "schema.DAT"))]

    def _join(self):
        peer = self.brokers.serving().get(self.arguments.partition("['")[2].partition("'")[0])
        if peer is None:
            self._later(0.5, self._join)
            return
        if self.nodename in peer.members():
            self.die("inconsistent_cluster")
            return
        self.cluster = peer.cluster
        for (_, name), members in self.brokers.queues.items():
            if self.nodename in members and len(members) > 1:
                self.brokers.wrong("%s joins without its data and votes in %s" % (self.machine.name, name))
        if self.cluster.startswith(peer.nodename) and peer.by_hand:
            self.brokers.wrong("%s joins a cluster that somebody founded by hand" % self.machine.name)
        members = peer.members() | {self.nodename}
        for one in self.brokers.serving(peer.cluster).values():
            one.write(members, one.saw())
        self.write(members, members)
        self._serve()

    def _wait(self):
        force = os.path.join(self.directory, "force_load")
        others = self.saw() - {self.nodename}
        serving = {name for name, one in self.brokers.serving().items() if self.nodename != name}
        if serving & self.members() and not set(self.brokers.serving(self.cluster)) & self.members():
            self.die("inconsistent_cluster: %s disagrees" % sorted(serving & self.members()))
        elif (os.path.exists(force) and not self.waits_forced or not others
              or set(self.brokers.serving(self.cluster)) & self.members()):
            if os.path.exists(force):
                os.unlink(force)
            self._enter(STANDS if self.is_stuck else RECOVERS)
            if not self.is_stuck:
                self._later(self.recovers_in, self._serve)
        elif self.stage == WAITS and self.machine.clock.elapsed - self.since >= self.gives_up:
            self.die("{timeout_waiting_for_tables,[%s]}" % self.nodename)
        else:
            if self.stage != WAITS:
                self._enter(WAITS)
            self._later(0.5, self._wait)

    def _serve(self):
        self._count_boot()
        for one in self.brokers.serving(self.cluster).values():  # a member that comes back learns who the others are
            if self.nodename in one.members():
                self.write(one.members(), self.saw())
        self._enter(SERVES)
        self.brokers.note()

    def die(self, error=None):
        """It ends, with this last error."""
        if self.pid is None:
            return
        self.machine.processes.remove(self.pid)
        self.brokers.journal.add(self.machine.name, "ended", error or "")
        self.pid = self.stage = None
        if error:
            with open(self.log, "a", encoding="ascii") as file:
                file.write("2026-11-21 18:01:40.291378+00:00 [error] <0.216.0> %s\n" % error)
        self.brokers.note()

    def signalled(self, process, number):
        if process.pid != self.pid or number not in (SIGKILL, SIGTERM):
            return
        if self.stage in BUSY and ("stop", self.machine.name) not in self.brokers.operator:
            self.brokers.wrong("%s is killed while it %s" % (self.machine.name, self.stage))
        if number == SIGKILL or self.stage == WAITS:
            self.die()
        else:
            self._later(self.stops_in, self.die)

    def power_lost(self):
        self.pid = self.stage = None

    # What it shows

    def observed(self):
        """The Observation of observe.observe()."""
        if self.pid is None:
            return observe.Observation(facts.DOWN, None, facts.Broker(listening=False), "It does not run.", health.DOWN)
        process, state = self.machine.processes.get(self.pid), STATES[self.stage]
        broker = facts.Broker(process, listening=state == facts.RUNNING, answered=state == facts.RUNNING or None)
        return observe.Observation(state, process, broker, "It is %s." % self.stage,
                                   health.RUNNING if state == facts.RUNNING else state)

    def command(self, argv, timeout):
        words = [word for word in argv[1:] if word != "-q"]
        node = self
        if words[:1] == ["-n"]:
            node, words = self.brokers.serving().get(words[1]), words[2:]
        self.machine.clock.sleep(0.5)
        rc, out = node._answer(words) if node is not None else (69, "Error: unable to perform an operation on node")
        self.brokers.journal.add(self.machine.name, "tool", " ".join(words) + " %d" % rc)
        return Result(argv, rc, out, "", False)

    def _answer(self, words):
        if words[0] == "force_boot":
            if self.refuses_force:
                return 75, "Error: operation force_boot timed out"
            with open(os.path.join(self.directory, "force_load"), "w", encoding="ascii"):
                return 0, ""
        if words[0] == "drain" or self.stage != SERVES:
            return (0, "") if self.stage == SERVES else (69, "Error: this command requires the 'rabbit' app to run")
        if words[0] == "forget_cluster_node":
            return self._forget(words[1])
        if words[0] == "eval":
            return 0, records(self.brokers.queues)
        if words[0] == "grow":
            import re
            patterns = [re.compile(words[at].replace("\\z", "\\Z")) for at in (4, 6)] if len(words) > 3 else None
            self.brokers.change(lambda queue, members: members.add(words[1]) if patterns is None or all(
                pattern.search(text) for pattern, text in zip(patterns, queue)) else None)
            return 0, ""
        if words[0] == "shrink":
            self.brokers.change(lambda queue, members: members.discard(words[1]))
            return 0, ""
        return 0, ""

    def _forget(self, name):
        one = next((one for one in self.brokers.all.values() if one.nodename == name), None)
        if ("forget", name) not in self.brokers.operator and one is not None and one.hidden_here():
            self.brokers.wrong("%s is forgotten, and has data" % name)
        if name in self.brokers.serving(self.cluster):
            return 70, "Error: {:failed_to_remove_node, :%s, {:active, 'x'}}" % name
        for one in self.brokers.serving(self.cluster).values():
            one.write(one.members() - {name}, one.saw() - {name})
        self.brokers.change(lambda queue, members: members.discard(name))
        return 0, ""

    def hidden_here(self):
        return [path for path in self.hidden() if path.startswith(self.machine.root + "/")]


def installed(monkeypatch):
    """Replace what the RabbitMQ agent reaches the outside by, beside that of every agent."""
    for module in ("start", "monitor", "participant"):
        monkeypatch.setattr("quorate.rabbitmq.actions.%s.find_layout" % module, lambda _: here().service.place())
    monkeypatch.setattr(layout, "find_layout", lambda _: here().service.place())
    monkeypatch.setattr("quorate.rabbitmq.actions.start.layout_problems", lambda _: [])
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.unit.contradiction", lambda *_: None)
    monkeypatch.setattr(observe, "observe", lambda *_: here().service.observed())
    monkeypatch.setattr(Participant.__init__, "__defaults__", (None, None, lambda *_: True))  # is_reachable
    monkeypatch.setattr("quorate.rabbitmq.broker.running.own_directory", lambda _: None)
    monkeypatch.setattr("quorate.rabbitmq.broker.process.is_broker", lambda process, _: process.argv == BEAM)
    monkeypatch.setattr("quorate.rabbitmq.broker.process.prepare_directories", lambda _: None)
