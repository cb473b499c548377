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


# Keys of the state file `served` that are about the data and not about their place.
_OF_DATA = "serial", "members", "forgot", "apart"


class Disk(namedtuple("Disk", "state_files layout")):
    """The data directory of a Layout, and the persistent state files about it."""
    __slots__ = ()

    def report_fields(self):
        """The fields data, members, running, store, lost, other, former and stale of a Report, as a dict."""
        store = self._store()
        data = self._used(store)
        members = running = None
        served = self.state_files.read("served", persistent=True)
        found, seen = self.mnesia_members()
        if store == facts.KHEPRI:
            found = frozenset(self._read("members").get("members", "").split()) or None
        stale = bool(data) and (is_older(self._serial(), served.get("serial")) or self.is_unlike(found))
        if data and not stale:
            members, running = found, seen
            evidence = self._read("evidence")
            if evidence:
                members, running = _both(members, evidence.get("members")), _both(running, evidence.get("running"))
        fields = {"data": None if stale else data, "members": members, "running": running, "stale": stale,
                  "store": store if data and not stale else None, "lost": False, "other": None, "former": None}
        return dict(fields, **self._elsewhere(served)) if data is False else fields

    def _elsewhere(self, served):
        """The fields about data that are not in this node's directory. served: the state file."""
        directory = served.get("directory", "")
        former = served.get("name") or os.path.basename(directory)
        try:
            other = self._other_directory(directory)
        except OSError:  # what is beside it is unknown
            return {"data": None}
        return {"lost": is_served(served) or other is not None, "other": other,
                "former": former if "@" in former and former != self.layout.nodename else None}

    def _other_directory(self, served):
        """The path of a data directory of another name that was used: where a broker of this resource served, else one
        beside this node's; None: there is none. Raises OSError."""
        base = self.layout.base
        claimed = {self.layout.directory} | self._directories_of_others()
        beside = sorted(os.listdir(base)) if os.path.isdir(base) else []
        for path in [served] + [os.path.join(base, name) for name in beside if parse.is_data_directory(name)]:
            if path and path not in claimed and os.path.isdir(path) and parse.used(
                    os.listdir(path), parse.store(text_of(path + "-feature_flags")) == facts.KHEPRI):
                return path
        return None

    def _directories_of_others(self):
        """Data directories from which brokers of other resources served: several brokers may run on one machine."""
        parent, own = os.path.split(self.state_files.persistent)
        found = set()
        for name in os.listdir(parent) if os.path.isdir(parent) else ():
            if name.startswith("rabbitmq-") and name != own:
                words = text_of(os.path.join(parent, name, "served")).split("\n")
                found.update(word.partition(" ")[2] for word in words if word.startswith("directory "))
        return found

    def _serial(self):
        """The number of this data directory's boots, which RabbitMQ counts (rabbit_guid.erl); None: unknown."""
        return parse.serial(text_of(os.path.join(self.layout.directory, "rabbit_serial")))

    def mnesia_members(self):
        """(members, those that run) by Mnesia's files, each None where it is not known. (None, None) with Khepri: a
        node that joined has such files as well, but of the moment before, when it was alone."""
        if self._store() == facts.KHEPRI:
            return None, None
        texts = [text_of(os.path.join(self.layout.directory, name))
                 for name in ("cluster_nodes.config", "nodes_running_at_shutdown")]
        return parse.members(texts[0]), parse.running(texts[1])

    def is_khepri(self):
        """Whether the members are in no file of RabbitMQ's."""
        return self._store() == facts.KHEPRI

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
        """Remember that a broker serves from this directory, how often it has booted, and with which members: if it is
        empty later, the data are lost, not mounted, or under another name; if it has booted less often, they are older
        ones; if it knows none of the others, they are those of another cluster."""
        serial, kept = self._serial(), self._read("served")
        members = self.report_fields()["members"] if self.is_khepri() else self.mnesia_members()[0]
        values = {"name": self.layout.nodename, "serial": "" if serial is None else str(serial),
                  "members": kept.get("members", "") if members is None else " ".join(sorted(members))}
        gone = frozenset((kept.get("members", "") + " " + kept.get("forgot", "")).split()) - frozenset(
            values["members"].split())
        if gone:
            values["forgot"] = " ".join(sorted(gone))
        if kept != dict(values, directory=self.layout.directory):
            self._sync()
            self._write("served", values)

    def count_anew(self):
        """Before a launch without data: the broker will count its boots from 1, so what it makes is no older copy, also
        where it never comes to serve. That there were data stays known. Raises OSError."""
        served = self.state_files.read("served", persistent=True)
        if any(served.get(key) for key in _OF_DATA):
            self.state_files.write("served", dict(served, **dict.fromkeys(_OF_DATA, "")), persistent=True,
                                   required=True)

    def follow_served(self):
        """Keep what has changed of a broker that was recorded, while it runs: a member that was forgotten. Whether that
        was possible; not of one that was reset."""
        if is_older(self._serial(), self._read("served").get("serial")):
            return False
        self.keep_served()
        return True

    def has_served(self):
        """Whether a broker of this resource has served with data that this directory may hold. False once it was
        launched to join or to found."""
        served = self.state_files.read("served", persistent=True)
        return is_served(served) and bool(served.get("serial") or served.get("members"))

    def forgotten(self):
        """frozenset of the Erlang names of members that left the cluster while it ran here."""
        return frozenset(self._read("served").get("forgot", "").split())

    def keep_apart(self, members):
        """Remember that the cluster of this node has these members (Erlang names): data that know none of them are
        another cluster's."""
        served = self.state_files.read("served", persistent=True)
        self.state_files.write("served", dict(served, apart=" ".join(sorted(members))), persistent=True)

    def is_unlike(self, members):
        """Whether data with these members know none of the others with which a broker served here, or which a cluster
        that counts on this node has: then they were founded apart from them. members None: unknown, so False."""
        if members is None:
            return False
        served = self.state_files.read("served", persistent=True)
        known = [frozenset(served.get(key, "").split()) - {self.layout.nodename} for key in ("members", "apart")]
        return any(others and not others & members for others in known)

    def _sync(self):
        """Put the names in the data directory on the disk. RabbitMQ renames rabbit_serial into place and does not do
        that (rabbit_file.erl, with_synced_copy/3): after a power cut the data would be older than the number that is
        kept here."""
        try:
            handle = os.open(self.layout.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.fsync(handle)
        except OSError:
            pass  # the broker will say what is wrong with its disk
        finally:
            os.close(handle)

    def _read(self, name):
        """A persistent state file about this very directory; {} when there is none."""
        values = self.state_files.read(name, persistent=True)
        return values if values.get("directory") == self.layout.directory else {}

    def _write(self, name, values, required=False):
        self.state_files.write(name, dict(values, directory=self.layout.directory), persistent=True, required=required)


def _both(known, kept):
    """What the disk says now and what it said before the last launch, together; None: neither."""
    return (known or frozenset()) | frozenset((kept or "").split()) or None


def is_served(served):
    """Whether the state file `served` says that a broker served: it may only say which cluster counts on this node."""
    return bool(served.get("name") or served.get("directory"))


def is_older(serial, served):
    """Whether a data directory with this serial was booted less often than the one that served. served: text."""
    return serial is not None and (served or "").isdigit() and serial < int(served)
