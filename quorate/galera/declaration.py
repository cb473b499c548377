# SPDX-License-Identifier: Apache-2.0
"""What `ocf:quorate:galera` takes and does. Meta-data, validation, manual page and README come from here.

The names of ocf:heartbeat:galera (resource-agents 4.12) are kept with their meaning, so that an existing resource moves
over by changing its provider. What the old agent guessed at build time is found at run time, so those have no default.
"""

from quorate.ocf.declaration import Action, Parameter

NAME = "galera"
SHORTDESC = "Galera cluster of MariaDB or Percona XtraDB Cluster"
LONGDESC = """\
Runs the database servers of one Galera cluster as a promotable clone: an instance that is started (Unpromoted) has \
published what is on its disk, a promoted one runs mysqld.

A new primary component is bootstrapped only from a node that provably lost nothing: the nodes report state UUID, \
seqno and their last primary view as node attributes, and all decide alike. When a node is missing that may hold \
acknowledged commits, the cluster waits and says for which node: 'pcs status --full' shows the node attribute \
RESOURCE-status, 'quorate explain' shows the whole picture and the command that goes on. State transfers are not \
bound to the promote timeout."""

PARAMETERS = (
    Parameter(
        "wsrep_cluster_address", "string", None, "Galera cluster address",
        "All data nodes of the cluster: gcomm://node1,node2,node3 (a port and ?options may follow). Use Pacemaker's "
        "names, or map them in cluster_host_map.", required=True),
    Parameter(
        "cluster_host_map", "string", None, "Pacemaker names to Galera names",
        "For hosts that Galera knows by another name or address than Pacemaker: pcmk1:galera1;pcmk2:galera2. A host has "
        "no port."),
    Parameter(
        "arbitrators", "string", None, "Hosts that run garbd",
        "Hosts of wsrep_cluster_address, separated by commas, that run the arbitrator garbd and hold no data. Running "
        "arbitrators are recognised without this."),
    Parameter(
        "two_node_mode", "boolean", "false", "Two nodes without an arbitrator",
        "When one of two nodes is lost and Pacemaker has confirmed that it is off (fenced), the one that kept running "
        "goes on alone. Needs fencing."),
    Parameter(
        "binary", "string", None, "Database server program",
        "mariadbd or mysqld; when not set it is found. The name of mysqld_safe is accepted, and the server beside it "
        "is used: mysqld_safe would restart a server without Pacemaker's knowledge.", unique_group=None),
    Parameter("client_binary", "string", None, "Client program (not used)",
              "Accepted for existing configurations and not used: the agent speaks the database's protocol itself.",
              deprecated=()),
    Parameter("config", "string", None, "Configuration file",
              "Passed to the server as --defaults-file; when not set the server reads its usual files."),
    Parameter("datadir", "string", None, "Data directory",
              "When not set, that of the server's configuration.", unique_group="datadir"),
    Parameter("user", "string", "mysql", "User the server runs as", "User the server runs as.", unique_group=None),
    Parameter("group", "string", "mysql", "Group of the files the agent makes",
              "Group of the data directory that the agent makes, of those for socket and pid file, and of its log of a "
              "recovery."),
    Parameter("log", "string", None, "Error log",
              "Error log of the server; when not set, that of its configuration, else a file in /var/log/mysql."),
    Parameter("pid", "string", None, "Pid file", "Pid file of the server; when not set, that of its configuration.",
              unique_group="pid"),
    Parameter("socket", "string", None, "Socket", "UNIX socket of the server; when not set, that of its configuration.",
              unique_group="socket"),
    Parameter(
        "enable_creation", "boolean", "false", "Create the database if there is none",
        "Create the system tables when the data directory is missing or empty and this node bootstraps the first "
        "cluster ever. A node that joins needs no tables: it receives all data."),
    Parameter("additional_parameters", "string", None, "More options for the server",
              "Added to the command line of every run of the server, split into words as a shell does it. Every user can "
              "read it: no passwords here."),
    Parameter(
        "credentials", "string", None, "Options file for the check",
        "File in the form of my.cnf whose [client] section has user and password of an account that may read one table "
        "(GRANT SELECT ON mysql.wsrep_cluster_members). Without that privilege running arbitrators are not recognised, "
        "and after a loss of all nodes the election may wait without need. Readable by root only. When neither this "
        "nor check_user is set, root on the socket is used (unix_socket)."),
    Parameter("check_user", "string", None, "User for the check",
              "Prefer credentials. When not set, the settings of clustercheck (/etc/sysconfig/clustercheck, "
              "/etc/default/clustercheck) are read, not executed.", reloadable=True),
    Parameter("check_passwd", "string", None, "Password for the check",
              "Prefer credentials: this password is stored in the cluster's configuration.",
              secret=True, reloadable=True),
    Parameter("check_passwd_use_empty", "boolean", "false", "Use an empty password",
              "check_passwd, or the password of clustercheck's settings, is not used, and an empty one is. Says nothing of "
              "a file in credentials.",
              reloadable=True),
    Parameter("check_timeout", "seconds", "3s", "Limit of a question to the server",
              "A server that does not answer a status query within this time is asked once more, and then counts as "
              "hung.",
              minimum=1, reloadable=True),
    Parameter("stall_timeout", "seconds", "300s", "Limit without progress while joining",
              "A joining node whose state transfer makes no progress (no byte read or written) for so long has failed.",
              minimum=30, reloadable=True),
    Parameter("recovery_wait", "seconds", "30s", "Limit of Galera's own recovery",
              "How long nodes of a complete last primary view wait for each other before the election decides instead.",
              minimum=10, reloadable=True),
    Parameter("nonprimary_wait", "seconds", "20s", "Limit outside the primary component",
              "How long a server that answers, but is in no primary component, is left alone before it is restarted.",
              minimum=1, reloadable=True),
    Parameter("drain_timeout", "seconds", "10s", "Limit for open sessions before a planned stop",
              "Before a planned stop the check on port 9200 answers 404, and open sessions get this time to end. 0: "
              "stop at once. Without a running galera-check there is nothing to drain.", minimum=0, reloadable=True),
)

ACTIONS = (
    Action("start", 120),
    Action("stop", 120),
    # Twice as often as ocf:heartbeat:galera for the same CPU: how soon a death is noticed decides the recovery time.
    Action("monitor", 30, 5, None, "Promoted"),
    Action("monitor", 30, 7, None, "Unpromoted"),
    Action("promote", 300),
    Action("demote", 120),
    Action("reload-agent", 20),
    Action("validate-all", 20),
    Action("meta-data", 5),
)
