# SPDX-License-Identifier: Apache-2.0
"""The Erlang cookie, the layout in its state file, and the name of the node."""

import os

import pytest

from quorate.rabbitmq.broker import layout
from quorate.rabbitmq.broker.layout import decode_layout, encode_layout
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
