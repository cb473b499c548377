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
RELAUNCH_TIME = 20  # seconds that must be left to launch a broker again that ended while it started

# State files: what it had used when it stood still, with its log and without (a broker that waits logs each try); for
# which process the boot was forced; how often the broker ended with an error since it
# last served; since when a cluster runs beside its boot.
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
    idle = standstill(context, state_files, IDLE, observed.process, participant.layout.log)
    quiet = standstill(context, state_files, QUIET, observed.process)
    if not waits:
        state_files.forget("waiting")
    waited = state_files.elapsed("waiting", context.clock) if waits else 0
    forced = was_forced(state_files, observed.process)
    participant.published.set_status(_status(participant, decision, waits, idle, forced))
    if decision.action == facts.FORCE and not forced and (
            waits and min(waited, quiet) >= context.parameters.recovery_wait
            or is_ordered(snapshot) and (waits or idle >= URGENT_AFTER)):
        launched = force_boot_if_proven(participant)
        if launched is not None:
            return Step(Outcome(codes.SUCCESS), launched, decision)
    return Step(_outcome(participant, snapshot, decision, waited, idle, observed), None, decision)


def _outcome(participant, snapshot, decision, waited, idle, observed):
    serving = [node for node, one in sorted(snapshot.reports.items())
               if node != snapshot.me and one.state == facts.RUNNING]
    if not serving:
        participant.state_files.forget("beside")
    beside = participant.state_files.elapsed("beside", participant.context.clock) if serving else 0
    if observed.broker.stage == facts.RUNNING:
        # It is up and may serve, where it is not asked: suspend_listeners, or only plugins of it listen.
        return Outcome(codes.DEGRADED, observed.sentence) if idle >= STALLED_AFTER else Outcome(codes.SUCCESS)
    if min(idle, beside) >= STALLED_AFTER and not waits_for_disk(observed.process):
        return Outcome(codes.ERR_GENERIC, "Its boot is stalled for %d s although the cluster runs on %s; it is "
                       "restarted." % (STALLED_AFTER, ", ".join(serving)))
    if decision.urgent and max(waited, idle) >= URGENT_AFTER:
        return Outcome(codes.DEGRADED, stable_reason(decision, participant.context.instance))
    if idle >= STALLED_AFTER and not waited:
        return Outcome(codes.DEGRADED, "Its boot stands still: it uses neither processor nor disk and logs nothing; "
                       "see %s" % participant.layout.log)
    return Outcome(codes.SUCCESS)


def _status(participant, decision, waits, idle, forced):
    """The text of the node attribute RESOURCE-status. It changes seldom: each change costs a run of the scheduler."""
    if waits and forced:
        return "Its boot was forced, and it waits nevertheless: see %s" % participant.layout.log
    began = participant.state_files.number(daemon.PROCESS_FILE, "launched")
    awaited = decision.missing and decision.action == facts.WAIT  # a log of another level, or none, does not say it
    if waits or began is None or participant.context.clock.now() - began < SAID_AFTER:
        return status_text(decision) if waits or awaited else "starts"
    if idle >= STALLED_AFTER and awaited:
        return status_text(decision)
    since = strftime("%H:%M", localtime(began))
    if idle >= STALLED_AFTER:
        return "boots since %s, and stands still: see %s" % (since, participant.layout.log)
    return "boots since %s and makes progress, which may take hours where a store is recovered: see %s" % (
        since, participant.layout.log)


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


def waits_for_disk(running, proc="/proc"):
    """Whether a thread of the process is in the kernel and waits for a disk (state D): a file system that hangs is no
    boot that hangs, and SIGKILL would not end it."""
    tasks = "%s/%d/task" % (proc, running.pid)
    try:
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), "rb") as file:
                text = file.read()
            if text[text.rindex(b")") + 2:][:1] == b"D":
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
    error = process.logged_error(state_files, participant.layout.log)
    crashes = int(state_files.number("crashed", "count") or 0)
    if error is not None and not is_impatient(error):
        crashes += 1
        state_files.write("crashed", {"count": crashes})
    state_files.forget(daemon.PROCESS_FILE)
    if crashes > CRASHES or error is not None and is_excluded(error):
        return Step(Outcome(codes.ERR_GENERIC, boot_error(error, participant.layout)))
    decision = participant.decide_and_publish()
    if left < RELAUNCH_TIME or decision.action in (facts.WAIT, facts.REFUSE):
        return Step(Outcome(codes.SUCCESS), None, decision)
    context.log.warning("The broker %s while it started; it is launched again." % (
        "was killed" if error is None else "ended (%s)" % error))
    context.clock.sleep(1)  # whatever kills it at once must not make this a busy loop
    try:
        return Step(Outcome(codes.SUCCESS), launch_as_decided(participant, decision), decision)
    except NotNow as reason:
        context.log.warning(str(reason))
        return Step(Outcome(codes.SUCCESS), None, decision)


def is_excluded(error):
    """Whether a broker's last error is that the cluster does not know this node."""
    return "inconsistent_cluster" in error or "disagrees" in error


def is_impatient(error):
    """Whether a broker's last error is that it has waited for others as long as it does."""
    return any(text in error for text in ("timeout_waiting_for_tables", "timeout_waiting_for_leader",
                                          "Timeout contacting cluster nodes"))


def boot_error(error, layout):
    """The exit reason for a broker that ended while it started. error: its last error."""
    if is_excluded(error):
        return ("The cluster does not know this node any more, although it has data: %s. Nothing is removed; if its "
                "data are not needed, move %s away and run: pcs resource cleanup" % (error, layout.directory))
    if is_impatient(error):
        return "The broker waited for other nodes of its cluster until it gave up; it is started again. %s" % error
    return "The broker ended while it started: %s" % error
