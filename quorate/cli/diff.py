# SPDX-License-Identifier: Apache-2.0
"""`quorate diff FILE`: where the running cluster differs from its description."""

import os
import sys

from quorate.errors import Refused, Usage

SECONDS = 30.0  # one limit for all that is asked


def main(words, ask=None, out=None):
    """Run `quorate diff WORDS`. Returns the exit code: 0 no difference, 1 differences, 2 could not compare. Raises
    Usage.

    ask (function that gives a cib.Configuration, and the proxies of HAProxy or None) and out: for tests.
    """
    from quorate.cli.plan import load
    from quorate.pacemaker.tools import Unavailable
    from quorate.plan.diff import differences
    if len(words) != 1 or words[0].startswith("-"):
        raise Usage("not understood: quorate diff %s" % " ".join(words))
    try:
        plan = load(words[0])
        cluster, proxies = (ask or observe_here)()
    except Refused as error:
        sys.stderr.write("%s\n" % error)
        return 2
    except Unavailable as error:
        sys.stderr.write("quorate: %s\n" % error.reason)
        return 2
    found = differences(plan, cluster, proxies)
    out = out or sys.stdout
    if proxies is None and any(service.endpoints for service in plan.services):
        sys.stderr.write("quorate: no HAProxy runs on this node, so its listeners were not compared.\n")
    for one in found:
        out.write(one.text + "\n" + ("    -> %s\n" % one.command.replace(" FILE ", " %s " % words[0]) if one.command
                                     else ""))
    if not found:
        out.write("The cluster is as %s describes it.\n" % words[0])
    return 1 if found else 0


def observe_here():
    """The Configuration of the running cluster, and this node's HAProxy. Raises Unavailable."""
    from quorate.host.clock import Clock, Deadline
    from quorate.host.command import Commands
    from quorate.pacemaker import cib
    from quorate.status import observe
    return cib.configuration(Commands(dict(os.environ)), Deadline(Clock(), SECONDS)), observe.proxies()
