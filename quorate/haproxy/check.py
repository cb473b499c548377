# SPDX-License-Identifier: Apache-2.0
"""haproxy-check: whether HAProxy on this node serves, for keepalived's vrrp_script, a load balancer in front, and
operators."""

from quorate.errors import Usage
from quorate.haproxy import health, observe
from quorate.web.check import Check, Fact, timeout_seconds


class HaproxyCheck(Check):
    """haproxy-check: say whether the HAProxy on this node serves, so that the address may stay here"""

    name, room, service = "haproxy-check", "haproxy", "HAProxy"
    roles = {
        "/": "it runs and answers, its listeners are open, and a server behind them is up",
        "/ready": "the same as /",
        "/live": "it answers at all: a reason not to kill it",
    }
    options = {
        "socket PATH": "its stats socket, or HOST:PORT (default: searched for; /run/haproxy/admin.sock)",
        "require NAME": "a listener (frontend or listen) that has to be open; may be repeated, or be several with "
                        "commas (default: all that there are)",
        "backend NAME": "a backend that needs a server that is up; may be repeated (default: any one of all)",
        "pidfile FILE": "names its processes, which are observed when it does not answer (default: "
        "%s)" % observe.PIDFILE,
        "timeout SECONDS": "how long an answer may take (default: 1)",
    }
    several = ("require", "backend")
    exits = {"unknown": 3}
    once_timeout = 1.0
    description = """Asks HAProxy on its stats socket, within a second, and says in one sentence whether the address \
belongs on this node: it runs and answers (a stopped or hanging one does not), its listeners are open, and a \
server behind them is up. Requires 'stats socket' in HAProxy's section global, and permission to use it; level \
user is enough.

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

Use a weight, not a fault: when every node has the same problem (a backend that is down for all, a check without \
permission), the address stays where it is.

A backend without a server that is up is reported, but the node stays fit, since another node reaches the same \
servers. If no backend has one, this node is cut off. --backend names a backend that alone decides."""
    files = (("/run/haproxy/admin.sock /var/lib/haproxy/stats", "HAProxy's stats socket on Debian and on Red Hat."),)
    see_also = ("haproxy(1)", "keepalived.conf(5)", "galera-check(8)")
    exit_texts = (("3", "Unknown: HAProxy could not be asked (no permission, no stats socket). keepalived takes it for "
                   "a failure."),)

    def __init__(self, options, stats=None, processes=None):
        Check.__init__(self, options)
        address = options.get("socket") or observe.usual_socket()
        if not address.startswith("/") and not address.rpartition(":")[2].isdecimal():
            raise Usage("--socket is a path or HOST:PORT, not '%s'" % address)
        if "timeout" in options:
            self.timeout = self.once_timeout = timeout_seconds(options["timeout"])
        self._stats, self._processes = stats or observe.Stats(address), processes or _all_processes
        self._pidfile = options.get("pidfile", observe.PIDFILE)
        self._policy = health.Policy(names(options.get("require", ())), names(options.get("backend", ())), address)

    def observe(self, seconds, last):
        state = observe.observe(self._stats, seconds, self._processes, self._pidfile)
        return Fact(state, health.classify(state, self._policy._replace(seconds=seconds)))

    def metrics(self, fact):
        if fact.status is None or fact.status.error:
            return ()
        return ([("sessions", fact.status.sessions or 0)]
                + [("listener_open", {"name": each.name}, each.status in health.OPEN) for each in fact.status.frontends]
                + [("backend_servers_up", {"name": each.name}, each.up) for each in fact.status.backends])


def _all_processes():
    """The processes of this machine, imported only for the few observations that need them."""
    from quorate.host.process import Processes
    return Processes()


def names(values):
    """Names given one by one or with commas, as a tuple."""
    return tuple(name for value in values for name in value.split(",") if name)
