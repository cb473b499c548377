# SPDX-License-Identifier: Apache-2.0
"""Which data directory a node last served with, so that another one in its place is noticed.

A file system that was not mounted, so that the node received all data into the directory below it, and that is mounted
again later, brings back an old database under the node's name. Neither the generation nor grastate.dat shows that: it
would vote as if it held what the node acknowledged since. So a node that serves leaves a random name in the data
directory and remembers it elsewhere.
"""

import os

from quorate.host.state_files import content, replace

FILE = "quorate-disk-id"
MOST = 64      # characters
NONE = "none"  # in the state file: no name was remembered before


def before_launch(context, state_files, datadir, receives):
    """Before a server is launched: what it acknowledges until a monitor looks at it would be forgotten otherwise.

    receives: a state transfer may replace the directory, and a name in it with it; so it is only remembered that the
    node went on with another directory than the one that has a name, and which one was before: see judge().
    """
    judge(state_files, lambda: False)  # of an earlier launch nothing is known any more
    if _name(datadir) is None:
        before, name = _remembered(state_files), os.urandom(16).hex()
        if receives:
            state_files.write("disk", {"id": name, "before": before or NONE}, persistent=True)
        else:
            _remember(state_files, name)
            record(context, state_files, datadir)


def judge(state_files, never_served):
    """Take back that the node went on with another directory, where the server that was to receive all data into it never
    was ready: it acknowledged nothing. (A file system was not mounted, and the transfer into the directory below failed:
    the right one, mounted again, is no other.) The server must be gone. never_served: a function, whether that is proven;
    it is asked only where there is something to take back."""
    known = state_files.read("disk", persistent=True)
    before = known.get("before")
    if before is None:
        return
    try:
        if not never_served():
            state_files.write("disk", {"id": known.get("id", "")}, persistent=True)
        elif before == NONE:
            state_files.discard("disk")
        else:
            state_files.write("disk", {"id": before}, persistent=True)
    except OSError:  # a full /var: the same is found out again with the next report
        pass


def record(context, state_files, datadir):
    """Remember that the node serves with this data directory. It gets a name where it has none."""
    import pwd
    known, remembered = _name(datadir), _remembered(state_files)
    if known is not None:
        _remember(state_files, known)
        return
    # Remembered first: killed in between, the directory has no name, which says nothing.
    name = remembered or os.urandom(16).hex()
    _remember(state_files, name)
    try:
        account = pwd.getpwnam(context.parameters.user)
        replace(os.path.join(datadir, FILE), name + "\n", (account.pw_uid, account.pw_gid))
    except (OSError, KeyError) as error:
        context.log.warning("%s cannot be written: %s." % (os.path.join(datadir, FILE), error))


def problem(state_files, datadir):
    """A sentence where this is not the data directory with which the node last served; None where it is, or where that is
    not known."""
    known, remembered = _name(datadir), _remembered(state_files)
    if None in (known, remembered) or known == remembered:
        return None
    return "%s is not the data directory that last served here: a wrong mount? To use it all the same: rm %s" % (
        datadir, os.path.join(datadir, FILE))


def _remembered(state_files):
    return state_files.read("disk", persistent=True).get("id")


def _remember(state_files, name):
    if state_files.read("disk", persistent=True) != {"id": name}:  # also without what was before: it serves
        state_files.write("disk", {"id": name}, persistent=True)


def _name(datadir):
    """The name in the data directory, None when it has none."""
    try:
        return content(os.path.join(datadir, FILE), MOST).strip() or None
    except OSError:
        return None
