# SPDX-License-Identifier: Apache-2.0
"""Imports go one way (docs: agents and checks -> agent and web -> probe and decide -> facts), those inside functions too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("facts", "read", "decide")
# What would let a pure module look at the machine, the clock or the network.
IMPURE = {"os", "sys", "time", "socket", "subprocess", "random", "datetime", "select", "signal", "syslog", "io", "pathlib",
          "shutil", "threading", "pymysql", "pika", "requests", "psutil"}


def imports(path):
    """Full names of everything that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "%s: imports are written in full" % path
            found.add(node.module)
            found.update("%s.%s" % (node.module, alias.name) for alias in node.names)
    return found


def modules():
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path
            for path in sorted((ROOT / "quorate").rglob("*.py")) if path.name != "__init__.py"}


MODULES = modules()


def reach(starts):
    """All modules of quorate that can be reached from the given names."""
    seen, todo = set(), [name for name in starts if name in MODULES]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo.extend(found for found in imports(MODULES[name]) if found in MODULES)
    return seen


ROOMS = {path.name for path in (ROOT / "quorate").iterdir() if path.is_dir()}


def room(name):
    return name.split(".")[1]


def rooms(name):
    """The rooms that a module imports from."""
    return {room(found) for found in imports(MODULES[name]) if found.startswith("quorate.")} & ROOMS


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_ground_knows_no_service(name):
    allowed = {"host": {"host"}, "pacemaker": {"pacemaker", "host"}, "ocf": {"ocf", "host", "pacemaker"}}.get(room(name))
    if allowed:
        used = rooms(name)
        assert used <= allowed


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.rsplit(".", 1)[1] in PURE))
def test_decisions_and_facts_look_at_nothing(name):
    own = name.rsplit(".", 1)[0]
    for found in reach([name]):
        assert found.rsplit(".", 1) == [own, found.rsplit(".", 1)[1]], "%s reaches %s" % (name, found)
        assert not imports(MODULES[found]) & IMPURE, "%s is not pure" % found


def test_checks_need_no_cluster():
    starts = set()
    for path in (ROOT / "checks").glob("*"):
        if path.is_file():
            starts |= imports(path)
    assert not {name for name in reach(starts) if room(name) in ("pacemaker", "ocf")}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_system_knows_another(name):
    systems = {"galera", "rabbitmq", "openstack"}
    if room(name) in systems:
        used = rooms(name)
        assert not (used & systems) - {room(name)}
