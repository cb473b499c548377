# SPDX-License-Identifier: Apache-2.0
"""The flags of a drain: only those of root count, and each is removed on its own."""

import os

import pytest

from quorate.host import drain

root = pytest.mark.skipif(os.geteuid() != 0, reason="a flag counts only when it is of root: run as root")


@root
def test_set_and_clear(tmp_path):
    where = str(tmp_path / "drain")
    assert drain.active(where) is None

    drain.set("db", "planned stop of db", where)
    assert "planned stop of db" == drain.active(where)

    drain.clear("db", where)
    assert drain.active(where) is None
    drain.clear("db", where)  # once more: nothing happens


@root
def test_who_else_drains_keeps_it_drained(tmp_path):
    where = str(tmp_path / "drain")
    drain.set("operator", "new disk", where)
    drain.set("db", "planned stop", where)

    drain.clear("db", where)

    assert "new disk" == drain.active(where)


@root
def test_a_flag_is_one_line(tmp_path):
    where = str(tmp_path / "drain")
    drain.set("db", "a\r\nb\n" + "c" * 1000, where)

    assert drain.active(where).startswith("a b ccc")
    assert len(drain.active(where)) <= 200


@root
def test_a_flag_of_another_user_does_not_count(tmp_path):
    where = str(tmp_path / "drain")
    drain.set("db", "x", where)
    os.chown(os.path.join(where, "db"), 65534, 65534)
    assert drain.active(where) is None


@root
@pytest.mark.parametrize("spoil", [lambda path: os.chmod(path, 0o777), lambda path: os.chown(path, 65534, 65534)])
def test_a_directory_that_others_can_write_does_not_count(tmp_path, spoil):
    where = str(tmp_path / "drain")
    drain.set("db", "x", where)
    spoil(where)
    assert drain.active(where) is None


@root
def test_a_half_written_flag_does_not_count(tmp_path):
    """set() was killed between its write and its rename."""
    where = str(tmp_path / "drain")
    drain.set("db", "x", where)
    os.rename(os.path.join(where, "db"), os.path.join(where, ".db"))
    assert drain.active(where) is None


@root
def test_the_check_can_read_it_whatever_the_umask_is(tmp_path):
    before = os.umask(0o077)
    try:
        drain.set("db", "x", str(tmp_path / "run" / "drain"))
        assert 0o077 == os.umask(0o077)
    finally:
        os.umask(before)
    assert 0o755 == os.stat(tmp_path / "run").st_mode & 0o777
    assert 0o755 == os.stat(tmp_path / "run" / "drain").st_mode & 0o777
    assert 0o644 == os.stat(tmp_path / "run" / "drain" / "db").st_mode & 0o777
