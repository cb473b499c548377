# SPDX-License-Identifier: Apache-2.0
"""Text to facts. Pure: no file, no clock, no command.

The broker writes its own files as Erlang terms (rabbit_file:write_term_file/2). Only lists of node names are needed
from them, so there is no parser of Erlang: what is not of that form is not understood, and *unknown*.

The boot stage, by the end of the log, is of a broker that has a process and does not listen: it boots, waits for other
nodes, paused itself, is in maintenance, or was stopped inside its Erlang machine. From outside all of these look the
same, and the broker's own tools that tell them apart start an Erlang machine each. Log lines are those of RabbitMQ
3.10.8 and 4.0.5, seen; a log without any of them is *unknown*.
"""

from quorate.rabbitmq import facts
from quorate.rabbitmq.facts import KHEPRI, MNESIA

# Names that RabbitMQ itself does not count when it asks whether a data directory was ever used
# (rabbit_mnesia:is_virgin_node/0, 3.10 and 4.0).
_BEFORE_FIRST_USE = frozenset(("cluster_nodes.config", "nodes_running_at_shutdown", "coordination", "quorum", "stream",
                               "msg_stores", "enabled_feature_flags", "force_load", "khepri", "rabbitmq_metadata",
                               "user_provided_plugins_data_dir"))  # the last one: from 4.2 on
_BESIDE = ("-feature_flags", "-plugins-expand", "-upgrade-backup", ".old")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-@")
# rabbit_table:wait/3, 3.10 to 4.2: the first line before each of the (ten) tries, the other one where a try ended.
_WAITS, _TRIES_AGAIN = "Waiting for Mnesia tables for ", "Error while waiting for Mnesia tables"
_BOOTS = "Starting RabbitMQ ", "configured log handlers are now ACTIVE", "Successfully synced tables from a peer"
# Each log line, and the boot stage after it; the last one in the log counts.
STAGE_LINES = (
    ("Starting RabbitMQ ", facts.STARTING),
    ("configured log handlers are now ACTIVE", facts.STARTING),  # the first line of a start
    (_WAITS, facts.WAITING),                                     # also in passing: see SILENT
    (_TRIES_AGAIN, facts.WAITING),
    ("Successfully synced tables from a peer", facts.STARTING),  # rabbit_table.erl, 3.10 to 4.2: the wait is over
    ("Waiting for Khepri leader", facts.WAITING),
    ("starting Ra system: coordination", facts.WAITING),  # 4.0 with Khepri: the last line before it waits for a leader
    ("Found the following metadata store members", facts.STARTING),  # rabbit_khepri.erl, 4.0: there is a leader
    ("waiting to catch up on replication", facts.WAITING),           # (debug)
    ("Server startup complete", facts.RUNNING),
    ("Cluster minority/secondary status detected", facts.PAUSED),
    ("This node is being put into maintenance", facts.DRAINING),
    ("Marked this node as undergoing maintenance", facts.DRAINING),
    ("Marked this node as back from maintenance", facts.RUNNING),
    ("Successfully stopped RabbitMQ and its dependencies", facts.STOPPED_APP),
    ("BOOT FAILED", facts.FAILED_APP),  # the Erlang machine ends, unless it was a broker that resumed after a pause
)
SILENT = 4.0  # seconds without a log line after which a boot really waits: each boot logs such lines in passing
# An error in each log.*.formatter.level_format: lc, uc, lc3, uc3, lc4, uc4 (rabbit_prelaunch_early_logging.erl).
_ERROR = tuple("[%s]" % word for short in ("error", "err", "eror") for word in (short, short.upper()))
_NOT_A_CAUSE = ("BOOT FAILED", "===========", "Error during startup", "crasher", "supervisor", "reason:", "Log file(s)",
                "neighbours", "initial call", "registered_name", "ancestors", "exception exit")


# files

def names(text):
    """frozenset of the Erlang node names in a list such as [rabbit@n1,'rabbit@n-2']; None if it is no such list."""
    words = text.strip().rstrip(".").strip()
    if not (words.startswith("[") and words.endswith("]")):
        return None
    found = [word.strip().strip("'") for word in words[1:-1].split(",") if word.strip()]
    if not all("@" in word and _NAME.issuperset(word) for word in found):
        return None
    return frozenset(found)


def members(text):
    """frozenset of all members by cluster_nodes.config: {[all],[disc]}. (before 3.0: [all]); None: not understood."""
    words = "".join(text.split()).rstrip(".")
    if words.startswith("{[") and words.endswith("]}"):
        words = words[1:words.index("]") + 1]
    found = names(words)
    return found or None


def running(text):
    """frozenset of the nodes that ran when this one last wrote it, by nodes_running_at_shutdown; None: not
    understood."""
    return names("".join(text.split()))


def store(feature_flags):
    """MNESIA or KHEPRI by the text of NODE-feature_flags; None (no such file) counts as a node that never had
    Khepri."""
    words = "".join((feature_flags or "").split()).rstrip(".").strip("[]").split(",")
    return KHEPRI if "khepri_db" in words else MNESIA


def used(entries, has_khepri=False):
    """Whether a data directory with these entries was ever used, as RabbitMQ itself sees it. entries: names, or None if
    there is no such directory."""
    if not entries:
        return False
    if has_khepri and "coordination" in entries:
        return True  # Khepri's own files stand among those that do not count (4.0.5: coordination, msg_stores, quorum)
    return bool(set(entries) - _BEFORE_FIRST_USE)


def is_data_directory(name):
    """Whether an entry beside the data directories has the name of one, such as rabbit@n1. What RabbitMQ keeps beside
    them, and what was moved away as this suite advises, has not."""
    return "@" in name and _NAME.issuperset(name) and not name.endswith(_BESIDE)


def is_own_directory(path, data=None):
    """Whether a directory is the broker's with all that is in it, by its name; data: that of the node's data. Of
    others, such as /var/log or /srv, somebody else has a part."""
    parts = path.split("/")
    return path == data or not path.startswith(("/etc/", "/usr/")) and (
        is_data_directory(parts[-1]) or any("rabbitmq" in one or one == "mnesia" for one in parts))


def serial(text):
    """The number in rabbit_serial, as rabbit_file:write_term_file/2 writes it: '57.'; None: not understood."""
    digits = text.strip().rstrip(".").strip()
    return int(digits) if digits.isdigit() and digits.isascii() else None


# log and output

def boot_stage(log, silent):
    """The boot stage by the end of a log, None: the log does not show it. silent: seconds since the log was written to,
    None: unknown.

    A broker that pauses itself stops its applications a moment later, which the log shows as it shows an operator's
    stop_app.
    """
    found = sorted((log.rfind(text), stage) for text, stage in STAGE_LINES if text in log)
    if not found:
        return None
    at, stage = found[-1]
    if stage == facts.STOPPED_APP:
        before = [one for one in found[:-1] if one[1] in (facts.PAUSED, facts.RUNNING, facts.STARTING)]
        return facts.PAUSED if before and before[-1][1] == facts.PAUSED else stage
    if stage != facts.WAITING or _tried_before(log, at):
        return stage
    return facts.STARTING if "\n" in log[at:].rstrip("\n") or silent is None or silent < SILENT else stage


def _tried_before(log, at):
    """Whether the wait that begins at this place of the log is another try: then it waits, whatever else it logs."""
    failed = log.rfind(_TRIES_AGAIN, 0, at)
    return log.startswith(_WAITS, at) and failed > max(log.rfind(text, 0, at) for text in _BOOTS)


def last_error(text):
    """The last error in a log or an output: the cause of a failed boot, else the last line of an error; None: there is
    none."""
    best, boot = None, False
    for line in _plain(text).splitlines():
        error = line.strip()
        level = next((level for level in _ERROR if level in error), None)
        if level:
            error = error.partition(level)[2].strip()
            error = error.partition(">")[2].strip() if error.startswith("<") else error
        elif not error.startswith(("Error:", "ERROR:", "error:", "Failed to", "{error", "init terminating")):
            continue
        if error == "BOOT FAILED":
            boot = True
        elif error and not error.endswith(":") and not any(word in error for word in _NOT_A_CAUSE):
            if boot is True:
                return error[:200]  # the rest is background and diagnostics
            best = error
    return None if best is None else best[:200]


def _plain(text):
    """The lines of a log, those of log.file.formatter = json as the plain formatter writes them."""
    if "\n{" not in "\n" + text:
        return text
    found = []
    for line in text.splitlines():
        level, message = json_message(line) or (None, line)
        found += ["[%s] %s" % (level, part) for part in message.split("\n")] if level else [line]
    return "\n".join(found)


def json_message(line):
    """(level, message) of a line of a log in JSON, None: it is none, or has other names (formatter.json.field_map)."""
    if not line.startswith("{\"") or "\"msg\"" not in line:
        return None
    import json
    try:
        found = json.loads(line)
        return str(found.get("level", "")).lower(), found["msg"] if isinstance(found["msg"], str) else str(found["msg"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def cluster_members(text):
    """frozenset of the members in the JSON of `rabbitmqctl cluster_status --formatter json`; None: not understood."""
    import json
    try:
        found = json.loads(text[text.index("{"):])
        return frozenset(found["disk_nodes"]) | frozenset(found.get("ram_nodes", ())) or None
    except (ValueError, KeyError, TypeError):
        return None


def version(entries):
    """The version in the names of a directory of rabbitmq_server-VERSION entries, the highest; None: there is none."""
    found = [name[len("rabbitmq_server-"):] for name in entries if name.startswith("rabbitmq_server-")]
    return max(found, key=version_key) if found else None


def version_key(text):
    """A version as a tuple of numbers, to compare: '3.10.8' -> (3, 10, 8). () for None."""
    return tuple(int(part) for part in (text or "").partition("-")[0].split(".") if part.isdigit())
