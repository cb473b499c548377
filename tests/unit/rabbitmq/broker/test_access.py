# SPDX-License-Identifier: Apache-2.0
"""Whether the broker's user may write where it has to, and that no directory of others is ever given away for it."""

import os
import pwd
import shutil
import tempfile
from types import SimpleNamespace

import pytest

from quorate.host.system import access as system
from quorate.rabbitmq.broker import access
from tests.unit.rabbitmq.actions.nodes import Node

ALL, WRITES, ENTERS = system.READ | system.WRITE | system.ENTER, system.WRITE, system.WRITE | system.ENTER
ACCOUNT = SimpleNamespace(pw_uid=4294, pw_name="rabbitmq", pw_gid=4294)


@pytest.fixture
def here(tmp_path, monkeypatch):
    return Here(tmp_path, monkeypatch)


class Here:
    """A Layout; may: what the user may do there; asked: what was asked."""

    def __init__(self, root, monkeypatch):
        self.root, self.no, self.asked = str(root), (), []
        self.layout = Node(root).layout._replace(user="rabbitmq", group="mq", base=self.path("mnesia"),
                                                 directory=self.path("mnesia/rabbit@n1"),
                                                 log=self.path("rabbitmq/log"))
        monkeypatch.setattr(access.access, "denied", self.denied)

    def path(self, name):
        return os.path.join(self.root, name)

    def denied(self, account, wanted):
        assert account is ACCOUNT
        self.asked = wanted
        return None if self.no is None else [one for one in wanted if one[0] in self.no]

    def problems(self, *no):
        self.no = no if no != (None,) else None
        return [one.replace(self.root, "/d") for one in access.problems(self.layout, ACCOUNT)]


def test_what_has_to_be_written(here):
    assert here.problems() == [] and here.asked == [], "what is missing is made"
    os.makedirs(here.layout.directory)
    os.makedirs(here.path("rabbitmq"))
    assert here.problems() == []
    assert here.asked == [(here.layout.base, ALL), (here.layout.directory, ALL), (here.path("rabbitmq"), ENTERS)]
    open(here.layout.log, "w").close()
    here.problems()
    assert here.asked[2] == (here.layout.log, WRITES), "whatever the directory is like"
    here.layout = here.layout._replace(base=here.layout.directory)
    here.problems()
    assert [one[0] for one in here.asked] == [here.layout.directory, here.layout.log]
    assert here.problems(None) == [], "unknown is not no"


@pytest.mark.parametrize("log", [None, "/dev/stdout", "/dev/stderr"])
def test_a_log_that_is_no_file(here, log):
    here.layout = here.layout._replace(log=log)
    assert here.problems(log, "/dev") == [] and here.asked == []


@pytest.mark.parametrize("base, directory, path, remedy", [
    ("mnesia", "mnesia/rabbit@n1", "mnesia", "chown -R rabbitmq:mq /d/mnesia"),
    ("mnesia", "mnesia/rabbit@n1", "mnesia/rabbit@n1", "chown -R rabbitmq:mq /d/mnesia/rabbit@n1"),
    ("srv", "srv/rabbit@n1", "srv", "setfacl -m u:rabbitmq:rwx /d/srv"),
    ("srv", "srv/rabbit@n1", "srv/rabbit@n1", "chown -R rabbitmq:mq /d/srv/rabbit@n1"),
    ("srv", "data", "data", "chown -R rabbitmq:mq /d/data"),
    ("rabbitmq-data", "data", "rabbitmq-data", "chown -R rabbitmq:mq /d/rabbitmq-data")])
def test_only_what_is_the_broker_s_own_is_given_to_it(here, base, directory, path, remedy):
    here.layout = here.layout._replace(base=here.path(base), directory=here.path(directory))
    os.makedirs(here.layout.base)
    os.makedirs(here.layout.directory)
    assert here.problems(here.path(path)) == ["The user rabbitmq may not use a directory: " + remedy]


@pytest.mark.parametrize("log, there, remedy", [
    ("rabbitmq/x.log", False, "chown -R rabbitmq:mq /d/rabbitmq"),
    ("rabbitmq/x.log", True, "chown -R rabbitmq:mq /d/rabbitmq"),
    ("log/rabbitmq.log", False, "install -m 640 -o rabbitmq -g mq /dev/null /d/log/rabbitmq.log"),
    ("log/rabbitmq.log", True, "chown rabbitmq:mq /d/log/rabbitmq.log")])
def test_a_directory_of_logs_that_others_write_is_not_given_away(here, log, there, remedy):
    here.layout = here.layout._replace(log=here.path(log))
    os.mkdir(os.path.dirname(here.layout.log))
    if there:
        open(here.layout.log, "w").close()
    assert here.problems(here.layout.log if there else os.path.dirname(here.layout.log)) == [
        "The user rabbitmq may not write its log: " + remedy]


def test_a_read_only_file_system_is_named(here, monkeypatch):
    os.makedirs(here.layout.directory)
    monkeypatch.setattr(access.os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert here.problems(here.layout.base) == ["A file system is read-only: findmnt -T /d/mnesia"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("mode, group, well", [(0o2770, True, True), (0o2770, False, False), (0o777, False, True),
                                               (0o755, True, False)])
def test_a_directory_of_another_user_that_the_broker_may_use(monkeypatch, tmp_path, mode, group, well):
    """root:rabbitmq 2770 was no installation to quorate, and chown -R the remedy."""
    base, account = tempfile.mkdtemp(), pwd.getpwnam("daemon")
    try:
        os.chown(base, 0, account.pw_gid if group else 0)
        os.chmod(base, mode)
        layout = Node(tmp_path).layout._replace(user="daemon", base=base, directory=base + "/rabbit@n1", log=None)
        assert (access.problems(layout, account) == []) is well
    finally:
        shutil.rmtree(base)
