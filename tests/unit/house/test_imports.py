# SPDX-License-Identifier: Apache-2.0
"""The import graph, as docs/architecture.md draws it: layers, the packages inside a service, pure modules, no circle.

Read from the sources, imports inside functions included: when a module is loaded does not change who depends on whom.
"""

import ast
import os

import pytest

from tests import ROOT

# Lowest first. A module imports its own package and lower layers; packages of one layer never import each other.
LAYERS = (
    ("errors", "health", "text"),
    ("host",),
    ("ocf", "web"),
    ("pacemaker",),
    ("galera", "rabbitmq", "openstack", "haproxy"),
    ("plan", "status"),
    ("cli",),
)
SERVICES = LAYERS[4]
# Inside a service, lowest first; what is not named here is a face (agent, check, explain, ...) and may import all of
# it. Two of one step never import each other.
STEPS = {
    "galera": (("facts",), ("election", "server"), ("actions",)),
    "rabbitmq": (("facts",), ("election", "broker"), ("actions",)),
    "openstack": (("facts",), ("catalog",), ("symptoms",), ("service",), ("actions",)),
}
# Modules that only turn what they are given into something else, by name, in every service.
PURE = ("facts", "parse", "decide", "override", "proof", "reasons", "detect", "timers", "diagnosis", "health", "policy",
        "causes", "cause_table", "progress", "url")
PURE_ELSEWHERE = ("quorate.health", "quorate.errors", "quorate.text", "quorate.pacemaker.encoding",
                  "quorate.openstack.service.options")
# What a pure module would need to touch a clock, a file, the environment or another machine.
IMPURE = {"os", "io", "sys", "time", "datetime", "socket", "subprocess", "random", "secrets", "tempfile", "shutil",
          "glob", "pathlib", "threading", "signal", "syslog", "logging", "select", "selectors", "urllib", "http",
          "requests", "pymysql", "pika", "psutil"}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}


def _modules(top):
    found = {}
    for folder, folders, files in os.walk(os.path.join(ROOT, top)):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                dotted = os.path.relpath(path, ROOT)[:-len(".py")].replace(os.sep, ".")
                found[dotted[:-len(".__init__")] if dotted.endswith(".__init__") else dotted] = path
    return found


MODULES = _modules("quorate")
LAB = _modules("lab")


def _tree(path):
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read(), path)


def _imports(path, modules):
    """Every module that a file imports, of ours by its full name; `from package import module` is that module."""
    found = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "%s: imports are absolute" % path
            full = ["%s.%s" % (node.module, alias.name) for alias in node.names]
            found.update(name if name in modules else node.module for name in full)
    return found


IMPORTS = {name: _imports(path, MODULES) - {name} for name, path in MODULES.items()}
LAB_IMPORTS = {name: _imports(path, LAB) - {name} for name, path in LAB.items()}


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


def _part(name, number):
    """The number-th word of a dotted name, '' where it has none."""
    parts = name.split(".")
    return parts[number] if len(parts) > number else ""


def _layer(name):
    return next((place for place, layer in enumerate(LAYERS) if _part(name, 1) in layer), -1)


def _is_pure(name):
    return (_part(name, 1) in SERVICES and name.split(".")[-1] in PURE or name in PURE_ELSEWHERE
            or _part(name, 1) == "plan")


PURE_MODULES = sorted(name for name in MODULES if _is_pure(name))


def _stubs(directory):
    path = os.path.join(ROOT, directory)
    return sorted("%s/%s" % (directory, name) for name in os.listdir(path)) if os.path.isdir(path) else []


def test_the_test_sees_the_modules():
    assert {"quorate.galera.facts", "quorate.galera.election.decide", "quorate.galera.agent"} <= set(MODULES)
    assert "quorate.ocf.agent" in IMPORTS["quorate.galera.agent"]
    assert {"quorate.galera.server.parse", "quorate.openstack.symptoms.timers",
            "quorate.plan.render.pcs"} <= set(PURE_MODULES)


def test_every_module_has_its_layer():
    assert [] == [name for name in MODULES if name != "quorate" and _layer(name) < 0]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down(name):
    """Into the own package, and into lower layers."""
    wrong = [other for other in IMPORTS[name] if other in MODULES and other != "quorate"
             and _part(other, 1) != _part(name, 1) and _layer(other) >= _layer(name)]

    assert [] == wrong


@pytest.mark.parametrize("service", sorted(STEPS))
def test_imports_inside_a_service_go_down(service):
    def step(name):
        return next((place for place, names in enumerate(STEPS[service]) if _part(name, 2) in names),
                    len(STEPS[service]))

    wrong = []
    for name in MODULES:
        for other in IMPORTS[name] if _part(name, 1) == service and _part(name, 2) else ():
            if other in MODULES and _part(other, 1) == service and _part(other, 2) not in ("", _part(name, 2)):
                if step(other) > step(name) or step(other) == step(name) < len(STEPS[service]):
                    wrong.append("%s imports %s" % (name, other))

    assert [] == sorted(wrong)


def test_the_api_check_stands_apart():
    """It knows nothing of processes and symptoms, and the agents know nothing of it."""
    inside = [name for name in MODULES if name.startswith("quorate.openstack.api.")]
    assert inside
    for name in inside:
        assert [] == [other for other in IMPORTS[name] if other.startswith("quorate.openstack.")
                      and not other.startswith("quorate.openstack.api")]
    assert [] == [name for name in MODULES if _part(name, 1) == "openstack" and _part(name, 2) not in ("api", "")
                  and any(other.startswith("quorate.openstack.api") for other in IMPORTS[name])]


@pytest.mark.parametrize("name", PURE_MODULES)
def test_pure_modules_touch_nothing(name):
    """No clock, no file, no environment, and nothing of ours that has them."""
    for reached, path in _reached([name]).items():
        outside = {other.split(".")[0] for other in IMPORTS[reached]} & IMPURE
        assert set() == outside, " -> ".join(path)

    calls = {node.func.id for node in ast.walk(_tree(MODULES[name]))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert set() == calls & IMPURE_CALLS


def test_facts_import_no_other_package():
    for name in MODULES:
        if name.split(".")[-1] == "facts":
            assert set() == {_part(other, 1) for other in _reached([name])} - {_part(name, 1)}, name


def _circle(graph):
    """A list of modules of which each imports the next and the last the first; [] where there is none."""
    done = set()
    for start in sorted(graph):
        path, iterators = [start], [iter(sorted(graph[start]))]
        while path:
            other = next((one for one in iterators[-1] if one in graph and one not in done), None)
            if other is None:
                done.add(path.pop())
                iterators.pop()
            elif other in path:
                return path[path.index(other):]
            else:
                path.append(other)
                iterators.append(iter(sorted(graph[other])))
    return []


def test_a_circle_is_found():
    assert ["a", "b", "c"] == _circle({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()})
    assert [] == _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


@pytest.mark.parametrize("graph", [IMPORTS, LAB_IMPORTS], ids=["quorate", "lab"])
def test_no_modules_import_each_other(graph):
    """Also not by an import inside a function: it works, and hides that the two are one module."""
    assert [] == _circle(graph)


@pytest.mark.parametrize("path", _stubs("checks"))
def test_checks_never_import_the_cluster(path):
    """HAProxy asks the check also where no Pacemaker runs, and while Pacemaker hangs."""
    reached = _reached(_imports(os.path.join(ROOT, path), MODULES))

    assert reached
    assert [] == [" -> ".join(reached[name]) for name in sorted(reached)
                  if _part(name, 1) == "pacemaker" or _part(name, 2) in ("actions", "election")]


@pytest.mark.parametrize("path", _stubs("agents"))
def test_agents_import_no_other_agent_and_no_server(path):
    reached = _reached(_imports(os.path.join(ROOT, path), MODULES))

    assert 1 == len([name for name in reached if name.endswith(".agent") and _part(name, 1) in SERVICES])
    assert [] == [name for name in reached if _part(name, 1) in ("web", "plan", "status", "cli")]


def test_packages_hold_a_docstring_only():
    """A package's __init__ is loaded with each of its modules, so a monitor pays for what stands in it."""
    full = [name for name, path in MODULES.items() if path.endswith("__init__.py")
            and name not in ("quorate", "quorate.cli")
            and len(_tree(path).body) > 1]

    assert [] == full
