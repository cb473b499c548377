# SPDX-License-Identifier: Apache-2.0
"""A broker that serves and is not the cluster, or not the whole of it: what is published of it, what is recorded, and
what its monitor says. docs/decisions/0016 says why.

Imported when a broker serves for the first time, and once a minute.
"""

import os

from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.tools.ctl import Tools
from quorate.rabbitmq.broker.layout import identity
from quorate.rabbitmq.election import apart

FILE = "apart"   # state file: which process is not the cluster's, and since when
INTERVALS = 2    # of the monitor, until the others' reports are newer than what is compared with them
UNIT = "systemctl disable --now rabbitmq-server"


def examine(participant, observed, reports, is_recorded):
    """The Outcome for a broker that serves and must not count as the cluster; it is published as that. None: it is the
    cluster's. is_recorded: this very process was recorded as one that served."""
    state_files, process = participant.state_files, observed.process
    own, is_first = _own(participant, is_recorded), not participant.disk.has_served()
    known = state_files.read(FILE)
    # A file system that is mounted over the directory of such a broker does not make it another broker.
    is_wrong = own.stale or bool(known) and known.get("process") == _identity(process)
    elsewhere = None if is_recorded else _other_directory(process, participant.layout)
    founded = apart.founded_beside(own, reports) if is_first else []
    if elsewhere is None and (apart.is_in(own, reports) or not (is_wrong or founded)):
        state_files.forget(FILE)
        if not is_recorded and own.members and participant.disk.is_khepri():
            participant.disk.keep_members(own.members)
        return None
    if founded:
        participant.disk.keep_apart(frozenset().union(*(one.members for one in founded)))
    state_files.forget("serving")
    lasts = _since(participant, process)
    # UNKNOWN: also a node of version 0.1.0 neither joins it nor starts beside it.
    participant.report(facts.UNKNOWN, data=None, stale=True, members=None, running=None, store=None)
    participant.published.set_status(_status(participant, elsewhere, is_first))
    beside = apart.counted_on_by(own, reports)
    if beside and (not is_first or lasts >= participant.context.parameters.minority_wait):
        # What to do first: Pacemaker keeps 144 characters.
        return Outcome(codes.ERR_GENERIC, "Its data are not its cluster's (disk not mounted?): stopped. To do: "
                       "systemctl disable rabbitmq-server; mount. The cluster: %s" % ", ".join(beside))
    return Outcome(codes.DEGRADED, "It serves data that are not this node's (disk not mounted?). Stop it, then mount: "
                   + UNIT)


def _status(participant, elsewhere, is_founded):
    """The text of the node attribute RESOURCE-status; 255 characters of it are kept."""
    if elsewhere is not None:
        return ("The broker that runs here has its data in %s, and those of this resource are in %s. It does not "
                "count. Stop it: %s" % (elsewhere, participant.layout.directory, UNIT))
    if is_founded:
        return ("The broker that runs here was founded beside the cluster that counts on this node: is a file system "
                "not mounted? It does not count. Stop it (%s), then mount, or move its data away." % UNIT)
    return ("The broker that runs here has not the data with which this node served: is a file system not mounted? "
            "It does not count. Stop it (%s), then mount." % UNIT)


def _since(participant, process):
    """Whole seconds since this process was first found to be another one."""
    return participant.state_files.elapsed(FILE, participant.context.clock, process=_identity(process))


def _identity(process):
    return "-" if process is None else identity(process)


def _own(participant, is_recorded):
    """The Report of this node by its disk, with the members that the disk names also where the data are not its own.
    With Khepri the broker itself is asked when it serves for the first time: no file says who they are."""
    disk, me = participant.disk, this_node(participant.context)
    fields = disk.report_fields()
    members, seen = disk.mnesia_members()
    if disk.is_khepri():
        members = fields["members"] if is_recorded else parse.cluster_members(
            Tools(participant.context, participant.layout).cluster_status())
        fields["stale"] = fields["stale"] or disk.is_unlike(members)
    return facts.Report(me, facts.RUNNING, name=participant.layout.nodename,
                        **dict(fields, members=members, running=seen))


def _other_directory(process, layout):
    """The data directory of a running broker where that is not the one of the Layout; None: it is, or shows none."""
    from quorate.rabbitmq.broker import running
    found = running.own_directory(process) if process is not None else None
    if found is None or os.path.realpath(found[0]) == os.path.realpath(layout.directory):
        return None
    return found[0]


def lasting_problem(participant, reports):
    """The Outcome for a broker that serves and contradicts those of other nodes: successful until that has lasted for
    minority_wait, since a report may be as old as its node's last monitor. None: nothing is wrong."""
    context, state_files, problem = participant.context, participant.state_files, _problem_beside(participant, reports)
    if problem is None:
        if state_files.has("divided"):
            state_files.forget("divided")
            participant.published.set_status("running")
        return None
    if state_files.elapsed("divided", context.clock) < max(
            context.parameters.minority_wait, INTERVALS * context.interval):
        return Outcome(codes.SUCCESS)
    participant.published.set_status(problem)
    return Outcome(codes.DEGRADED, problem)


def _problem_beside(participant, reports):
    """What is wrong between this broker, which serves, and those of other nodes: a sentence; None: nothing."""
    own = _own(participant, True)
    unseen, strangers = apart.unseen(own, reports), apart.strangers(own, reports)
    if unseen:
        return ("Partitioned, and both serve. Where changes may be given up, type: rabbitmqctl stop_app; rabbitmqctl "
                "start_app. The other: %s" % ", ".join(unseen))
    forgotten = participant.disk.forgotten()
    behind = [node for node in apart.left_behind(own, reports) if reports[node].name not in forgotten]
    if behind:
        return ("Was it started without its disk? Then stop it, and mount: %s. It does not know, of its cluster: %s" % (
            UNIT, ", ".join(behind)))
    if strangers:
        return ("Two clusters run. On one: pcs resource ban %s-clone NODE, move its data away, clear. Not in one with "
                "this node: %s" % (participant.context.instance, ", ".join(strangers)))
    return None


