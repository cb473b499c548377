# SPDX-License-Identifier: Apache-2.0
"""State files: what an agent keeps on its own node, as small files of `name value` lines.

In /run, gone with a reboot as the processes are: that the instance was started, which process it launched, since when
something is so, what it published last. In /var/lib, persistent, what must survive a power cut:

Galera     view: the last primary view, since a server that stops cleanly removes its gvwstate.dat, with the names of
           the members and which of them are arbitrators; gvwstate.dat: a copy, while a start does without the file
RabbitMQ   evidence: what the disk said about the other brokers before a launch; members: their names, where no file of
           RabbitMQ's has them; grow: quorum queues that are still to be extended to a broker that joined; served: from
           which data directory, under which name, in which of its boots and with which members a broker has served
           last, who has left it since, and with whom data must be to be this node's; forcing: the generation
           that was opened for a forced boot, until that has served

Every file is written as temporary file, fsync, rename: an agent that is killed at any point leaves the old file or the
new one.
"""

import os

RUN = "/run/quorate"
PERSISTENT = "/var/lib/quorate"
OUTPUT_MOST = 1024 * 1024  # bytes of what a daemon prints that are kept


class StateFiles:
    """State files of one resource on this node. kind: the agent's name, so that resources of two agents share no file.

    run, persistent: the directories, in /run and in /var/lib. log: where it is given, a file that cannot be written (a
    full disk, one that the kernel has made read-only) is a warning there and no error: a service that is well must not
    fail for it, and a stop has to stop.
    """

    __slots__ = ("run", "persistent", "log")

    def __init__(self, kind, instance, run=RUN, persistent=PERSISTENT, log=None):
        self.log = log
        name = kind + "-" + "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in instance)
        self.run = os.path.join(run, name)
        self.persistent = os.path.join(persistent, name)

    def path(self, name):
        """The path of a file in /run."""
        return os.path.join(self.run, name)

    def read(self, name, persistent=False):
        """A state file as a dict of texts; {} when there is none."""
        try:
            with open(os.path.join(self.persistent if persistent else self.run, name), encoding="utf-8",
                      errors="replace") as file:
                return dict(line.rstrip("\n").partition(" ")[::2] for line in file if line.strip())
        except OSError:
            return {}

    def write(self, name, values, persistent=False, required=False):
        """Write a state file: a dict of str to str or number. Raises OSError where there is no log, and where it is
        required: nothing may be launched without this file."""
        path = os.path.join(self.persistent if persistent else self.run, name)
        text = "".join("%s %s\n" % item for item in sorted(values.items()))
        try:
            os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
            replace(path, text)
        except OSError as error:
            if self.log is None or required:
                raise
            self.log.warning("%s cannot be written: %s. The agent goes on without it." % (path, error.strerror))

    def number(self, name, key):
        """A number of a state file in /run, None when it is not there."""
        try:
            return float(self.read(name)[key])
        except (KeyError, ValueError):
            return None

    def elapsed(self, name, clock, **of):
        """Whole monotonic seconds since first observed; restarts when the subject changes. The first call writes the
        file.

        of: the subject, as names and values (a pid).
        """
        now, noted = int(clock.monotonic()), self.read(name)
        began = noted.get("since", "")
        if any(noted.get(key) != str(value) for key, value in of.items()) or not began.isdigit() or int(began) > now:
            self.write(name, dict(of, since=now))
            return 0
        return now - int(began)

    def keep(self, path, name=None):
        """Save a copy of a file of the data directory in the persistent directory; it replaces an earlier copy. name: of
        the copy, None: the file's."""
        os.makedirs(self.persistent, 0o755, exist_ok=True)
        replace(os.path.join(self.persistent, name or os.path.basename(path)), content(path))

    def kept(self, name):
        """The text of a copy that was saved, None when there is none."""
        try:
            with open(os.path.join(self.persistent, name), encoding="utf-8") as file:
                return file.read()
        except OSError:
            return None

    def discard(self, name):
        """Remove a persistent file."""
        try:
            os.unlink(os.path.join(self.persistent, name))
        except OSError:
            pass

    def forget(self, name):
        """Remove a state file in /run."""
        try:
            os.unlink(os.path.join(self.run, name))
        except OSError:
            pass

    def bound(self, name, most=OUTPUT_MOST):
        """Empty a file in /run that has become longer than so many bytes, since it lies in memory. What appends to it
        goes on at its beginning."""
        path = os.path.join(self.run, name)
        try:
            if os.stat(path).st_size > most:
                os.truncate(path, 0)
        except OSError:
            pass  # there is none

    def has(self, name):
        """Whether there is such a state file in /run."""
        return os.path.exists(os.path.join(self.run, name))


def stamp(path):
    """The fingerprint of a file: text that changes whenever the file does; '-' when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return "-"
    return "%d.%d" % (status.st_ino, status.st_mtime_ns)


def content(path, most=65536):
    """The first characters of a file in a directory that is not root's. Raises OSError, also for a symbolic link.

    The directory's owner may have put the link there: it could lead to any file of root's, and a copy of that would be
    readable by everybody.
    """
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8",
              errors="replace") as file:
        return file.read(most)


def replace(path, text, owner=None):
    """Put `text` into `path` in one step that survives a power cut. owner: (uid, gid) of the new file, None: ours.

    The directory may belong to another user, who must not make root write through a link: the file is created anew.
    """
    temporary = path + ".quorate"
    try:
        os.unlink(temporary)  # left by an agent that was killed here
    except FileNotFoundError:
        pass
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644 if owner is None else 0o660)
    try:
        left = memoryview(text.encode())
        while left:  # a disk that is nearly full takes a part of it
            left = left[os.write(handle, left):]
        if owner is not None:
            os.fchown(handle, *owner)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(temporary, path)
    directory = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
