# SPDX-License-Identifier: Apache-2.0
"""Scripted stand-ins for the seams to the outside. They are passed in; nothing is patched.

A call that no test declared is a failure, at the place where it is made.
"""

from quorate.host.clock import Deadline
from quorate.host.command import Result
from quorate.host.process import Process
from quorate.ocf.context import Context
from quorate.ocf.declaration import read_all
from quorate.ocf.log import Log
from quorate.pacemaker.attributes import checked_value
from quorate.pacemaker.tools import Unavailable


class FakeClock:
    """Stands still until somebody sleeps. `at(seconds, effect)` makes something happen once that much time has
    passed."""

    def __init__(self, unix=1_700_000_000.0):
        self._unix = unix
        self.elapsed = 0.0
        self._events = []

    def now(self):
        return self._unix + self.elapsed

    def monotonic(self):
        return 1000.0 + self.elapsed

    def sleep(self, seconds):
        end = self.elapsed + max(0.0, seconds)
        while self._events and self._events[0][0] <= end:
            when, _order, effect = self._events.pop(0)
            self.elapsed = max(self.elapsed, when)
            effect()
        self.elapsed = end
        if seconds <= 0:
            self.elapsed += 0.001  # so that a loop that sleeps for nothing still reaches its deadline

    def step(self, seconds):
        """Somebody sets the clock; no time passes."""
        self._unix += seconds

    def at(self, seconds, effect):
        self._events.append((seconds, len(self._events), effect))
        self._events.sort(key=lambda event: event[:2])


class _Script:
    def __init__(self, argv, rc, out, err, takes, then, often):
        self.argv, self.rc, self.out, self.err = argv, rc, out, err
        self.takes, self.then, self.often, self.used = takes, then, often, 0

    def fits(self, argv):
        if self.argv and self.argv[-1] is ...:
            return tuple(argv[:len(self.argv) - 1]) == self.argv[:-1]
        return tuple(argv) == self.argv


class FakeCommands:
    """Commands with declared expectations.

    expect(...)  this command is run exactly once; expectations are met in the order in which they were declared
    allow(...)   this command may be run, any number of times, at any point

    The words of the command come first; `...` as the last one stands for any further words. Then, by name:
    rc, out, err; takes (seconds: with a clock, it passes; longer than the limit is a time-out); then (called with the
    words and stdin before the answer; if it returns a Result or a text, that is the answer or its output).
    """

    trace = None

    def __init__(self, clock=None):
        self.clock = clock
        self.calls = []      # argv of each run
        self.inputs = []     # stdin of each run
        self.environments = []  # env of each run
        self.spawned = []    # (argv, log_path, env, user) of each daemon
        self._expected = []
        self._allowed = []
        self._next_pid = 4000
        self.processes = None  # FakeProcesses of what is spawned
        self.on_spawn = None  # called with argv; may return a pid or raise OSError

    def expect(self, *argv, rc=0, out="", err="", takes=0.0, then=None):
        self._expected.append(_Script(argv, rc, out, err, takes, then, 1))
        return self

    def allow(self, *argv, rc=0, out="", err="", takes=0.0, then=None):
        self._allowed.insert(0, _Script(argv, rc, out, err, takes, then, None))  # the latest declaration holds
        return self

    def run(self, argv, timeout, stdin=None, env=None):
        argv = tuple(argv)
        assert all(isinstance(word, str) for word in argv), "not all words are text: %r" % (argv,)
        assert timeout is not None and timeout >= 0, "a command without a time limit: %r" % (argv,)
        self.calls.append(argv)
        self.inputs.append(stdin)
        self.environments.append(env)
        script = self._script(argv)
        if self.clock is not None:
            self.clock.sleep(min(script.takes, timeout))
        if script.takes > timeout:
            return Result(argv, None, "", "", True)
        answer = script.then(argv, stdin) if script.then else None
        if isinstance(answer, Result):
            return answer
        return Result(argv, script.rc, script.out if answer is None else answer, script.err, False)

    def _script(self, argv):
        if self._expected and self._expected[0].fits(argv):
            return self._expected.pop(0)
        for script in self._allowed:
            if script.fits(argv):
                return script
        expected = " ".join(map(str, self._expected[0].argv)) if self._expected else "nothing more"
        raise AssertionError("unexpected command: %s\nexpected: %s" % (" ".join(argv), expected))

    def spawn(self, argv, log_path, env=None, user=None):
        """A command that was declared prints into its log as it begins, and takes its time; any other one does nothing."""
        self.spawned.append((tuple(argv), log_path, env, user))
        script = next((one for one in self._expected[:1] + self._allowed if one.fits(tuple(argv))), None)
        pid = self.on_spawn(tuple(argv)) if self.on_spawn else None
        if script is not None:
            if script in self._expected:
                self._expected.remove(script)
            if script.then:
                script.then(tuple(argv), None)
            with open(log_path, "a", encoding="utf-8") as log:
                log.write(script.out + script.err)
            if pid is None and self.processes is not None:
                pid = self.processes.add(argv).pid
            if pid is not None:
                self.clock.at(self.clock.elapsed + script.takes, lambda: self.processes.remove(pid))
        if pid is None:
            self._next_pid += 1
            pid = self._next_pid
        return pid

    def done(self):
        """Fails if an expected command was not run."""
        assert not self._expected, "never run: " + "; ".join(" ".join(map(str, s.argv)) for s in self._expected)


class FakeProcesses:
    """Processes that exist because a test says so.

    add(..., dies_of=(9, 15), after=0.0) says which signals end it, and how many seconds later (that needs a clock).
    """

    def __init__(self, clock=None):
        self.clock = clock
        self.signals = []    # (pid, signal) in order
        self.ages = {}       # pid to seconds; 1000 where nothing is said
        self.owners = {}     # pid to user id; 0 where nothing is said
        self.works = {}      # pid to (seconds of CPU, bytes of disk); not to be known where nothing is said
        self.followers = set()  # pids that do not lead their process group
        self._table = {}
        self._dies_of = {}
        self._next = 100

    def add(self, argv, pid=None, ppid=1, state="S", dies_of=(9, 15), after=0.0, start=None):
        self._next += 1
        pid = self._next if pid is None else pid
        words = tuple(argv.split()) if isinstance(argv, str) else tuple(argv)
        process = Process(pid, ppid, self._next * 10 if start is None else start, state, words)
        self._table[pid] = process
        self._dies_of[pid] = (tuple(dies_of), after)
        return process

    def remove(self, pid):
        self._table.pop(pid, None)

    def get(self, pid):
        return self._table.get(pid)

    def all(self):
        return [self._table[pid] for pid in sorted(self._table)]

    def mentioning(self, words):
        return [process for process in self.all() if any(word in " ".join(process.argv) for word in words)]

    def age(self, process):
        return self.ages.get(process.pid, 1000.0)

    def work(self, process):
        return self.works.get(process.pid)

    def owner(self, process):
        return self.owners.get(process.pid, 0)

    def here(self, process):
        return True

    def leads(self, process):
        return process.pid not in self.followers

    def descendants(self, pid):
        found, parents = [], [pid]
        while parents:
            parent = parents.pop()
            below = [process for process in self.all() if process.ppid == parent]
            found.extend(below)
            parents.extend(process.pid for process in below)
        return found

    def gone(self, process):
        now = self._table.get(process.pid)
        return now is None or now.start != process.start

    def signal(self, process, number):
        if self.gone(process):
            return False
        self.signals.append((process.pid, number))
        deadly, after = self._dies_of[process.pid]
        if number in deadly:
            if after and self.clock is not None:
                self.clock.at(self.clock.elapsed + after, lambda: self.remove(process.pid))
            else:
                self.remove(process.pid)
        return True


class FakeAttributes:
    """Attributes held in dicts. Give the same `shared` to several to let nodes see each other's.

    `unavailable` set to a sentence makes every call raise Unavailable with it. `writes` records (name, node, value).
    """

    def __init__(self, node="n1", shared=None):
        self.node = node
        self.shared = {"transient": {}, "permanent": {}, "property": {}} if shared is None else shared
        self.private = set()
        self.writes = []
        self.unavailable = None

    def _reach(self):
        if self.unavailable:
            raise Unavailable(self.unavailable)

    def all(self, name):
        self._reach()
        return dict(self.shared["transient"].get(name, {}))

    def set(self, name, value, node=None, private=False, wait=None):
        self._reach()
        assert wait in (None, "local", "cluster")
        node = node or self.node
        self.writes.append((name, node, checked_value(value)))
        self.shared["transient"].setdefault(name, {})[node] = str(value)
        if private:
            self.private.add(name)

    def delete(self, name, node=None):
        self._reach()
        node = node or self.node
        self.writes.append((name, node, None))
        self.shared["transient"].get(name, {}).pop(node, None)

    def permanent(self, name, node):
        self._reach()
        return self.shared["permanent"].get((name, node))

    def set_permanent(self, name, value, node):
        self._reach()
        self.writes.append((name, node, value))
        if value is None:
            self.shared["permanent"].pop((name, node), None)
        else:
            self.shared["permanent"][(name, node)] = checked_value(value)

    def cluster_property(self, name):
        self._reach()
        return self.shared["property"].get(name)

    def set_cluster_property(self, name, value):
        self._reach()
        self.writes.append((name, "cluster", value))
        if value is None:
            self.shared["property"].pop(name, None)
        else:
            self.shared["property"][name] = checked_value(value)


class FakeLog(Log):
    """Keeps what was logged in `lines`, and what was narrated in `said`."""

    def __init__(self):
        Log.__init__(self, "test", {}, interactive=True)
        self.lines = []
        self.said = []

    def _line(self, level, text):
        self.lines.append((level, self.clean(text)))

    def debug(self, text):
        self._line("DEBUG", text)

    def say(self, text):
        self.said.append(self.clean(text))

    def traceback(self, text):
        self.lines.append(("ERROR", text))


def context(action="monitor", parameters=(), environ=None, seconds=20.0, clock=None, commands=None, processes=None,
            interactive=False, **values):
    """A Context made of fakes. `values` are parameters: x='1' stands for OCF_RESKEY_x=1. Invalid ones fail the test."""
    clock = clock or FakeClock()
    environ = dict(environ or {})
    environ.setdefault("OCF_RESOURCE_INSTANCE", "test")
    environ.setdefault("OCF_RESKEY_CRM_meta_on_node", "n1")
    environ.update({"OCF_RESKEY_" + name: str(value) for name, value in values.items()})
    typed, problems = read_all(parameters, environ)
    assert not problems, problems
    commands, processes = commands or FakeCommands(clock), processes or FakeProcesses(clock)
    if isinstance(commands, FakeCommands) and commands.processes is None:
        commands.processes = processes
    return Context(typed, action, environ, FakeLog(), commands, processes, clock, Deadline(clock, seconds), interactive)
