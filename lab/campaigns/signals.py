# SPDX-License-Identifier: Apache-2.0
"""Which signal saw a fault: from the sentences of the monitors in Pacemaker's journal to a word. Pure but for `journal`."""

from typing import List, NamedTuple

from lab import LabError

# What a sentence of quorate.openstack.symptoms.detect has in it, to the signal it speaks of; the first that fits.
WORDS = (
    ("process", ("(SIGSTOP)", "parent process of", "A second copy", "of an earlier", "worker processes", "came up at its start",
                 "runs on this node.", "not running")),
    ("rpc", ("RPC call", "has no queue", "has no consumer", "could not be called", "RabbitMQ does not answer this node (",
             " consumers instead of ")),
    ("asked again", ("has not noticed yet",)),
    ("amqp", ("connection to RabbitMQ", "not connected to RabbitMQ", "RabbitMQ (")),
    ("row", ("The database of", "has not reported for", "reported within", "heartbeat", "has reported since", "not yet reported")),
    ("page", ("HTTP request", "on port", "listen on port", "holds port")),
)


class Sign(NamedTuple):
    """Something that says that the cluster knew. seconds: after the fault; by: the signal, or 'scheduler'; words: as logged."""

    seconds: float
    service: str
    by: str
    words: str


def signal_of(words):
    """The signal that a monitor's sentence speaks of, 'monitor' where it is none of ours."""
    return next((name for name, known in WORDS if any(one in words for one in known)), "monitor")


def signs(text, services, since) -> List[Sign]:
    """Those in a journal (short-unix) after the unix second `since`, in its order."""
    found = []
    for line in text.splitlines():
        stamp, _, rest = line.partition(" ")
        try:
            seconds = float(stamp) - since
        except ValueError:
            continue
        for name in services:
            said = rest.partition("Result of monitor operation for %s on " % name)[2].partition(": ")[2].strip()
            if seconds < 0:
                continue
            if said and said != "ok":
                found.append(Sign(seconds, name, signal_of(said), said[:200]))
            elif "Actions: " in rest and name in rest.split():
                found.append(Sign(seconds, name, "scheduler", rest.partition(": ")[2].strip()[:200]))
    return found


def journal(lab, services, since) -> List[Sign]:
    """The Signs in the journals of all nodes that answer, the first one first."""
    found = []
    for node in lab.node_names:
        try:
            text = lab.run(node, "journalctl --no-pager -o short-unix --since @%d -t pacemaker-controld -t pacemaker-schedulerd | "
                                 "grep -E 'Result of monitor|Actions: '" % since, 30).out
        except LabError:
            continue
        found += signs(text, services, since)
    return sorted(found)


def first(found, service):
    """The first Sign of a service, None: there is none."""
    return next((one for one in found if one.service == service), None)


def by_signal(found, service):
    """{signal: seconds until it saw it} of a service."""
    seen = {}
    for one in found:
        if one.service == service:
            seen.setdefault(one.by, round(one.seconds, 1))
    return seen


def drawn(found, service):
    """Whether the scheduler had decided about a service because of another one before a monitor saw anything: in a group what
    comes after one that has failed is restarted at once."""
    sign = first(found, service)
    return sign is not None and sign.by == "scheduler" and "due to " in sign.words


def blind(expected, found, services):
    """Sentences about services whose fault was not seen by the signal that has to. expected: (signal, services), or None."""
    signal, wanted = expected or (None, ())
    return ["%s: the signal %s did not see it, but %s" % (name, signal, by_signal(found, name) or "nothing did")
            for name in wanted if name in services and signal not in by_signal(found, name) and not drawn(found, name)]


def table(rounds):
    """Markdown lines: what was known when and by what, and what a client felt."""
    lines = ["| fault | service | known after, by | signals | failed calls | longest silence | answers again after | two copies | node |",
             "|---|---|---|---|---|---|---|---|---|"]
    for done in rounds:
        for service, seen in done["services"].items():
            known = seen["known"]
            lines.append("| %s | %s | %s | %s | %d of %d | %.1f s | %s | %d | %s |" % (
                done["fault"], service, "%.1f s, %s" % (known[0], known[2]) if known else "-",
                ", ".join("%s %.1f s" % item for item in seen["signals"].items()) or "-", seen["failed"], seen["calls"],
                seen["silence"], "%.1f s" % seen["last"] if seen["last"] is not None else "-", done["doubles"],
                done["node"] if seen["now"] == done["node"] else "%s to %s" % (done["node"], seen["now"])))
    return lines


def sentence(seen):
    """What one client felt, for people."""
    known = "known after %.1f s by %s" % (seen["known"][0], seen["known"][2]) if seen["known"] else "the cluster was not concerned"
    if not seen["failed"]:
        return "%s, no call failed, longest silence %.1f s" % (known, seen["silence"])
    return "%s, %d of %d calls failed, answers again after %s" % (
        known, seen["failed"], seen["calls"], "%.1f s" % seen["last"] if seen["last"] is not None else "never")
