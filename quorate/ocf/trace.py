# SPDX-License-Identifier: Apache-2.0
"""Tracing, as pcs and crmsh switch it on for every agent: parameter trace_ra=1, or OCF_TRACE_RA from crm_resource -VV.

The trace contains every line of the log, the narration, and every command with its result. Secrets are replaced.
"""

import os
import time

from quorate.ocf.log import to_stderr

DIRECTORY = "/var/lib/heartbeat/trace_ra"  # where 'crm resource trace' expects it


def tracer_for(agent_name, action, environ):
    """A callable that writes a line of text to the trace file, or to stderr when that cannot be opened."""
    path = environ.get("OCF_RESKEY_trace_file") or environ.get("OCF_TRACE_FILE")
    if path and not path.startswith("/"):
        return on_stderr  # shell agents take the number of a file descriptor here; in practice it is stderr
    if path in ("/dev/stderr", "/dev/fd/2"):
        return on_stderr
    try:
        if not path:
            instance = (environ.get("OCF_RESOURCE_INSTANCE") or "default").replace("/", "_")
            directory = os.path.join(DIRECTORY, agent_name)
            os.makedirs(directory, mode=0o700, exist_ok=True)
            path = "%s/%s.%s.%s" % (directory, instance, action, time.strftime("%Y-%m-%d.%H:%M:%S"))
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        on_stderr("cannot write the trace file %s: %s" % (path, error.strerror))
        return on_stderr

    def write(text):
        os.write(file, _stamped(text).encode("utf-8", "backslashreplace"))
    return write


def on_stderr(text):
    """Write a line of the trace to stderr."""
    to_stderr(_stamped(text))


def _stamped(text):
    now = time.time()
    return "+ %s.%03d: %s\n" % (time.strftime("%H:%M:%S", time.localtime(now)), now % 1 * 1000, text)
