# SPDX-License-Identifier: Apache-2.0
"""What a server's answer means, as a Health with a code and a sentence. Pure; used by the agent and the check.

Codes: synced, donor, desynced, joining, non-primary, read-only, rejecting, maintenance, hung, down, out-of-connections,
refused, unknown.
"""

from collections import namedtuple

from quorate.galera import facts
from quorate.galera.facts import ServerStatus
from quorate.health import Health

TOO_MANY = (1040, 1203, 1226)       # ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
DENIED = (1044, 1045, 1698)         # ER_DBACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR, ..._NO_PASSWORD_ERROR
NOT_READY = (1047,)                 # ER_UNKNOWN_COM_ERROR: WSREP has not yet prepared node for application use
UNDEFINED = 2 ** 64 - 1             # wsrep_local_index, wsrep_cluster_conf_id outside of a primary component
ON = {"on": True, "1": True, "yes": True, "off": False, "0": False, "no": False}
BLOCKING = ("rsync", "mysqldump")   # state transfers during which the donor cannot write (or not even read)
FIT_TO_WRITE = ("synced", "donor", "desynced")  # a donor stays the writer: to move the writer for a backup is worse


class Policy(namedtuple("Policy", "available_when_donor available_when_readonly", defaults=("no", True))):
    """What counts as fit for clients in addition to the synced state.

    available_when_donor: 'yes', 'no' (clustercheck's default) or 'auto': unless the state transfer blocks the donor
    """

    __slots__ = ()


def classify(status, policy):
    """The Health for one ServerStatus."""
    if not status.answered:
        return _silent(status)
    if status.cluster_status != "Primary":
        return Health("non-primary", False,
                      "Galera cluster node is not in a primary component (wsrep_cluster_status %s)."
                      % status.cluster_status)
    if status.reject_queries not in (None, "NONE"):
        return Health("rejecting", False, "Galera cluster node rejects queries (wsrep_reject_queries=%s)."
                      % status.reject_queries)
    if status.maint_mode not in (None, "", "DISABLED"):
        return Health("maintenance", False, "Galera cluster node is in maintenance (pxc_maint_mode=%s)."
                      % status.maint_mode)
    if status.local_state == 2:
        return _donor(status, policy)
    if status.local_state != 4 or status.ready is False:
        return Health("joining", False, "Galera cluster node is not synced (%s)."
                      % (status.local_state_comment or "its state is unknown"))
    if status.read_only and not policy.available_when_readonly:
        return Health("read-only", False, "Galera cluster node is read-only.")
    return Health("synced", True, "Galera cluster node is synced.")


def _donor(status, policy):
    """The donor of a state transfer, or a desynced server (a backup): it works, and may lag behind."""
    code = "desynced" if status.desync else "donor"
    blocked = status.sst_donor_rejects_queries or (
        code == "donor" and any(word in (status.sst_method or "") for word in BLOCKING))
    ok = policy.available_when_donor == "yes" or (policy.available_when_donor == "auto" and not blocked)
    if status.desync:
        return Health(code, ok, "Galera cluster node is desynced (wsrep_desync).")
    return Health(code, ok, "Galera cluster node is donor of a state transfer (%s)." % (status.sst_method or "unknown"))


def _silent(status):
    if status.errno in TOO_MANY:
        return Health("out-of-connections", False,
                      "The database server runs and has no connection left (max_connections).")
    if status.errno in DENIED:
        return Health("refused", False,
                      "The database server runs and refuses the credentials of the check: %s" % status.error)
    if status.errno in NOT_READY:
        return Health("non-primary", False, "Galera cluster node is not ready for queries (WSREP).")
    if status.error and ("timed out" in status.error or "[Errno 11]" in status.error):
        # EAGAIN: the server accepts no connections any more, and those that wait have filled the socket's queue.
        return Health("hung", False, "The database server does not answer.")
    if status.errno in (2002, 2003):
        return Health("down", False, "The database server accepts no connection: %s" % status.error)
    return Health("hung" if status.errno == 2013 else "unknown", False,
                  "The database server gave no answer: %s" % status.error)


# Parsing

def wsrep_state(rows, at=None):
    """ServerStatus from the rows of SHOW GLOBAL STATUS and SHOW GLOBAL VARIABLES. rows: dict of name to text; at:
    monotonic seconds when they were asked for."""
    lower = {name.lower(): value for name, value in rows.items()}

    def text(name):
        value = lower.get(name)
        return value if value is None or value == "" else str(value).strip()

    def number(name):
        value = facts.integer(text(name))
        return None if value == UNDEFINED else value

    def flag(name):
        return ON.get((text(name) or "").lower())

    addresses = text("wsrep_incoming_addresses")
    return ServerStatus(
        answered=True, error=None, errno=None, ready=flag("wsrep_ready"), cluster_status=text("wsrep_cluster_status"),
        local_state=number("wsrep_local_state"), local_state_comment=text("wsrep_local_state_comment"),
        local_index=number("wsrep_local_index"), cluster_size=number("wsrep_cluster_size"), desync=flag("wsrep_desync"),
        reject_queries=(text("wsrep_reject_queries") or "").upper() or None,
        sst_donor_rejects_queries=flag("wsrep_sst_donor_rejects_queries"), sst_method=text("wsrep_sst_method"),
        read_only=flag("read_only"), maint_mode=text("pxc_maint_mode"),
        cluster_uuid=facts.uuid(text("wsrep_cluster_state_uuid") or ""), last_committed=number("wsrep_last_committed"),
        conf_id=number("wsrep_cluster_conf_id"), connected=flag("wsrep_connected"),
        threads_connected=number("threads_connected"),
        addresses=tuple(part.strip() for part in addresses.split(",")) if addresses else None,
        at=at)
