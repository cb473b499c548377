# SPDX-License-Identifier: Apache-2.0
"""What the kernel logged of a process: that it was killed for want of memory, or that a security module refused a file.

From /dev/kmsg (Linux, Documentation/ABI/testing/dev-kmsg): one record a read, 'priority,number,microseconds,flags;text'.
Root may read it; a container has none. Then nothing is known, and nothing is claimed.
"""

import os
import re

RECORD_MOST, RECORDS_MOST = 8192, 50000


def messages(since=0.0, path="/dev/kmsg"):
    """Texts that the kernel logged since then (seconds since boot), oldest first; [] when that cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    found = []
    try:
        for _ in range(RECORDS_MOST):
            try:
                record = os.read(handle, RECORD_MOST)
            except BrokenPipeError:
                continue  # it was overwritten meanwhile; the next one is there
            if not record:
                break
            head, separator, text = record.decode("utf-8", "replace").partition(";")
            fields = head.split(",")
            if separator and len(fields) > 2 and fields[2].isdigit() and int(fields[2]) / 1e6 >= since:
                found.append(text.splitlines()[0] if text else "")
    except OSError:
        pass  # EAGAIN: that was the last one
    finally:
        os.close(handle)
    return found


def killed_for_memory(texts, pid):
    """Whether the kernel killed this process for want of memory (mm/oom_kill.c: 'Out of memory: Killed process 812
    (mariadbd)', 'Memory cgroup out of memory: ...')."""
    sign = re.compile(r"[Oo]ut of memory.*\b[Kk]ill(?:ed)? process %d\b" % pid)
    return any(sign.search(text) for text in texts)


def denied(texts, names):
    """(module, path) of the first file that AppArmor or SELinux refused one of these programs; None: none.

    AppArmor: 'apparmor="DENIED" operation="open" profile="..." name="/srv/x" pid=1 comm="mysqld" ...'; SELinux, where
    no auditd takes it: 'avc:  denied  { write } for  pid=1 comm="mysqld" name="x" ...'.
    """
    for text in texts:
        module = ("AppArmor" if 'apparmor="DENIED"' in text else
                  "SELinux" if "avc:" in text and " denied " in text and "permissive=1" not in text else None)
        if module and any('comm="%s"' % name in text for name in names):
            path = re.search(r'\b(?:path|name)="([^"]*)"', text)
            return module, path.group(1) if path else "a file"
    return None
