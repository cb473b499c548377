# SPDX-License-Identifier: Apache-2.0
"""What is on this node's disk: RabbitMQ's own files, and the lasting notes that say what they cannot.

What RabbitMQ writes down of who was running is changed again while it boots and waits, long before it serves. So what was
on the disk before a launch is kept (the note 'evidence') until the broker has served.
"""

import os
from collections import namedtuple

from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import layout, parse


class Disk(namedtuple("Disk", "state_files layout")):
    """The data directory of a layout, and what is remembered of it."""
    __slots__ = ()

    def look(self):
        """The fields data, members, running, store and lost of a Report, as a dict."""
        store = self._store()
        data = self._used(store)
        members = running = None
        if data:
            members, running = self.mnesia()
            if store == facts.KHEPRI:
                members = frozenset(self._note("members").get("members", "").split()) or None
            evidence = self._note("evidence")
            if evidence:
                members, running = _both(members, evidence.get("members")), _both(running, evidence.get("running"))
        return {"data": data, "members": members, "running": running, "store": store if data else None,
                "lost": data is False and bool(self._note("served"))}

    def mnesia(self):
        """(members, those that are running) by Mnesia's files, each None where it is not known. A node that joins with Khepri
        has such files, too: of the moment before, when it was alone."""
        if self._store() == facts.KHEPRI:
            return None, None
        texts = [layout.text_of(os.path.join(self.layout.directory, name))
                 for name in ("cluster_nodes.config", "nodes_running_at_shutdown")]
        return parse.members(texts[0]), parse.running(texts[1])

    def _store(self):
        return parse.store(layout.text_of(self.layout.feature_flags()))

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
        """Before a launch: keep what the disk says of the others, until the broker has served."""
        observed = self.look()
        if observed["data"]:
            self._write("evidence", {key: " ".join(sorted(observed[key] or ())) for key in ("members", "running")})

    def drop_evidence(self):
        """The broker serves: what it writes down now is true."""
        self.state_files.discard("evidence")

    def keep_members(self, names):
        """With Khepri the members stand in no file of RabbitMQ's."""
        self._write("members", {"members": " ".join(sorted(names))})

    def keep_served(self):
        """A broker served from this directory: if nothing is there one day, it was lost or is not mounted."""
        if not self._note("served"):
            self._write("served", {})

    def _note(self, name):
        """A lasting note about this very directory; {} when there is none."""
        note = self.state_files.read(name, persistent=True)
        return note if note.get("directory") == self.layout.directory else {}

    def _write(self, name, values):
        self.state_files.write(name, dict(values, directory=self.layout.directory), persistent=True)


def _both(known, kept):
    """What the disk says now and what it said before the last launch, together; None: neither."""
    return (known or frozenset()) | frozenset((kept or "").split()) or None
