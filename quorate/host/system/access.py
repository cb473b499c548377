# SPDX-License-Identifier: Apache-2.0
"""What a user may do with a path. The kernel is asked as that user: owner and mode tell nothing of groups, of access
control lists, or of the directories above.
"""

import os

READ, WRITE, ENTER = os.R_OK, os.W_OK, os.X_OK


def denied(account, wanted):
    """Those of `wanted` that an account may not do, as a list; None: it cannot be found out, as only root may ask for
    another user. account: of pwd; wanted: a list of (path, READ | WRITE | ENTER)."""
    if os.geteuid() == account.pw_uid:
        return [one for one in wanted if not os.access(*one, effective_ids=True)]
    if os.geteuid() != 0:
        return None
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.initgroups(account.pw_name, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            os.write(theirs, bytes(os.access(*one) for one in wanted))
        finally:
            os._exit(0)  # nothing of this program may run a second time
    os.close(theirs)
    with open(ours, "rb") as file:
        said = file.read()
    os.waitpid(child, 0)
    return [one for one, may in zip(wanted, said) if not may] if len(said) == len(wanted) else None
