# SPDX-License-Identifier: Apache-2.0
"""Processes of this machine, read from /proc.

A pid alone does not identify a process, since it is used again. A pid and a start time do.
"""

import os
from collections import namedtuple


class Process(namedtuple("Process", "pid ppid start state argv")):
    """A process at the moment when it was read.

    start  clock ticks since boot (field 22 of /proc/PID/stat); with the pid it identifies the process
    state  one letter: R S D T ... (proc(5)); T is stopped by a signal, D survives SIGKILL until its system call ends
    argv   tuple of str; empty for kernel threads
    """

    __slots__ = ()


# A process that has just ended, or that only its owner may inspect. Any other error (no memory, no free file on the
# whole machine) says nothing about the process and is raised: a stop must not take it for the end of a service.
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


class Processes:
    """Reads processes and signals them.

    A zombie has ended and counts as gone. Processes of containers on this machine do not count as its own: their
    /var/lib/mysql is another one, and they must not be found, let alone stopped. Inside a container, processes outside
    it do not count.
    """

    __slots__ = ("_proc", "_namespace")

    def __init__(self, proc="/proc"):
        self._proc = proc
        self._namespace = self._pid_namespace("self")

    def get(self, pid):
        """The Process with this pid, None when there is none (any more). Raises OSError when that cannot be found
        out."""
        try:
            with open("%s/%d/stat" % (self._proc, pid), "rb") as file:
                text = file.read()
            # The name in brackets may contain spaces and brackets, so the fields begin after the last bracket.
            fields = text[text.rindex(b")") + 2:].split()
            state, ppid, start = fields[0].decode("ascii"), int(fields[1]), int(fields[19])
            if state in "ZXx" and not self._other_threads(pid):
                return None
            with open("%s/%d/cmdline" % (self._proc, pid), "rb") as file:
                words = file.read()
        except _GONE + (ValueError, IndexError):
            return None
        if self._elsewhere(pid):
            return None
        argv = tuple(os.fsdecode(word) for word in words.rstrip(b"\0").split(b"\0")) if words else ()
        return Process(pid, ppid, start, state, argv)

    def _pid_namespace(self, pid):
        try:
            return os.readlink("%s/%s/ns/pid" % (self._proc, pid))
        except OSError:
            return None

    def _elsewhere(self, pid):
        """Whether it runs in a container. False when we may not know, as we are not root."""
        theirs = self._pid_namespace(pid)
        return None not in (theirs, self._namespace) and theirs != self._namespace

    def _other_threads(self, pid):
        """Whether threads still run after the first one has ended: then the process has its files open, and is not
        gone."""
        try:
            return len(os.listdir("%s/%d/task" % (self._proc, pid))) > 1
        except OSError:
            return False

    def all(self):
        """A list of every Process that can be seen."""
        found = (self.get(int(name)) for name in os.listdir(self._proc) if name.isdigit())
        return [process for process in found if process]

    def mentioning(self, words):
        """A list of every Process that has one of these words (str) somewhere on its command line. Cheaper than all():
        of the others only the command line is read. Raises OSError as get() does."""
        wanted = [os.fsencode(word) for word in words]
        found = []
        for name in os.listdir(self._proc):
            if not name.isdigit():
                continue
            try:
                handle = os.open("%s/%s/cmdline" % (self._proc, name), os.O_RDONLY)  # a third of the time of open()
            except _GONE:
                continue
            try:
                line = os.read(handle, 4096)
            except _GONE:
                continue
            finally:
                os.close(handle)
            if any(word in line for word in wanted):
                process = self.get(int(name))
                if process is not None:
                    found.append(process)
        return found

    def age(self, process):
        """Seconds since it was started."""
        import time
        return time.clock_gettime(time.CLOCK_BOOTTIME) - process.start / os.sysconf("SC_CLK_TCK")

    def work(self, process):
        """(seconds of processor time, bytes from and to disks) that it has used so far; None when it is gone or may not
        be inspected."""
        try:
            with open("%s/%d/stat" % (self._proc, process.pid), "rb") as file:
                text = file.read()
            fields = text[text.rindex(b")") + 2:].split()
            with open("%s/%d/io" % (self._proc, process.pid), "rb") as file:
                counts = dict(line.split(b":") for line in file)
            return ((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
                    int(counts[b"read_bytes"]) + int(counts[b"write_bytes"]))
        except (OSError, ValueError, IndexError, KeyError):
            return None

    def owner(self, process):
        """The user id that it runs as, None when it is gone."""
        try:
            return os.stat("%s/%d" % (self._proc, process.pid)).st_uid
        except OSError:
            return None

    def here(self, process):
        """Whether it sees the file system that we see. The command line of a process in a chroot names the same paths,
        but they are other files. True when we may not know, as we are not root."""
        return same_root(process.pid, True, self._proc)

    def leads(self, process):
        """Whether it leads its process group, as what a shell, systemd or this suite starts does, or something else
        that is alive does, such as a shell that waits for it. What a parent forks, which is gone now, does not."""
        try:
            leader = os.getpgid(process.pid)
        except OSError:
            return False
        if leader == process.pid:
            return True
        found = self.get(leader)
        return found is not None and found.state not in ("Z", "X")

    def descendants(self, pid):
        """A list of the children of `pid`, their children, and so on. Orphans, which init adopted, are not among
        them."""
        children = {}
        for process in self.all():
            children.setdefault(process.ppid, []).append(process)
        found, parents = [], [pid]
        while parents:
            below = children.pop(parents.pop(), ())
            found.extend(below)
            parents.extend(process.pid for process in below)
        return found

    def gone(self, process):
        """Whether this very process has ended; another one with the same pid does not count."""
        now = self.get(process.pid)
        return now is None or now.start != process.start

    def signal(self, process, number):
        """Send a signal to this very process. False when it is gone; raises PermissionError when that is not
        allowed."""
        handle = _handle(process.pid)
        try:
            if self.gone(process):
                return False
            if handle is None:
                os.kill(process.pid, number)
            else:
                from signal import pidfd_send_signal
                pidfd_send_signal(handle, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            if handle is not None:
                os.close(handle)


def same_root(pid, hidden=False, proc="/proc"):
    """Whether the process sees the file system that we see.

    A server in a container has the same command line and another /var/lib/mysql: in the lab, a stop on the host once
    ended the servers of all nodes. hidden: the answer when only root may inspect the process.
    """
    try:
        mine, theirs = os.stat("/"), os.stat("%s/%d/root/" % (proc, pid))
    except PermissionError:
        return hidden
    except OSError:
        return False
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def same_network(process):
    """Whether this very process has the network namespace that we have, so that its addresses are ours. True when we
    may not know."""
    try:
        mine, theirs = os.readlink("/proc/self/ns/net"), os.readlink("/proc/%d/ns/net" % process.pid)
    except OSError:
        return True
    return mine == theirs or Processes().gone(process)


def _handle(pid):
    """A file descriptor that refers to this process (pidfd, Linux 5.3), so that the pid cannot be used again between
    the check and the signal. None where the kernel has none: there a gap of microseconds remains."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None
