# SPDX-License-Identifier: Apache-2.0
"""A machine of the cluster, on which the real agent runs: its commands, processes, directories and faults.

The agent is run by quorate.ocf.agent.run_agent, as Pacemaker does it. What it reaches the outside by is replaced, once
for all machines (see `installed`): the class of its commands, processes and clock, its state files' directories, and
what it reads of single processes in /proc. Which machine an agent runs on is known by the thread that it runs in.
"""

import contextlib
import os
import shutil
import threading
from collections import namedtuple

from quorate.host import daemon, state_files as state_files_of_host
from quorate.host.command import Result
from quorate.host.state_files import StateFiles
from quorate.ocf import agent as ocf_agent
from quorate.ocf.log import Log
from tests.fakes import FakeProcesses

TOOLS = ("attrd_updater", "crm_attribute", "crm_node", "crm_mon", "cibadmin")
KINDS = ("timeout", "fails", "killed", "killed after")
COMMANDS_MOST = 1000  # in one action
PREFIX = "ocf-exit-reason:"
_running = threading.local()


class Killed(BaseException):
    """The agent was killed here (SIGKILL, power cut): nothing more is done by it."""


class Endless(BaseException):
    """An action of the agent does not end."""


class Answer(namedtuple("Answer", "code reason")):
    """How an action ended: exit code (None: the agent was killed) and exit reason ('' if there was none)."""

    __slots__ = ()


class Fault(namedtuple("Fault", "kind step")):
    """What goes wrong at the step-th command (from 0) that the agent runs from now on.

    kind: of KINDS: the program does not end; ends with code 102; the agent is killed before it, or after it
    """

    __slots__ = ()


def here():
    """The Machine that this thread's agent runs on."""
    return _running.machine


class Machine:
    """service: what answers the service's own programs, see Service below."""

    def __init__(self, name, root, cluster, agent, instance="db"):
        self.name = name
        self.root = str(root)
        self.cluster = cluster         # has .clock (Schedule), .pacemaker and .journal
        self.clock = cluster.clock
        self.agent = agent
        self.instance = instance
        self.on = True
        self.full = False              # whether nothing can be written to /var/lib/quorate
        self.service = None
        self.parameters = {}
        self.processes = MachineProcesses(self)
        self.commands = MachineCommands(self)
        self.logged = []               # (level, text) of all actions
        self.run = os.path.join(self.root, "run")
        self.persistent = os.path.join(self.root, "persistent")
        self.fault = None
        self.steps = 0                 # commands that the agent has run here
        self._killed = False

    # Actions

    def act(self, action, interval=0, timeout=None, level=0):
        """Run an action of the agent as Pacemaker does. Its Answer. interval: seconds."""
        if timeout is None:
            timeout = max(one.timeout for one in self.agent.advertised() if one.name == action)
        environ = {
            "OCF_RESOURCE_INSTANCE": self.instance + ":0", "OCF_ROOT": "/usr/lib/ocf",
            "PCMK_service": "pacemaker-execd", "HA_LOGFACILITY": "none", "PATH": "/usr/bin",
            "OCF_CHECK_LEVEL": str(level), "OCF_RESKEY_CRM_meta_on_node": self.name,
            "OCF_RESKEY_CRM_meta_timeout": str(int(timeout * 1000))}
        if interval:
            environ["OCF_RESKEY_CRM_meta_interval"] = str(int(interval * 1000))
        environ.update(("OCF_RESKEY_" + name, str(value)) for name, value in self.parameters.items())
        before = getattr(_running, "machine", None)
        _running.machine, _running.reason = self, []
        self._killed, self._action, self._left = False, action, COMMANDS_MOST
        self.cluster.journal.add(self.name, "action", action)
        began = self.clock.elapsed
        try:
            code = ocf_agent.run_agent(self.agent, [self.agent.name, action], environ)
        finally:
            reason = "".join(_running.reason)
            _running.machine = before
        if self._killed:
            return Answer(None, "")
        assert self._left >= 0, "%s of %s runs commands without end" % (action, self.name)
        if self.clock.elapsed - began > timeout:
            raise AssertionError("%s took %.1f of %s s" % (action, self.clock.elapsed - began, timeout))
        assert not reason or reason.startswith(PREFIX), reason
        answer = Answer(code, reason[len(PREFIX):].strip())
        self.cluster.journal.add(self.name, "answer", "%s %d %s" % (action, code, answer.reason))
        return answer

    def fail_at(self, kind, step):
        """Have this go wrong at that command, counted from now."""
        self.fault = Fault(kind, self.steps + step)

    def step(self):
        """Called before each command of an action. The kind of fault that the command is to meet, or None."""
        number, self.steps = self.steps, self.steps + 1
        self._left -= 1
        if self._left < 0:
            raise Endless("%s of %s runs commands without end" % (self._action, self.name))
        if not self.on or self._killed:
            self._end()
        fault = self.fault
        if fault is None or number < fault.step:
            return None
        self.fault = None
        self.cluster.journal.add(self.name, "fault", fault.kind)
        if fault.kind == "killed":
            self._end()
        return fault.kind

    def _end(self):
        self._killed = True
        raise Killed()

    # What happens to it

    def cut_power(self):
        """Everything in memory and in /run is gone."""
        self.on = False
        if self.service is not None:
            self.service.power_lost()
        self.processes.clear()
        shutil.rmtree(self.run, ignore_errors=True)

    def state_files(self, kind):
        """What the agent wrote down here."""
        return StateFiles(kind, self.instance, self.run, self.persistent)

    def fill_disk(self, full=True):
        """From now on nothing can be written to /var/lib/quorate; what is there stays."""
        self.full = full


class Journal:
    """What all machines did, in order: (seconds, machine, kind, text)."""

    def __init__(self, clock):
        self.clock = clock
        self.entries = []

    def add(self, machine, kind, text):
        self.entries.append((round(self.clock.elapsed, 2), machine, kind, text))

    def of(self, machine=None, kinds=None):
        return [(kind, text) for _, name, kind, text in self.entries
                if machine in (None, name) and (kinds is None or kind in kinds)]

    def __str__(self):
        return "\n".join("%8.2f %s %s %s" % entry for entry in self.entries)

    __repr__ = __str__


class Service:
    """What a machine's service does when the agent runs one of its programs. To be derived from."""

    def command(self, argv, timeout):
        """The Result of a program of the service that ends by itself; None: this is not one."""

    def launched(self, argv, output):
        """Pid of a daemon that was started. output: path of the file for what it prints."""
        raise NotImplementedError(argv)

    def signalled(self, process, number):
        """A process got a signal."""

    def power_lost(self):
        """The machine lost its power."""


class MachineCommands:
    """See quorate.host.command.Commands. Changes to the cluster and the programs of the service go into the journal."""

    trace = None

    def __init__(self, machine):
        self.takes = 0.02  # seconds, of each command
        self.environment = None  # of the daemon that was spawned last
        self._machine = machine

    def run(self, argv, timeout, stdin=None, env=None):
        argv, machine = tuple(argv), self._machine
        assert timeout > 0, "a command without time: %r" % (argv,)
        assert all(isinstance(word, str) for word in argv), argv
        fault = machine.step()
        if fault == "timeout":
            machine.cluster.journal.add(machine.name, "no answer", " ".join(argv))
            machine.clock.sleep(timeout)
            return Result(argv, None, "", "", True)
        machine.clock.sleep(self.takes)
        if not machine.on:
            machine._end()
        if fault == "fails":
            machine.cluster.journal.add(machine.name, "failed", " ".join(argv))
            return Result(argv, 102, "", "", False)
        result = self._answer(argv, timeout)
        if fault == "killed after":
            machine._end()
        return result

    def _answer(self, argv, timeout):
        machine = self._machine
        if argv[0] in TOOLS:
            if not {"-Q", "-G", "--output-as=xml"}.intersection(argv) and argv[0] != "crm_node":
                machine.cluster.journal.add(machine.name, "cluster", " ".join(argv))
            return machine.cluster.pacemaker.answer(machine.name, argv)
        if argv[:2] == ("systemctl", "is-active"):
            return Result(argv, 3, "inactive\n" * (len(argv) - 2), "", False)
        result = machine.service.command(argv, timeout)
        assert result is not None, "an unknown program: %s" % " ".join(argv)
        return result

    def spawn(self, argv, log_path, env=None, user=None):
        machine = self._machine
        fault = machine.step()
        if fault in ("fails", "timeout"):
            raise OSError(12, "Cannot allocate memory")
        self.environment = env
        pid = machine.service.launched(tuple(argv), log_path)
        if fault == "killed after":
            machine._end()
        return pid


class MachineProcesses(FakeProcesses):
    """See quorate.host.process.Processes; also what is read of single processes in /proc."""

    def __init__(self, machine):
        FakeProcesses.__init__(self, machine.clock)
        self._machine = machine
        self.directories = {}   # pid -> working directory
        self.sessions = {}      # pid -> session
        self.bytes = {}         # pid -> bytes that it has read and written

    def clear(self):
        self._table.clear()

    def change(self, pid, **values):
        self._table[pid] = self._table[pid]._replace(**values)

    def signal(self, process, number):
        if self.gone(process):
            return False
        self.signals.append((process.pid, number))
        self._machine.cluster.journal.add(self._machine.name, "signal", "%d to %s" % (
            number, os.path.basename((process.argv or ("?",))[0])))
        self._machine.service.signalled(process, number)
        return True


class MachineLog(Log):
    """Keeps what an agent logs."""

    def _syslog(self, level, text):
        here().logged.append((level, text))


@contextlib.contextmanager
def installed(monkeypatch):
    """Replace what an agent reaches the outside by."""
    def state_files(self, kind, instance, run=None, persistent=None, log=None):
        real(self, kind, instance, run or here().run, persistent or here().persistent, log)

    def replace(path, text, owner=None):
        if here().full and path.startswith(here().persistent):
            raise OSError(28, "No space left on device")
        write(path, text, owner)

    real, write = StateFiles.__init__, state_files_of_host.replace
    monkeypatch.setattr(state_files_of_host, "replace", replace)
    monkeypatch.setattr(StateFiles, "__init__", state_files)
    monkeypatch.setattr("quorate.host.command.Commands", lambda *_: here().commands)
    monkeypatch.setattr("quorate.host.process.Processes", lambda *_: here().processes)
    monkeypatch.setattr(ocf_agent, "Clock", lambda: here().clock)
    monkeypatch.setattr(ocf_agent, "Log", MachineLog)
    monkeypatch.setattr(ocf_agent, "to_stderr", lambda text: _running.reason.append(text))
    monkeypatch.setattr(ocf_agent, "_end_on_sigterm", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # what a power cut leaves is up to the test
    monkeypatch.setattr(daemon, "allow_open_files", lambda wanted: None)
    monkeypatch.setattr(daemon, "session", lambda pid: here().processes.sessions.get(pid))
    yield
