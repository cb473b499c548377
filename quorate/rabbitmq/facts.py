# SPDX-License-Identifier: Apache-2.0
"""What is known about a RabbitMQ node, as values.

*Unknown is never no*: what could not be found out is None, and whatever reads a fact tells None from False, 0 and the
empty set.

Sources: cluster_nodes.config and nodes_running_at_shutdown as RabbitMQ 3.10 and 4.0 write them
(rabbit_node_monitor.erl, both at each change of membership, not only at a shutdown), the process table, the broker's
listener and HTTP API.
"""

from collections import namedtuple

# What a node's broker does, as far as its own machine can find out.
DOWN = "down"                # proven: no process
STARTING = "starting"        # the process runs and does not serve clients yet
WAITING = "waiting"          # it cannot go on without other nodes: it boots and waits for them, or was not launched yet
RUNNING = "running"          # serves clients
HUNG = "hung"                # the process runs and does not answer in time
PARTITIONED = "partitioned"  # runs, separated from the majority
PAUSED = "paused"            # stopped serving by itself (pause_minority): it sees less than half of the cluster
DRAINING = "draining"        # maintenance mode: accepts no clients
UNKNOWN = "unknown"          # could not be found out
STOPPED_APP = "stopped-app"  # the broker was stopped inside its Erlang machine (stop_app); only in Broker.stage
FAILED_APP = "failed-app"    # its boot failed and its Erlang machine goes on, as after a pause; only in Broker.stage
STOPPING = "stopping"        # about to stop; only in reports: its process may still serve

STATES = frozenset((DOWN, STARTING, WAITING, RUNNING, HUNG, PARTITIONED, PAUSED, DRAINING, UNKNOWN, STOPPING))
#: The broker is booted, so others can join it, and no node may found or force a cluster beside it.
BOOTED = frozenset((RUNNING, PARTITIONED, PAUSED, DRAINING))
#: There is a process, or there may be one.
ALIVE = frozenset((STARTING, HUNG, UNKNOWN, STOPPING)) | BOOTED

# Where the broker keeps its queues, users and so on.
MNESIA = "mnesia"
KHEPRI = "khepri"            # from 4.0 on, by choice


class Broker(namedtuple("Broker", (
        "process listening answered running_nodes all_nodes partitions alarms draining quorum_critical error "
        "stage refused epmd files leaderless unsynchronised full"),
        defaults=(None,) * 17)):
    """What one broker showed; None: it did not say, or it was not asked.

    process:         quorate.host.process.Process, or None: there is none
    listening:       True: its AMQP port accepts a connection; False: it is refused
    answered:        True: it answered an AMQP handshake (refused credentials are an answer); False: not in time
    running_nodes:   frozenset of Erlang node names that it sees running, itself included
    all_nodes:       frozenset of the Erlang names of all members of its cluster
    partitions:      frozenset of Erlang node names that it is partitioned from
    alarms:          tuple of names such as 'memory', 'disk'; those of this node
    draining:        it is in maintenance mode
    quorum_critical: quorum queues (or streams) would lose their quorum without it
    error:           a message without secrets: why it could not be asked
    stage:           the boot stage while it does not listen, by its log: STARTING, WAITING (boots and waits for other
                     nodes), PAUSED, DRAINING, RUNNING (it was up), STOPPED_APP or FAILED_APP
    refused:         True: it refused the credentials
    epmd:            True: epmd answers and knows the node; False: it does not answer, or knows no such node
    files:           (open files, how many it may open); asked only where it does not answer
    leaderless:      tuple of names of quorum queues without a leader or a majority of their members
    unsynchronised:  tuple of names of mirrored classic queues with a mirror that lacks messages
    full:            True: it refused a connection because a limit of connections is reached (of the node, vhost or
                     user)
    """
    __slots__ = ()


class Report(namedtuple("Report",
                        "node state data name members running store version cookie generation since launched lost "
                        "other former stale",
                        defaults=(UNKNOWN,) + (None,) * 9 + (False, False, None, None, False))):
    """What one node can prove from its own disk and process table.

    node:       its name in Pacemaker
    state:      one of the states above
    data:       True: its data directory holds a node's database; False: there is none (empty, missing, or left by a
                join that never ended); None: unknown
    name:       Erlang name ('rabbit@n1')
    members:    frozenset of the Erlang names of its cluster's members as it last knew them, itself included
    running:    frozenset of those that it last saw running, itself included. RabbitMQ writes it to the disk at each
                change, so after a crash it names those that were seen running at the end
    store:      MNESIA or KHEPRI
    version:    of RabbitMQ, as text ('3.10.8')
    cookie:     fingerprint of the Erlang cookie: a few digits of a slow hash, enough to see that two differ
    generation: int, the last forced boot of the cluster that it took part in; 0: none
    since:      unix seconds at which this state began
    launched:   an instance was started here (a probe alone does not count)
    lost:       there is no data where a broker of this resource once served with data, or they are another node's (see
                other): not mounted, moved or removed, which is not the same as a disk that never had any
    other:      another data directory on this machine (its path), while this node's has none: a node is renamed when
                USE_LONGNAME or the host's name changes. None: there is none
    former:     Erlang name under which a broker of this resource served here, where that is not `name`
    stale:      its data are not those that a broker of this resource served with: older ones, a copy, what lies below a
                mount point, or a cluster founded beside that of this node. Then data is None, and a broker that runs
                with them is UNKNOWN: it is not the cluster
    """
    __slots__ = ()


class Override(namedtuple("Override", "node by at forced replace", defaults=(None, None, False, False))):
    """The operator's order to boot `node` without the missing nodes. by: who ordered it; at: unix seconds; forced:
    against objections; replace: to join the cluster with an empty disk instead, as a new member in place of the one
    whose data are gone."""
    __slots__ = ()


class Snapshot(namedtuple("Snapshot", "me nodes reports members generation founder override generations unreachable",
                          defaults=(0, None, None, {}, frozenset()))):
    """All that is known at one moment; the same on every node, but for `me` and `unreachable`.

    me:         this node's name
    nodes:      frozenset of the names of all nodes that may hold data: the parameter `nodes`, else all of the cluster
    reports:    dict node -> Report; only of current members of the cluster
    members:    frozenset of node names that are members of the Pacemaker partition
    generation: int, number of the last forced boot; 0: there was none; None: could not be read
    founder:    the node that started, or is about to start, the first cluster; None: there is none yet
    override:   None, or an Override
    generations: dict node -> the last forced boot that it took part in, by the cluster's configuration, so also of
                nodes that are away; a node that took part in none is left out
    unreachable: frozenset of Erlang names of running brokers that this node's machine cannot connect to
    """
    __slots__ = ()


# What a node without a running broker must do; a Decision's `action`.
START = "start"    # it has data: start with them
JOIN = "join"      # it has none, and a cluster runs: join that
FOUND = "found"    # no node has data: found the first cluster
FORCE = "force"    # forced boot: start with its data, without waiting for the missing nodes
WAIT = "wait"      # for the nodes in `missing`
REFUSE = "refuse"  # an operator must decide


class Decision(namedtuple("Decision", "action reason missing urgent command peer forget gone",
                          defaults=("", (), False, None, None, False, ()))):
    """action: see above; reason: one sentence; missing: tuple of the awaited nodes (Pacemaker's names); urgent: an
    operator has to act, because this does not end by itself; command: what the operator may type, or None; peer: for
    JOIN, the Erlang name of the node to join; forget: for JOIN, whether the cluster must forget this node first, which
    it knows with data that are gone; gone: the Erlang names under which it knows it.
    """
    __slots__ = ()
