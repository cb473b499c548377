# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:cinder-volume, heat-engine, nova-consoleauth, nova-novncproxy: the same actions, bound to each
service."""

import os
import sys

from quorate.ocf import codes
from quorate.ocf.agent import Agent, run_agent
from quorate.ocf.codes import Outcome
from quorate.openstack import catalog
from quorate.openstack.declaration import ACTIONS, LONG, SHORT, parameters


def _start(context, service):
    """Start the service where nothing of it is alive, and wait until every worker is connected."""
    from quorate.openstack.actions import start
    return start.start(context, service)


def _stop(context, service):
    """End every process and prove it."""
    from quorate.openstack.actions import stop
    return stop.stop(context, service)


def _monitor(context, service):
    """What is true on this node."""
    from quorate.openstack.actions import monitor
    return monitor.monitor(context, service)


def reload_agent(context, service):
    """Succeed: every action reads its parameters anew, so there is nothing to do."""
    return Outcome(codes.SUCCESS)


def validate(context, service, sources=None):
    """Level 0: the parameters only. Level 10: also this machine and the other nodes, as warnings."""
    from quorate.openstack.service.process import additional_options
    additional_options(context.parameters)
    if context.check_level >= 10:
        from quorate.ocf.advice import warn
        from quorate.openstack.service.sources import Sources
        from quorate.openstack.validation import warnings
        warn(context, warnings(context, service, sources or Sources(context.commands)))
    return Outcome(codes.SUCCESS)


def agent(service):
    """The Agent of a service."""
    def bound(action):
        return lambda context: action(context, _with_parameters(context, service))

    return Agent(service.name, SHORT[service.name], LONG[service.name], parameters(service), ACTIONS, {
        "start": bound(_start), "stop": bound(_stop), "monitor": bound(_monitor),
        "reload-agent": bound(reload_agent), "validate-all": bound(validate),
    })


def _with_parameters(context, service):
    """The service, changed as the parameters say."""
    port = getattr(context.parameters, "console_port", None)
    return service._replace(port=port) if port else service


CINDER_VOLUME = agent(catalog.CINDER_VOLUME)
HEAT_ENGINE = agent(catalog.HEAT_ENGINE)
NOVA_CONSOLEAUTH = agent(catalog.NOVA_CONSOLEAUTH)
NOVA_NOVNCPROXY = agent(catalog.NOVA_NOVNCPROXY)
AGENTS = (CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY)


def main(name):
    """Entry of agents/NAME."""
    return run_agent(next(one for one in AGENTS if one.name == name), sys.argv, os.environ)
