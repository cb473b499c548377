# SPDX-License-Identifier: Apache-2.0
"""The Erlang port mapper (epmd), asked in its own protocol, because its command line would start a program.

NAMES_REQ (one byte, 110) is answered by four bytes, its own port, and lines `name NAME at port N`, then the end
(Erlang's manual, "Distribution Protocol", "EPMD Protocol").
"""

from time import monotonic

PORT = 4369
_NAMES = b"\0\1n"
_MOST = 65536


def names(host="127.0.0.1", port=PORT, timeout=1.0):
    """Names (without the host) of the Erlang nodes registered there, and their ports: a dict. Raises OSError."""
    from quorate.host.names import connect
    end = monotonic() + timeout
    with connect(host, port, max(0.01, timeout)) as one:
        one.sendall(_NAMES)
        got = b""
        while len(got) < _MOST:
            one.settimeout(max(0.01, end - monotonic()))
            more = one.recv(4096)
            if not more:
                break
            got += more
    return parse(got[4:])


def parse(text):
    """The lines of the answer as a dict name -> port. Other lines are left out."""
    found = {}
    for line in text.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) == 5 and words[:1] + words[2:4] == ["name", "at", "port"] and words[4].isdigit():
            found[words[1]] = int(words[4])
    return found


def is_reachable(node, port=PORT, fallback=(25672,), timeout=1.5):
    """Whether this machine can connect to an Erlang node ('rabbit@n1'), as its own broker would have to. True: the
    node's port accepts connections; False: it does not, or its machine cannot be asked; None: its machine answers and
    has no such node, so the node does not run. fallback: ports to try where no epmd answers: those of the distribution,
    which are the same on all nodes."""
    name, _at, host = node.partition("@")
    try:
        found = names(host, port, timeout)
    except (OSError, UnicodeError):
        end = monotonic() + timeout
        return any(_accepts(host, one, max(0.1, end - monotonic())) for one in fallback)
    return _accepts(host, found[name], timeout) if name in found else None


def _accepts(host, port, timeout):
    from quorate.host.names import connect
    try:
        with connect(host, port, max(0.01, timeout)):
            return True
    except (OSError, UnicodeError):
        return False


def knows(node, host="127.0.0.1", port=PORT, timeout=1.0):
    """True: epmd answers and has `node` ('rabbit@n1'); False: it does not answer, or has no such node; None: `node` is
    None and it answers."""
    try:
        found = names(host, port, timeout)
    except OSError:
        return False
    return node.partition("@")[0] in found if node else None
