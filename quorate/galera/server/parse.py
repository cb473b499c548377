# SPDX-License-Identifier: Apache-2.0
"""Text to facts: what Galera and mysqld write to disk and to logs. Pure: no clock, no file.

Every function accepts what a broken machine may hold (truncated text, zeros after a power cut, another version's text)
and returns Garbage or None instead of raising, so that a decision sees *unknown*.
"""

from quorate.galera import facts
from quorate.galera.facts import Garbage, Grastate, Gvwstate, View


# Files in the data directory

def _content(text):
    """The text without surrounding blanks, or Garbage when it is empty or holds zeros."""
    stripped = text.strip(" \t\r\n\0")
    if not stripped:
        return Garbage("is empty" if not text.strip("\0") or not text else "holds no text")
    if "\0" in text:
        return Garbage("holds binary zeros")
    return stripped


def grastate(text):
    """grastate.dat: Grastate; None when `text` is None (no such file); Garbage when it is not one."""
    if text is None:
        return None
    text = _content(text)
    if isinstance(text, Garbage):
        return text
    values = {}
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if separator and not line.startswith("#"):
            values[key.strip()] = value.strip()
    state, seqno = facts.uuid(values.get("uuid", "")), facts.integer(values.get("seqno"))
    if state is None or seqno is None or seqno < -1:
        return Garbage("has no valid uuid and seqno")
    return Grastate(state, seqno, {"1": True, "0": False}.get(values.get("safe_to_bootstrap")))


def with_safe(text, safe=True):
    """grastate.dat's text with safe_to_bootstrap set to 1 (or 0), all else kept; None when the text is Garbage."""
    if not isinstance(grastate(text), Grastate):
        return None
    lines = [line for line in text.splitlines() if line.partition(":")[0].strip() != "safe_to_bootstrap"]
    return "\n".join(lines + ["safe_to_bootstrap: %d" % safe]) + "\n"


def reported_position(position, before, most):
    """The position that a node reports after a bootstrap that was undone.

    position: (uuid, seqno) on the disk, None: it cannot be found out; before: the same before that bootstrap; most: the
    highest seqno that it can have left. The view that its server opened took a seqno, and nothing was committed in it:
    so the node counts as much as others that stand where it stood, and one of them can bootstrap in its place.
    """
    uuid, seqno = before
    if seqno < 0:  # it was to be the first cluster ever, and no other node has anything
        return position
    if position is None or position[0] == uuid and seqno <= position[1] <= most:
        return before
    return position


def gvwstate(text):
    """gvwstate.dat: Gvwstate with masked UUIDs; None when `text` is None (no such file); Garbage when it is not one.

    An empty file is Garbage too: Galera refuses to start with it (codership/galera#354), and it proves nothing.
    """
    if text is None:
        return None
    text = _content(text)
    if isinstance(text, Garbage):
        return text
    mine, view_uuid, seq, members, ended = None, None, None, set(), False
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "my_uuid:":
            mine = facts.uuid(words[1])
        elif len(words) == 4 and words[0] == "view_id:":
            view_uuid, seq = facts.uuid(words[2]), facts.integer(words[3])
        elif len(words) >= 2 and words[0] == "member:":
            members.add(facts.uuid(words[1]))
        elif words == ["#vwend"]:
            ended = True
    if mine is None or view_uuid is None or seq is None or not members or None in members or not ended:
        return Garbage("is not a complete view")
    return Gvwstate(facts.mask(mine), View(facts.mask(view_uuid), seq,
                                           frozenset(facts.mask(member) for member in members)))


def settled(view, applied_members):
    """Whether a running node has committed everything that came before the change to `view`.

    view: the View of its gvwstate.dat, written when the change is delivered, and read before the question;
    applied_members: node_uuid of mysql.wsrep_cluster_members, written when a change is applied, in the order of
    commits, from an answer that waited until all that was delivered before the question was applied
    (wsrep_sync_wait). Without that wait the members of an earlier change can be the same: one joins and leaves
    again while the applier is behind. Then what an evicted member had committed is on this node's disk as well.
    Store the View when this becomes true; the report after a later crash says `settled` when the stored View is
    that of gvwstate.dat.
    """
    return view is not None and view.members == frozenset(facts.mask(member.strip().lower())
                                                          for member in applied_members)


# Logs

# What recovered_position(), prepared_xa() and causes.find() look for.
RECOVERY_SIGNS = ("Recovered position", " prepared transaction", "[ERROR]")


def recovered_position(log):
    """(uuid, seqno) from the last 'Recovered position: UUID:SEQNO' of --wsrep-recover, None when there is none.

    Newer servers append ',domain-server-seqno'. (ZERO_UUID, -1) means: a database that was never in a cluster.
    """
    found = None
    for line in log.splitlines():
        _, separator, rest = line.partition("Recovered position")
        if not separator or not rest.strip(" :\t"):
            continue
        state, _, seqno = rest.strip(" :\t").split()[0].split(",")[0].partition(":")
        state, seqno = facts.uuid(state), facts.integer(seqno)
        if state is not None and seqno is not None and seqno >= -1:
            found = (state, seqno)
    return found


def prepared_xa(log):
    """Number of prepared transactions because of which InnoDB gives no position ('Found N prepared ...'), else 0."""
    for line in log.splitlines():
        before, separator, after = line.partition(" prepared transaction")
        words = before.split()
        if separator and len(words) > 1 and words[-2] == "Found":
            return facts.integer(words[-1]) or 0
    return 0
