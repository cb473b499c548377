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
MOST = 64  # characters


def before_launch(context, state_files, datadir, receives):
    """Before a server is launched: what it acknowledges until a monitor looks at it would be forgotten otherwise.

    receives: a state transfer may replace the directory, and a name in it with it; so it is only remembered that the
    node went on with another directory than the one that has a name.
    """
    if _name(datadir) is None:
        _remember(state_files, os.urandom(16).hex())
        if not receives:
            record(context, state_files, datadir)


def record(context, state_files, datadir):
    """Remember that the node serves with this data directory. It gets a name where it has none."""
    import pwd
    known, remembered = _name(datadir), _remembered(state_files)
    if known is not None:
        if known != remembered:
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
    if name != _remembered(state_files):
        state_files.write("disk", {"id": name}, persistent=True)


def _name(datadir):
    """The name in the data directory, None when it has none."""
    try:
        return content(os.path.join(datadir, FILE), MOST).strip() or None
    except OSError:
        return None
