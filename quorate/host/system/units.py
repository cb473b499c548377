# SPDX-License-Identifier: Apache-2.0
"""systemd units: found by reading files, started and stopped with systemctl. No program is run only to read.

Directories of units and their precedence: systemd.unit(5). systemd must not restart a unit that the cluster runs, and
must stop it after Pacemaker. That is done as Pacemaker does it for its own systemd resources
(lib/services/systemd.c): by a drop-in in /run, gone with the next boot.
"""

import os
from collections import namedtuple

PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
          "/lib/systemd/system", "/run/systemd/transient", "/run/systemd/generator", "/run/systemd/generator.late")
GENERATED = PLACES[-2:]
HIERARCHIES = ("/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified")
# Of drop-ins in all directories together the last one by name holds: this one is behind override.conf, which `systemctl
# edit` writes.
DROP_IN = "zz-quorate.conf"
EARLIER_DROP_IN = "50-quorate.conf"  # of 0.1.0, before override.conf
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
        """The Unit of the first of these names (without '.service') that is installed, or None. Of an instance
        ('a@1') its template may be; a template itself ('a@') is nothing that runs."""
        for name in names:
            unit = name if name.endswith(".service") else name + ".service"
            path = None if unit.endswith("@.service") else self._file(unit)
            if path is None and template(unit) != unit:
                path = self._file(template(unit))
            if path is not None:
                masked = os.path.realpath(path) == "/dev/null" or (os.path.isfile(path) and not os.path.getsize(path))
                return Unit(unit if masked else self._own_name(unit, path), path, masked)
        return None

    def _own_name(self, unit, path):
        """The name that systemd has for a unit which was found by `path`: an alias (Alias=, systemctl enable) is a link to
        the file of another name in one of the directories of units. A link to somewhere else, and that of an instance to
        its template, are none (systemd.unit(5))."""
        real = os.path.realpath(path)
        directory, name = os.path.split(real)
        places = PLACES + tuple(os.path.realpath(self._root + place) for place in PLACES)
        if directory.removeprefix(self._root) not in places and directory not in places or not name.endswith(".service"):
            return unit
        if name.endswith("@.service"):
            instance = unit.partition("@")[2]  # '1.service', '.service' of a template, '' of neither
            return name[:-len(".service")] + instance if instance else unit
        return name

    def _file(self, name):
        """Path of the unit file that holds, None: there is none."""
        paths = (self._root + place + "/" + name for place in PLACES)
        return next((path for path in paths if os.path.lexists(path)), None)

    def enabled(self, unit):
        """Whether systemd starts it at boot: some target in /etc or /run wants or requires it, also by a link that
        systemd-sysv-generator(8) made of /etc/rc?.d."""
        for place in PLACES[:2] + GENERATED:
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
            found = _in_group("%s%s/system.slice/%s" % (self._root, hierarchy, unit.name))
            if found:
                return found
        # No such control group: the unit does not run, or it is in another slice, as instances of a template are.
        return frozenset(int(name) for name in os.listdir(self._proc)
                         if name.isdigit() and self.of(int(name)) == unit.name)

    def of(self, pid):
        """The name of the service unit that a process belongs to, None when it is in none (a session, a container).
        One of a user's own systemd is in that user's unit; one in a group below that of its unit (Delegate=) is in the
        unit."""
        groups, outer = self._groups(pid), None
        for controllers, path in groups:
            if ".service" not in path:
                continue
            if outer is None:
                outer = dict(self._groups(1))
            # As systemd finds it (basic/cgroup-util.c, cg_path_get_unit): the first name that is no slice, below the
            # group of systemd itself, which is not the root in a container.
            above = outer.get(controllers, "").rpartition("/init.scope")[0]
            below = path[len(above):] if path.startswith(above + "/") else path
            names = [name for name in below.split("/") if name.endswith((".service", ".scope"))]
            if names and names[0].endswith(".service"):
                return names[0]
        return None

    def _groups(self, pid):
        """[(controllers, path)] of the control groups that systemd makes; [] when they cannot be read."""
        try:
            with open("%s/%d/cgroup" % (self._proc, pid), encoding="ascii", errors="replace") as file:
                fields = [line.split(":", 2) for line in file.read().splitlines()]
        except OSError:
            return []
        return [(one[1], one[2]) for one in fields if len(one) == 3 and one[1] in ("", "name=systemd")]

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
        """Whether systemd was told to leave restarts to the cluster, and no drop-in can tell it otherwise."""
        return self._written(unit) and not self._behind(unit)

    def _written(self, unit):
        try:
            with open(self._drop_in(unit), encoding="ascii") as file:
                return file.read() == DROP_IN_TEXT
        except (OSError, ValueError):
            return False

    def _drop_in(self, unit, name=DROP_IN):
        return "%s/run/systemd/system/%s.d/%s" % (self._root, unit.name, name)

    def _behind(self, unit):
        """Path of a drop-in of the unit that systemd reads after ours, None: there is none."""
        for place in PLACES:
            for name in _drop_in_names(unit.name):
                directory = "%s%s/%s.d" % (self._root, place, name)
                for file in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
                    if file > DROP_IN and file.endswith(".conf"):
                        return directory + "/" + file
        return None

    def adopt(self, unit, timeout):
        """Make systemd leave restarts to the cluster. Returns a warning when that failed, else None. Whether it took
        effect: restart_warning()."""
        path, earlier = self._drop_in(unit), self._drop_in(unit, EARLIER_DROP_IN)
        if self._written(unit) and not os.path.lexists(earlier):
            return None
        try:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(DROP_IN_TEXT)
            os.rename(path + ".new", path)
            if os.path.lexists(earlier):
                os.unlink(earlier)
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

    def restart_warning(self, unit, timeout):
        """Why systemd may restart the unit itself although adopt() told it not to, None: it does not. Where it has not read
        the drop-in, since adopt() was killed before that, it is told to."""
        value = self._restart(unit, timeout)
        if value not in ("", "no") and self.adopted(unit):
            self._commands.run(("systemctl", "daemon-reload"), timeout)
            value = self._restart(unit, timeout)
        if value == "no":
            return None
        if not value:
            return "systemd does not say whether it restarts %s: systemctl show -p Restart %s" % (unit.name, unit.name)
        behind = self._behind(unit)
        return "systemd restarts %s (Restart=%s) beside the cluster%s: set Restart=no; see systemctl cat %s" % (
            unit.name, value, ", by " + behind if behind else "", unit.name)

    def _restart(self, unit, timeout):
        """Restart= of a unit as systemd has it, '' where it does not say."""
        result = self._commands.run(("systemctl", "show", "--property=Restart", "--", unit.name), timeout)
        return result.out.strip().partition("=")[2] if result.ok else ""

    def start(self, unit, timeout):
        """Start a unit and wait. Returns the Result of systemctl."""
        return self._commands.run(("systemctl", "start", unit.name), timeout)

    def stop(self, unit, timeout):
        """Stop a unit without waiting: systemd sends SIGTERM and SIGCONT to all its processes. Returns the Result."""
        return self._commands.run(("systemctl", "stop", "--no-block", unit.name), timeout)

    def forget_failure(self, unit, timeout):
        """Reset the failed state of a unit: it has it after SIGKILL, and in a planned stop that is no failure."""
        self._commands.run(("systemctl", "reset-failed", unit.name), timeout)


def template(name):
    """The name of the template of which a unit is an instance: 'a@.service' of 'a@1.service'. The name itself where it
    is none."""
    prefix, at, _instance = name.partition("@")
    return prefix + "@.service" if at else name


def _drop_in_names(name):
    """Names whose directories of drop-ins hold for a unit (systemd.unit(5)): its own, its template's, those of what its
    name begins with up to a '-', and of all services."""
    found = [name] if template(name) == name else [name, template(name)]
    prefix, at = name.partition("@")[0].removesuffix(".service"), "@.service" if "@" in name else ".service"
    for end, letter in enumerate(prefix):
        if letter == "-":
            found += [prefix[:end + 1] + ".service"] + ([prefix[:end + 1] + at] if at != ".service" else [])
    return found + ["service"]


def _in_group(directory):
    """Pids in a control group and in those below it, as a frozenset; empty when there is no such group."""
    found, waiting = set(), [directory]
    while waiting:
        directory = waiting.pop()
        try:
            waiting += [one.path for one in os.scandir(directory) if one.is_dir(follow_symlinks=False)]
            with open(directory + "/cgroup.procs", encoding="ascii") as file:
                found.update(int(line) for line in file)
        except (OSError, ValueError):
            continue  # it has ended meanwhile, or has threads only
    return frozenset(found)


def last_line(result):
    """The last line that a program printed, else how it ended."""
    lines = (result.err.strip() or result.out.strip()).splitlines()
    return lines[-1].strip() if lines else "it did not end in time" if result.timed_out else "code %s" % result.rc
