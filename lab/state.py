# SPDX-License-Identifier: Apache-2.0
"""What a lab makes on this machine, recorded before it is made, so that any later command can remove it.

Everything of a lab lives in one directory, /var/lib/quorate-lab/NAME:

    state.json      the record                      control      socket of the power daemon, for the operator
    n1/upper ...    what the node wrote             fence/sock   socket of the power daemon, for the nodes' fence agent
    n1/pid          its first process, while it runs
"""

import fcntl
import json
import os
from typing import Any, Dict, List, Optional

from lab import LabError

ROOT = "/var/lib/quorate-lab"


def root():
    """Where labs live: $QUORATE_LAB_STATE or /var/lib/quorate-lab."""
    return os.environ.get("QUORATE_LAB_STATE") or ROOT


def directory(name: str) -> str:
    """The directory of lab `name`."""
    return os.path.join(root(), name)


def read(name: str) -> Optional[Dict[str, Any]]:
    """The record of lab `name`, None if there is no such lab. An incomplete record counts as an empty one: there is a
    lab."""
    try:
        with open(os.path.join(directory(name), "state.json"), encoding="utf-8") as file:
            found = json.load(file)
            return found if isinstance(found, dict) else {}
    except FileNotFoundError:
        return {} if os.path.isdir(directory(name)) else None
    except (OSError, ValueError):
        return {}


def write(name: str, record: Dict[str, Any]) -> None:
    """Replace the record of lab `name` atomically: a reader, or a crash, finds the old or the new one."""
    path = os.path.join(directory(name), "state.json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, sort_keys=True)
        file.write("\n")
    os.rename(path + ".new", path)


def names() -> List[str]:
    """The names of all labs that are on record on this machine."""
    try:
        found = sorted(os.listdir(root()))
    except OSError:
        return []
    return [name for name in found if not name.startswith(".") and os.path.isdir(directory(name))]


class Lock:
    """Held by whoever makes or removes a lab: between choosing a free network and recording it nobody else may
    choose."""

    def __enter__(self):
        os.makedirs(root(), mode=0o711, exist_ok=True)
        self._file = open(os.path.join(root(), ".lock"), "w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *exc):
        self._file.close()


def process_start(pid: int) -> Optional[int]:
    """When `pid` started, in clock ticks since boot. Together with the pid it identifies a process. None: it has
    ended."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def boot_id() -> str:
    """Identifies this boot of the machine: a recorded pid is worth nothing after the next one."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def identify(pid: int) -> Dict[str, Any]:
    """The record of a process, a dict. LabError if it has ended already."""
    start = process_start(pid)
    if start is None:
        raise LabError("process %d ended at once" % pid)
    return {"pid": pid, "start": start, "boot": boot_id()}


def alive(process: Optional[Dict[str, Any]]) -> bool:
    """Whether the recorded `process` still runs, and the pid was not given to another one."""
    return bool(process) and process["boot"] == boot_id() and process_start(process["pid"]) == process["start"]
