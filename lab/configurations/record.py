# SPDX-License-Identifier: Apache-2.0
"""What a configuration of the database consists of. Pure.

Texts may hold %(node)s, %(number)s, %(address)s, %(address6)s of the node that they are for, and %(cluster)s,
%(prefix)s (the first three numbers of all addresses). A per cent sign is written twice.
"""

import re
from typing import Dict, NamedTuple, Optional, Tuple

from lab import LabError

EVENTS = ("kill of all", "power cut of all, one off", "stop and start")


class Hindrance(NamedTuple):
    """What keeps the database from coming up as it is configured. words: what an operator then finds in `crm_mon -1fA`;
    remedy: what is typed on every node, before `pcs resource cleanup`; serving: the nodes that serve nevertheless."""

    words: Tuple[str, ...]
    remedy: str
    serving: Tuple[str, ...] = ()


class Trouble(NamedTuple):
    """What happens to one node of a cluster that serves, and what comes of it.

    what: in a few words. node: of which. spoil: a command on it. hit: "one": its server is killed then; a node's name:
    the server of that one; "all": all servers are; "stop": the resource is stopped before and started after it;
    "joiner": its server is killed, its data are removed, and its server is killed again while it receives them; "":
    nothing else. words: what an operator then finds
    in `crm_mon -1fA`; serving: the nodes that serve while it lasts, without an operator; mend: a command on the node
    that ends it, followed by `pcs resource cleanup`. Without one the cluster has to be whole by itself.
    """

    what: str
    node: str
    spoil: str = "true"
    hit: str = "one"
    words: Tuple[str, ...] = ()
    serving: Tuple[str, ...] = ()
    mend: str = ""


class Configuration(NamedTuple):
    """One configuration.

    name, unusual    for tests and tables: a word, a phrase
    settings         {name: value} of [mysqld], over those of lab.services.galera; None: without that line
    provider         wsrep_provider_options, joined with ';' to those of another configuration
    sst              wsrep_sst_method
    files            {path: text, or (text, mode, owner)}, on every node
    tls              whether every node gets a certificate of the lab's own authority: ca.pem, cert.pem and key.pem in
                     /etc/mysql/tls
    before           commands on every node before the resource is created
    parameters       {name: value} of the resource
    operations       words for `pcs resource create ... op`
    statements       SQL, on one node, once it serves
    then             {name: value} of the resource that are set after that
    suite, count     of the lab; data: the nodes that hold data, all when empty
    hindrance        what keeps it from coming up first
    warnings         a part of each sentence that validate-all at level 10 says; nothing else may be said
    failures         a part of each failed or degraded action that may be shown after the bootstrap
    writers          how many nodes answer /writer with 200
    fit              whether galera-check, by root, calls the nodes fit
    waits            what every node that is left says after a power cut of all, with the last one off
    events           of EVENTS, which happen to it; troubles: what else does
    campaign         whether the campaign of faults can use it: its clients write over TCP to every node, its faults
                     know the usual data directory, and its limits are for nodes that start as fast as they can
    """

    name: str
    unusual: str
    settings: Dict[str, Optional[str]] = {}
    provider: str = ""
    sst: str = "rsync"
    files: Dict[str, object] = {}
    tls: bool = False
    before: Tuple[str, ...] = ()
    parameters: Dict[str, str] = {}
    operations: str = ""
    statements: str = ""
    then: Dict[str, str] = {}
    suite: str = "bookworm"
    count: int = 3
    data: Tuple[str, ...] = ()
    hindrance: Optional[Hindrance] = None
    warnings: Tuple[str, ...] = ()
    failures: Tuple[str, ...] = ()
    writers: int = 1
    fit: bool = True
    waits: str = "%(off)s"
    events: Tuple[str, ...] = EVENTS
    troubles: Tuple[Trouble, ...] = ()
    campaign: bool = True


def merged(name, *parts):
    """One Configuration with all that is unusual in the `parts`. LabError where they contradict each other."""
    first = parts[0]
    fields = {"name": name, "unusual": "; ".join(part.unusual for part in parts)}
    for field in ("settings", "files", "parameters", "then"):
        fields[field] = {}
        for part in parts:
            for key, value in getattr(part, field).items():
                if fields[field].setdefault(key, value) != value:
                    raise LabError("%s: two values of %s" % (name, key))
    for field in ("before", "warnings", "failures", "troubles"):
        fields[field] = tuple(dict.fromkeys(one for part in parts for one in getattr(part, field)))
    fields["provider"] = ";".join(part.provider for part in parts if part.provider)
    fields["statements"] = "\n".join(part.statements for part in parts)
    accounts = re.findall(r"CREATE USER ([^\s;]+)", fields["statements"])
    if len(set(accounts)) < len(accounts):
        raise LabError("%s: an account is made twice: %s" % (name, " ".join(accounts)))
    plain = Configuration("", "")
    for field in ("sst", "tls", "operations", "suite", "count", "data", "hindrance", "writers", "fit", "waits",
                  "events", "campaign"):
        values = {getattr(part, field) for part in parts} - {getattr(plain, field)}
        if len(values) > 1:
            raise LabError("%s: two values of %s" % (name, field))
        fields[field] = values.pop() if values else getattr(first, field)
    return Configuration(**fields)


def compatible(*parts):
    """Whether they can be merged."""
    try:
        merged("", *parts)
    except LabError:
        return False
    return True


def names_for(cluster, node):
    """The names that the texts of a configuration may hold, for one node (lab.machines.names.Node) of a cluster."""
    prefix = node.address.rpartition(".")[0]
    return {"cluster": cluster, "node": node.name, "number": node.number, "address": node.address, "prefix": prefix,
            "address6": "fd00::%d" % node.number}


def configuration_file(base, configuration, names):
    """The text of the database's configuration file. base: that of lab.services.galera, filled in; names: of
    names_for."""
    own = dict(configuration.settings)
    if configuration.provider:
        own["wsrep_provider_options"] = '"%s"' % configuration.provider
    lines = [line for line in base.splitlines() if line.partition("=")[0].strip() not in own]
    for name, value in own.items():
        if value is not None:
            lines.append(("%s = %s" % (name, value)) % names if value else name)
    return "\n".join(lines) + "\n"
