# SPDX-License-Identifier: Apache-2.0
"""Which processes belong to a server on one data directory, and which to its neighbours."""

import os

import pytest

from quorate.galera.server.process import is_orphan
from quorate.host.process import Process


@pytest.mark.parametrize("argv, ours", [
    ("rsync --daemon --config /var/lib/mysql//rsync_sst.conf", True),
    ("mariabackup --backup --datadir=/var/lib/mysql --target-dir=/tmp/x", True),
    ("/bin/bash /usr/bin/wsrep_sst_rsync --role joiner --datadir /var/lib/mysql/ --parent 7", True),
    ("rsync -a host:/var/lib/mysql /srv", True),
    ("rsync --daemon --config /var/lib/mysql2/rsync_sst.conf", False),
    ("mariabackup --backup --datadir=/var/lib/mysql-b --target-dir=/var/lib/mysql.old", False),
    ("rsync -a /srv/backup/var/lib/mysql/ /srv/other", False),
    ("vi /var/lib/mysql/my.cnf", False),
])
def test_what_a_state_transfer_left_behind(argv, ours):
    """A stop of one instance once took the state transfer of another with it, whose directory has a longer name."""
    process = Process(os.getpid(), 1, 1, "S", tuple(argv.split()))

    assert ours == is_orphan(process, "/var/lib/mysql", frozenset())
