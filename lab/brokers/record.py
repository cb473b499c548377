# SPDX-License-Identifier: Apache-2.0
"""What a configuration of RabbitMQ consists of. Pure.

Texts may hold %(node)s, %(number)s and %(address)s of the node that they are for. A per cent sign is written twice.
"""

from typing import Dict, NamedTuple, Tuple

from lab import LabError


class Configuration(NamedTuple):
    """One configuration, the same on all nodes.

    name, unusual  for tests and tables: a word, a phrase
    env            rabbitmq-env.conf
    conf           lines of rabbitmq.conf, beside those of trial.CONF
    files          {path: text}; of root, readable by all
    plugins        those that are enabled
    before         commands on every node before the resource is created
    parameters     {name: value} of the resource
    credentials    more lines of /etc/quorate/rabbitmq.cnf, beside user and password
    warnings       a part of each sentence that validate-all at level 10 says; nothing else may be said
    node           Erlang name, where only the resource's parameters say it: for rabbitmqctl
    """

    name: str
    unusual: str
    env: str = ""
    conf: str = ""
    files: Dict[str, str] = {}
    plugins: Tuple[str, ...] = ("rabbitmq_management",)
    before: Tuple[str, ...] = ()
    parameters: Dict[str, str] = {}
    credentials: str = ""
    warnings: Tuple[str, ...] = ()
    node: str = ""


def merged(name, *parts):
    """One Configuration with all that is unusual in the `parts`. LabError where they contradict each other."""
    fields = {"name": name, "unusual": "; ".join(part.unusual for part in parts)}
    for field in ("env", "conf", "credentials"):
        fields[field] = "".join(getattr(part, field) for part in parts)
    for field in ("files", "parameters"):
        fields[field] = {}
        for part in parts:
            for key, value in getattr(part, field).items():
                if fields[field].setdefault(key, value) != value:
                    raise LabError("%s: two values of %s" % (name, key))
    for field in ("plugins", "before", "warnings"):
        fields[field] = tuple(dict.fromkeys(one for part in parts for one in getattr(part, field)))
    fields["node"] = "".join(part.node for part in parts)
    return Configuration(**fields)
