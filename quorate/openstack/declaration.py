# SPDX-License-Identifier: Apache-2.0
"""Actions and parameters of the four agents. Meta-data, validation, manual pages and tables in docs are made from it.

Parameters of openstack-resource-agents (2018) keep their names and meaning, so that an existing resource migrates by a
change of its provider. What those agents guessed is determined at run time, so binary, pid and the ports need no value.
"""

from quorate.ocf.declaration import Action, Parameter

ACTIONS = (
    Action("start", 120),
    Action("stop", 120),
    Action("monitor", 30, 10, 0),
    Action("monitor", 30, 31, 10),
    Action("monitor", 30, 61, 20),
    Action("reload-agent", 20),
    Action("validate-all", 20),
    Action("meta-data", 5),
)

_LEVELS = """

Level 0 of the monitor reads the process tree and its connections from the kernel's tables, level 10 also %s, level 20 \
also makes an RPC call that the service has to answer. A service that runs is never reported as stopped. If broker or \
database is away, the monitor is degraded, not failed: the service reconnects by itself. A stop proves that no process \
is left."""

SHORT = {
    "cinder-volume": "Cinder volume service, one copy in the cluster",
    "heat-engine": "Heat engine",
    "nova-consoleauth": "Nova console token service (up to Stein)",
    "nova-novncproxy": "Nova noVNC console proxy",
}
LONG = {
    "cinder-volume": """\
Runs cinder-volume as one active copy with passive nodes. Every node needs the same host (or, better, backend_host in \
the section of each backend) and the same enabled_backends in cinder.conf, and no cluster: then volumes made before a \
failover are managed after it. The agent compares these between the nodes, and refuses to start when another copy \
answers elsewhere.""" + _LEVELS % "the row that each backend updates in the database",
    "heat-engine": """\
Runs heat-engine with its workers, as one copy or as a clone on every node.""" + (
    _LEVELS % "the rows that its workers update in the database"),
    "nova-consoleauth": """\
Runs nova-consoleauth, which keeps console tokens in releases of Nova up to Stein; from Train on it does not exist. It \
has to run on one node, together with nova-novncproxy: make them a group.""" + _LEVELS % "its row in the database",
    "nova-novncproxy": """\
Runs nova-novncproxy, through which browsers reach the consoles of instances. It listens on its own port (6080) and \
serves the page of noVNC. On Debian /etc/default/nova-consoleproxy has to say NOVA_CONSOLE_PROXY_TYPE=novnc, or the \
unit ends with success and runs nothing; the agent reports that.

Level 0 of the monitor checks the process tree and which process owns the port, level 10 requests the page. A service \
that runs is never reported as stopped. A stop proves that no process is left, connections included, and that the port \
is free.""",
}


def parameters(service):
    """The Parameters of the agent for a service, a tuple."""
    found = [
        Parameter("binary", "string", service.name, "Program", "Name or path of the program. A path, or another name, "
                  "is started directly, not through a systemd unit."),
        Parameter("config", "string", service.config, "Configuration file",
                  "Passed as --config-file, and read by the agent for the broker, the database and the names of "
                  "workers. With another file than the default the program is started directly, not through a systemd "
                  "unit.", unique_group="config"),
        Parameter("user", "string", service.user, "User the service runs as",
                  "User to start the program as; a systemd unit has its own."),
        Parameter("pid", "string", None, "Pid file", "Where to write the pid of the parent process. The agent itself "
                  "trusts no pid file: it finds processes by their command line.", unique_group="pid"),
        Parameter("additional_parameters", "string", None, "More options for the program",
                  "Added to the command line, which every user can read, so give no passwords. The program is then "
                  "started directly, not through a systemd unit."),
    ] + _SPECIAL[service.name] + [
        Parameter("unit", "string", None, "systemd unit",
                  "Unit to start it with. When not set, %s is used where it is installed (unless binary, config or "
                  "additional_parameters ask for something else); 'none': no unit. The unit must not be enabled: only "
                  "the cluster starts it." % " or ".join(service.units)),
        Parameter("tolerance", "seconds", "60s", "Limit of a passing problem",
                  "How long a problem from which the service may recover by itself (%s) is degraded before it counts "
                  "as failed and the service is restarted." % (_HTTP if service.page else _MESSAGING),
                  minimum=0, reloadable=True),
    ]
    if service.amqp:
        found.append(Parameter(
            "outage_tolerance", "seconds", "0", "Limit of an outage of broker or database",
            "How long the service is degraded while broker or database does not answer this node, before it counts as "
            "failed. 0: for ever, since a restart does not bring them back.", minimum=0, reloadable=True))
    found.append(Parameter(
        "check_timeout", "seconds", "5s", "Limit of one query",
        "How long the database, an RPC call or the page may take to answer the monitor of level 10 or 20.", minimum=1,
        reloadable=True))
    return tuple(found)


_MESSAGING = "no connection to a broker that answers, a heartbeat that has stopped, an RPC call without an answer"
_HTTP = "an HTTP error"
_AMQP = Parameter("amqp_server_port", "integer", "5672", "Port of RabbitMQ",
                  "A connection to this port, or to one of those in transport_url, counts as a connection to RabbitMQ.",
                  minimum=1)
_ZEROMQ = Parameter("zeromq", "boolean", "false", "ZeroMQ (not used)",
                    "Accepted for existing configurations and not used: OpenStack has dropped ZeroMQ.", deprecated=())
_SPECIAL = {
    "cinder-volume": [
        _AMQP,
        Parameter("multibackend", "boolean", "false", "Several backends (not used)",
                  "Accepted for existing configurations and not used: the backends are those of enabled_backends, and "
                  "each has to have its worker.", deprecated=()),
    ],
    "heat-engine": [_AMQP, _ZEROMQ],
    "nova-consoleauth": [
        Parameter("database_server_port", "integer", "3306", "Port of the database",
                  "Port of the database server, to count its connections.", minimum=1),
        _AMQP, _ZEROMQ,
    ],
    "nova-novncproxy": [
        Parameter("console_port", "integer", "6080", "Port of the proxy",
                  "The port it listens on. novncproxy_port of the configuration overrides it, since the program uses "
                  "that.", minimum=1),
        Parameter("web", "string", None, "Directory of the pages",
                  "Passed as --web; the program is then started directly, not through a systemd unit. When not set, "
                  "the directory is that of the configuration or of the program (/usr/share/novnc)."),
    ],
}
