# SPDX-License-Identifier: Apache-2.0
"""The database as people have it configured, on real servers: what can be combined, combined. One at a time, and the
rest: tests/deep/galera/test_configurations.py.
"""

from lab.configurations.known import ALL
from lab.configurations.record import EVENTS, merged
from tests.lab.galera_configurations import tried


def test_much_that_is_unusual_at_once():
    """Names, TLS, files elsewhere, a quiet log, and the monitors of the old resource."""
    together = merged("together", *(ALL[name] for name in (
        "fqdn", "tls-replication", "datadir-moved", "binlog-moved", "quiet", "old-monitors")))
    assert tried(together).mistakes == []


def test_units_of_systemd_globals_and_another_transfer():
    """A socket unit listens at first; the servers' globals make sessions wait; mariabackup transfers the data."""
    together = merged("together", ALL["socket-unit"], ALL["globals"], ALL["mariabackup"]._replace(troubles=()))
    assert tried(together._replace(events=EVENTS[:1])).mistakes == []
