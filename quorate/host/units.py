# SPDX-License-Identifier: Apache-2.0
"""systemd units: found by reading files, started and stopped with systemctl. No program is run only to read.

Directories of units and their precedence: systemd.unit(5). systemd must not restart a unit that the cluster runs, and
must stop it after Pacemaker. That is done as Pacemaker does it for its own systemd resources
(lib/services/systemd.c): by a drop-in in /run, gone with the next boot.
"""

import os
from collections import namedtuple

PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
          "/lib/systemd/system")
HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
DROP_IN = "50-quorate.conf"
DROP_IN_TEXT = """\
# The cluster runs this unit (quorate): it decides about restarts, and stops it before Pacemaker ends.
[Unit]
Before=pacemaker.service pacemaker_remote.service
[Service]
Restart=no
TimeoutStopSec=120
"""


class Unit(namedtuple("Unit", "name path masked")):
    """A service unit that is installed. name with '.service'; masked: it cannot be started."""

    __slots__ = ()


class UnitState(namedtuple("UnitState", "active sub main job", defaults=("", 0, False))):
    """What systemd does with a unit now. active, sub: ActiveState and SubState ('activating', 'auto-restart'); main:
    pid of its main process, 0: there is none; job: whether a job of it (start, stop) waits or runs."""

    __slots__ = ()

    @property
    def ended(self):
        """Whether systemd has no process of it, and starts none by itself."""
        return self.active in ("inactive", "failed") and not self.starting

    @property
    def starting(self):
        """Whether systemd is about to start it, now or after its RestartSec (auto-restart)."""
        return self.active == "activating" or self.sub.startswith("auto-restart") or (
            self.active in ("inactive", "failed") and self.job)

    @property
    def shown(self):
        """For a message, as systemctl shows it."""
        return "%s (%s%s)" % (self.active, self.sub, ", with a job" if self.job else "")


class Units:
    """The units of this machine. root: prefix of every path, for tests."""

    __slots__ = ("_commands", "_root", "_proc")

    def __init__(self, commands, root="", proc="/proc"):
        self._commands = commands
        self._root = root
        self._proc = proc

    def managed(self):
        """Whether systemd runs this machine (sd_booted(3)); in most containers it does not."""
        return os.path.isdir(self._root + "/run/systemd/system")

    def find(self, names):
        """The Unit of the first of these names (without '.service') that is installed, or None."""
        for name in names:
            file = name if name.endswith(".service") else name + ".service"
            for place in PLACES:
                path = self._root + place + "/" + file
                if os.path.lexists(path):
                    masked = os.path.realpath(path) == "/dev/null" or (os.path.isfile(path)
                                                                       and not os.path.getsize(path))
                    return Unit(file, path, masked)
        return None

    def enabled(self, unit):
        """Whether systemd starts it at boot: some target in /etc or /run wants or requires it."""
        for place in PLACES[:2]:
            top = self._root + place
            for name in sorted(os.listdir(top)) if os.path.isdir(top) else ():
                if name.endswith((".wants", ".requires")) and os.path.lexists("%s/%s/%s" % (top, name, unit.name)):
                    return True
        return False

    def active(self, names, timeout):
        """Those of these names (whole names of units) that are active now; () where systemd does not run."""
        if not self.managed():
            return ()
        lines = self._commands.run(("systemctl", "is-active") + tuple(names), timeout).out.split()
        return tuple(name for name, state in zip(names, lines) if state == "active") if len(lines) == len(names) else ()

    def processes(self, unit):
        """Pids of all processes of the unit, as a frozenset."""
        for hierarchy in HIERARCHIES:
            try:
                with open("%s%s/system.slice/%s/cgroup.procs" % (self._root, hierarchy, unit.name),
                          encoding="ascii") as file:
                    return frozenset(int(line) for line in file)
            except (OSError, ValueError):
                continue
        # No such control group: the unit does not run, or it is in another slice.
        return frozenset(int(name) for name in os.listdir(self._proc)
                         if name.isdigit() and self.of(int(name)) == unit.name)

    def of(self, pid):
        """The name of the service unit that a process belongs to, None when it is in none (a session, a container)."""
        try:
            with open("%s/%d/cgroup" % (self._proc, pid), encoding="ascii", errors="replace") as file:
                lines = file.read().splitlines()
        except OSError:
            return None
        for line in lines:
            _number, controllers, path = (line.split(":", 2) + ["", ""])[:3]
            if controllers in ("", "name=systemd") and path.endswith(".service"):
                return path.rpartition("/")[2]
        return None

    def state(self, unit, timeout):
        """The UnitState; None when systemd does not say."""
        asked = "--property=ActiveState,SubState,MainPID,Job"
        result = self._commands.run(("systemctl", "show", asked, "--", unit.name), timeout)
        found = dict(line.partition("=")[::2] for line in result.out.splitlines())
        if not result.ok or not found.get("ActiveState"):
            return None
        main = found.get("MainPID", "")
        return UnitState(found["ActiveState"], found.get("SubState", ""), int(main) if main.isdigit() else 0,
                         found.get("Job", "") not in ("", "0"))

    def adopted(self, unit):
        """Whether systemd was told to leave restarts to the cluster."""
        try:
            with open("%s/run/systemd/system/%s.d/%s" % (self._root, unit.name, DROP_IN), encoding="ascii") as file:
                return file.read() == DROP_IN_TEXT
        except (OSError, ValueError):
            return False

    def adopt(self, unit, timeout):
        """Make systemd leave restarts to the cluster. Returns a warning when that failed, else None."""
        directory = "%s/run/systemd/system/%s.d" % (self._root, unit.name)
        path = directory + "/" + DROP_IN
        if self.adopted(unit):
            return None
        try:
            os.makedirs(directory, 0o755, exist_ok=True)
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(DROP_IN_TEXT)
            os.rename(path + ".new", path)
        except OSError as error:
            return "%s cannot be written (%s), so systemd may restart %s although the cluster runs it." % (
                path, error.strerror, unit.name)
        result = self._commands.run(("systemctl", "daemon-reload"), timeout)
        if result.ok:
            return None
        try:
            os.unlink(path)  # systemd has not read it, so the next attempt must not take it for done
        except OSError:
            pass
        return "systemctl daemon-reload failed: %s" % last_line(result)

    def start(self, unit, timeout):
        """Start a unit and wait. Returns the Result of systemctl."""
        return self._commands.run(("systemctl", "start", unit.name), timeout)

    def stop(self, unit, timeout):
        """Stop a unit without waiting: systemd sends SIGTERM and SIGCONT to all its processes. Returns the Result."""
        return self._commands.run(("systemctl", "stop", "--no-block", unit.name), timeout)

    def forget_failure(self, unit, timeout):
        """Reset the failed state of a unit: it has it after SIGKILL, and in a planned stop that is no failure."""
        self._commands.run(("systemctl", "reset-failed", unit.name), timeout)


def last_line(result):
    """The last line that a program printed, else how it ended."""
    lines = (result.err.strip() or result.out.strip()).splitlines()
    return lines[-1].strip() if lines else "it did not end in time" if result.timed_out else "code %s" % result.rc
