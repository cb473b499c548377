# SPDX-License-Identifier: Apache-2.0
"""What a configuration of OpenStack's services consists of. Pure.

Texts may hold %(node)s, %(number)s, %(address)s and %(address6)s of the node that they are for, and %(secret)s, the
password of all accounts. A per cent sign is written twice.
"""

from typing import Dict, NamedTuple, Optional, Tuple

from lab import LabError

SERVICES = ("cinder-volume", "heat-engine", "nova-novncproxy")
EVENTS = ("kill of all", "stop with frozen workers", "move", "power cut")


class Configuration(NamedTuple):
    """One configuration, the same on all nodes that may run the services.

    name, unusual  for tests and tables: a word, a phrase
    services       those that are tried
    options        {path: {'SECTION/option': value, None: without it}} over those of
                   lab.services.openstack.configuration
    files          {path: text, or (text, mode, owner)}
    before         commands on every such node before the resources are created
    once           commands on one node before that, such as accounts of the broker
    statements     SQL, once
    parameters     {service: {name: value}} of the resources
    seconds        {node: how far its services' clock is ahead}
    warnings       a part of each sentence that validate-all at level 10 says; nothing else may be said
    copies         whether two copies may run after a boot, until the cluster has ended one: where systemd starts them
    manages        whether what was made through the APIs, whose configuration is the usual one, is managed
    events         of EVENTS, which happen to it
    """

    name: str
    unusual: str
    services: Tuple[str, ...] = SERVICES
    options: Dict[str, Dict[str, Optional[str]]] = {}
    files: Dict[str, object] = {}
    before: Tuple[str, ...] = ()
    once: Tuple[str, ...] = ()
    statements: str = ""
    parameters: Dict[str, Dict[str, str]] = {}
    seconds: Dict[str, int] = {}
    warnings: Tuple[str, ...] = ()
    copies: bool = False
    manages: bool = True
    events: Tuple[str, ...] = EVENTS


def merged(name, *parts):
    """One Configuration with all that is unusual in the `parts`. LabError where they contradict each other."""
    fields = {"name": name, "unusual": "; ".join(part.unusual for part in parts)}
    for field in ("options", "parameters"):
        fields[field] = {}
        for part in parts:
            for outer, values in getattr(part, field).items():
                _add(fields[field].setdefault(outer, {}), values, "%s: two values of %%s" % name)
    for field in ("files", "seconds"):
        fields[field] = {}
        for part in parts:
            _add(fields[field], getattr(part, field), "%s: two values of %%s" % name)
    for field in ("before", "once", "warnings"):
        fields[field] = tuple(dict.fromkeys(one for part in parts for one in getattr(part, field)))
    fields["services"] = tuple(one for one in parts[0].services if all(one in part.services for part in parts))
    fields["events"] = tuple(one for one in EVENTS if all(one in part.events for part in parts))
    return Configuration(statements="".join(part.statements for part in parts), copies=any(
        part.copies for part in parts), manages=all(part.manages for part in parts), **fields)


def _add(found, values, text):
    for key, value in values.items():
        if found.setdefault(key, value) != value:
            raise LabError(text % key)


def edited(text, options, names):
    """A configuration file with other options. text: of the file; options: {'SECTION/option': value, None: without it};
    names: what texts may hold."""
    sections = {}
    for line in text.splitlines():
        if line.startswith("["):
            sections.setdefault(line.strip("[]"), [])
        else:
            list(sections.values())[-1].append(line)
    for path, value in options.items():
        section, _, option = path.partition("/")
        lines = [line for line in sections.setdefault(section, []) if line.partition("=")[0].strip() != option]
        sections[section] = lines + ([] if value is None else ["%s = %s" % (option, value % names)])
    return "".join("[%s]\n%s" % (section, "".join(line + "\n" for line in lines))
                   for section, lines in sections.items())


def names_for(node, secret):
    """The names that texts may hold, for one node (lab.machines.names.Node)."""
    return {"node": node.name, "number": node.number, "address": node.address, "address6": "fd00::%d" % node.number,
            "secret": secret}


def after_stop(stops, starts, changes, node, service):
    """Seconds at which processes of a stopped service were seen, a list. Pure.

    stops, starts: unix seconds when the cluster took it for stopped on the node, and when it asked for a start there;
    changes: of lab.services.openstack.watch.Watch.
    """
    found = []
    for stopped in stops:
        until = min([start for start in starts if start > stopped], default=float("inf"))
        if until <= stopped + SAMPLED:
            continue  # nothing was seen between the two
        known = [sample for at, sample in changes if at <= stopped + SAMPLED][-1:]
        known += [sample for at, sample in changes if stopped + SAMPLED < at < until]
        found += [stopped] if any(node in sample.get(service, {}) for sample in known) else []
    return found


SAMPLED = 0.4  # seconds after which a sample has seen what is true now
