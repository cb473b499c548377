# SPDX-License-Identifier: Apache-2.0
"""Files that the broker's user has to write: whether it may, and what to type where it may not.

What counts is what the user may do, whoever owns the directory. And a directory of which others have a part, such as
/var/log, is never to be given away, least of all with all that is in it.
"""

import os

from quorate.host.system import access
from quorate.rabbitmq.broker import parse

def problems(layout, account):
    """What the broker's user may not do, as messages with the remedy. account: of pwd."""
    everything = access.READ | access.WRITE | access.ENTER
    wanted = [(path, everything) for path in dict.fromkeys((layout.base, layout.directory)) if os.path.isdir(path)]
    log = layout.log if layout.log and not layout.log.startswith("/dev/") else None
    if log is not None and os.path.exists(log):
        wanted.append((log, access.WRITE))
    elif log is not None and os.path.isdir(os.path.dirname(log)):
        wanted.append((os.path.dirname(log), access.WRITE | access.ENTER))
    return [_problem(layout, path, log) for path, _ in access.denied(account, wanted) or ()]


def _problem(layout, path, log):
    """The message about one path. Of a reason Pacemaker keeps 144 characters, so it names the path once."""
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "A file system is read-only: findmnt -T %s" % path
    owner = "%s:%s" % (layout.user, layout.group)
    if path not in (layout.base, layout.directory):
        return "The user %s may not write its log: %s" % (layout.user, _log_remedy(layout, path, log, owner))
    return "The user %s may not use a directory: %s" % (layout.user, (
        "chown -R %s %s" % (owner, path) if parse.is_own_directory(path, layout.directory)
        else "setfacl -m u:%s:rwx %s" % (layout.user, path)))


def _log_remedy(layout, path, log, owner):
    directory = os.path.dirname(log)
    if parse.is_own_directory(directory):
        return "chown -R %s %s" % (owner, directory)
    if path == log:
        return "chown %s %s" % (owner, log)
    return "install -m 640 -o %s -g %s /dev/null %s" % (layout.user, layout.group, log)
