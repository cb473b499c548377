# SPDX-License-Identifier: Apache-2.0
"""The files of a data directory, as galera 26.4 writes them (galerautils saved_state.cpp, gcomm view.cpp), and ibdata1,
which stands for InnoDB: the state UUID and the transactions that are on the disk."""

import json
import os

from quorate.galera import facts


def options_of(argv):
    """dict of option to value (None: it has none)."""
    found = {}
    for word in argv[1:]:
        name, equals, value = word.partition("=")
        found[name] = value if equals else None
    return found


def write_grastate(datadir, uuid, seqno, safe):
    os.makedirs(datadir, exist_ok=True)
    write(datadir, "grastate.dat", "# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   %d\n"
           "safe_to_bootstrap: %d\n" % (uuid, seqno, safe))


def read_grastate(datadir):
    """dict of key to text, None when there is no such file."""
    text = read(datadir, "grastate.dat")
    if text is None:
        return None
    pairs = (line.partition(":")[::2] for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def write_database(datadir, uuid, transactions):
    os.makedirs(datadir, exist_ok=True)
    write(datadir, "ibdata1", json.dumps([uuid, transactions]))


def read_database(datadir):
    """(state UUID, transactions) that InnoDB has."""
    text = read(datadir, "ibdata1")
    return json.loads(text) if text else (facts.ZERO_UUID, [])


def parse_view(text):
    """(own UUID, masked members, seq) of a gvwstate.dat."""
    words = [line.split() for line in text.splitlines()]
    return (next(line[1] for line in words if line[0] == "my_uuid:"),
            frozenset(facts.mask(line[1]) for line in words if line[0] == "member:"),
            next(int(line[3]) for line in words if line[0] == "view_id:"))


def bumped(uuid):
    """A UUID as a restart from gvwstate.dat makes it: its fourth group is one more."""
    groups = uuid.split("-")
    groups[3] = "%04x" % (int(groups[3], 16) + 1)
    return "-".join(groups)


def read(directory, name):
    try:
        with open(os.path.join(directory, name), encoding="ascii") as file:
            return file.read()
    except OSError:
        return None


def write(directory, name, text):
    with open(os.path.join(directory, name), "w", encoding="ascii") as file:
        file.write(text)
