# SPDX-License-Identifier: Apache-2.0
"""What a user may do with a path, compared with test(1) that is run as that user."""

import os
import pwd
import random
import shutil
import subprocess
import tempfile

import pytest

from quorate.host.system import access

LETTERS = {access.READ: "-r", access.WRITE: "-w", access.ENTER: "-x"}
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


@pytest.fixture
def open_directory():
    """A directory that everybody may enter, as pytest's are not."""
    path = tempfile.mkdtemp()
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


def may(user, path, mode):
    """By test(1)."""
    account = pwd.getpwnam(user)
    return all(subprocess.run(["test", letter, path], user=account.pw_uid, group=account.pw_gid, check=False,
                              extra_groups=os.getgrouplist(user, account.pw_gid)).returncode == 0
               for bit, letter in LETTERS.items() if mode & bit)


@root_only
def test_as_test_1_says(open_directory):
    seed = random.randrange(2 ** 32)
    print("seed", seed)
    dice, wanted, account = random.Random(seed), [], pwd.getpwnam("daemon")
    groups = os.getgrouplist("daemon", account.pw_gid)
    for number in range(60):
        parent = os.path.join(open_directory, str(number))
        path = os.path.join(parent, "x")
        os.mkdir(parent)
        if dice.random() < 0.5:
            os.mkdir(path)
        else:
            with open(path, "w", encoding="ascii"):
                pass
        for one in (path, parent):
            os.chown(one, dice.choice((0, account.pw_uid)), dice.choice([0, 65534] + groups))
            os.chmod(one, dice.choice((0o755, 0o700, dice.randrange(0o1000))))
        wanted.append((path, dice.randrange(1, 8)))
    assert access.denied(account, wanted) == [one for one in wanted if not may("daemon", *one)]


def test_one_s_own_rights(open_directory):
    """Nobody has to become another user for them."""
    account = pwd.getpwuid(os.geteuid())
    missing = (os.path.join(open_directory, "missing"), access.READ)
    assert access.denied(account, [(open_directory, access.READ | access.WRITE), missing]) == [missing]
    assert access.denied(account, []) == []


def test_who_is_not_root_does_not_know(monkeypatch, open_directory):
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert access.denied(pwd.getpwnam("daemon"), [(open_directory, access.WRITE)]) is None


@root_only
@pytest.mark.parametrize("call", ["initgroups", "setgid", "setuid"])
def test_where_root_may_not_become_another_user_it_is_unknown(monkeypatch, open_directory, call):
    """As in some containers."""
    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(os, call, refused)
    assert access.denied(pwd.getpwnam("daemon"), [(open_directory, access.WRITE)]) is None
