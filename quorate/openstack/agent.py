# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:cinder-volume, heat-engine, nova-consoleauth, nova-novncproxy: the engine's actions for each declaration."""

import os
import sys

from quorate.ocf.agent import Agent
from quorate.ocf.agent import main as run
from quorate.openstack import catalog, engine
from quorate.openstack.declaration import ACTIONS, LONG, SHORT, parameters


def agent(service):
    """The Agent of a service."""
    def bound(action):
        return lambda context: action(context, _told(context, service))

    return Agent(service.name, SHORT[service.name], LONG[service.name], parameters(service), ACTIONS, {
        "start": bound(engine.start), "stop": bound(engine.stop), "monitor": bound(engine.monitor),
        "reload-agent": bound(engine.reload_agent), "validate-all": bound(engine.validate),
    })


def _told(context, service):
    """The service as the parameters describe it."""
    port = getattr(context.parameters, "console_port", None)
    return service._replace(port=port) if port else service


CINDER_VOLUME = agent(catalog.CINDER_VOLUME)
HEAT_ENGINE = agent(catalog.HEAT_ENGINE)
NOVA_CONSOLEAUTH = agent(catalog.NOVA_CONSOLEAUTH)
NOVA_NOVNCPROXY = agent(catalog.NOVA_NOVNCPROXY)
AGENTS = (CINDER_VOLUME, HEAT_ENGINE, NOVA_CONSOLEAUTH, NOVA_NOVNCPROXY)


def main(name):
    """Entry of agents/NAME."""
    return run(next(one for one in AGENTS if one.name == name), sys.argv, os.environ)
