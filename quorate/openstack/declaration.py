# SPDX-License-Identifier: Apache-2.0
"""What the four agents take and do. Meta-data, validation, manual pages and README come from here.

The names of openstack-resource-agents (2018) are kept with their meaning, so that an existing resource moves over by
changing its provider. What they guessed is found at run time, so binary, pid and the ports need no value.
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

_ENGINE = """

Level 0 of the monitor looks at the process tree and its connections in the kernel's tables, level 10 at %s, level 20 makes \
an RPC call that the service answers. What runs is never reported as stopped. A broker or a database that is away makes the \
monitor degraded, not failed: the service goes on by itself when they are back. A stop proves that nothing is left."""

SHORT = {
    "cinder-volume": "Cinder volume service, one copy in the cluster",
    "heat-engine": "Heat engine",
    "nova-consoleauth": "Nova console token service (up to Stein)",
    "nova-novncproxy": "Nova noVNC console proxy",
}
LONG = {
    "cinder-volume": """\
Runs cinder-volume as one active copy with passive nodes. Every node needs the same host (or, better, backend_host in the \
section of each backend) and the same enabled_backends in cinder.conf, and no cluster: then volumes made before a failover \
are managed after it. The agent compares this between the nodes and refuses to start beside a copy that answers elsewhere."""
                     + _ENGINE % "the row that each backend updates in the database",
    "heat-engine": """\
Runs heat-engine with its workers, as one copy or as a clone on every node.""" + _ENGINE
                   % "the rows that its workers update in the database",
    "nova-consoleauth": """\
Runs nova-consoleauth, which kept the tokens of consoles up to the Stein release of Nova; from Train on there is none. It has \
to run on one node, together with nova-novncproxy: make them a group.""" + _ENGINE % "its row in the database",
    "nova-novncproxy": """\
Runs nova-novncproxy, through which browsers reach the consoles of instances. It owns its port (6080) and serves the page of \
noVNC. On Debian /etc/default/nova-consoleproxy has to say NOVA_CONSOLE_PROXY_TYPE=novnc, or the unit ends with success and \
runs nothing; the agent says so.

Level 0 of the monitor looks at the process tree and at who owns the port, level 10 asks for the page. What runs is never \
reported as stopped. A stop proves that nothing is left, connections included, and that the port is free.""",
}


def parameters(service):
    """The Parameters of the agent for a service."""
    found = [
        Parameter("binary", "string", service.name, "Program", "Name or path of the program. A path, or another name, "
                  "is started directly and not through a systemd unit."),
        Parameter("config", "string", service.config, "Configuration file",
                  "Passed as --config-file, and read by the agent for the broker, the database and the names of "
                  "workers. Another one than the default is started directly and not through a systemd unit.",
                  unique_group="config"),
        Parameter("user", "string", service.user, "User the service runs as",
                  "User the program is started as; a systemd unit has its own."),
        Parameter("pid", "string", None, "Pid file", "Where to write the pid of the parent process. The agent itself "
                  "trusts no pid file and finds processes by their command line.", unique_group="pid"),
        Parameter("additional_parameters", "string", None, "More options for the program",
                  "Added to the command line, which every user can read: no passwords here. The program is then "
                  "started directly and not through a systemd unit."),
    ] + _SPECIAL[service.name] + [
        Parameter("unit", "string", None, "systemd unit",
                  "Unit to start it with. When not set, %s is used where it is installed (unless binary, config or "
                  "additional_parameters ask for something else); 'none': never. The unit must not be enabled: the "
                  "cluster starts it." % " or ".join(service.units)),
        Parameter("tolerance", "seconds", "60s", "Limit of a trouble that may pass",
                  "How long something that the service may get over by itself (%s) is degraded before it counts as "
                  "failed and the service is restarted." % _PASSING[service.name], minimum=0, reloadable=True),
    ]
    if service.amqp:
        found.append(Parameter(
            "outage_tolerance", "seconds", "0", "Limit of an outage of broker or database",
            "How long a broker or database that does not answer this node is degraded before it counts as failed. 0: "
            "for ever, since a restart does not bring them back.", minimum=0, reloadable=True))
    found.append(Parameter(
        "check_timeout", "seconds", "5s", "Limit of a question",
        "How long the database, an RPC call or the page may take to answer the monitor of level 10 or 20.", minimum=1,
        reloadable=True))
    return tuple(found)


_AMQP = Parameter("amqp_server_port", "integer", "5672", "Port of RabbitMQ",
                  "A connection to this port, or to one of those in transport_url, counts as a connection to RabbitMQ.",
                  minimum=1)
_ZEROMQ = Parameter("zeromq", "boolean", "false", "ZeroMQ (not used)",
                    "Accepted for the sake of existing configurations and not used: OpenStack has dropped ZeroMQ.",
                    deprecated=())
_SPECIAL = {
    "cinder-volume": [
        _AMQP,
        Parameter("multibackend", "boolean", "false", "Several backends (not used)",
                  "Accepted for the sake of existing configurations and not used: the backends are counted in "
                  "enabled_backends, and each has to have its worker.", deprecated=()),
    ],
    "heat-engine": [_AMQP, _ZEROMQ],
    "nova-consoleauth": [
        Parameter("database_server_port", "integer", "3306", "Port of the database",
                  "Port of the database server, for what is said about connections.", minimum=1),
        _AMQP, _ZEROMQ,
    ],
    "nova-novncproxy": [
        Parameter("console_port", "integer", "6080", "Port of the proxy",
                  "The port it listens on; novncproxy_port of the configuration goes before it, since that is what "
                  "holds.",
                  minimum=1),
        Parameter("web", "string", None, "Directory of the pages",
                  "Passed as --web; when not set, that of the configuration or of the program (/usr/share/novnc). The "
                  "program is then started directly and not through a systemd unit."),
    ],
}
_PASSING = {
    "cinder-volume": "no connection to a broker that answers, a heartbeat that has stopped, an RPC call without an "
    "answer",
    "heat-engine": "no connection to a broker that answers, a heartbeat that has stopped, an RPC call without an "
    "answer",
    "nova-consoleauth": "no connection to a broker that answers, a heartbeat that has stopped, an RPC call without an "
    "answer",
    "nova-novncproxy": "an HTTP error",
}
