# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera: its actions, each imported by the handler that needs it."""

import os
import sys

from quorate.galera.declaration import ACTIONS, LONGDESC, NAME, PARAMETERS, SHORTDESC
from quorate.ocf import codes
from quorate.ocf.agent import Agent, run_agent
from quorate.ocf.codes import Outcome


def _start(context):
    """Report what is on the disk, and decide. No server is launched before promote."""
    from quorate.galera.actions import start
    return start.start(context)


def _stop(context):
    """Stop every process of the server, and prove it."""
    from quorate.galera.actions import stop
    return stop.stop(context)


def _promote(context):
    """Decide again, then launch the server."""
    from quorate.galera.actions import start
    return start.promote(context)


def _demote(context):
    """Stop the server, and report what is on the disk now."""
    from quorate.galera.actions import stop
    return stop.demote(context)


def _monitor(context):
    """Whether the server runs on this node, and what it does."""
    from quorate.galera.actions import monitor
    return monitor.monitor(context)


def reload_agent(context):
    """Every action reads its parameters anew, so there is nothing to carry over."""
    return Outcome(codes.SUCCESS)


def validate(context):
    """Level 0: the parameters only. Level 10: also what will cause problems on this machine."""
    from quorate.galera.validation import errors, warnings
    from quorate.ocf.advice import warn
    found = errors(context)
    if found:
        return Outcome(codes.ERR_CONFIGURED, " ".join(found))
    if context.check_level >= 10:
        warn(context, warnings(context))
    return Outcome(codes.SUCCESS)


AGENT = Agent(NAME, SHORTDESC, LONGDESC, PARAMETERS, ACTIONS, {
    "start": _start, "stop": _stop, "promote": _promote, "demote": _demote, "monitor": _monitor,
    "reload-agent": reload_agent, "validate-all": validate,
})


def main():
    """Entry of agents/galera."""
    return run_agent(AGENT, sys.argv, os.environ)
