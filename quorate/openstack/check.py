# SPDX-License-Identifier: Apache-2.0
"""service-check: any service of the control plane, observed as the agents do, for HAProxy, monitoring and operators."""

from collections import namedtuple

from quorate.errors import Usage
from quorate.openstack import catalog
from quorate.openstack.symptoms import health
from quorate.web.check import Check, Fact

LEVELS = ("0", "10", "20")


class Parameters(namedtuple("Parameters", "binary config check_timeout host port", defaults=(None,))):
    """Those parameters of an agent on which an observation depends."""

    __slots__ = ()


class ObservationContext(namedtuple("ObservationContext", "parameters processes deadline")):
    """What an observation needs of a Context. A whole Context knows the cluster, which a check must not."""

    __slots__ = ()


class ServiceCheck(Check):
    """service-check: say whether a service of the control plane works on this node"""

    name, room, service = "service-check", "service", "The service"
    arguments, takes = ("name",), "NAME"
    roles = {
        "/": "it runs, no process of it is stopped by a signal, its port is its own and answers; an outage of broker "
             "or database is reported, but takes no node out",
        "/ready": "the same as /",
        "/live": "a process of it runs",
    }
    options = {
        "list": "print the services that NAME can be, and how each is checked",
        "level N": "0: processes, connections, port, page; 10: also the heartbeat in the database; 20: also an RPC "
                   "call (default: 0)",
        "host ADDRESS": "address of its port (default: the one it listens on, or this machine)",
        "port N": "its port, where it listens on several (default: the one it listens on, or the usual one)",
        "path PATH": "the path to request by HTTP (default: / or a page that it has)",
        "config FILE": "its configuration file (default: that of its package)",
        "timeout SECONDS": "how long one check may take (default: 1; 5 from level 10 on)",
    }
    interval, timeout, once_timeout = 1.0, 1.0, 1.0
    exits = {"unknown": 3}
    description = """Observes a service of an OpenStack control plane as the resource agents do: its processes (of its \
systemd unit, else by command line), their state, their connections to RabbitMQ, its port and what it answers \
there. --level 10 and 20 also read its heartbeat from the database and call it by RPC, with the accounts of its \
own configuration file; that requires root.

NAME is one of these (--list shows the port and the unit of each):

    %s

A systemd unit that serves it for HAProxy, as /etc/systemd/system/check-nova-api.service:

    [Service]
    ExecStart=/usr/bin/service-check --listen 9274 nova-api
    Restart=always
    [Install]
    WantedBy=multi-user.target

A drain applies to all services of the node that are checked. To drain one alone, give it its own \
--drain-directory.""" % "\n    ".join(sorted(catalog.ALL))
    files = (("/etc/PROJECT/PROJECT.conf", "The service's configuration, for the addresses of broker and database."),)
    see_also = ("ocf_quorate_cinder-volume(7)", "ocf_quorate_heat-engine(7)", "galera-check(8)", "haproxy(1)")

    def __init__(self, options, sources=None, processes=None):
        Check.__init__(self, options)
        name = catalog.SHORT.get(options.get("name", ""), options.get("name", ""))
        if name not in catalog.ALL:
            raise Usage(_unknown(name))
        port = options.get("port", "1")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise Usage("--port is a number from 1 to 65535, not '%s'" % port)
        _seconds(options.get("timeout", "1"))
        if options.get("level", "0") not in LEVELS:
            raise Usage("--level is 0, 10 or 20")
        self.level = int(options.get("level", "0"))
        self.declared = catalog.ALL[name]
        self.declared = self.declared._replace(port=int(options["port"]) if "port" in options else self.declared.port,
                                               page=options.get("path", self.declared.page))
        self.service = name
        if self.level or "timeout" in options:
            self.timeout = self.once_timeout = _seconds(options.get("timeout", "5"))
            self.interval = 1.0 if not self.level else 10.0
        self._sources, self._processes = sources, processes
        self._reports = {}  # of the last observation: whether the heartbeat goes on

    @classmethod
    def early_output(cls, options):
        return listing() if options.get("list") else None

    def observe(self, seconds, last):
        observed = self.observed(seconds)
        return Fact(observed, health.classify(self.declared, observed))

    def observed(self, seconds):
        """The Observation of this moment, within so many seconds."""
        from quorate.host.state_files import StateFiles
        from quorate.openstack.service import observe
        context = self._context(seconds)
        if self.declared.workers == "any":
            observed = observe.observe_unit(context, self.declared, self._sources, self.level, self._reports)
        else:
            level = max(self.level, 10 if self.declared.page else 0)
            observed = observe.observe(context, self.declared, StateFiles(self.service, "check"), self._sources, level,
                                       reports=self._reports)
        self._reports = observed.reports or self._reports
        return observed

    def _context(self, seconds):
        from quorate.host.clock import Clock, Deadline
        from quorate.host.command import Commands
        from quorate.host.process import Processes
        from quorate.openstack.service.sources import Sources
        self._sources, self._processes = self._sources or Sources(Commands({})), self._processes or Processes()
        config = self.options.get("config", self.declared.config)
        port = int(self.options["port"]) if "port" in self.options else None
        parameters = Parameters(self.service, config, seconds, self.options.get("host"), port)
        return ObservationContext(parameters, self._processes, Deadline(Clock(), seconds))

    def answered(self, fact):
        return fact.status is not None and bool(fact.status.tree.all)

    def fact_cache_key(self, fact):
        return bool(fact.status.tree.all)

    def metrics(self, fact):
        if fact.status is None:
            return ()
        labels = {"service": self.service}
        found = [("processes", labels, len(fact.status.tree.all))]
        counts = [one.amqp for one in fact.status.sockets.values() if one.amqp is not None]
        if not counts and fact.status.sockets:
            return found  # not known, as we are not root
        return found + [("connections_amqp", labels, sum(counts))]

    def known(self, fact):
        """Without the accounts of the configuration, which are secrets. A row keeps the five positions of earlier
        versions: name, age, created, and null for the number of reports and for whether the service is disabled."""
        if fact.status is None:
            return {"service": self.service}
        observed = fact.status
        return {"service": self.service, "processes": [one.pid for one in observed.tree.all],
                "states": "".join(one.state for one in observed.tree.all), "seconds": int(observed.age),
                "port": observed.port_owner,
                "page": observed.page.status if observed.page else None, "broker": observed.broker,
                "rows": [list(row[:3]) + [None, None] for row in observed.rows.rows] if observed.rows else None,
                "calls": {reply.target: reply.outcome for reply in observed.replies}}


def _seconds(text):
    """The value of --timeout. Raises Usage."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise Usage("--timeout is a number of seconds above 0, not '%s'" % text)
    return value


def _unknown(name):
    """The message about a name that no service has."""
    if not name:
        return "the name of a service is missing; service-check --list shows the names"
    similar = [one for one in sorted(catalog.ALL) if name in one]
    return "there is no service %s%s; service-check --list shows the names" % (
        name, ", did you mean %s?" % " or ".join(similar) if similar else "")


def listing():
    """What --list prints: a line for each service."""
    from quorate.text import columns
    rows = [("NAME", "PORT", "CHECKED BY", "UNIT")]
    for name, one in sorted(catalog.ALL.items()):
        checks = (["HTTP %s" % one.page] if one.page else []) + (["heartbeat (level 10)"] if one.row else []) + (
            ["RPC (level 20)"] if one.topic else [])
        rows.append((name, str(one.port or "-"), ", ".join(checks), " or ".join(one.units)))
    also = "also: %s" % ", ".join("%s for %s" % item for item in sorted(catalog.SHORT.items()))
    return "\n".join(columns(rows) + [also]) + "\n"
