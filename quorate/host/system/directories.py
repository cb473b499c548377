# SPDX-License-Identifier: Apache-2.0
"""Directories that root makes for a service below places that are not root's alone, without following a link.

The owner of a directory can put a link where one is expected, also between two steps of ours: a chown by path would
then give away any directory of the machine. So each step starts at an open directory (openat(2)), and what is given
away is the very directory that was opened.
"""

import os

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS_MOST = 40  # as the kernel (path_resolution(7))


def make(path, user, group, mode):
    """Make a directory with its parents, owned by a numeric user and group. An existing one is left as it is.

    Links are followed where root made them in a directory that only root can write to, such as /var/run. Raises
    OSError, for any other link too.
    """
    handle = os.open("/", _FLAGS)
    try:
        names, links = [name for name in reversed(path.split("/")) if name not in ("", ".")], 0
        while names:
            name = names.pop()
            last = not names
            below, target = _enter(handle, name, mode if last else 0o755, (user, group) if last else None)
            if target is None:
                os.close(handle)
                handle = below
                continue
            links += 1
            if links > _LINKS_MOST:
                raise OSError(40, "Too many levels of symbolic links", path)
            if target.startswith("/"):
                os.close(handle)
                handle = os.open("/", _FLAGS)
            names += [one for one in reversed(target.split("/")) if one not in ("", ".")]
    finally:
        os.close(handle)


def _enter(parent, name, mode, owner):
    """(descriptor of the directory `name`, which is made where it is missing; None), or (None, where a link leads)."""
    made = False
    try:
        os.mkdir(name, mode, dir_fd=parent)
        made = True
    except FileExistsError:
        pass
    try:
        handle = os.open(name, _FLAGS, dir_fd=parent)
    except NotADirectoryError:
        return None, _trusted_target(parent, name)
    if made and owner is not None:
        try:
            _give(handle, owner)
        except BaseException:
            os.close(handle)
            raise
    return handle, None


def _give(handle, owner):
    """Give away the directory that we made just now. Whoever may write to the directory above can have put another one
    into its place, but then it is not both ours and empty, or nothing is lost with it."""
    if os.fstat(handle).st_uid != os.geteuid() or os.listdir(handle):
        raise OSError(1, "Another directory was put into the place of the one that was made")
    os.fchown(handle, *owner)


def _trusted_target(parent, name):
    """Where a link leads that root made in a directory that is root's. Raises OSError for any other link, and for what
    is no link."""
    above, link = os.fstat(parent), os.stat(name, dir_fd=parent, follow_symlinks=False)
    if link.st_uid != 0 or above.st_uid != 0 or above.st_mode & 0o022:
        raise OSError(40, "A link, or no directory, that root does not follow", name)
    return os.readlink(name, dir_fd=parent)
