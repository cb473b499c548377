# SPDX-License-Identifier: Apache-2.0
"""Every agent of the suite, run as Pacemaker runs it, on a machine where nothing of its service is installed."""

import importlib
import os
import re
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from quorate.ocf.agent import Agent

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "contract" / "sample_agent"
AGENTS = sorted(path for path in (ROOT / "agents").glob("*") if path.is_file() and os.access(path, os.X_OK)) + [SAMPLE]

DIRECTORIES = {"datadir": "/var/lib/mysql", "binary": "/usr/sbin/mariadbd"}  # the defaults of the agents
REQUIRED = {"wsrep_cluster_address": "gcomm://n1,n2,n3"}  # a value for each parameter that an operator has to give

Ran = namedtuple("Ran", "code out err")


class Machine:
    """Runs one agent. Every path among its parameters leads into an empty directory, where nothing is."""

    def __init__(self, path, directory):
        self.path = path
        self.name = path.name
        self.directory = directory
        self.declaration = declaration(path)

    def bare(self, **more):
        """The environment of a machine without the software."""
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HA_LOGFACILITY": "none"}
        for parameter in self.declaration.parameters:
            path = DIRECTORIES.get(parameter.name, parameter.default or "")
            if parameter.kind == "string" and path.startswith("/"):
                environ["OCF_RESKEY_" + parameter.name] = "%s/missing%s" % (self.directory, path)
            if parameter.required:
                environ["OCF_RESKEY_" + parameter.name] = REQUIRED[parameter.name]
        environ.update(more)
        return environ

    def cluster(self, timeout=20, **more):
        """The same as pacemaker-execd calls it; interval= milliseconds for a recurring monitor."""
        environ = {
            "PCMK_service": "pacemaker-execd", "OCF_ROOT": "/usr/lib/ocf", "OCF_RA_VERSION_MAJOR": "1",
            "OCF_RA_VERSION_MINOR": "1", "OCF_EXIT_REASON_PREFIX": "ocf-exit-reason:", "OCF_RESOURCE_INSTANCE": "test",
            "OCF_RESOURCE_TYPE": self.name, "OCF_RESOURCE_PROVIDER": "quorate",
            "OCF_RESKEY_CRM_meta_timeout": str(int(timeout * 1000)), "OCF_RESKEY_CRM_meta_on_node": "n1",
        }
        environ.update(more)
        return self.bare(**environ)

    def run(self, action, environ=None, prefix=(), timeout=60):
        """Run an action and return (code, out, err)."""
        words = list(prefix) + [str(self.path)] + ([action] if action is not None else [])
        done = subprocess.run(
            words, env=self.bare() if environ is None else environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=timeout, check=False)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def declaration(path):
    """The Agent that an executable runs, found in the module it imports main from."""
    if path == SAMPLE:
        namespace = {"__name__": "sample", "__file__": str(path)}
        exec(compile(path.read_text(), str(path), "exec"), namespace)  # it has no module of its own
        return namespace["AGENT"]
    module = re.search(r"^from (quorate[\w.]*) import", path.read_text(), re.MULTILINE)
    assert module, "%s imports its main from no module of quorate" % path
    values = vars(importlib.import_module(module.group(1))).values()
    found = [value for value in values if isinstance(value, Agent) and value.name == path.name]
    assert len(found) == 1, "%s declares %d agents with the name %s" % (module.group(1), len(found), path.name)
    return found[0]


@pytest.fixture(params=AGENTS, ids=lambda path: path.name)
def machine(request, tmp_path):
    return Machine(request.param, tmp_path)


@pytest.fixture(params=[path for path in AGENTS if any(one.secret for one in declaration(path).parameters)],
                ids=lambda path: path.name)
def secretive(request, tmp_path):
    """An agent with a parameter that is a secret."""
    return Machine(request.param, tmp_path)


@pytest.fixture(params=[path for path in AGENTS if path != SAMPLE], ids=lambda path: path.name)
def dependent(request, tmp_path):
    """An agent whose service has to be installed; the sample's is a file, which is always there."""
    return Machine(request.param, tmp_path)


@pytest.fixture
def sample(tmp_path):
    return Machine(SAMPLE, tmp_path)
