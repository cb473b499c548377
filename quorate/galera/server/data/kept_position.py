# SPDX-License-Identifier: Apache-2.0
"""A recovered position is kept, so that InnoDB's log, of which there may be an hour's work, is not read once for the
demote and again for the start. It is used only while it is proven that nothing has written to the database since.

The proof is a stamp of every file beside which no server can write a commit: of all that is in the data directory itself
and in the directories of InnoDB's logs and tablespaces (device, inode, size, mtime, ctime), with the names of the
files, the file systems, the boot, and the command line of the recovery. Whatever is not known, or not equal, means that
the recovery is run again.

- A copy of a backup over the files, and a touch, change the ctime, which nobody can set.
- A server that the cluster did not start, and that ended, has written to its logs (Aria's at every start).
- Another directory or disk in the same place has other inodes, or another file system; a snapshot that is restored
  brings its own old stamps back, which belong to its own old data.
- A file's times are those of the kernel's last tick (up to 10 ms). So a stamp counts only where every change is older
  than a tick when it is taken, and where the file system keeps parts of a second.
- A clock that is set back cannot give all files that a server writes the times to the nanosecond that they had.

The times of directories say nothing: the look-up of the settings makes and removes a file in the data directory.
"""

import os
import stat
import time

from quorate.galera import facts
from quorate.galera.server.process import all_processes
from quorate.galera.server.settings import command_line

TICK = 20_000_000     # nanoseconds; more than a tick of any kernel
TRIES = 5             # to have every change older than that
LATER = 2_000_000_000  # nanoseconds after the last line of its log in which a recovery closes the files
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def position(context, state_files, layout):
    """The (uuid, seqno) that is kept, None where there is none, or where something may have written since."""
    kept = state_files.read("recovered")
    uuid, seqno = facts.uuid(kept.get("uuid", "")), facts.integer(kept.get("seqno"))
    digest = _digest(layout, _stamps(layout.innodb))
    if None in (uuid, seqno, digest) or kept.get("stamps") != digest:
        return None
    return None if all_processes(context, state_files, layout.datadir) else (uuid, seqno)


def keep(context, state_files, layout, found):
    """Keep (uuid, seqno) of a recovery that has just ended. Nothing is kept where that would prove nothing later."""
    digest = _digest(layout, _settled_stamps(layout.innodb))
    state_files.forget("recovered")
    if digest is None or all_processes(context, state_files, layout.datadir):
        return
    try:
        state_files.write("recovered", {"uuid": found[0], "seqno": found[1], "stamps": digest})
    except OSError as error:  # the recovery is run again, and that is all
        context.log.warning("The recovered position cannot be kept: %s." % error)


def is_untouched_since(layout, log):
    """Whether nothing has been written to the database since a recovery that logs to `log` ended: where nobody saw its end,
    somebody else may have started a server after it."""
    stamps = _stamps(layout.innodb or (layout.datadir,))
    try:
        end = os.stat(log).st_ctime_ns
    except OSError:
        return False
    return stamps is not None and _newest(stamps) <= end + LATER


def _settled_stamps(paths):
    """_stamps(), taken when every change is older than a tick of the kernel's clock; None where that does not become so:
    a file system with whole seconds, a clock that was set back, somebody who writes."""
    for _ in range(TRIES):
        began = time.time_ns()
        stamps = _stamps(paths)
        if stamps is None or all(one[-1] % 1_000_000_000 == 0 for one in stamps):
            return None
        if _newest(stamps) + TICK < began:
            return stamps
        time.sleep(TICK / 1e9)  # of the machine's real time, which the kernel writes into the files
    return None


def _newest(stamps):
    """Nanoseconds of the last change of a file."""
    return max((one[-1] for one in stamps), default=0)


def _stamps(paths):
    """List of (path, file system, mode, device, inode, size, mtime, ctime), a directory's own with zeros in place of size
    and times. None where they cannot all be found out. paths: see Layout.innodb."""
    found = []
    try:
        for path in _all_paths(paths or ()):
            status = os.stat(path)
            if stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode):
                return None  # a tablespace on a device, whose times do not tell when it was written to
            times = (0, 0, 0) if stat.S_ISDIR(status.st_mode) else (
                status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            found.append((path, os.statvfs(path).f_fsid, status.st_mode, status.st_dev, status.st_ino, *times))
    except OSError:
        return None
    return found or None


def _all_paths(paths):
    """These paths, what is in those that are directories, and in #innodb_redo, where MySQL 8 has its log."""
    for path in paths:
        yield path
        if os.path.isdir(path):
            inner = [os.path.join(path, name) for name in sorted(os.listdir(path))]
            yield from inner
            yield from _all_paths([one for one in inner if os.path.basename(one).startswith("#innodb_")])


def _digest(layout, stamps):
    """Text that is equal only where all of that is. None where it is not known."""
    if stamps is None:
        return None
    import hashlib
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return None
    return hashlib.sha256(repr((boot, command_line.recover(layout, ""), stamps)).encode(
        "utf-8", "surrogateescape")).hexdigest()
