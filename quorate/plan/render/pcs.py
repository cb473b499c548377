# SPDX-License-Identifier: Apache-2.0
"""A Plan as commands of pcs, with their reasons: a script to read and apply.

The rule of a location is several words for pcs 0.11 (Pacemaker 2.1) and one word for 0.12 (3.0), as found with 0.11.5
and 0.12.0. `promotable promoted-max=3` without the word meta is intended: with it both releases put the option on the
primitive, where it has no effect (0.12 warns that a future release will change that).
"""

import shlex
from collections import namedtuple

from quorate.plan.resources import PLACEHOLDER, ROLE_ATTRIBUTE, wanted
from quorate.text import wrapped

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
        Section("Fencing: without it the cluster cannot recover from a node that hangs", tuple(
            Step(create_words(one), one.why) for one in want.fencing)),
        Section("Resources", tuple(Step(create_words(one), one.why) for one in want.resources)),
        Section("Where they run", tuple(step for one in want.locations for step in location_steps(one, version))),
        Section("With which resource, and after which", tuple(
            [Step(colocation_words(one), (one.why,)) for one in want.colocations]
            + [Step(order_words(one), (one.why,)) for one in want.orders])))
    return tuple(Section(one.title, tuple(_once(one.steps))) for one in found if one.steps)


def _whole(want):
    for name, value in want.properties:
        yield Step(("property", "set", "%s=%s" % (name, value)), ())
    yield Step(defaults_words(want), ("What runs stays where it is: nothing moves when a node returns.",))
    for place, (node, attribute) in enumerate(want.attributes):
        yield Step(attribute_words(node, attribute), () if place else ("The roles of the nodes, for the rules below.",))


def _once(steps):
    """The steps with each reason once, where several in a row have the same."""
    before = None
    for one in steps:
        yield one._replace(why=()) if one.why == before else one
        before = one.why or before


# -- single commands, which `quorate diff` names too

def defaults_words(want):
    """Words of the command that sets the default stickiness."""
    return ("resource", "defaults", "update", "resource-stickiness=" + want.stickiness)


def attribute_words(node, attribute):
    """Words of the command that sets an attribute of a node."""
    return ("node", "attribute", node, attribute + "=true")


def create_words(resource):
    """Words of the command that creates a Resource."""
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
    """An Operation as words, without the word op in front; a list."""
    words = [operation.name] + (["interval=%ds" % operation.interval] if operation.interval else [])
    words.append("timeout=%ds" % operation.timeout)
    if operation.role:
        words.append("role=" + operation.role)
    if operation.level:
        words.append("OCF_CHECK_LEVEL=%d" % operation.level)
    return words


def colocation_words(one):
    """Words of the command that creates a Colocation."""
    return ("constraint", "colocation", "add", one.resource, "with", one.other)


def order_words(one):
    """Words of the command that creates an Order."""
    return ("constraint", "order", one.first_action, one.first, "then", one.then_action, one.then, "kind=" + one.kind)


def location_steps(one, version):
    """The Steps that create a Location, a generator."""
    why = (one.why,)
    if one.role:
        rule = ROLE_ATTRIBUTE % one.role + " eq true"
        yield Step(("constraint", "location", one.resource, "rule", "resource-discovery=exclusive", "score=0") + (
            (rule,) if version == "3.0" else tuple(rule.split())), why)
        why = ()
    if one.avoids:
        yield Step(("constraint", "location", one.resource, "avoids") + one.avoids, why)
        why = ()
    if one.prefers:
        yield Step(("constraint", "location", one.resource, "prefers") + tuple("%s=%s" % pair for pair in one.prefers),
                   why)


def line(words):
    """A command as one line for a shell."""
    return " ".join(["pcs"] + [shlex.quote(word) for word in words])


# -- the script

_HEAD = """\
#!/bin/sh
# The Pacemaker cluster "%(name)s", for Pacemaker %(pacemaker)s (pcs %(pcs)s).
# Made by `quorate plan pcs`: change the plan and make it anew.
#
#   sh FILE          changes a copy of the configuration, and shows what the cluster would do with it
#   sh FILE apply    does the same, and then applies the copy in one step: nothing starts before its constraints exist
#
# It is for a cluster without these resources. For one that has them, `quorate diff` names each difference.
#
# Create the cluster itself before, once, on one node (it asks for the password of hacluster):
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
    echo "Applied. To see the result: quorate status --watch"
else
    echo "Nothing was changed. To apply it: sh $0 apply"
fi
"""
_PLACEHOLDERS = """
# The plan has no fence device for %(names)s. Write into the plan, for each of them, and make this file anew:
#   [nodes.%(first)s]
#   fence = { agent = "fence_ipmilan", ip = "...", username = "...", password_script = "..." }
# Or replace %(placeholder)s here by the agent and its parameters: fence_ipmilan ip=... username=...
%(variables)s
check_device() {
    case "$2" in *%(placeholder)s*)
        echo "$0: the fence device of $1 is not filled in, and the cluster cannot recover from a node that hangs" \\
            "without one. Nothing was done." >&2
        exit 1;;
    esac
}
%(checks)s
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
            "checks": "\n".join('check_device %s "$fence_%s"' % (node, _variable(node)) for node in want.unfenced),
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
    """The commands for a fence device that the operator filled in."""
    return ("\n# shellcheck disable=SC2086\n"
            "pcs stonith create fence-%s $fence_%s pcmk_host_list=%s pcmk_host_check=static-list "
            "op monitor interval=60s timeout=60s\n"
            "pcs constraint location fence-%s avoids %s\n") % (node, _variable(node), node, node, node)


def _variable(node):
    return "".join(letter if letter.isalnum() else "_" for letter in node)


def _step(step):
    lines = ["\n"] if step.why else []
    for sentence in step.why:
        lines += ["# %s\n" % part for part in wrapped(sentence, _WIDTH)]
    return "".join(lines) + _continued(step.words) + "\n"


def _continued(words):
    """The command on one line; a long one with a line for each operation."""
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
