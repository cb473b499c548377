# SPDX-License-Identifier: Apache-2.0
"""What a configuration of RabbitMQ consists of. Pure.

Texts may hold %(node)s, %(number)s, %(address)s and %(address6)s of the node that they are for. A per cent sign is
written twice.
"""

from typing import Dict, NamedTuple, Tuple

from lab import LabError
from lab.configurations.record import Trouble

EVENTS = ("watch", "kill of all", "power cut of all, one off", "stop and start")
PAIR_EVENTS = ("watch", "kill of one") + EVENTS[1:]


class Configuration(NamedTuple):
    """One configuration, the same on all nodes.

    name, unusual  for tests and tables: a word, a phrase
    env            rabbitmq-env.conf
    conf           lines of rabbitmq.conf, beside those of cluster.CONF
    handling       cluster_partition_handling
    files          {path: text, or (text, mode)}; of root, readable by all
    plugins        those that are enabled
    before         commands on every node before the resource is created
    then           commands on the first node once it serves
    parameters     {name: value} of the resource
    credentials    more lines of /etc/quorate/rabbitmq.cnf, beside user and password
    warnings       a part of each sentence that validate-all at level 10 says; nothing else may be said
    node           Erlang name, where only the resource's parameters say it: for rabbitmqctl
    client         how the publishing client connects, over the defaults of lab/programs/confirming.py: port, tls,
                   certificate, six (by IPv6), queue, type
    suite, count   of the lab; disk: each node has a file system of its own for /var/lib/rabbitmq
    waits          what every node that is left says after a power cut of all with the last one off; "": nothing
    goes_on        whether they serve without it
    slow           seconds that a boot takes beyond the usual ones
    events         of EVENTS and PAIR_EVENTS, which happen to it
    troubles       what else does, as in lab/configurations/record.py, with hit "one", "all" or ""
    """

    name: str
    unusual: str
    env: str = ""
    conf: str = ""
    handling: str = "pause_minority"
    files: Dict[str, object] = {}
    plugins: Tuple[str, ...] = ("rabbitmq_management",)
    before: Tuple[str, ...] = ()
    then: Tuple[str, ...] = ()
    parameters: Dict[str, str] = {}
    credentials: str = ""
    warnings: Tuple[str, ...] = ()
    node: str = ""
    client: Dict[str, object] = {}
    suite: str = "bookworm"
    count: int = 3
    disk: bool = False
    waits: str = "Waits for %(off)s"
    goes_on: bool = False
    slow: float = 0.0
    events: Tuple[str, ...] = EVENTS
    troubles: Tuple[Trouble, ...] = ()


JOINED = ("env", "conf", "credentials")              # texts that are written one after the other
TABLES = ("files", "parameters", "client")
LISTS = ("plugins", "before", "then", "warnings")
ALIKE = ("handling", "suite", "count", "disk", "waits", "goes_on", "events", "node")  # usual in all but one


def merged(name, *parts):
    """One Configuration with all that is unusual in the `parts`. LabError where they contradict each other."""
    fields = {"name": name, "unusual": "; ".join(part.unusual for part in parts)}
    for field in JOINED:
        fields[field] = "".join(getattr(part, field) for part in parts)
    for field in TABLES:
        fields[field] = {}
        for part in parts:
            for key, value in getattr(part, field).items():
                if fields[field].setdefault(key, value) != value:
                    raise LabError("%s: two values of %s" % (name, key))
    for field in LISTS:
        fields[field] = tuple(dict.fromkeys(one for part in parts for one in getattr(part, field)))
    for field in ALIKE:
        usual = Configuration._field_defaults[field]
        values = {getattr(part, field) for part in parts} - {usual}
        if len(values) > 1:
            raise LabError("%s: two values of %s" % (name, field))
        fields[field] = values.pop() if values else usual
    fields["slow"] = sum(part.slow for part in parts)
    fields["troubles"] = tuple(one for part in parts for one in part.troubles)
    return Configuration(**fields)


def names_for(node, address6=""):
    """What the texts of a configuration are filled in with, for a node (lab.machines.names.Node)."""
    return {"node": node.name, "number": node.number, "address": node.address,
            "address6": address6 or "fd00::%d" % node.number}
