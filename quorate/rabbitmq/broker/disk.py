# SPDX-License-Identifier: Apache-2.0
"""What is on this node's disk: RabbitMQ's own files, and persistent state files for what those do not say.

RabbitMQ changes its file of the running nodes while it boots and waits, long before it serves. So what was on the disk
before a launch is kept in the state file 'evidence' until the broker has served.
"""

import os
from collections import namedtuple

from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import parse
from quorate.rabbitmq.broker.layout import text_of


class Disk(namedtuple("Disk", "state_files layout")):
    """The data directory of a Layout, and the persistent state files about it."""
    __slots__ = ()

    def report_fields(self):
        """The fields data, members, running, store and lost of a Report, as a dict."""
        store = self._store()
        data = self._used(store)
        members = running = None
        if data:
            members, running = self.mnesia_members()
            if store == facts.KHEPRI:
                members = frozenset(self._read("members").get("members", "").split()) or None
            evidence = self._read("evidence")
            if evidence:
                members, running = _both(members, evidence.get("members")), _both(running, evidence.get("running"))
        return {"data": data, "members": members, "running": running, "store": store if data else None,
                "lost": data is False and bool(self._read("served"))}

    def mnesia_members(self):
        """(members, those that run) by Mnesia's files, each None where it is not known. (None, None) with Khepri: a
        node that joined has such files as well, but of the moment before, when it was alone."""
        if self._store() == facts.KHEPRI:
            return None, None
        texts = [text_of(os.path.join(self.layout.directory, name))
                 for name in ("cluster_nodes.config", "nodes_running_at_shutdown")]
        return parse.members(texts[0]), parse.running(texts[1])

    def _store(self):
        return parse.store(text_of(self.layout.feature_flags()))

    def _used(self, store):
        """Report.data: whether the data directory was ever used; None: it could not be read."""
        try:
            entries = os.listdir(self.layout.directory)
        except FileNotFoundError:
            return False
        except OSError:
            return None
        return parse.used(entries, store == facts.KHEPRI)

    def keep_evidence(self):
        """Before a launch: keep what the disk says about the other nodes, until the broker has served. Raises
        OSError."""
        fields = self.report_fields()
        if fields["data"]:
            self._write("evidence", {key: " ".join(sorted(fields[key] or ())) for key in ("members", "running")},
                        required=True)

    def drop_evidence(self):
        """The broker serves: what it writes now is true."""
        self.state_files.discard("evidence")

    def keep_members(self, names):
        """Keep the Erlang names of the members: with Khepri they are in no file of RabbitMQ's."""
        self._write("members", {"members": " ".join(sorted(names))})

    def keep_served(self):
        """Remember that a broker served from this directory: if it is empty later, the data are lost or not mounted."""
        if not self._read("served"):
            self._write("served", {})

    def _read(self, name):
        """A persistent state file about this very directory; {} when there is none."""
        values = self.state_files.read(name, persistent=True)
        return values if values.get("directory") == self.layout.directory else {}

    def _write(self, name, values, required=False):
        self.state_files.write(name, dict(values, directory=self.layout.directory), persistent=True, required=required)


def _both(known, kept):
    """What the disk says now and what it said before the last launch, together; None: neither."""
    return (known or frozenset()) | frozenset((kept or "").split()) or None
