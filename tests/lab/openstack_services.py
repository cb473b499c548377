# SPDX-License-Identifier: Apache-2.0
"""A lab with Debian's own OpenStack services, and our agents, called by hand as Pacemaker would call them."""

import os
import threading
from contextlib import contextmanager

import pytest

from lab import Unreachable
from lab.faults import machine
from lab.images import openstack
from lab.machines import cluster
from lab.services.openstack import deployment
from lab.services.openstack.watch import service_of
from tests.packaged import package

AGENTS = ("cinder-volume", "heat-engine", "nova-novncproxy")
OLD = "nova-consoleauth"
PARAMETERS = {OLD: {"OCF_RESKEY_config": "/etc/nova19/nova.conf",
                    "OCF_RESKEY_binary": "/opt/nova19/bin/nova-consoleauth"}}
OK, GENERIC, NOT_RUNNING, DEGRADED = 0, 1, 7, 190
LIMIT = 120  # seconds; the tests look for a broken guarantee, not for a slow machine


@contextmanager
def prepared(name, progress, kind="services", count=3):
    """A Lab with database, broker and APIs, with the layer `kind`; none of what has an agent runs. progress: a `say`
    for what takes minutes. Skips where there can be no lab, or no OpenStack."""
    deb = package()
    try:
        layers = openstack.ensure(kind, progress)
    except Unreachable as reason:
        pytest.skip(str(reason))
    with cluster.Lab("%s-%d" % (name, os.getpid() % 1000000)) as lab:
        lab.up(count=count, deb=deb, layers=layers, say=print)
        deployment.prepare(lab, say=print)
        yield lab


class World:
    """The lab and the agents in it, on `node`."""

    def __init__(self, lab, agents=AGENTS):
        self.lab, self.node, self.agents = lab, lab.node_names[0], tuple(agents)

    def act(self, agent, action, level=0, seconds=90, recurring=True):
        """The agent as Pacemaker would call it, with a timeout of so many seconds; recurring, so that it keeps its state
        files, or as a probe."""
        environment = {"OCF_ROOT": "/usr/lib/ocf", "OCF_RESOURCE_INSTANCE": agent, "OCF_CHECK_LEVEL": str(level),
                       "OCF_RESKEY_CRM_meta_timeout": str(seconds * 1000), "OCF_RESOURCE_TYPE": agent,
                       "OCF_RESOURCE_PROVIDER": "quorate"}
        if action == "monitor" and recurring:
            environment["OCF_RESKEY_CRM_meta_interval"] = "10000"
        environment.update(PARAMETERS.get(agent, {}))
        return self.lab.run(self.node, ["/usr/lib/ocf/resource.d/quorate/" + agent, action], seconds + 5, env=environment)

    def all(self, action, level=0, agents=None):
        """The same of several at once: agent to Result."""
        found = {}

        def one(agent):
            found[agent] = self.act(agent, action, level)

        threads = [threading.Thread(target=one, args=(agent,)) for agent in agents or self.agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def expect(self, code, action, level=0, agents=None):
        """The same; each of them has to end with `code`."""
        found = self.all(action, level, agents)
        assert dict.fromkeys(agents or self.agents, code) == {agent: done.rc for agent,
                                                              done in found.items()}, "\n".join(
            "%s: %s %s" % (agent, done.rc, done.err[-600:]) for agent, done in found.items())
        return found

    def say(self, code, action="monitor", agents=None):
        """Whether each of them ends with `code`."""
        return all(done.rc == code for done in self.all(action, 0, agents).values())

    def processes(self, agent):
        """{pid as the host numbers it: pid of its parent} of the service."""
        found = {}
        for pid, argv in machine.processes(self.lab, self.node, agent).items():
            if service_of(argv, (agent,)):
                try:
                    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
                        found[pid] = int(file.read().rpartition(")")[2].split()[1])
                except FileNotFoundError:
                    continue
        return found

    def parent(self, agent):
        """The service's first process."""
        found = self.processes(agent)
        return next(pid for pid, parent in found.items() if parent not in found)

    def child(self, agent):
        """One of its workers, the process itself where it has none."""
        found = self.processes(agent)
        return next((pid for pid, parent in found.items() if parent in found), self.parent(agent))
