# SPDX-License-Identifier: Apache-2.0
"""Exit codes of an OCF 1.1 agent, and what Pacemaker makes of them.

The remarks are what lib/pengine/unpack.c of Pacemaker does, which is not always what its documentation says.
"""

from collections import namedtuple

SUCCESS = 0             # done; a monitor: running (unpromoted)
ERR_GENERIC = 1         # soft: recover here. From a start: this node is banned (start-failure-is-fatal)
ERR_ARGS = 2            # hard: a parameter is wrong on this machine; the clone is banned here. Masked on a probe
ERR_UNIMPLEMENTED = 3   # no such action
ERR_PERM = 4            # hard: no permission. Not masked on a probe
ERR_INSTALLED = 5       # hard: software missing on this machine. Masked on a probe
ERR_CONFIGURED = 6      # fatal: stops the resource on all nodes, even when a single probe says it
NOT_RUNNING = 7         # stopped cleanly. Never from a stop, which says SUCCESS
RUNNING_PROMOTED = 8    # running, promoted
FAILED_PROMOTED = 9     # broken, and perhaps promoted: demote, stop, start
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
    """How an action ended: a number of quorate.ocf.codes, and for all but the expected a sentence for the operator."""

    __slots__ = ()


class Failed(Exception):
    """Ends an action from within: raise Failed(code, reason)."""

    def __init__(self, code, reason):
        Exception.__init__(self, reason)
        self.code = code
        self.reason = reason
