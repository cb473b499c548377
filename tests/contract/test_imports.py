# SPDX-License-Identifier: Apache-2.0
"""A monitor is a fresh process every few seconds for years, so what it imports is what it costs."""

import json
import subprocess

# Cheap, and either needed by every probe or in the interpreter already once anything is imported.
ALLOWED = frozenset("""
    _collections _functools _operator _signal _socket _struct _weakrefset collections collections.abc errno fcntl
    functools itertools keyword math operator pwd grp reprlib select struct syslog termios types
""".split())
RUN = """
import os, site, sys
before = set(sys.modules)
path = sys.argv[1]
sys.argv = [path, "monitor"]
try:
    with open(path) as file:
        exec(compile(file.read(), path, "exec"), {"__name__": "__main__", "__file__": path})
except SystemExit as end:
    code = end.code
found = sorted(set(sys.modules) - before)
import json
print(json.dumps([code, found]))
"""


def imported(machine, environ):
    """The exit code of a monitor, and the names of all modules that it needed beyond the bare interpreter."""
    done = subprocess.run(["/usr/bin/python3", "-IS", "-c", RUN, str(machine.path)], env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.decode())


def test_a_probe_imports_nothing_that_costs(machine):
    code, modules = imported(machine, machine.cluster())
    assert code in (5, 7)
    expensive = [name for name in modules if name not in ALLOWED and not name.startswith("quorate")]
    assert expensive == []


def test_it_imports_the_rooms_of_one_system_only(machine):
    _code, modules = imported(machine, machine.cluster())
    rooms = {name.split(".")[1] for name in modules if name.startswith("quorate.")} - {
        "errors", "health", "host", "ocf", "pacemaker"}
    assert len(rooms) <= 1
