# SPDX-License-Identifier: Apache-2.0
"""Parameters and actions of `ocf:quorate:rabbitmq`. Meta-data, validation, manual page and README come from here.

set_policy has the name and the meaning that it has in ocf:heartbeat:rabbitmq-cluster (resource-agents 4.12), which has
no other parameter, so that an existing resource can be migrated by changing its provider.
"""

from quorate.ocf.declaration import Action, Parameter

NAME = "rabbitmq"
SHORTDESC = "RabbitMQ cluster that keeps its data"
LONGDESC = """\
Runs the nodes of one RabbitMQ cluster as a clone. No data directory is ever removed: a node that has data starts with \
them, a node with an empty disk joins the running cluster, and exactly one node founds the first cluster.

After a full stop all nodes start at once and wait for each other, as RabbitMQ requires. When a node is missing, the \
others wait and name it: 'pcs status --full' shows the node attribute RESOURCE-status, 'quorate explain' shows all \
nodes and the command to go on. A boot is forced only where the nodes' own records prove that nothing is lost by it, \
or where the operator orders it. The monitor starts no Erlang machine."""

PARAMETERS = (
    Parameter(
        "set_policy", "string", None, "Policy to set",
        "The arguments for 'rabbitmqctl set_policy', set once when the first cluster is founded and again when they "
        "change: [-p VHOST] [--priority N] [--apply-to KIND] NAME PATTERN DEFINITION. Quote as in a shell, or not at "
        "all; the definition is JSON. RabbitMQ 4 has no mirrored classic queues, so ha-mode is refused there: use "
        "quorum queues.", reloadable=True),
    Parameter(
        "nodes", "string", None, "Nodes that may hold data",
        "Names in Pacemaker, separated by blanks or commas. The first cluster is founded only when all of them have "
        "reported that they hold no data. When not set, these are all nodes of the cluster."),
    Parameter(
        "nodename", "string", None, "Erlang name of the node",
        "As in RABBITMQ_NODENAME, such as rabbit; without @HOST the host's name is added. When not set, that of the "
        "running broker, else of rabbitmq-env.conf, else rabbit."),
    Parameter("binary", "string", None, "Start script of the broker", "rabbitmq-server; when not set it is found."),
    Parameter("config", "string", None, "Configuration file", "When not set, /etc/rabbitmq/rabbitmq.conf."),
    Parameter("datadir", "string", None, "Directory of the data",
              "The directory that holds the data directories of nodes (RABBITMQ_MNESIA_BASE). When not set, that of "
              "rabbitmq-env.conf, else /var/lib/rabbitmq/mnesia.", unique_group="datadir"),
    Parameter("user", "string", "rabbitmq", "User the broker runs as", "User the broker runs as."),
    Parameter("group", "string", "rabbitmq", "Group of the files the agent makes",
              "Group of the files the agent makes."),
    Parameter("cookie_file", "string", None, "Erlang cookie",
              "The file with the Erlang cookie, the same on all nodes, readable by the broker's user only. When not "
              "set, /var/lib/rabbitmq/.erlang.cookie. The nodes compare it by a few digits of a hash."),
    Parameter("port", "integer", None, "AMQP port",
              "When not set, found: by the running broker's sockets, else by its configuration.", minimum=1),
    Parameter(
        "credentials", "string", None, "File with a user for the monitor",
        "File whose [client] section has user and password of an account with the tag monitoring, readable by root "
        "only; when not set, /etc/quorate/rabbitmq.cnf if it exists. With it the monitor asks the management API for "
        "alarms, partitions and maintenance. Without it, the monitor uses what needs no credentials: process, "
        "listener, AMQP handshake.", reloadable=True),
    Parameter("management_port", "integer", "15672", "Port of the management API",
              "Asked only with credentials, and only where something listens. With the default, the port is found by the "
              "broker's own configuration, as its address, TLS and path prefix are.", minimum=1, reloadable=True),
    Parameter("check_timeout", "seconds", "3s", "Limit of a question to the broker",
              "A broker that gives no answer within this time is asked once more, and is degraded. It is restarted when "
              "the next monitor gets no answer either, and it has done nothing meanwhile.", minimum=1,
              reloadable=True),
    Parameter("recovery_wait", "seconds", "20s", "Limit of RabbitMQ's own recovery",
              "How long booting nodes may wait for each other before a boot is forced that is proven to lose nothing.",
              minimum=5, reloadable=True),
    Parameter(
        "minority_wait", "seconds", "60s", "How long a broker may be in a minority",
        "A broker that is partitioned from others that run, paused or not, is degraded for this time, since most "
        "interruptions pass and it resumes by itself. Then its monitor fails: it is restarted, and waits until it can "
        "connect to the others. A broker that is alone because the others are stopped is only degraded.", minimum=0,
        reloadable=True),
    Parameter(
        "quorum_wait", "seconds", "30s", "Limit of the wait before a stop that costs a quorum",
        "A planned stop of a node without which quorum queues would lose their quorum waits this long for the others "
        "to come back (and not longer than the stop's timeout allows), then logs that and stops. A stop of all nodes "
        "does not wait.", minimum=0, reloadable=True),
    Parameter("drain_timeout", "seconds", "10s", "Limit of draining before a planned stop",
              "Before a planned stop the node is put into maintenance mode (rabbitmq-upgrade drain): clients are sent "
              "to the others, leaders of quorum queues are moved. 0: stop at once.", minimum=0, reloadable=True),
)

ACTIONS = (
    Action("start", 120),
    Action("stop", 120),
    Action("monitor", 40, 10),
    Action("reload-agent", 60),
    Action("validate-all", 20),
    Action("meta-data", 5),
)
