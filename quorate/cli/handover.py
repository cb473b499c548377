# SPDX-License-Identifier: Apache-2.0
"""`quorate handover`: run the command that moves the VIPs of this node when no request is under way."""

import os
import sys

USAGE = """\
usage: quorate handover [--wait SECONDS] [--address ADDRESS]... COMMAND ...

Runs COMMAND, which moves the virtual addresses away from this node, without cutting requests: new connections to them
are held (they succeed on the other node, a second later), requests under way get --wait seconds (5) to end, then
COMMAND is run, and the hold ends when the addresses have left. The kernel limits the hold, so it ends even if this
program is killed. As root, on the node that has the addresses:

    quorate handover --address 192.0.2.10 crm_resource --resource vip-internal --move --node n2        (Pacemaker)
    quorate handover --address 192.0.2.10 haproxy-check drain maintenance       (keepalived)

Hand over one address after the other, before the node goes on standby: with a standby alone clients wait longer.

--wait     seconds for requests under way to end: 0 to 60 (default: 5)
--address  an address that moves; without it the cluster is asked for its IPaddr2 resources

Long-lived sessions (those of the database) are cut and reconnect; so is a client that goes on sending requests on a
connection that it keeps. The exit code is that of COMMAND, 1 when an address stayed, 2 when the command line is wrong
and nothing was run.
"""
WAIT = 5.0
IPADDR2 = "ocf:heartbeat:IPaddr2"


def main(words):
    """Run the handover. The exit code."""
    words, addresses, wait = list(words), [], WAIT
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if words else 2
    try:
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if option == "--":
                break
            if option == "--wait" and words:
                wait = float(words.pop(0))
            elif option == "--address" and words:
                addresses.append(words.pop(0))
            else:
                raise ValueError("unknown or incomplete option %s" % option)
        if not words:
            raise ValueError("there is no command to run")
        if not 0 <= wait <= 60:
            raise ValueError("--wait is 0 to 60 seconds, as clients do not wait longer")
    except ValueError as error:
        sys.stderr.write("quorate: %s\n%s" % (error, USAGE))
        return 2
    return _hand_over(words, addresses, wait)


def _hand_over(words, addresses, wait):
    from quorate.errors import Refused
    from quorate.haproxy.handover import Handover
    from quorate.haproxy.observe import Stats, usual_socket
    from quorate.host.clock import Clock
    from quorate.host.command import Commands
    from quorate.pacemaker.tools import Unavailable
    clock, commands = Clock(), Commands(dict(os.environ))
    stats = Stats(usual_socket())
    try:
        found = addresses or _of_cluster(commands, clock)
        return Handover(commands, clock, lambda question: stats.ask(question, 1.0, lambda: False),
                        lambda: _run(words), _say).hand_over(found, wait)
    except (Refused, Unavailable) as error:
        sys.stderr.write("quorate: %s Nothing was moved.\n" % error)
        return 1


def _of_cluster(commands, clock):
    """The addresses of the cluster's IPaddr2 resources."""
    from quorate.errors import Refused
    from quorate.host.clock import Deadline
    from quorate.pacemaker import cib
    found = [one.parameters["ip"] for one in cib.find(cib.resources(commands, Deadline(clock, 20)), agent=IPADDR2)
             if "ip" in one.parameters]
    if not found:
        raise Refused("The cluster has no virtual address (%s); give it with --address." % IPADDR2)
    return found


def _run(words):
    """The command's exit code, as the shell has it."""
    import subprocess
    try:
        code = subprocess.call(words)
    except OSError as error:
        _say("%s cannot be run: %s." % (words[0], error.strerror))
        return 127
    return 128 - code if code < 0 else code


def _say(text):
    sys.stderr.write("quorate: %s\n" % text)
