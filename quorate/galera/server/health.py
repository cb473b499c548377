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
NOT_READY = (1047,)                 # ER_UNKNOWN_COM_ERROR: WSREP has not yet prepared node for application use
GONE = (2006, 2013)                 # CR_SERVER_GONE_ERROR, CR_SERVER_LOST
SPOKE = (2026, 2027, 2059, 2061)     # the client's errors about what it was told: TLS, malformed packet, plugins
NOBODY = ("[Errno 2]", "[Errno 111]", "[Errno 113]", "[Errno 101]", "[Errno 112]")  # no socket, refused, no route
UNDEFINED = 2 ** 64 - 1             # wsrep_local_index, wsrep_cluster_conf_id outside of a primary component
# What a server that runs says instead of an answer: code and sentence. %s: its own words.
REFUSES = "The database server refuses the credentials of the check, %s: correct them (X509 needs ssl-cert)."
EXPIRED = ("refused", "The password of the check's account has expired: ALTER USER ... PASSWORD EXPIRE NEVER (or a new "
                      "password).")
LOCKED = ("refused", "The check's account is locked: ALTER USER ... ACCOUNT UNLOCK")
METHOD = ("refused", "The check cannot log in by its account's method: %s")
PRIVILEGE = ("refused", "The check's account lacks a privilege: %s")
LIMITED = ("unknown", "The database server ended the question early (max_statement_time): %s")
ANSWERS = {
    1044: ("refused", REFUSES),     # ER_DBACCESS_DENIED_ERROR
    1045: ("refused", REFUSES),     # ER_ACCESS_DENIED_ERROR
    1698: ("refused", REFUSES),     # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1129: ("refused", "The database server blocks this host after broken connections: mariadb-admin flush-hosts"),
    1130: ("refused", "The database server knows no account for the address of the check: CREATE USER for it, or use "
                      "the socket."),
    1142: PRIVILEGE, 1143: PRIVILEGE, 1227: PRIVILEGE,  # ER_TABLEACCESS_, ER_COLUMNACCESS_, ER_SPECIFIC_ACCESS_DENIED
    4150: ("refused", "The check's account is blocked after wrong passwords (max_password_errors): FLUSH PRIVILEGES"),
    4151: LOCKED, 3118: LOCKED,     # MariaDB's ER_ACCOUNT_HAS_BEEN_LOCKED; MySQL's
    1820: EXPIRED, 1862: EXPIRED,   # ER_MUST_CHANGE_PASSWORD, ..._LOGIN
    3159: ("refused", "The database server demands TLS (require_secure_transport): use its socket, or add ssl-ca to "
                      "[client]."),
    2026: ("refused", "TLS with the database server fails: %s (ssl- options of [client])"),
    1251: METHOD, 1524: METHOD, 2059: METHOD, 2061: METHOD,  # old client, plugin not loaded (there, here), its error
    3032: ("maintenance", "The database server is in offline mode (offline_mode)."),
    1053: ("unknown", "The database server is shutting down."),
    1184: ("unknown", "The database server ends every session at once: is init_connect right?"),
    2027: ("unknown", "The database server says something that PyMySQL does not understand (an account with PAM?): %s"),
    1969: LIMITED, 3024: LIMITED,   # MariaDB's ER_STATEMENT_TIMEOUT; MySQL's ER_QUERY_TIMEOUT
}
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


def is_alive(status):
    """Whether the server said anything at all: an error is an answer. Numbers from 2000 to 2999 are the client's."""
    return status.answered or (status.errno is not None and (
        1000 <= status.errno < 2000 or status.errno >= 3000 or status.errno in SPOKE))


def _silent(status):
    number, text = status.errno, status.error or "the reason is unknown"
    if number in TOO_MANY:
        return Health("out-of-connections", False,
                      "The database server runs and has no connection left (max_connections).")
    if number in NOT_READY:
        return Health("non-primary", False, "Galera cluster node is not ready for queries (WSREP).")
    if number in ANSWERS:
        code, sentence = ANSWERS[number]
        # "Access denied for user" is said already, and exit reasons are short.
        return Health(code, False, sentence.replace("%s", text.rpartition("denied for user ")[2]))
    if is_alive(status):
        return Health("unknown", False, "The database server answers with error %d: %s" % (number, text))
    if "timed out" in text or "[Errno 11]" in text:
        # EAGAIN: the server accepts no connections any more, and those that wait have filled the socket's queue.
        return Health("hung", False, "The database server does not answer.")
    if number in GONE:  # no time-out: it ended the connection by itself, so it does not hang
        return Health("unknown", False, "The database server closed the connection before it answered: %s" % text)
    if number in (2002, 2003) and any(word in text for word in NOBODY):
        return Health("down", False, "The database server accepts no connection: %s" % text)
    return Health("unknown", False, "The database server gave no answer: %s" % text)


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
        read_only=_read_only(text("read_only")), maint_mode=text("pxc_maint_mode"),
        cluster_uuid=facts.uuid(text("wsrep_cluster_state_uuid") or ""), last_committed=number("wsrep_last_committed"),
        conf_id=number("wsrep_cluster_conf_id"), connected=flag("wsrep_connected"),
        threads_connected=number("threads_connected"),
        addresses=tuple(part.strip() for part in addresses.split(",")) if addresses else None,
        at=at, uuid=facts.uuid(text("wsrep_gcomm_uuid") or ""), cluster_address=text("wsrep_cluster_address"))


def _read_only(value):
    """MariaDB 12 has NO_LOCK and NO_LOCK_NO_ADMIN as well (MDEV-36425). None for a value that is not known."""
    value = (value or "").lower()
    return True if value.startswith("no_lock") else ON.get(value)
