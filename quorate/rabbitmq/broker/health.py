# SPDX-License-Identifier: Apache-2.0
"""What a Broker means: a code, fit or not, and a sentence. Pure; used by the agent and the check."""

from quorate.health import Health
from quorate.rabbitmq import facts

RUNNING, ALARM, REFUSED, LEADERLESS, UNSYNCHRONISED = "running", "alarm", "refused", "leaderless", "unsynchronised"
CRITICAL, EPMD, PARTITIONED, MINORITY = "critical", "epmd", "partitioned", "minority"
PAUSED, DRAINING, WAITING, STARTING, STOPPED = "paused", "draining", "waiting", "starting", "stopped"
HUNG, FULL, DOWN, UNKNOWN = "hung", "full", "down", "unknown"

#: It serves clients, and an operator should act.
DEGRADED = frozenset((ALARM, REFUSED, LEADERLESS, UNSYNCHRONISED, CRITICAL, EPMD, PARTITIONED))
#: The state in facts that a code stands for. `full` is unknown: it lives, and nothing more can be found out.
STATES = {DOWN: facts.DOWN, STARTING: facts.STARTING, STOPPED: facts.STARTING, WAITING: facts.WAITING, HUNG: facts.HUNG,
          PAUSED: facts.PAUSED, DRAINING: facts.DRAINING, PARTITIONED: facts.PARTITIONED, MINORITY: facts.PARTITIONED,
          FULL: facts.UNKNOWN, UNKNOWN: facts.UNKNOWN,
          RUNNING: facts.RUNNING, ALARM: facts.RUNNING, REFUSED: facts.RUNNING,
          LEADERLESS: facts.RUNNING, UNSYNCHRONISED: facts.RUNNING, CRITICAL: facts.RUNNING, EPMD: facts.RUNNING}
NEARLY = 0.85  # of the open files: RabbitMQ accepts no connection long before the last one (file_handle_cache, 3.10)
SHOWN = 3      # names of queues in a sentence


def classify(broker):
    """The Health of what one broker showed. ok: fit for clients.

    A broker with an alarm is ok: the alarm blocks publishers in the whole cluster, so moving them would not help, and
    sending consumers away would keep the queues full. A minority is not ok: quorum queues do not work there.
    """
    if broker.answered is True:
        return _serving(broker)
    process = broker.process
    if process is not None and process.state in "Tt":
        return Health(HUNG, False, "RabbitMQ (pid %d) is stopped by a signal (SIGSTOP): kill -CONT %d"
                      % (process.pid, process.pid))
    if broker.answered is False:
        return _silent(broker)
    if broker.listening is False:
        return _closed(broker)
    if process is None and broker.listening is None and not broker.error:
        return Health(UNKNOWN, False, "RabbitMQ has not been asked.")
    return Health(UNKNOWN, False, "RabbitMQ gave no answer: %s" % (broker.error or "the reason is unknown."))


def _silent(broker):
    if broker.files and broker.files[0] >= NEARLY * broker.files[1] - 100:
        return Health(FULL, False,
                      "RabbitMQ accepts no more connections: it has %d of %d files open; close clients, or raise "
                      "LimitNOFILE of its unit." % broker.files)
    return Health(HUNG, False, "RabbitMQ does not answer. %s" % (broker.error or "It was asked in AMQP."))


def _closed(broker):
    """Nothing listens on its port."""
    if broker.process is None:
        return Health(DOWN, False, "RabbitMQ does not run on this node.")
    stage = broker.stage
    if broker.draining or stage == facts.DRAINING:
        return _draining()
    if stage == facts.PAUSED:
        return _paused()
    if stage == facts.WAITING:
        return Health(WAITING, False, "RabbitMQ boots and waits for other nodes of its cluster: start them; "
                                      "'quorate explain' names them.")
    if stage == facts.STOPPED_APP:
        return Health(STOPPED, False, "RabbitMQ was stopped inside its Erlang machine (rabbitmqctl stop_app); "
                                      "rabbitmqctl start_app starts it again.")
    if stage == facts.FAILED_APP:
        return Health(STARTING, False, "The boot of RabbitMQ failed, and its Erlang machine goes on: see its log; "
                                       "rabbitmqctl start_app tries it again.")
    if stage == facts.RUNNING:
        return Health(STARTING, False, "RabbitMQ runs and does not listen for AMQP%s." % (
            ": " + broker.error.rstrip(".") if broker.error else ""))
    return Health(STARTING, False, "RabbitMQ starts, or stops; it does not listen yet.")


def _draining():
    return Health(DRAINING, False,
                  "RabbitMQ is in maintenance mode and accepts no clients; rabbitmq-upgrade revive ends it.")


def _paused():
    return Health(PAUSED, False,
                  "RabbitMQ paused itself: it sees no majority of its cluster (pause_minority), and resumes by "
                  "itself once the others are back.")


def _serving(broker):
    if broker.draining:
        return _draining()
    partitioned = _partitioned(broker)
    if partitioned and not partitioned.ok:
        return partitioned
    if broker.full:
        return Health(FULL, False,
                      "RabbitMQ accepts no more connections: %s; close some, or see rabbitmqctl list_vhost_limits, "
                      "list_user_limits and connection_max." % (broker.error or "a limit is reached").rstrip("."))
    if partitioned:
        return partitioned
    if broker.refused:
        return Health(REFUSED, True,
                      "RabbitMQ serves clients and refuses the %s, so alarms and partitions are unknown: %s" % (
                          "check" if (broker.error or "").startswith("TLS ") else "credentials of the check",
                          broker.error or "look at its log."))
    if broker.alarms:
        return Health(ALARM, True, "RabbitMQ blocks publishers: alarm of %s on this node; %s" % (
            " and ".join(broker.alarms), "make room on its disk." if tuple(broker.alarms) == ("disk",)
            else "consume messages, or see rabbitmq-diagnostics memory_breakdown."))
    if broker.leaderless:
        return Health(LEADERLESS, True, "%s without a majority of members: start more of the nodes that hold %s." % (
            _some(broker.leaderless, "quorum queue"), "it" if len(broker.leaderless) == 1 else "them"))
    if broker.unsynchronised:
        return Health(UNSYNCHRONISED, True,
                      "%s with a mirror that lacks messages: rabbitmqctl sync_queue, before the node "
                      "that has them is stopped." % _some(broker.unsynchronised, "queue"))
    if broker.epmd is False:
        return Health(EPMD, True,
                      "RabbitMQ serves clients, but epmd does not answer for it: rabbitmqctl and nodes that join "
                      "fail; start epmd (systemctl start epmd) and it registers again.")
    if broker.quorum_critical:
        return Health(CRITICAL, True,
                      "RabbitMQ serves clients; some quorum queues have only just a majority: do not stop this "
                      "node.")
    return Health(RUNNING, True, "RabbitMQ serves clients.%s" % (" " + broker.error if broker.error else ""))


def _partitioned(broker):
    """The Health of a node that does not see others, else None. Half of a cluster is no minority: the other half may be
    dead. The side of a partition is made of nodes that run: one that is stopped is on no side."""
    if not broker.all_nodes:
        return None
    total = len(broker.all_nodes)
    running = None if broker.running_nodes is None else broker.running_nodes & broker.all_nodes
    minority = running is not None and 2 * len(running) < total
    if broker.partitions:
        side = (broker.all_nodes if running is None else running) - broker.partitions
        return Health(PARTITIONED, not minority and 2 * len(side) > total,
                      "RabbitMQ is partitioned from %s, and its data diverge: restart the nodes of the smaller side."
                      % ", ".join(sorted(broker.partitions)))
    if minority:
        return Health(MINORITY, False,
                      "RabbitMQ sees only %d of the %d nodes of its cluster: quorum queues do not work here." % (
                          len(running), total))
    return None


def _some(names, what):
    """'2 quorum queues (a, b) are'."""
    shown = ", ".join(" ".join(name.split()) for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return ("%d %s (%s) is" if len(names) == 1 else "%d %ss (%s) are") % (len(names), what, shown)
