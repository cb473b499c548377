# SPDX-License-Identifier: Apache-2.0
"""The Erlang cookie, the layout in its state file, and the name of the node."""

import os

import pytest

from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.settings import cookie
from quorate.rabbitmq.broker.layout import decode_layout, encode_layout
from tests.unit.rabbitmq.actions.nodes import Node


def test_a_cookie_that_others_can_read_is_named(tmp_path):
    node = Node(tmp_path)
    path = tmp_path / "cookie"
    path.chmod(0o640)
    assert "chmod 400" in cookie.problems(node.layout, os.getuid())[0]
    path.chmod(0o400)
    assert cookie.problems(node.layout, os.getuid()) == []
    assert "belongs to uid" in cookie.problems(node.layout, os.getuid() + 1)[0]
    os.unlink(path)
    assert "quorate rabbitmq cookie" in cookie.problems(node.layout, os.getuid())[0]


def test_a_cookie_is_made_once_and_readable_by_its_owner_only(tmp_path):
    node = Node(tmp_path)
    os.unlink(node.layout.cookie)
    cookie.create(node.layout)
    assert os.stat(node.layout.cookie).st_mode & 0o777 == 0o400 and os.path.getsize(node.layout.cookie) == 64
    with pytest.raises(FileExistsError):
        cookie.create(node.layout)


def test_the_fingerprint_of_a_cookie_does_not_show_it(tmp_path):
    node = Node(tmp_path)
    fingerprint = cookie.fingerprint(node.layout, "mq")
    assert fingerprint == cookie.fingerprint(node.layout, "mq")
    assert fingerprint != cookie.fingerprint(node.layout, "other")
    assert "secret" not in fingerprint


@pytest.fixture
def env(tmp_path, monkeypatch):
    """rabbitmq-env.conf: its write_text."""
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.variables.ENV", str(tmp_path / "env"))
    return (tmp_path / "env").write_text


def test_a_cookie_that_a_variable_gives_goes_before_the_file(tmp_path, env):
    """The file was compared, which such a broker does not read; its tools could not connect; and without the file it
    was not started."""
    here = Node(tmp_path).layout
    by_file = cookie.fingerprint(here, "mq")
    env("ERLANG_COOKIE=another\n")
    by_variable = cookie.fingerprint(here, "mq")
    assert by_variable != by_file and here.environment()["RABBITMQ_ERLANG_COOKIE"] == "another"
    assert "another" not in str(layout.encode_layout(here))
    (tmp_path / "cookie").write_text("another\n")
    env("")
    assert cookie.fingerprint(here, "mq") == by_variable, "on the other nodes it may be in the file"
    assert "RABBITMQ_ERLANG_COOKIE" not in here.environment() and cookie.advice(here) == []
    os.unlink(here.cookie)
    assert "quorate rabbitmq cookie" in cookie.problems(here, os.getuid())[0]
    env("ERLANG_COOKIE=another\n")
    assert cookie.problems(here, os.getuid()) == []
    assert "deprecated" in cookie.advice(here)[0] and "another" not in cookie.advice(here)[0]


def test_a_cookie_that_only_a_shell_could_tell_is_unknown(tmp_path, env):
    here = Node(tmp_path).layout
    env("ERLANG_COOKIE=$(cat /secret)\n")
    assert cookie.fingerprint(here, "mq") is None and "RABBITMQ_ERLANG_COOKIE" not in here.environment()


def test_the_broker_and_its_tools_get_the_data_that_were_looked_at(tmp_path):
    """RabbitMQ takes nothing of a rabbitmq-env.conf in which a command fails: it founded an empty cluster elsewhere."""
    here = Node(tmp_path).layout
    found = here.environment()
    assert (found["RABBITMQ_MNESIA_BASE"], found["RABBITMQ_MNESIA_DIR"]) == (here.base, here.directory)


def test_the_layout_survives_its_state_file(tmp_path):
    layout = Node(tmp_path).layout
    values = {key: str(value) for key, value in encode_layout(layout).items()}
    assert decode_layout(values) == layout
    assert decode_layout({}) is None


def test_a_state_file_of_an_older_release_has_defaults():
    old = dict(server="/x", nodename="rabbit@n1", base="/b", directory="/b/rabbit@n1", log="/l", user="u", group="g",
               cookie="/c", config="/r", port="5671", tls="True", version="", home="/h")
    found = decode_layout(old)
    assert (found.host, found.port, found.tls, found.listener, found.management_port) == (
        "127.0.0.1", 5671, True, None, 15672)


def test_the_flags_of_a_moved_directory_are_not_beside_it(tmp_path):
    assert Node(tmp_path).layout._replace(flags="/base/rabbit@n1-feature_flags").feature_flags() == (
        "/base/rabbit@n1-feature_flags")


def test_the_name_by_a_parameter_alone():
    assert layout.nodename("rabbit", {}, "n1.example.org") == "rabbit@n1"
    assert layout.nodename("mq@x", {}) == "mq@x"


def test_a_name_with_a_domain_is_a_long_one_for_the_broker_and_its_tools(tmp_path):
    """Also where only the parameter nodename says it."""
    here = Node(tmp_path).layout
    assert "RABBITMQ_USE_LONGNAME" not in here.environment()
    assert here._replace(nodename="mq@n1.example.org").environment()["RABBITMQ_USE_LONGNAME"] == "true"


def test_what_pacemaker_keeps_of_a_problem_ends_with_its_remedy(tmp_path, monkeypatch):
    """144 characters, with the paths and names that people have."""
    node = Node(tmp_path).fill()
    here = node.layout._replace(user="rabbitmq", group="rabbitmq", log=str(node.directory / "log"))
    monkeypatch.setattr("pwd.getpwnam", lambda name: type("Account", (), {"pw_uid": 4294}))
    monkeypatch.setattr("quorate.host.system.access.denied", lambda account, wanted: wanted)
    secret = tmp_path / "cookie"
    found = layout.layout_problems(here)
    secret.chmod(0o640)
    found += cookie.problems(here, os.getuid())
    os.unlink(secret)
    found += cookie.problems(here, os.getuid())
    assert [one.split()[0] for one in found] == ["The", "The", "The", "The", "The", "There"]
    for problem in found:
        said = problem
        for path, real in ((node.directory, "/var/lib/rabbitmq/mnesia/rabbit@controller-01.example.org"),
                           (here.base, "/var/lib/rabbitmq/mnesia"), (secret, "/var/lib/rabbitmq/.erlang.cookie")):
            said = said.replace(str(path), real)
        assert len(said) <= 144, (len(said), said)


def test_a_broker_that_logs_to_no_file(tmp_path):
    here = Node(tmp_path).layout._replace(log=None)
    assert decode_layout({key: str(value) for key, value in encode_layout(here).items()}).log is None
    assert not any("None" in one for one in layout.layout_problems(here))
