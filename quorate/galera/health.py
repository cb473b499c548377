# SPDX-License-Identifier: Apache-2.0
"""What a ServerStatus means, in a word and a sentence. Pure; used by the agent and the check."""

from collections import namedtuple

TOO_MANY = (1040, 1203, 1226)
DENIED = (1044, 1045, 1698)
NOT_READY = (1047,)


class Policy(namedtuple("Policy", "available_when_donor available_when_readonly", defaults=(False, True))):
    """What counts as fit for clients beside the synced state."""

    __slots__ = ()


class Health(namedtuple("Health", "code ok sentence")):
    """code: synced, donor, desynced, joining, non-primary, read-only, rejecting, maintenance, hung, down,
    out-of-connections, refused, unknown; ok: clients may come; sentence: for people."""

    __slots__ = ()


def classify(status, policy):
    """The Health of what one server said."""
    if not status.answered:
        return _silent(status)
    if status.cluster_status != "Primary":
        return Health("non-primary", False, "The server is in no primary component (wsrep_cluster_status %s)."
                      % status.cluster_status)
    return Health("synced" if status.local_state == 4 else "joining", status.local_state == 4,
                  "The server is %s." % (status.local_state_comment or "in an unknown state"))


def _silent(status):
    if status.errno in TOO_MANY:
        return Health("out-of-connections", False, "The server lives and has no connection left (max_connections).")
    if status.errno in DENIED:
        return Health("refused", False, "The server lives and refuses the credentials of the check: %s" % status.error)
    if status.errno in NOT_READY:
        return Health("non-primary", False, "The server is not ready for queries (WSREP).")
    if status.error and "timed out" in status.error:
        return Health("hung", False, "The server does not answer.")
    if status.errno in (2002, 2003):
        return Health("down", False, "The server accepts no connection: %s" % status.error)
    return Health("hung" if status.errno == 2013 else "unknown", False, "The server gave no answer: %s" % status.error)
