# SPDX-License-Identifier: Apache-2.0
"""Exit codes of an OCF 1.1 agent, how Pacemaker treats them, and the outcome of an action: a code with its reason.

The comments say what lib/pengine/unpack.c of Pacemaker does, which is not always what its documentation says.
"""

from collections import namedtuple

SUCCESS = 0             # done; of a monitor: running (unpromoted)
ERR_GENERIC = 1         # soft: recover on this node. Of a start: this node is banned (start-failure-is-fatal)
ERR_ARGS = 2            # hard: a parameter is wrong on this machine; the clone is banned here. Ignored on a probe
ERR_UNIMPLEMENTED = 3   # no such action
ERR_PERM = 4            # hard: no permission. Not ignored on a probe
ERR_INSTALLED = 5       # hard: software is missing on this machine. Ignored on a probe
ERR_CONFIGURED = 6      # fatal: stops the resource on all nodes, even when a single probe returns it
NOT_RUNNING = 7         # stopped cleanly. Never of a stop, which returns SUCCESS
RUNNING_PROMOTED = 8    # running, promoted
FAILED_PROMOTED = 9     # failed, and perhaps promoted: demote, stop, start
DEGRADED = 190          # as SUCCESS, and the status display shows it
DEGRADED_PROMOTED = 191  # as RUNNING_PROMOTED, and the status display shows it

NAMES = {
    SUCCESS: "ok",
    ERR_GENERIC: "error",
    ERR_ARGS: "a parameter is not valid on this machine",
    ERR_UNIMPLEMENTED: "no such action",
    ERR_PERM: "insufficient privileges",
    ERR_INSTALLED: "software is missing on this machine",
    ERR_CONFIGURED: "a parameter is not valid anywhere",
    NOT_RUNNING: "not running",
    RUNNING_PROMOTED: "running, promoted",
    FAILED_PROMOTED: "failed, perhaps promoted",
    DEGRADED: "running, degraded",
    DEGRADED_PROMOTED: "running, promoted, degraded",
}


class Outcome(namedtuple("Outcome", "code reason", defaults=(None,))):
    """How an action ended: one of the codes above and, unless it is the expected one, a reason for the operator."""

    __slots__ = ()


class Failed(Exception):
    """Ends an action from anywhere inside it: raise Failed(code, reason)."""

    def __init__(self, code, reason):
        Exception.__init__(self, reason)
        self.code = code
        self.reason = reason
