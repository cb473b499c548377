# SPDX-License-Identifier: Apache-2.0
"""No line of the agent can remove a data directory, or reset a node (P14: the peer did both at each start)."""

import ast
import os

import pytest

from tests import ROOT

ROOM = os.path.join(ROOT, "quorate", "rabbitmq")
SOURCES = sorted(os.path.join(folder, name) for folder, _folders, names in os.walk(ROOM) for name in names
                 if name.endswith(".py")) + [os.path.join(ROOT, "quorate", "cli", "rabbitmq.py")]
REMOVERS = {"rmtree", "rmdir", "removedirs", "remove", "rename", "renames", "move", "truncate"}
# State files that the agent discards; never a path of the broker's.
DISCARDED = {"disk.py": ["'evidence'"], "serving.py": ["'forcing'"], "membership.py": ["'grow'"]}


def calls(path):
    """(name of what is called, its arguments as source) of each call in a file."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, [ast.unparse(argument) for argument in node.args]


@pytest.mark.parametrize("path", SOURCES, ids=os.path.basename)
def test_nothing_is_removed_but_state_files(path):
    found = list(calls(path))
    assert [name for name, _ in found if name in REMOVERS] == []
    assert [name for name, _ in found if name == "unlink"] == []
    assert [arguments[0] for name, arguments in found if name == "discard"] == DISCARDED.get(os.path.basename(path), [])


@pytest.mark.parametrize("path", SOURCES, ids=os.path.basename)
def test_no_tool_is_called_to_reset(path):
    words = [argument for _, arguments in calls(path) for argument in arguments]
    for forbidden in ("reset", "force_reset", "'rm'", "rm -", "join_cluster"):
        assert [word for word in words if forbidden in word and not word.startswith("self.")] == [], forbidden


def test_all_modules_are_examined():
    assert {"participant.py", "disk.py", "ctl.py", "published.py", "check.py"} <= {os.path.basename(path)
                                                                                   for path in SOURCES}
