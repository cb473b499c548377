# SPDX-License-Identifier: Apache-2.0
"""Directories that root makes where another account may write: no link is followed, and nothing else is given away."""

import os
import stat

import pytest

from quorate.host.system import directories

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
USER = 65534


@pytest.fixture
def theirs(tmp_path):
    """A directory that another account owns, as /var/lib/rabbitmq is."""
    path = tmp_path / "theirs"
    path.mkdir()
    if os.geteuid() == 0:
        os.chown(path, USER, USER)
    return path


def owner(path):
    found = os.stat(path)
    return found.st_uid, found.st_gid


@ROOT_ONLY
def test_the_last_one_is_given_away_and_its_parents_are_not(tmp_path):
    path = tmp_path / "a" / "b" / "c"
    directories.make(str(path), USER, USER, 0o750)

    assert (USER, USER) == owner(path) and 0o750 == stat.S_IMODE(os.stat(path).st_mode)
    assert (0, 0) == owner(tmp_path / "a") == owner(tmp_path / "a" / "b")


@ROOT_ONLY
def test_an_existing_one_is_left_as_it_is(tmp_path):
    (tmp_path / "there").mkdir()
    directories.make(str(tmp_path / "there"), USER, USER, 0o700)

    assert (0, 0) == owner(tmp_path / "there")


@ROOT_ONLY
@pytest.mark.parametrize("place", ["link", "link/below", "link/below/further"])
@pytest.mark.parametrize("target", ["/etc", "dangling"])
def test_a_link_of_another_account_is_not_followed(theirs, tmp_path, place, target):
    secret = tmp_path / "secret"
    secret.mkdir()
    os.symlink({"/etc": str(secret)}.get(target, str(tmp_path / "nothing")), theirs / "link")
    os.lchown(theirs / "link", USER, USER)

    with pytest.raises(OSError):
        directories.make(str(theirs / place), USER, USER, 0o755)

    assert (0, 0) == owner(secret) and [] == os.listdir(secret) and not (tmp_path / "nothing").exists()


@ROOT_ONLY
def test_a_link_of_roots_in_a_place_where_others_write_is_not_followed(theirs, tmp_path):
    """It may have been moved there."""
    (tmp_path / "secret").mkdir()
    os.symlink(tmp_path / "secret", theirs / "link")

    with pytest.raises(OSError):
        directories.make(str(theirs / "link" / "x"), USER, USER, 0o755)
    assert [] == os.listdir(tmp_path / "secret")


@ROOT_ONLY
@pytest.mark.parametrize("relative", [False, True])
def test_a_link_of_roots_is_followed(tmp_path, relative):
    """/var/run is one, and a data directory on another disk."""
    (tmp_path / "disk").mkdir()
    os.symlink("../%s/disk" % tmp_path.name if relative else str(tmp_path / "disk"), tmp_path / "data")
    directories.make(str(tmp_path / "data" / "mysql"), USER, USER, 0o755)

    assert (USER, USER) == owner(tmp_path / "disk" / "mysql")


def test_links_that_lead_in_a_circle_are_an_error(tmp_path):
    os.symlink("b", tmp_path / "a")
    os.symlink("a", tmp_path / "b")
    with pytest.raises(OSError):
        directories.make(str(tmp_path / "a" / "x"), os.geteuid(), os.getegid(), 0o755)


@ROOT_ONLY
@pytest.mark.parametrize("full", [True, False], ids=["with files in it", "of another account"])
def test_what_was_put_into_its_place_is_not_given_away(theirs, tmp_path, monkeypatch, full):
    """Whoever owns the directory above exchanges it between mkdir and open, for one that is root's or his own."""
    other = tmp_path / "other"
    other.mkdir()
    if full:
        (other / "file").write_text("root's")
    else:
        os.chown(other, USER + 1, USER + 1)
    before, real = owner(other), os.mkdir

    def exchanged(name, mode, dir_fd):
        real(name, mode, dir_fd=dir_fd)
        if name == "mnesia":
            os.rmdir(name, dir_fd=dir_fd)
            os.rename(str(other), str(theirs / "mnesia"))

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(OSError):
        directories.make(str(theirs / "mnesia"), USER, USER, 0o755)

    assert before == owner(theirs / "mnesia")


@ROOT_ONLY
def test_what_becomes_a_link_after_it_was_made_is_not_followed(theirs, tmp_path, monkeypatch):
    """The chown by path that was here before gave away whatever the link named."""
    secret, real = tmp_path / "secret", os.mkdir
    secret.mkdir()

    def exchanged(name, mode, dir_fd):
        real(name, mode, dir_fd=dir_fd)
        if name == "mnesia":
            os.rmdir(name, dir_fd=dir_fd)
            os.symlink(str(secret), str(theirs / "mnesia"))
            os.lchown(str(theirs / "mnesia"), USER, USER)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(OSError):
        directories.make(str(theirs / "mnesia"), USER, USER, 0o755)

    assert (0, 0) == owner(secret)
