# SPDX-License-Identifier: Apache-2.0
"""What an agent writes down on its own node, as small files of `name value` lines.

In /run (gone with a reboot, as the processes are): that the instance was started, which process it launched, what it
last told the cluster. In /var/lib: what must survive a power cut.

Every file is written as temporary file, fsync, rename, so an agent that is killed at any point leaves the old or the new.
"""

import os

RUN = "/run/quorate"
PERSISTENT = "/var/lib/quorate"


class StateFiles:
    """Files of one resource on this node. kind: the agent's name, so that two resources of one id cannot meet."""

    __slots__ = ("run", "persistent")

    def __init__(self, kind, instance, run=RUN, persistent=PERSISTENT):
        name = kind + "-" + "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in instance)
        self.run = os.path.join(run, name)
        self.persistent = os.path.join(persistent, name)

    def path(self, name):
        """A file that does not survive a reboot."""
        return os.path.join(self.run, name)

    def read(self, name, persistent=False):
        """The lines of a note as a dict; {} when there is none."""
        try:
            with open(os.path.join(self.persistent if persistent else self.run, name), encoding="utf-8", errors="replace") as file:
                return dict(line.rstrip("\n").partition(" ")[::2] for line in file if line.strip())
        except OSError:
            return {}

    def write(self, name, values, persistent=False):
        """Write a note (a dict of str to str or number)."""
        directory = self.persistent if persistent else self.run
        os.makedirs(directory, 0o755, exist_ok=True)
        text = "".join("%s %s\n" % item for item in sorted(values.items()))
        replace(os.path.join(directory, name), text)

    def number(self, name, key):
        """A number of a note, None when it is not there."""
        try:
            return float(self.read(name)[key])
        except (KeyError, ValueError):
            return None

    def elapsed(self, name, clock, **of):
        """Whole seconds since this was first so, by the clock that nobody sets; the beginning is noted. of: whom it is about,
        for another one it begins anew."""
        now, note = int(clock.monotonic()), self.read(name)
        began = note.get("since", "")
        if any(note.get(key) != str(value) for key, value in of.items()) or not began.isdigit() or int(began) > now:
            self.write(name, dict(of, since=now))
            return 0
        return now - int(began)

    def keep(self, path):
        """Save a copy of a file of the data directory in our own lasting directory, the last one of each name."""
        os.makedirs(self.persistent, 0o755, exist_ok=True)
        replace(os.path.join(self.persistent, os.path.basename(path)), content(path))

    def kept(self, name):
        """The text of a saved copy, None when there is none."""
        try:
            with open(os.path.join(self.persistent, name), encoding="utf-8") as file:
                return file.read()
        except OSError:
            return None

    def discard(self, name):
        """Remove a saved copy."""
        try:
            os.unlink(os.path.join(self.persistent, name))
        except OSError:
            pass

    def forget(self, name):
        """Remove a note of /run."""
        try:
            os.unlink(os.path.join(self.run, name))
        except OSError:
            pass

    def has(self, name):
        return os.path.exists(os.path.join(self.run, name))


def stamp(path):
    """What changes whenever a file does, as text; '-': there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return "-"
    return "%d.%d" % (status.st_ino, status.st_mtime_ns)


def content(path, most=65536):
    """The first characters of a file in a directory that is not root's. Raises OSError, also for a symbolic link: what its
    owner put in the file's place may lead to any file of root's, and a copy of it would be readable for everybody."""
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8", errors="replace") as file:
        return file.read(most)


def replace(path, text, owner=None):
    """Put `text` into `path` in one step that survives a power cut. owner: (uid, gid) of the new file, None: ours.

    The directory may be another user's, who must not lead root to write through a link of his.
    """
    temporary = path + ".quorate"
    try:
        os.unlink(temporary)  # of one that was killed here
    except FileNotFoundError:
        pass
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644 if owner is None else 0o660)
    try:
        left = memoryview(text.encode())
        while left:  # a disk that is nearly full takes a part
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
