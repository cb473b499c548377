# SPDX-License-Identifier: Apache-2.0
"""Which signal noticed a fault, from the exit reasons of the monitors in Pacemaker's journal. Pure, except
`journal`."""

from typing import List, NamedTuple

from lab import LabError

# (signal, parts of messages of quorate.openstack.symptoms.detect that it causes); the first that matches counts.
PARTS = (
    ("process", ("(SIGSTOP)", "parent process of", "A second copy", "of an earlier", "worker processes",
                 "came up at its start",
                 "runs on this node.", "not running")),
    ("rpc", ("RPC call", "has no queue", "has no consumer", "could not be called",
             "RabbitMQ does not answer this node (", "does not serve queue",
             " consumers instead of ")),
    ("asked again", ("has not noticed yet",)),
    ("amqp", ("connection to RabbitMQ", "not connected to RabbitMQ", "RabbitMQ (")),
    ("row", ("The database of", "has not reported for", "not reported since", "reported within", "heartbeat",
             "has reported since", "not yet reported")),
    ("page", ("HTTP request", "on port", "listen on port", "holds port")),
)


class Sign(NamedTuple):
    """Evidence that the cluster knew. seconds: after the fault; by: the signal, or 'scheduler'; text: as logged."""

    seconds: float
    service: str
    by: str
    text: str


def signal_of(message):
    """The signal that caused a monitor's message; 'monitor' where it is not one of ours."""
    return next((name for name, parts in PARTS if any(part in message for part in parts)), "monitor")


def signs(text, services, since) -> List[Sign]:
    """The Signs in a journal (short-unix) after the unix second `since`, in its order."""
    found = []
    for line in text.splitlines():
        stamp, _, rest = line.partition(" ")
        try:
            seconds = float(stamp) - since
        except ValueError:
            continue
        for name in services:
            result = rest.partition("Result of monitor operation for %s on " % name)[2].partition(": ")[2].strip()
            if seconds < 0:
                continue
            if result and result != "ok":
                found.append(Sign(seconds, name, signal_of(result), result[:200]))
            elif "Actions: " in rest and name in rest.split():
                found.append(Sign(seconds, name, "scheduler", rest.partition(": ")[2].strip()[:200]))
    return found


def journal(lab, services, since) -> List[Sign]:
    """The Signs in the journals of all nodes that answer, the earliest first."""
    found = []
    for node in lab.node_names:
        try:
            text = lab.run(node, "journalctl --no-pager -o short-unix --since @%d -t pacemaker-controld "
                                 "-t pacemaker-schedulerd | grep -E 'Result of monitor|Actions: '" % since, 30).out
        except LabError:
            continue
        found += signs(text, services, since)
    return sorted(found)


def first(found, service):
    """The first Sign of a service; None if there is none."""
    return next((one for one in found if one.service == service), None)


def by_signal(found, service):
    """{signal: seconds until it noticed the fault} of a service."""
    seconds = {}
    for one in found:
        if one.service == service:
            seconds.setdefault(one.by, round(one.seconds, 1))
    return seconds


def restarted_for_another(found, service):
    """Whether the scheduler decided about a service because of another one, before a monitor noticed anything: in a
    group what comes after a failed resource is restarted at once."""
    sign = first(found, service)
    return sign is not None and sign.by == "scheduler" and "due to " in sign.text


def blind(expected, found, services):
    """Texts about services whose fault the expected signal did not notice. expected: (signal, services), or None."""
    signal, wanted = expected or (None, ())
    return ["%s: the signal %s did not notice it, but %s" % (name, signal, by_signal(found, name) or "nothing did")
            for name in wanted if name in services and signal not in by_signal(found, name)
            and not restarted_for_another(found, name)]


def table(rounds):
    """Markdown lines: when the cluster knew and by what, and what it cost a client."""
    lines = ["| fault | service | known after, by | signals | failed calls | longest silence | answers again after "
             "| two copies | node |",
             "|---|---|---|---|---|---|---|---|---|"]
    for done in rounds:
        for service, one in done["services"].items():
            known = one["known"]
            lines.append("| %s | %s | %s | %s | %d of %d | %.1f s | %s | %d | %s |" % (
                done["fault"], service, "%.1f s, %s" % (known[0], known[2]) if known else "-",
                ", ".join("%s %.1f s" % item for item in one["signals"].items()) or "-", one["failed"], one["calls"],
                one["silence"], "%.1f s" % one["last"] if one["last"] is not None else "-", done["doubles"],
                done["node"] if one["now"] == done["node"] else "%s to %s" % (done["node"], one["now"])))
    return lines


def sentence(one):
    """What a fault cost the client of one service, as a text."""
    known = "known after %.1f s by %s" % (one["known"][0],
                                          one["known"][2]) if one["known"] else "not noticed by the cluster"
    if not one["failed"]:
        return "%s, no call failed, longest silence %.1f s" % (known, one["silence"])
    return "%s, %d of %d calls failed, answers again after %s" % (
        known, one["failed"], one["calls"], "%.1f s" % one["last"] if one["last"] is not None else "never")
