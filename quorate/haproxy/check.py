# SPDX-License-Identifier: Apache-2.0
"""haproxy-check: for keepalived's vrrp_script, a balancer in front, and people."""

from quorate.errors import Usage
from quorate.haproxy import health, observe
from quorate.web.check import Check, Fact


class HaproxyCheck(Check):
    """haproxy-check: say whether the HAProxy on this node serves, so that the address may stay here"""

    name, room, service = "haproxy-check", "haproxy", "HAProxy"
    roles = {
        "/": "it runs and answers, its listeners are open, and there is a server behind them",
        "/ready": "the same as /",
        "/live": "it answers at all: a reason not to kill it",
    }
    options = {
        "socket PATH": "its stats socket, or HOST:PORT (default: found; /run/haproxy/admin.sock)",
        "require NAME": "a listener (frontend or listen) that has to be open; may be given again, or several with commas "
                        "(default: all that it has)",
        "backend NAME": "a backend that needs a server that is up; may be given again (default: any one of all)",
        "pidfile FILE": "to say what its processes do when it does not answer (default: %s)" % observe.PIDFILE,
        "timeout SECONDS": "how long an answer may take (default: 1)",
    }
    several = ("require", "backend")
    exits = {"unknown": 3}
    once_timeout = 1.0
    description = """Asks HAProxy on its stats socket, within a second, and says in one sentence whether the address belongs on this node: \
it runs and answers (a stopped or hanging one does not), its listeners are open, and there is a server that is up behind \
them. Needs 'stats socket' in HAProxy's section global, and rights on it; level user is enough.

For keepalived:

    vrrp_script haproxy {
        script "/usr/bin/haproxy-check"
        interval 1
        timeout 2
        fall 2
        rise 2
        weight -50
        user root
    }

A weight, and no fault: where every node is equally badly off (a backend that is gone for all, a check without rights), the \
address stays where it is.

A backend without a server is told and keeps the node fit, since another node sees the same servers; all backends without \
one mean that this node is cut off. --backend names one that matters by itself."""
    files = (("/run/haproxy/admin.sock /var/lib/haproxy/stats", "HAProxy's stats socket on Debian and on Red Hat."),)
    see_also = ("haproxy(1)", "keepalived.conf(5)", "galera-check(8)")
    exit_texts = (("3", "Unknown: HAProxy could not be asked (no rights, no stats socket). keepalived takes it for a failure."),)

    def __init__(self, options, stats=None, processes=None):
        Check.__init__(self, options)
        where = options.get("socket") or observe.usual_socket()
        if not where.startswith("/") and not where.rpartition(":")[2].isdigit():
            raise Usage("--socket is a path or HOST:PORT, not '%s'" % where)
        if "timeout" in options:
            self.timeout = self.once_timeout = seconds(options["timeout"])
        self._stats, self._processes = stats or observe.Stats(where), processes or all_processes
        self._pidfile = options.get("pidfile", observe.PIDFILE)
        self._policy = health.Policy(names(options.get("require", ())), names(options.get("backend", ())), where)

    def observe(self, seconds, last):
        state = observe.observe(self._stats, seconds, self._processes, self._pidfile)
        return Fact(state, health.classify(state, self._policy._replace(seconds=seconds)))

    def metrics(self, fact):
        if fact.status is None or fact.status.error:
            return ()
        return ([("sessions", fact.status.sessions or 0)]
                + [("listener_open", {"name": each.name}, each.status in health.OPEN) for each in fact.status.frontends]
                + [("backend_servers_up", {"name": each.name}, each.up) for each in fact.status.backends])


def all_processes():
    """The processes of this machine, for those few looks that need them."""
    from quorate.host.process import Processes
    return Processes()


def names(values):
    """'a,b' and 'c' as a tuple."""
    return tuple(name for value in values for name in value.split(",") if name)


def seconds(text):
    """A number of seconds above 0. Raises Usage."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 60:
        raise Usage("--timeout is a number of seconds, not '%s'" % text)
    return value
