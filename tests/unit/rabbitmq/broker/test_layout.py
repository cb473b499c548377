# SPDX-License-Identifier: Apache-2.0
"""The Erlang cookie, the layout in its state file, and the name of the node."""

import os

import pytest

from quorate.ocf.codes import Failed
from quorate.rabbitmq.broker import credentials, layout
from quorate.rabbitmq.broker.layout import check_nodename, decode_layout, encode_layout
from tests.unit.rabbitmq.actions.nodes import Node


def test_a_cookie_that_others_can_read_is_named(tmp_path):
    node = Node(tmp_path)
    path = tmp_path / "cookie"
    path.chmod(0o640)
    assert "chmod 400" in layout.cookie_problems(node.layout, os.getuid())[0]
    path.chmod(0o400)
    assert layout.cookie_problems(node.layout, os.getuid()) == []
    assert "belongs to uid" in layout.cookie_problems(node.layout, os.getuid() + 1)[0]
    os.unlink(path)
    assert "quorate rabbitmq cookie" in layout.cookie_problems(node.layout, os.getuid())[0]


def test_a_cookie_is_made_once_and_readable_by_its_owner_only(tmp_path):
    node = Node(tmp_path)
    os.unlink(node.layout.cookie)
    layout.create_cookie(node.layout)
    assert os.stat(node.layout.cookie).st_mode & 0o777 == 0o400 and os.path.getsize(node.layout.cookie) == 64
    with pytest.raises(FileExistsError):
        layout.create_cookie(node.layout)


def test_the_fingerprint_of_a_cookie_does_not_show_it(tmp_path):
    node = Node(tmp_path)
    fingerprint = layout.cookie_fingerprint(node.layout, "mq")
    assert fingerprint == layout.cookie_fingerprint(node.layout, "mq")
    assert fingerprint != layout.cookie_fingerprint(node.layout, "other")
    assert "secret" not in fingerprint


def test_the_layout_survives_its_state_file(tmp_path):
    layout = Node(tmp_path).layout
    values = {key: str(value) for key, value in encode_layout(layout).items()}
    assert decode_layout(values) == layout
    assert decode_layout({}) is None


@pytest.mark.parametrize("wanted, env, name", [
    (None, {}, "rabbit@n1"), ("mq", {}, "mq@n1"), ("mq@x", {}, "mq@x"), (None, {"NODENAME": "r@y"}, "r@y"),
    (None, {"USE_LONGNAME": "true"}, "rabbit@n1.example.org"),
])
def test_name_of_the_node_for_the_agent(wanted, env, name):
    assert layout.nodename(wanted, env, "n1.example.org") == name


def test_a_name_that_only_a_shell_knows():
    with pytest.raises(Failed) as failed:
        layout.nodename(None, {"NODENAME": None}, "n1")
    assert "nodename=" in failed.value.reason


@pytest.mark.parametrize("text, wanted", [
    ("", "rabbit@n1"), ("#NODENAME=bunny\n", "rabbit@n1"), ("NODENAME=bunny\n", "bunny@n1"),
    ("export RABBITMQ_NODENAME='hare@other'\n", "hare@other"), ("USE_LONGNAME=true\n", "rabbit@n1.example.org"),
])
def test_name_of_the_node_for_the_check(tmp_path, text, wanted):
    path = tmp_path / "env"
    path.write_text(text)

    assert wanted == check_nodename(str(path), "n1.example.org")


def test_name_of_the_node_for_the_check_without_settings():
    assert "rabbit@" + os.uname().nodename.partition(".")[0] == check_nodename("/nonexistent")
    expected = "/var/log/rabbitmq/%s.log" % check_nodename()
    assert expected == credentials.default_endpoint().log or os.path.exists(layout.ENV)
