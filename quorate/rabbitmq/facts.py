# SPDX-License-Identifier: Apache-2.0
"""What is known of a RabbitMQ node, as values.

*Unknown is never no*: a fact that could not be had is None, and None is told apart from False, 0 and the empty set by
everything that reads it.

Sources: cluster_nodes.config and nodes_running_at_shutdown as RabbitMQ 3.10 and 4.0 write them (rabbit_node_monitor.erl,
both at each change of membership, not only at a shutdown), the process table, the broker's listener and HTTP API.
"""

from collections import namedtuple

# What a node's broker does, as far as its own machine can tell.
DOWN = "down"                # proven: no process
STARTING = "starting"        # the process runs and serves nobody yet
WAITING = "waiting"          # it cannot go on without other nodes: it boots and waits for them, or was not launched yet
RUNNING = "running"          # serves clients
HUNG = "hung"                # the process runs and does not answer in time
PARTITIONED = "partitioned"  # runs, and is parted from others, on the smaller side
PAUSED = "paused"            # stopped serving by itself (pause_minority): it sees less than half of the cluster
DRAINING = "draining"        # maintenance mode: accepts no client
UNKNOWN = "unknown"          # could not be found out
STOPPED_APP = "stopped-app"  # the Erlang VM runs, the broker in it was stopped (rabbitmqctl stop_app); only in Broker.stage
STOPPING = "stopping"        # about to stop; only in reports: its process may still serve

STATES = frozenset((DOWN, STARTING, WAITING, RUNNING, HUNG, PARTITIONED, PAUSED, DRAINING, UNKNOWN, STOPPING))
#: The broker is booted, so it is one that others can join, and nobody may found or force a cluster beside it.
BOOTED = frozenset((RUNNING, PARTITIONED, PAUSED, DRAINING))
#: There is, or there may be, a process.
ALIVE = frozenset((STARTING, HUNG, UNKNOWN, STOPPING)) | BOOTED

# Where the broker keeps what it knows of queues, users and so on.
MNESIA = "mnesia"
KHEPRI = "khepri"            # from 4.0 on, by choice


class Broker(namedtuple("Broker", (
        "process listening answered running_nodes all_nodes partitions alarms draining under_pause quorum_critical error "
        "stage refused epmd files leaderless unsynchronised full"),
        defaults=(None,) * 18)):
    """What one broker showed of itself; None: it did not say, or it was not asked.

    process:         quorate.host.process.Process, or None: there is none
    listening:       True: its AMQP port accepts a connection; False: it is refused
    answered:        True: it answered an AMQP handshake (refused credentials are an answer); False: not in time
    running_nodes:   frozenset of Erlang node names that it sees running, itself included
    all_nodes:       frozenset of the Erlang names of all members of its cluster
    partitions:      frozenset of Erlang node names that it was parted from
    alarms:          tuple of words such as 'memory', 'disk'; those of this node
    draining:        it is in maintenance mode
    under_pause:     it paused itself, in a minority
    quorum_critical: quorum queues (or streams) would lose their quorum without it
    error:           a sentence without secrets: what kept it from being asked
    stage:           how far it is while it does not listen, by its log: STARTING, WAITING (boots and waits for other nodes),
                     PAUSED, DRAINING, RUNNING (it was up) or STOPPED_APP
    refused:         True: it refused the credentials of whoever asked
    epmd:            True: epmd answers and knows the node; False: it does not answer, or knows no such node
    files:           (open files, how many it may open); asked only where it does not answer
    leaderless:      tuple of names of quorum queues without a leader or a majority of their members
    unsynchronised:  tuple of names of mirrored classic queues with a mirror that has not all messages
    full:            True: it refused a connection because a limit of connections is reached (of the node, vhost or user)
    """
    __slots__ = ()


class Report(namedtuple("Report", "node state data name members running store version cookie generation since launched lost",
                        defaults=(UNKNOWN,) + (None,) * 9 + (False, False))):
    """What one node can prove from its own disk and process table.

    node:       Pacemaker's name of it (attribute target)
    state:      one of the states above
    data:       True: its data directory holds a node's database; False: there is none (empty, missing, or one that was
                begun for a join that never ended); None: unknown
    name:       Erlang name ('rabbit@n1')
    members:    frozenset of the Erlang names of its cluster's members as it last knew them, itself included
    running:    frozenset of those that were running when it last knew, itself included. It is on the disk at each change,
                so after a crash it is who was seen alive at the end
    store:      MNESIA or KHEPRI
    version:    of RabbitMQ, as text ('3.10.8')
    cookie:     a few digits of a slow hash of the Erlang cookie: enough to see that two differ
    generation: int, the last forced boot of the cluster that it took part in; 0: none
    since:      unix seconds at which this state began
    launched:   an instance was started here (not only looked at by a probe)
    lost:       there is no data where a broker of this resource once served with some
    """
    __slots__ = ()


class Override(namedtuple("Override", "node by at forced", defaults=(None, None, False))):
    """The operator's word: boot `node` without those that are missing. by: who, at: unix s, forced: he insists."""
    __slots__ = ()


class Snapshot(namedtuple("Snapshot", "me nodes reports members generation founder override generations unreachable",
                          defaults=(0, None, None, {}, frozenset()))):
    """All that is known at one moment, the same on every node.

    me:         this node's name
    nodes:      frozenset of the names of all nodes that may hold data: the parameter `nodes`, else all of the cluster
    reports:    dict node -> Report; only of current members of the cluster
    members:    frozenset of node names that are members of the Pacemaker partition
    generation: int, the last forced boot; 0: there was none; None: could not be read
    founder:    the node that founded, or founds, the first cluster ever; None: nobody has; '?': could not be read
    override:   None, or an Override
    generations: dict node -> the last forced boot that it took part in, by the cluster's configuration, so also of nodes that
                are away; a node that never took part in any is left out
    unreachable: frozenset of Erlang names of brokers that run and that this node's machine gets no connection to
    """
    __slots__ = ()


# What a node without a process is to do; a Decision's `action`.
START = "start"    # it has data: start with it
JOIN = "join"      # it has none, and a cluster runs: join that
FOUND = "found"    # nobody has any: found the first cluster
FORCE = "force"    # start with its data, without waiting for those that are missing
WAIT = "wait"      # something is missing; `missing` says whom
REFUSE = "refuse"  # an operator must decide


class Decision(namedtuple("Decision", "action reason missing urgent command peer forget",
                          defaults=("", (), False, None, None, False))):
    """action: see above; reason: one sentence that explains it; missing: tuple of those waited for (Pacemaker's names);
    urgent: an operator should act, it does not heal by itself; command: what he may type, or None;
    peer: for JOIN the Erlang name of the node to join; forget: for JOIN that the cluster knows a former self of this node,
    whose disk is gone.
    """
    __slots__ = ()
