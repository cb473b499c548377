# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:rabbitmq: its actions, each imported by the handler that needs it."""

import os
import sys

from quorate.ocf import codes
from quorate.ocf.agent import Agent, run_agent
from quorate.ocf.codes import Outcome
from quorate.rabbitmq.declaration import ACTIONS, LONGDESC, NAME, PARAMETERS, SHORTDESC


def _start(context):
    """Launch the broker when the election allows it."""
    from quorate.rabbitmq.actions import start
    return start.start(context)


def _stop(context):
    """Drain the node, stop every process of the broker, and prove it."""
    from quorate.rabbitmq.actions import stop
    return stop.stop(context)


def _monitor(context):
    """Whether the broker runs on this node, and what it does."""
    from quorate.rabbitmq.actions import monitor
    return monitor.monitor(context)


def reload_agent(context):
    """Every action reads its parameters anew; only the policy has to be set in the broker."""
    from quorate.rabbitmq.actions import serving
    serving.reload_policy(context)
    return Outcome(codes.SUCCESS)


def validate(context):
    """Level 0: the parameters only. Level 10: also what will cause problems on this machine."""
    from quorate.ocf.advice import warn
    from quorate.rabbitmq.validation import errors, warnings
    found = errors(context)
    if found:
        return Outcome(codes.ERR_CONFIGURED, " ".join(found))
    if context.check_level >= 10:
        warn(context, warnings(context))
    return Outcome(codes.SUCCESS)


AGENT = Agent(NAME, SHORTDESC, LONGDESC, PARAMETERS, ACTIONS, {
    "start": _start, "stop": _stop, "monitor": _monitor, "reload-agent": reload_agent, "validate-all": validate,
})


def main():
    """Entry of agents/rabbitmq."""
    return run_agent(AGENT, sys.argv, os.environ)
