# SPDX-License-Identifier: Apache-2.0
"""A Plan as commands of pcs, with their reasons: a script to read and apply.

Differences between pcs 0.11 (Pacemaker 2.1) and 0.12 (3.0), as found with 0.11.5 and 0.12.0: the rule of a location is
several words there and one here. `promotable promoted-max=3` without the word meta is meant: with it both releases put the
option on the primitive, where it has no effect (0.12 warns that a future release will change that).
"""

import shlex
from collections import namedtuple

from quorate.plan.resources import PLACEHOLDER, wanted

WHOLE = "The cluster as a whole"
PCS = {"2.1": "0.11", "3.0": "0.12"}
_WIDTH = 110


class Step(namedtuple("Step", "words why")):
    """A command: the words after `pcs`, and the sentences that say why."""
    __slots__ = ()


class Section(namedtuple("Section", "title steps")):
    """Steps that belong together."""
    __slots__ = ()


def sections(plan, version=None):
    """All commands for a Plan, tuple of Section. version: '2.1' or '3.0', else the plan's own."""
    version = version or plan.pacemaker
    want = wanted(plan)
    found = (
        Section(WHOLE, tuple(_whole(want))),
        Section("Fencing: without it a node that hangs cannot be recovered from", tuple(
            Step(create_words(one), one.why) for one in want.fencing)),
        Section("Resources", tuple(Step(create_words(one), one.why) for one in want.resources)),
        Section("Where they run", tuple(step for one in want.locations for step in location_steps(one, version))),
        Section("With whom, and after whom", tuple(
            [Step(colocation_words(one), (one.why,)) for one in want.colocations]
            + [Step(order_words(one), (one.why,)) for one in want.orders])))
    return tuple(Section(one.title, tuple(_once(one.steps))) for one in found if one.steps)


def _whole(want):
    for name, value in want.properties:
        yield Step(("property", "set", "%s=%s" % (name, value)), ())
    yield Step(defaults_words(want), ("What runs well stays where it is: a node that comes back takes nothing away.",))
    for place, (node, attribute) in enumerate(want.attributes):
        yield Step(attribute_words(node, attribute), () if place else ("Who is there for what; rules below refer to it.",))


def _once(steps):
    """A reason once, where several in a row have the same."""
    before = None
    for one in steps:
        yield one._replace(why=()) if one.why == before else one
        before = one.why or before


# -- single commands, also what `quorate diff` says that mends a difference

def defaults_words(want):
    """The default stickiness."""
    return ("resource", "defaults", "update", "resource-stickiness=" + want.stickiness)


def attribute_words(node, attribute):
    """An attribute of a node."""
    return ("node", "attribute", node, attribute + "=true")


def create_words(resource):
    """The one that makes a Resource."""
    kind, agent = "resource", resource.agent
    if agent.startswith("stonith:"):
        kind, agent = "stonith", agent.partition(":")[2]
    words = [kind, "create", resource.id, agent] + ["%s=%s" % pair for pair in resource.parameters]
    for operation in resource.operations:
        words += ["op"] + operation_words(operation)
    if resource.meta:
        words += ["meta"] + ["%s=%s" % pair for pair in resource.meta]
    if resource.clone is not None and ("promotable", "true") in resource.clone:
        words += ["promotable"] + ["%s=%s" % pair for pair in resource.clone if pair[0] != "promotable"]
    elif resource.clone is not None:
        words += ["clone"] + ["%s=%s" % pair for pair in resource.clone]
    if resource.group is not None:
        words += ["--group", resource.group]
    return tuple(words)


def operation_words(operation):
    """An operation, as after the word op."""
    words = [operation.name] + (["interval=%ds" % operation.interval] if operation.interval else [])
    words.append("timeout=%ds" % operation.timeout)
    if operation.role:
        words.append("role=" + operation.role)
    if operation.level:
        words.append("OCF_CHECK_LEVEL=%d" % operation.level)
    return words


def colocation_words(one):
    """A Colocation."""
    return ("constraint", "colocation", "add", one.resource, "with", one.other)


def order_words(one):
    """An Order."""
    return ("constraint", "order", one.first_action, one.first, "then", one.then_action, one.then, "kind=" + one.kind)


def location_steps(one, version):
    """The commands for a Location."""
    why = (one.why,)
    if one.role:
        rule = "role-%s eq true" % one.role
        yield Step(("constraint", "location", one.resource, "rule", "resource-discovery=exclusive", "score=0") + (
            (rule,) if version == "3.0" else tuple(rule.split())), why)
        why = ()
    if one.avoids:
        yield Step(("constraint", "location", one.resource, "avoids") + one.avoids, why)
        why = ()
    if one.prefers:
        yield Step(("constraint", "location", one.resource, "prefers") + tuple("%s=%s" % pair for pair in one.prefers), why)


def line(words):
    """A command as one line for a shell."""
    return " ".join(["pcs"] + [shlex.quote(word) for word in words])


# -- the script

_HEAD = """\
#!/bin/sh
# The Pacemaker cluster "%(name)s", for Pacemaker %(pacemaker)s (pcs %(pcs)s). Made by `quorate plan pcs`: change the plan
# and make it anew.
#
#   sh FILE          works on a copy of the configuration, and shows what the cluster would do with it
#   sh FILE apply    does the same, and then hands the copy over in one step, so that nothing starts before its constraints
#
# It is for a cluster without these resources; `quorate diff` compares one that has them, and names the single commands.
# The members themselves, once, on one node (the password of hacluster is asked for):
#
#   pcs host auth -u hacluster %(hosts)s
#   pcs cluster setup %(cluster)s %(hosts)s --start --enable --wait
set -eu
umask 077
"""
_BEGIN = """
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pcs cluster cib "$work/before.xml"
cp "$work/before.xml" "$work/cib.xml"
export CIB="$work/cib.xml"
pcs() { command pcs -f "$CIB" "$@"; }
"""
_END = """
# -- What would happen

crm_verify --xml-file "$CIB"
crm_simulate --simulate --xml-file "$CIB"
if [ "${1:-}" = apply ]; then
    command pcs cluster cib-push "$CIB" diff-against="$work/before.xml"
    echo "Applied. What becomes of it: quorate status --watch"
else
    echo "Nothing was changed. To apply it: sh $0 apply"
fi
"""
_PLACEHOLDERS = """
# Fencing of %(names)s is not in the plan. Write there, for each of them, and make this file anew:
#   [nodes.%(first)s]
#   fence = { agent = "fence_ipmilan", ip = "...", username = "...", password_script = "..." }
# Or write here, instead of %(placeholder)s, the agent and its parameters: fence_ipmilan ip=... username=...
%(variables)s
for node in %(words)s; do
    eval "device=\\$fence_$node"
    case "$device" in *%(placeholder)s*)
        echo "$0: the fencing of $node is not filled in, and without it a node that hangs cannot be recovered from;" \\
            "nothing was done." >&2
        exit 1;;
    esac
done
"""


def render(plan, version=None):
    """The script. version: '2.1' or '3.0', else the plan's own."""
    version = version or plan.pacemaker
    want = wanted(plan)
    hosts = " ".join("%s addr=%s" % (name, plan.address(name)) for name in want.nodes)
    text = _HEAD % {"name": plan.name, "pacemaker": version, "pcs": PCS[version], "hosts": hosts,
                    "cluster": shlex.quote(plan.name)}
    if want.unfenced:
        text += _PLACEHOLDERS % {
            "names": ", ".join(want.unfenced), "first": want.unfenced[0], "placeholder": PLACEHOLDER,
            "words": " ".join(_variable(node) for node in want.unfenced),
            "variables": "\n".join("fence_%s=\"%s\"" % (_variable(node), PLACEHOLDER) for node in want.unfenced)}
    text += _BEGIN
    for section in sections(plan, version):
        text += "\n# -- %s\n" % section.title
        for step in section.steps:
            text += _step(step)
        if section.title == WHOLE and want.unfenced:
            text += "\n# -- Fencing, as filled in above\n" + "".join(_filled_in(node) for node in want.unfenced)
    return text + _END


def _filled_in(node):
    """The command for a placeholder that was filled in."""
    return ("\n# shellcheck disable=SC2086\n"
            "pcs stonith create fence-%s $fence_%s pcmk_host_list=%s pcmk_host_check=static-list op monitor interval=60s "
            "timeout=60s\n"
            "pcs constraint location fence-%s avoids %s\n") % (node, _variable(node), node, node, node)


def _variable(node):
    return "".join(letter if letter.isalnum() else "_" for letter in node)


def _step(step):
    lines = ["\n"] if step.why else []
    for sentence in step.why:
        lines += ["# %s\n" % part for part in _wrapped(sentence, _WIDTH)]
    return "".join(lines) + _continued(step.words) + "\n"


def _wrapped(text, width):
    found, current = [], ""
    for word in text.split():
        if current and len(current) + 1 + len(word) > width:
            found.append(current)
            current = word
        else:
            current = current + " " + word if current else word
    return found + [current]


def _continued(words):
    """A line for the command itself and one for each operation, where it is long."""
    whole = line(words)
    if len(whole) <= _WIDTH:
        return whole
    parts, current = [], []
    for word in words:
        if word in ("op", "meta", "promotable", "clone", "--group") and current:
            parts.append(current)
            current = []
        current.append(shlex.quote(word))
    parts.append(current)
    return "pcs " + " \\\n    ".join(" ".join(part) for part in parts)
