# SPDX-License-Identifier: Apache-2.0
"""A broker that boots: what start and monitor do about it. Both take the same `step`; start takes it in a loop.

A boot may take hours: a store that was not closed is recovered message by message (rabbit_msg_store, and
rabbit_variable_queue with its index). So time alone says nothing. A broker is replaced only where it is *known to
wait*: its log says that it waits for other nodes, and since then it has used neither processor nor disk; and its boot
is forced once, whatever it does then. A boot beside a cluster that runs is *stalled* when it makes no progress in its
log, in processor time and on the disk: RabbitMQ 3.10.8 on Erlang 25 that paused itself for a few seconds sometimes
starts again and hangs for ever ("Global hang workaround: global state on rabbit@n1 seems broken", seen in the lab).
"""

import os
from collections import namedtuple
from time import localtime, strftime

from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.pacemaker.tools import this_node
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions.launch import identity, launch_as_decided
from quorate.rabbitmq.actions.participant import URGENT_AFTER, NotNow, stable_reason, status_text
from quorate.rabbitmq.broker import process
from quorate.rabbitmq.election.decide import decide_waiting, is_ordered

STALLED_AFTER = 60  # seconds
SAID_AFTER = 60     # seconds of a boot until its status says since when
BUSY = 0.05         # of one processor: an idle Erlang machine uses about 0.01
BYTES = 1 << 20     # from and to disks
CRASHES = 2         # after more of them the broker has a reason to end that another launch does not change
KILLS = 4           # ... of those that left no error: what killed it, as a rule a lack of memory, may pass
SHOWN_KILLS = 2     # kills from which on the monitor is degraded, and launches it again no more often than it runs
RELAUNCH_TIME = 20  # seconds that must be left to launch a broker again that ended while it started

IN_VAIN = "Its boot was forced, and it waits nevertheless."

# State files: what it had used when it stood still, with its log and without (a broker that waits logs each try); for
# which process the boot was forced; how often the broker ended with an error, and how often without one, since it last
# served, and why; since when a cluster runs beside its boot.
FILES = IDLE, QUIET, _, _, _ = "idle", "quiet", "forced", "crashed", "beside"


class Step(namedtuple("Step", "outcome launched decision", defaults=(None, None))):
    """outcome: of the monitor; launched: the Process that replaced the broker, None: it was left alone; decision: the
    Decision about it."""
    __slots__ = ()


def step(participant, observed):
    """One look at a broker that boots: publish its state and for whom it waits, and force its boot where that is due.
    The Step."""
    context, state_files = participant.context, participant.state_files
    waits = observed.state == facts.WAITING
    participant.report(facts.WAITING if waits else facts.STARTING)
    snapshot = participant.published.snapshot()
    decision = decide_waiting(snapshot)
    log = participant.layout.log_file(state_files.path("output"))
    idle = standstill(context, state_files, IDLE, observed.process, log)
    quiet = standstill(context, state_files, QUIET, observed.process)
    if not waits:
        state_files.forget("waiting")
    waited = state_files.elapsed("waiting", context.clock) if waits else 0
    forced = was_forced(state_files, observed.process)
    # Known to wait and still: then an order that is given now is about this boot, which was forced already.
    in_vain = forced and waits and min(waited, quiet) >= URGENT_AFTER
    participant.published.set_status(observed.sentence if observed.broker.stage == facts.FAILED_APP else _status(
        participant, decision, waits, idle, forced))
    if decision.action == facts.FORCE and (is_ordered(snapshot) if in_vain else not forced) and (
            waits and min(waited, quiet) >= context.parameters.recovery_wait
            or is_ordered(snapshot) and (waits or idle >= URGENT_AFTER)):
        launched = force_boot_if_proven(participant)
        if launched is not None:
            return Step(Outcome(codes.SUCCESS), launched, decision)
    outcome = _outcome(participant, snapshot, decision, waited, idle, observed)
    if in_vain and outcome.code != codes.ERR_GENERIC:
        outcome = Outcome(codes.DEGRADED, "%s To force it again: quorate rabbitmq boot %s (see %s)" % (
            IN_VAIN, snapshot.me, _shown_log(participant)))
    kills = int(state_files.number("crashed", "killed") or 0)
    if outcome.code == codes.SUCCESS and kills >= SHOWN_KILLS:
        outcome = Outcome(codes.DEGRADED, killed_reason(kills, state_files.read("crashed").get("why", "")))
    return Step(outcome, None, decision)


def _outcome(participant, snapshot, decision, waited, idle, observed):
    serving = [node for node, one in sorted(snapshot.reports.items())
               if node != snapshot.me and one.state == facts.RUNNING]
    if not serving:
        participant.state_files.forget("beside")
    beside = participant.state_files.elapsed("beside", participant.context.clock) if serving else 0
    if observed.broker.stage == facts.RUNNING:
        # It is up and may serve, where it is not asked: suspend_listeners, or only plugins of it listen.
        return Outcome(codes.DEGRADED, observed.sentence) if idle >= STALLED_AFTER else Outcome(codes.SUCCESS)
    if observed.broker.stage == facts.FAILED_APP and beside >= STALLED_AFTER:
        # A broker that resumed after a pause (4.0.5: its definitions have a queue without a leader). Its part in the
        # replication of quorum queues goes on, so it is never still.
        return Outcome(codes.ERR_GENERIC, "Its boot failed, and it is restarted, because the cluster runs on %s: see %s"
                       % (", ".join(serving), _shown_log(participant)))
    if min(idle, beside) >= STALLED_AFTER and not waits_for_machine(observed.process):
        return Outcome(codes.ERR_GENERIC, "Its boot is stalled for %d s, and it is restarted, because the cluster runs "
                       "on %s." % (STALLED_AFTER, ", ".join(serving)))
    if decision.urgent and max(waited, idle) >= URGENT_AFTER:
        return Outcome(codes.DEGRADED, stable_reason(decision, participant.context.instance))
    if idle >= STALLED_AFTER and not waited:
        return Outcome(codes.DEGRADED, "Its boot stands still: it uses neither processor nor disk and logs nothing; "
                       "see %s" % _shown_log(participant))
    return Outcome(codes.SUCCESS)


def _status(participant, decision, waits, idle, forced):
    """The text of the node attribute RESOURCE-status. It changes seldom: each change costs a run of the scheduler."""
    log = _shown_log(participant)
    if waits and forced:
        return "%s See %s; to force it again once it stands still: quorate rabbitmq boot %s" % (
            IN_VAIN, log, this_node(participant.context))
    began = participant.state_files.number(daemon.PROCESS_FILE, "launched")
    awaited = decision.missing and decision.action == facts.WAIT  # a log of another level, or none, does not say it
    if waits or began is None or participant.context.clock.now() - began < SAID_AFTER:
        return status_text(decision) if waits or awaited else "starts"
    if idle >= STALLED_AFTER and awaited:
        return status_text(decision)
    since = strftime("%H:%M", localtime(began))
    if idle >= STALLED_AFTER:
        return "boots since %s, and stands still: see %s" % (since, log)
    return "boots since %s and makes progress, which may take hours where a store is recovered: see %s" % (since, log)


def _shown_log(participant):
    return participant.layout.shown_log(participant.state_files.path("output"))


# progress

def standstill(context, state_files, name, running, log=None):
    """Whole seconds for which a process has used neither processor nor disk, nor written to `log`. 0 also where that
    cannot be known. name: of the state file."""
    work = None if running is None else context.processes.work(running)
    if work is None:
        state_files.forget(name)
        return 0
    cpu, moved = work
    now, size, last = context.clock.monotonic(), _size(log), state_files.read(name)
    values = {"since": now, "cpu": cpu, "bytes": moved, "log": size, "process": identity(running), "at": now}
    try:
        since, seen = float(last["since"]), float(last.get("at", last["since"]))
        # Since the last look: after an hour of standstill a minute of work would not show otherwise.
        busy = cpu - float(last["cpu"]) > BUSY * max(1.0, now - seen)
        if (since <= seen <= now and last["process"] == identity(running) and int(last["log"]) == size
                and moved - int(last["bytes"]) < BYTES and not busy):
            values.update(since=since, bytes=int(last["bytes"]))
    except (KeyError, ValueError):
        pass
    state_files.write(name, values)
    return int(now - values["since"])


def _size(path):
    try:
        return os.stat(path).st_size if path else 0
    except OSError:
        return 0


def waits_for_machine(running, proc="/proc", states=b"DR"):
    """Whether a thread of the process waits for a disk (state D), or runs or waits for a processor (R). A file system
    that hangs is no broker that hangs, and SIGKILL would not end it; one that gets no processor from a busy machine
    uses none, and is not still. The threads of an Erlang machine with nothing to do sleep."""
    tasks = "%s/%d/task" % (proc, running.pid)
    try:
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), "rb") as file:
                text = file.read()
            if text[text.rindex(b")") + 2:][:1] in [bytes((one,)) for one in states]:
                return True
    except (OSError, ValueError):
        pass
    return False


# a forced boot

def was_forced(state_files, running):
    """Whether this very process was launched by a forced boot."""
    return running is not None and state_files.read("forced").get("process") == identity(running)


def force_boot_if_proven(participant):
    """For a broker that boots and waits: stop it and boot it without waiting, where that is proven to lose nothing or
    the operator ordered it. The new Process; None where the boot must not be forced, or not now."""
    context, state_files = participant.context, participant.state_files
    decision = decide_waiting(participant.published.snapshot())
    if decision.action != facts.FORCE:
        return None
    context.log.warning(decision.reason)
    budget = max(5.0, min(20.0, context.deadline.left() / 2))
    if process.stop(context, state_files, participant.layout.nodename, budget, skip_grace=True):
        participant.published.set_status("The broker that waits did not end, so its boot is not forced yet.")
        return None
    state_files.forget(daemon.PROCESS_FILE)
    try:
        return launch_as_decided(participant, decision)
    except NotNow as error:  # the instance is started and runs no broker: the next monitor decides again
        participant.published.set_status(str(error))
        context.log.warning(str(error))
        return None


# a broker that ended while it booted

def launch_again(participant, left):
    """The broker ended while it booted: launch it again where that may help, because a failed start keeps Pacemaker
    from this node until an operator cleans up. left: seconds of this action. The Step: launched; or without a process
    and successful, where a later monitor launches it; or failed, where the broker has a reason to end.

    Several that boot at once can end each other: while one only asks (rabbit_mnesia.erl, with_running_or_clean_mnesia)
    it looks like a running member, another one merges its schema into it, and it ends with node_not_running (seen in
    4.0.5). And after ten tries, which is five minutes, it no longer waits for the others.
    """
    context, state_files = participant.context, participant.state_files
    from quorate.rabbitmq.broker.log import ending
    error = ending.logged_error(state_files, participant.layout.log)
    why = ending.died(context, state_files, participant.layout)
    crashes, kills = _counted(state_files, error, why)
    state_files.forget(daemon.PROCESS_FILE)
    if error is None and kills > KILLS:
        return Step(Outcome(codes.ERR_GENERIC, killed_reason(kills, why)))
    excluded = error is not None and is_excluded(error)
    if error is not None and crashes > CRASHES:
        return Step(Outcome(codes.ERR_GENERIC, boot_error(error, participant.layout, why)))
    decision = participant.decide_and_publish()
    if kills >= SHOWN_KILLS:
        participant.published.set_status(killed_reason(kills, why))
    if excluded and decision.action == facts.START:
        # The other one may be a broker that was started without its disk, and that its own agent stops.
        participant.published.set_status(boot_error(error, participant.layout))
    if excluded or left < RELAUNCH_TIME or kills >= SHOWN_KILLS or decision.action in (facts.WAIT, facts.REFUSE):
        return Step(Outcome(codes.SUCCESS), None, decision)
    context.log.warning("The broker %s while it started; it is launched again." % (
        "was killed" if error is None else "ended (%s)" % why))
    context.clock.sleep(1)  # whatever kills it at once must not make this a busy loop
    try:
        return Step(Outcome(codes.SUCCESS), launch_as_decided(participant, decision), decision)
    except NotNow as reason:
        context.log.warning(str(reason))
        return Step(Outcome(codes.SUCCESS), None, decision)


def _counted(state_files, error, why):
    """(ends with an error, kills) since the broker last served, with this one; why: a sentence about it."""
    crashes, kills = (int(state_files.number("crashed", name) or 0) for name in ("count", "killed"))
    if error is None:
        kills += 1
    elif not is_impatient(error):
        crashes += 1
    if error is None or not is_impatient(error):
        state_files.write("crashed", {"count": crashes, "killed": kills, "why": " ".join(why.split())})
    return crashes, kills


def killed_reason(kills, why):
    """The reason of a monitor for a broker that was killed again and again while it booted. why: see ending.died()."""
    return "Its boot was killed %d times: %s" % (kills, why)


def is_excluded(error):
    """Whether a broker's last error is that the cluster does not know this node."""
    return "inconsistent_cluster" in error or "disagrees" in error


def is_impatient(error):
    """Whether a broker's last error is that it has waited for others as long as it does."""
    return any(text in error for text in ("timeout_waiting_for_tables", "timeout_waiting_for_leader",
                                          "Timeout contacting cluster nodes"))


def boot_error(error, layout, why=None):
    """The exit reason for a broker that ended while it started. error: its last error; why: the cause, with what to
    type."""
    if is_excluded(error):
        # What to type before what it said: Pacemaker keeps 144 characters. That its data be moved away is said by the
        # election, where a cluster without this node runs: they may be the good ones.
        return ("A broker of its cluster does not know this node: quorate explain. It was forgotten there, or that one "
                "runs without its disk (Nothing is removed. %s)" % error)
    if is_impatient(error):
        return "The broker waited for other nodes of its cluster until it gave up; it is started again. %s" % error
    return "The broker ended while it started: %s" % (why or error)
