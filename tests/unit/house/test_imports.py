# SPDX-License-Identifier: Apache-2.0
"""The import graph. Imports go one way: agents and checks, agent and web, probe and decide, facts.

Read from the sources, imports inside functions included: when a module is loaded does not change who depends on whom.
"""

import ast
import os

import pytest

from tests import ROOT

# Names of modules that only turn what they are given into something else, in every room.
PURE = ("facts", "read", "decide", "lasting", "proof", "health", "stage", "waiting", "overrule", "words")
# What a pure module would need to touch a clock, a file, the environment or another machine.
IMPURE = {"os", "io", "sys", "time", "datetime", "socket", "subprocess", "random", "secrets", "tempfile", "shutil",
          "glob", "pathlib", "threading", "signal", "syslog", "logging", "select", "selectors", "urllib", "http",
          "requests", "pymysql", "pika", "psutil"}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
SERVICES = ("galera", "rabbitmq", "openstack", "haproxy", "api")


def _modules():
    found = {}
    for folder, folders, files in os.walk(os.path.join(ROOT, "quorate")):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                dotted = os.path.relpath(path, ROOT)[:-len(".py")].replace(os.sep, ".")
                found[dotted[:-len(".__init__")] if dotted.endswith(".__init__") else dotted] = path
    return found


MODULES = _modules()


def _tree(path):
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read(), path)


def _imports(path):
    """Every module that a file imports, of ours by its full name; `from package import module` is that module."""
    found = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "%s: imports are absolute" % path
            full = ["%s.%s" % (node.module, alias.name) for alias in node.names]
            found.update(name if name in MODULES else node.module for name in full)
    return found


IMPORTS = {name: _imports(path) for name, path in MODULES.items()}


def _reached(starts):
    """All modules of ours that can be imported from `starts`, each with one path that leads there."""
    paths = {start: (start,) for start in starts if start in MODULES}
    waiting = list(paths)
    while waiting:
        name = waiting.pop()
        for other in IMPORTS[name]:
            if other in MODULES and other not in paths:
                paths[other] = paths[name] + (other,)
                waiting.append(other)
    return paths


def _room(name):
    return name.split(".")[1] if name.count(".") else ""


def _pure():
    return sorted(name for name in MODULES if name.split(".")[-1] in PURE and _room(name) in SERVICES)


def _plan():
    """A plan becomes text and nothing else: all of its room is pure, and knows no other room but what it declares."""
    return sorted(name for name in MODULES if _room(name) == "plan")


def _stubs(directory):
    path = os.path.join(ROOT, directory)
    return sorted("%s/%s" % (directory, name) for name in os.listdir(path)) if os.path.isdir(path) else []


def test_the_test_sees_the_modules():
    assert {"quorate.galera.facts", "quorate.galera.server.parse", "quorate.galera.agent"} <= set(MODULES)
    assert "quorate.ocf.agent" in IMPORTS["quorate.galera.agent"]


@pytest.mark.parametrize("name", _pure() + _plan())
def test_pure_modules_touch_nothing(name):
    """No clock, no file, no environment, and nothing of ours that has them."""
    for reached, path in _reached([name]).items():
        outside = {other.split(".")[0] for other in IMPORTS[reached]} & IMPURE
        assert set() == outside, " -> ".join(path)

    calls = {node.func.id for node in ast.walk(_tree(MODULES[name]))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert set() == calls & IMPURE_CALLS


@pytest.mark.parametrize("name", _pure())
def test_pure_modules_import_only_pure_modules(name):
    assert set() == {other for other in _reached([name]) if other.split(".")[-1] not in PURE
                     and other not in ("quorate",) and not MODULES[other].endswith("__init__.py")}


def test_facts_import_no_room():
    for name in MODULES:
        if name.split(".")[-1] == "facts":
            assert {name} == set(_reached([name]))


def test_probe_does_not_know_the_agent():
    for name in MODULES:
        if name.split(".")[-1] in ("probe", "sql"):
            assert set() == {other for other in _reached([name]) if other.split(".")[-1] in ("agent", "declaration")
                             and _room(other) in SERVICES}


def test_contract_host_and_cluster_know_no_service():
    """quorate.ocf, pacemaker, host and web serve every room, so they depend on none."""
    for name in MODULES:
        if _room(name) in ("ocf", "pacemaker", "host", "web"):
            assert set() == {other for other in _reached([name]) if _room(other) in SERVICES}, name


def test_host_knows_neither_contract_nor_cluster():
    for name in MODULES:
        if _room(name) == "host":
            assert set() == {other for other in _reached([name]) if _room(other) not in ("", "host")}, name


def test_no_service_knows_another():
    for name in MODULES:
        if _room(name) in SERVICES:
            assert set() == {other for other in _reached([name]) if _room(other) in SERVICES
                             and _room(other) != _room(name)}, name


@pytest.mark.parametrize("path", _stubs("checks"))
def test_checks_never_import_the_cluster(path):
    """HAProxy asks the check also where no Pacemaker runs, and while Pacemaker hangs."""
    reached = _reached(_imports(os.path.join(ROOT, path)))

    assert reached
    assert [] == [" -> ".join(reached[name]) for name in sorted(reached) if _room(name) == "pacemaker"]


@pytest.mark.parametrize("path", _stubs("agents"))
def test_agents_import_no_other_agent_and_no_server(path):
    reached = _reached(_imports(os.path.join(ROOT, path)))

    assert 1 == len([name for name in reached if name.endswith(".agent") and _room(name) in SERVICES])
    assert [] == [name for name in reached if _room(name) in ("web", "cli")]


def test_no_two_modules_import_each_other_while_loading():
    """A cycle of imports at the top of modules works only in one order of loading."""
    top = {name: _top_imports(path) for name, path in MODULES.items()}
    for name in MODULES:
        seen, waiting = set(), list(top[name])
        while waiting:
            other = waiting.pop()
            if other in MODULES and other not in seen:
                seen.add(other)
                waiting.extend(top[other])
        assert name not in seen, name


def _top_imports(path):
    found = set()
    for node in _tree(path).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            full = ["%s.%s" % (node.module, alias.name) for alias in node.names]
            found.update(name if name in MODULES else node.module for name in full)
    return found
