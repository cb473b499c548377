# SPDX-License-Identifier: Apache-2.0
"""`quorate status`: the whole control plane on one screen, once, again and again, or for programs."""

import os
import sys

from quorate.errors import Refused, Usage

SECONDS = 30.0  # one limit for all that one screen asks
EVERY = 2.0     # seconds between two screens of --watch
CLEAR_LINE, HOME, CLEAR_BELOW = "\033[K", "\033[H", "\033[J"  # ECMA-48: EL, CUP, ED
WHOLE_ROLE = {"ocf:quorate:galera": "Promoted",
              "ocf:quorate:rabbitmq": "Started"}  # agents that explain their decisions
WAITING = ("wait", "refuse")  # decisions after which another node or the operator has to act


def main(words, out=None, ask=None, clock=None, environ=None):
    """Run `quorate status WORDS`. Returns the exit code: 0 all is well, 1 something is not, 2 could not ask. Raises
    Usage.

    out, ask (function that gives an Observation), clock and environ: for tests.
    """
    out, environ = out or sys.stdout, os.environ if environ is None else environ
    unknown = [word for word in words if word not in ("--watch", "--json")]
    if unknown or len(set(words)) == 2:
        raise Usage("not understood: quorate status %s" % " ".join(words))
    ask = ask or observe_here
    if "--watch" in words and out.isatty():
        if clock is None:
            from quorate.host.clock import Clock
            clock = Clock()
        return _watch(out, ask, clock, environ)
    return _once(out, ask, environ, "--json" in words)


def _once(out, ask, environ, as_json):
    from quorate.pacemaker.tools import Unavailable
    from quorate.status.summary import exit_code, summarise
    try:
        observed = ask()
    except Unavailable as error:
        sys.stderr.write("quorate: %s\n" % error.reason)
        return 2
    summary = summarise(observed)
    if as_json:
        import json
        json.dump(as_data(observed, summary), out, indent=2, sort_keys=True)
        out.write("\n")
    else:
        out.write("".join(line + "\n" for line in _screen(out, summary, observed, environ)))
    return exit_code(summary)


def _watch(out, ask, clock, environ):
    """Redraw until Ctrl-C. Where the cluster cannot be asked, the screen says so."""
    from quorate.pacemaker.tools import Unavailable
    from quorate.status.screen import fit, paragraph
    from quorate.status.summary import exit_code, summarise
    code = 2
    try:
        out.write(HOME + CLEAR_BELOW)
        while True:
            try:
                observed = ask()
                summary = summarise(observed)
                screen, code = _screen(out, summary, observed, environ), exit_code(summary)
            except Unavailable as error:
                screen, code = paragraph(error.reason, _size(out)[0]), 2
            screen = fit(screen, _size(out)[1] - 1)
            out.write(HOME + "".join(line + CLEAR_LINE + "\n" for line in screen) + CLEAR_BELOW)
            out.flush()
            clock.sleep(EVERY)
    except KeyboardInterrupt:
        out.write("\n")
        return code


def _screen(out, summary, observed, environ):
    from quorate.status.screen import lines
    return lines(summary, observed, _size(out)[0], coloured(out, environ))


def coloured(out, environ):
    """Only on a terminal that has colours, and never with NO_COLOR set to anything (https://no-color.org)."""
    return out.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def _size(out):
    """(columns, lines) of the terminal; 80 columns where the output is none."""
    if not out.isatty():
        return 80, 1000
    try:
        columns, rows = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        columns, rows = 80, 24
    return columns or 80, rows or 24


def observe_here():
    """The Observation of this node's cluster. Raises Unavailable."""
    from quorate.host import drain
    from quorate.host.clock import Clock, Deadline
    from quorate.host.command import Commands
    from quorate.status import observe
    commands, deadline = Commands(dict(os.environ)), Deadline(Clock(), SECONDS)
    return observe.observe(commands, deadline, observe.proxies, drain.active, explanations)


def explanations(cluster):
    """Explanations of each resource of ours that is not whole: to ask takes half a second. Raises Unavailable."""
    broken = [service for service in cluster.services if service.agent in WHOLE_ROLE and not _whole(cluster, service)]
    if not broken:
        return ()
    from quorate.cli import galera, rabbitmq
    from quorate.pacemaker.tools import Unavailable
    packages = {galera.AGENT: galera, rabbitmq.AGENT: rabbitmq}
    try:
        return tuple(explained for service in broken
                     for _name, _agent, _lines, data in packages[service.agent].views(service.name)
                     for explained in explanations_of(service.name, data, _serving(cluster), _starting(service)))
    except Refused as error:
        raise Unavailable(str(error)) from None


def _serving(cluster):
    """Names of the nodes that are to run services."""
    return {node.name for node in cluster.nodes if node.online and not node.standby}


def _starting(service):
    """Names of the nodes on which the cluster is starting it."""
    return {node for one in service.instances if one.shown_role == "Starting" for node in one.nodes}


def _whole(cluster, service):
    """Whether it is in its best role on all nodes that are to run services, or is disabled."""
    from quorate.pacemaker.crm_mon import DEGRADED
    best = {node for one in service.instances if one.shown_role == WHOLE_ROLE[service.agent] for node in one.nodes}
    degraded = any(name == service.name and one.code in DEGRADED
                   for (name, _node), latest in cluster.latest.items() for one in latest)
    return service.disabled or not degraded and best.issuperset(_serving(cluster))


def explanations_of(name, data, nodes, starting=frozenset()):
    """Explanations from what `quorate explain --json` says of a resource: of one decision, or of one for each of
    `nodes`; each sentence once. starting: nodes on which a start is under way; it may not have published yet what it
    does."""
    from quorate.rabbitmq.explain import NOT_STARTED
    from quorate.status.facts import MOVES, Explanation
    decisions = data["decisions"] if "decisions" in data else {None: data["decision"]}
    found, idle = {}, []
    for node, decision in sorted(decisions.items()):
        if decision["action"] not in WAITING or "decisions" in data and node not in nodes:
            continue
        if decision["reason"] == NOT_STARTED:
            idle.append(node)
        else:
            found.setdefault(decision["reason"], decision.get("command") or "quorate explain " + name)
    result = [Explanation(name, False, reason, command) for reason, command in found.items()]
    begun, absent = [node for node in idle if node in starting], [node for node in idle if node not in starting]
    if begun:
        result.append(Explanation(name, False, "the start on %s has begun and has not published yet what it does."
                                  % " ".join(begun), None, MOVES))
    if absent:
        result.append(Explanation(name, False, "the cluster has not started it on %s." % " ".join(absent),
                                  "quorate explain " + name))
    return result


def as_data(observed, summary):
    """The same for programs. The names are stable; unknown is null."""
    cluster = observed.cluster
    return {
        "level": summary.level, "headline": summary.headline, "node": observed.node,
        "cluster": {"name": observed.configured.name if observed.configured is not None else None,
                    "quorate": cluster.quorate,
                    "fencing": cluster.fencing, "maintenance": cluster.maintenance, "dc": cluster.dc,
                    "pacemaker": cluster.version, "updated": cluster.updated},
        "nodes": [_row(row) for row in summary.nodes], "services": [_row(row) for row in summary.services],
        "instances": [{"service": service.name, "agent": service.agent, "role": one.shown_role,
                       "nodes": list(one.nodes)}
                      for service in cluster.services for one in service.instances if one.nodes],
        "addresses": None if observed.configured is None else observed.configured.addresses,
        "haproxy": None if observed.proxies is None else [
            {"name": one.name, "status": one.status, "servers": {server.name: server.status for server in one.servers}}
            for one in observed.proxies],
        "drained": observed.drained, "attributes": cluster.attributes,
        "troubles": [dict(one._asdict()) for one in summary.problems],
    }


def _row(row):
    return {"name": row.name, "word": row.word, "level": row.level, "text": row.text, "notes": list(row.notes)}
