# SPDX-License-Identifier: Apache-2.0
"""`quorate diff FILE`: where the running cluster differs from its description."""

import os
import sys

SECONDS = 30.0  # one limit for all that is asked


def main(words, ask=None, out=None):
    """Run `quorate diff WORDS`. Returns the exit code: 0 no difference, 1 differences, 2 could not compare.

    ask (function that gives the text of the configuration, and the proxies of HAProxy or None) and out: for tests.
    """
    from quorate.cli.plan import load
    from quorate.errors import Refused
    from quorate.pacemaker.tools import Unavailable
    from quorate.plan.diff import differences
    if len(words) != 1 or words[0].startswith("-"):
        from quorate.cli import USAGE
        sys.stderr.write("quorate: not understood: quorate diff %s\n%s" % (" ".join(words), USAGE))
        return 2
    try:
        plan = load(words[0])
        configuration, proxies = (ask or look)()
        found = differences(plan, configuration, proxies)
    except Refused as error:
        sys.stderr.write("%s\n" % error)
        return 2
    except Unavailable as trouble:
        sys.stderr.write("quorate: %s\n" % trouble.reason)
        return 2
    out = out or sys.stdout
    if proxies is None and any(service.endpoints for service in plan.services):
        sys.stderr.write("quorate: no HAProxy runs on this node, so its listeners were not compared.\n")
    for one in found:
        out.write(one.text + "\n" + ("    -> %s\n" % one.command.replace(" FILE ", " %s " % words[0]) if one.command else ""))
    if not found:
        out.write("The cluster is as %s describes it.\n" % words[0])
    return 1 if found else 0


def look():
    """The configuration of the running cluster as text, and this node's HAProxy. Raises Unavailable."""
    from quorate.host.clock import Clock
    from quorate.host.command import Commands
    from quorate.host.clock import Deadline
    from quorate.pacemaker.tools import ask
    from quorate.status import observe
    commands, deadline = Commands(dict(os.environ)), Deadline(Clock(), SECONDS)
    return ask(commands, deadline, ("cibadmin", "-Q", "-o", "configuration")).out, observe.proxies()
