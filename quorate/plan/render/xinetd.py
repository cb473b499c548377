# SPDX-License-Identifier: Apache-2.0
"""The check service of one node as a file for xinetd."""

from quorate.plan.render.comments import why


def render(plan, node):
    """The text for the node of that name. Raises ValueError, with a sentence, where nothing is checked this way."""
    galera = plan.service("galera_cluster")
    if galera is None or node not in galera.nodes:
        raise ValueError("%s runs no database, and HAProxy checks all other services by itself: xinetd has nothing to "
                         "do there."
                         % node)
    lines = ["# /etc/xinetd.d/quorate-galera-check of %s in the control plane %s." % (node, plan.name),
             "# Made by `quorate plan xinetd`. Use either this or quorate-galera-check.socket of systemd, not both.",
             "service quorate-galera-check", "{"]
    lines += ["    %-15s = %s" % pair for pair in (
        ("disable", "no"), ("type", "UNLISTED"), ("socket_type", "stream"), ("protocol", "tcp"),
        ("port", galera.check_port))]
    lines += why("Only HAProxy asks it, so it listens in the management network only.")
    address = plan.address(node)
    lines += ["    %-15s = %s" % pair for pair in (("bind", address), ("flags", "IPv6" if ":" in address else "IPv4"))]
    lines += why("One resident process gets the listening socket and answers all requests.")
    lines += ["    %-15s = %s" % pair for pair in (("wait", "yes"), ("user", "mysql"),
                                                   ("server", "/usr/bin/galera-check"))]
    lines += ["    %-15s += USERID" % "log_on_failure",
              "    # The default of 50 connections a second would close the port for ten seconds."]
    lines += ["    %-15s = %s" % pair
              for pair in (("cps", "10000 1"), ("instances", "UNLIMITED"), ("per_source", "UNLIMITED"))]
    return "\n".join(lines + ["}"]) + "\n"
