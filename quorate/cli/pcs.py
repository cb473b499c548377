# SPDX-License-Identifier: Apache-2.0
"""`quorate plan pcs`: the commands that make the cluster of a plan, or what they make of a copy of its configuration."""

import os
import sys

from quorate.cli.plan import Refused, Usage, load

SECONDS = 60.0   # limit of one pcs command
VERSIONS = ("2.1", "3.0")
# The oldest schema that Pacemaker 2.1 and 3.0 both read; pcs upgrades it where it needs more.
EMPTY = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.7" admin_epoch="0" epoch="1" num_updates="0">
  <configuration><crm_config/><nodes>%s</nodes><resources/><constraints/></configuration>
  <status/>
</cib>
"""


def main(words):
    """`quorate plan pcs WORDS`. Raises Refused and Usage of quorate.cli.plan."""
    from quorate.plan import pcs
    names, options = [], {}
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("--pacemaker", "--shadow") and words:
            options[word[2:]] = words.pop(0)
        elif word.startswith("-"):
            raise Usage("unknown or incomplete option %s" % word)
        else:
            names.append(word)
    version = options.get("pacemaker")
    if len(names) != 1 or version not in (None,) + VERSIONS:
        raise Usage("not understood: quorate plan pcs needs one FILE; --pacemaker is 2.1 or 3.0")
    plan = load(names[0])
    if "shadow" not in options:
        sys.stdout.write(pcs.render(plan, version))
        return 0
    from quorate.host.command import Commands
    commands = Commands(dict(os.environ))
    sys.stdout.write(shadow(plan, options["shadow"], version or installed(commands) or plan.pacemaker, commands))
    return 0


def installed(commands):
    """The version of Pacemaker that the pcs of this machine is for, None: not known."""
    found = commands.run(("pcs", "--version"), SECONDS).out.strip().split(".")[:2]
    return {("0", "11"): "2.1", ("0", "12"): "3.0"}.get(tuple(found))


def shadow(plan, path, version, commands):
    """Make the file at `path`, a CIB, what the plan wants; the text that says how to go on. Raises Refused.

    A file that is there is taken as the configuration to begin with; else the running cluster's, if there is one, else an
    empty one. The running cluster is not changed.
    """
    from quorate.plan import pcs
    from quorate.plan.cluster import wanted
    want = wanted(plan)
    if want.unfenced:
        raise Refused("quorate: fencing of %s is not in the plan, and without it the cluster would start nothing; write "
                      "fence = { agent = \"...\" } into [nodes.%s]." % (", ".join(want.unfenced), want.unfenced[0]))
    empty = _begin(path, want.nodes, commands)
    for section in pcs.sections(plan, version):
        for step in section.steps:
            done = commands.run(("pcs", "-f", path) + step.words, SECONDS)
            if done.rc != 0:
                raise Refused("quorate: %s: %s" % (pcs.line(("-f", path) + step.words), _why(done)))
    nodes = "".join(" --node-up %s" % name for name in want.nodes) if empty else ""
    return ("%s holds what the plan wants%s; nothing else was changed.\n"
            "What the cluster would do:  crm_simulate --simulate --xml-file %s%s\n"
            "To take it:                 pcs cluster cib-push %s --config\n" % (
                path, ", for nodes that run nothing yet" if empty else "", path, nodes, path))


def _begin(path, nodes, commands):
    """Make sure that there is a CIB at `path`; whether it is one without a running cluster."""
    if os.path.exists(path):
        return False
    done = commands.run(("cibadmin", "-Q"), SECONDS)
    text = done.out if done.rc == 0 else EMPTY % "".join(
        '<node id="%d" uname="%s"/>' % (number + 1, name) for number, name in enumerate(nodes))
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Refused("quorate: %s cannot be written: %s." % (path, error.strerror)) from None
    return done.rc != 0


def _why(done):
    if done.timed_out:
        return "no answer in %.0f s." % SECONDS
    if done.rc == 127:
        return "pcs is not installed; install the package pcs."
    lines = [line for line in (done.err.strip() or done.out.strip()).splitlines() if "Error: Errors have" not in line]
    errors = [line for line in lines if line.startswith("Error")] or lines[-1:]
    return errors[0] if errors else "it ended with %s." % done.rc
