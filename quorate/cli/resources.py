# SPDX-License-Identifier: Apache-2.0
"""The resources of an agent, for commands of an operator: each as the Context in which its agent would run."""

import os

from quorate.errors import NoSuchResource, Refused

SECONDS = 60.0  # one limit for all that a command asks the cluster


def contexts(agent, parameters, resource=None):
    """A Context for each resource of `agent` ('ocf:quorate:galera') in the cluster, or for the named one.

    parameters: of the agent's declaration. Raises NoSuchResource when there is none, Refused for parameters that are
    not valid.
    """
    from quorate.host.clock import Clock, Deadline
    from quorate.host.command import Commands
    from quorate.host.process import Processes
    from quorate.ocf.context import Context
    from quorate.ocf.declaration import read_all
    from quorate.ocf.log import Log
    from quorate.pacemaker import cib
    clock, commands = Clock(), Commands(dict(os.environ))
    deadline = Deadline(clock, SECONDS)
    found = cib.find(cib.resources(commands, deadline), resource, agent)
    if not found:
        raise NoSuchResource("There is no resource %s%s in this cluster." % (
            agent, " named " + resource if resource else ""))
    result = []
    for one in found:
        environ = dict(os.environ, OCF_RESOURCE_INSTANCE=one.id)
        environ.update(("OCF_RESKEY_" + name, value) for name, value in one.parameters.items())
        values, problems = read_all(parameters, environ)
        if problems:
            raise Refused("%s: %s" % (one.id, problems[0]))
        # Commands and log are as when an operator runs the agent itself.
        log = Log("quorate", environ, interactive=True, narrate=False)
        result.append(Context(parameters=values, action="explain", environ=environ, log=log, commands=commands,
                              processes=Processes(), clock=clock, deadline=deadline, interactive=True))
    return result


def who():
    """Who gives an order, for the audit: the login behind sudo, else the user."""
    return os.environ.get("SUDO_USER") or os.environ.get("LOGNAME") or os.environ.get("USER") or "root"
