# SPDX-License-Identifier: Apache-2.0
"""`quorate plan`: one description of the control plane, checked, and rendered as text to read and apply.

A rendering is a module of quorate.plan.render with `render(plan)`, or `render(plan, node)` where it is for one machine.
That for pcs can also be run on a copy of the configuration.
"""

import os
import sys

from quorate.errors import Refused, Usage

USAGE = """\
usage: quorate plan check FILE
       quorate plan schema
       quorate plan haproxy FILE
       quorate plan keepalived FILE NODE
       quorate plan systemd FILE NODE
       quorate plan xinetd FILE NODE
       quorate plan pcs FILE [--pacemaker 2.1|3.0] [--shadow CIB]

check       whether the description is right; a line for each mistake, with what to write instead; where it is right, a
            line of advice for what costs availability, such as two brokers
schema      every key that a description can have, as Markdown
haproxy     haproxy.cfg: every service at its VIP; the same on all nodes that run HAProxy
keepalived  keepalived.conf of an endpoint node, where keepalived moves the VIPs
systemd     commands for a node: kernel settings, the check services, what starts at boot and what the cluster
            starts
xinetd      the check service of a node as a file for xinetd, where systemd's sockets are not wanted
pcs         the Pacemaker cluster, as a script of pcs commands with their reasons; with --shadow they are run on the
            file CIB (made from the running cluster, else empty), so that crm_simulate can show what would happen
"""
# Name of a rendering -> (module, whether it is for one node). The module is imported by its command alone.
RENDERINGS = {
    "haproxy": ("quorate.plan.render.haproxy", False),
    "keepalived": ("quorate.plan.render.keepalived", True),
    "systemd": ("quorate.plan.render.systemd", True),
    "xinetd": ("quorate.plan.render.xinetd", True),
}
VERSIONS = ("2.1", "3.0")                              # of Pacemaker
PCS_FOR = {("0", "11"): "2.1", ("0", "12"): "3.0"}     # version of pcs -> version of Pacemaker
SECONDS = 60.0                                         # limit of one command
# The oldest schema that Pacemaker 2.1 and 3.0 both read; pcs upgrades it where it needs more.
EMPTY_CIB = """\
<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.7" admin_epoch="0" epoch="1" num_updates="0">
  <configuration><crm_config/><nodes>%s</nodes><resources/><constraints/></configuration>
  <status/>
</cib>
"""


def main(words):
    """Run `quorate plan WORDS`. Returns the exit code: 0 done, 1 the file is not right, 2 not understood."""
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if words else 2
    try:
        sys.stdout.write(_run(words[0], words[1:]))
    except Usage as error:
        sys.stderr.write("quorate: %s\n%s" % (error, USAGE))
        return 2
    except Refused as error:
        sys.stderr.write("%s\n" % error)
        return 1
    return 0


def _run(verb, words):
    """The text that a verb prints. Raises Usage and Refused."""
    if verb == "schema" and not words:
        from quorate.plan.schema import document
        return document()
    if verb == "check" and len(words) == 1:
        return _checked(words[0])
    if verb == "pcs":
        return pcs(words)
    if verb in RENDERINGS and len(words) == 1 + RENDERINGS[verb][1]:
        return _rendered(verb, *words)
    raise Usage("not understood: quorate plan %s" % " ".join([verb] + words))


def load(path):
    """The Plan in the file at `path`. Raises Refused, with one line for each problem."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("quorate: %s cannot be read: %s." % (path, getattr(error, "strerror", None) or error)) from None
    try:
        from quorate.plan.parse import read
    except ImportError:  # tomllib since Python 3.11, tomli before
        raise Refused("quorate: Python %d.%d needs the package tomli to read TOML: dnf install python3-tomli, "
                      "or pip install tomli." % sys.version_info[:2]) from None
    plan, problems = read(text)
    if problems:
        raise Refused("\n".join(one.sentence(path) for one in problems))
    return plan


def _checked(path):
    from quorate.plan.advice import advice
    plan = load(path)
    return "%s: nothing is wrong with it (%s).\n" % (path, ", ".join(
        "%d %s%s" % (len(values), one, "" if len(values) == 1 else "s")
        for values, one in ((plan.nodes, "node"), (plan.vips, "VIP"), (plan.services, "service")))) + "".join(
            "%s: advice: %s\n" % (path, one) for one in advice(plan))


def _rendered(verb, path, *node):
    """The text of one rendering. Raises Refused where the plan has no such node, or there is nothing to render."""
    import importlib
    plan = load(path)
    for name in node:
        if name not in [one.name for one in plan.nodes]:
            raise Refused("quorate: there is no node '%s' in %s. Its nodes are: %s." % (
                name, path, ", ".join(one.name for one in plan.nodes)))
    try:
        return importlib.import_module(RENDERINGS[verb][0]).render(plan, *node)
    except ValueError as error:
        raise Refused("quorate: %s" % error) from None


# -- pcs

def pcs(words):
    """What `quorate plan pcs WORDS` prints. Raises Usage and Refused."""
    names, options = _pcs_words(words)
    version = options.get("pacemaker")
    if len(names) != 1 or version not in (None,) + VERSIONS:
        raise Usage("not understood: quorate plan pcs needs one FILE; --pacemaker is 2.1 or 3.0")
    plan = load(names[0])
    if "shadow" not in options:
        from quorate.plan.render.pcs import render
        return render(plan, version)
    from quorate.host.command import Commands
    commands = Commands(dict(os.environ))
    return shadow(plan, options["shadow"], version or installed_version(commands) or plan.pacemaker, commands)


def _pcs_words(words):
    """(list of names, dict of options)."""
    names, options, words = [], {}, list(words)
    while words:
        word = words.pop(0)
        if word in ("--pacemaker", "--shadow") and words:
            options[word[2:]] = words.pop(0)
        elif word.startswith("-"):
            raise Usage("unknown or incomplete option %s" % word)
        else:
            names.append(word)
    return names, options


def installed_version(commands):
    """The version of Pacemaker that this machine's pcs is for, None: not known."""
    return PCS_FOR.get(tuple(commands.run(("pcs", "--version"), SECONDS).out.strip().split(".")[:2]))


def shadow(plan, path, version, commands):
    """Make the file at `path`, a CIB, what the plan wants. Returns a text that says how to go on. Raises Refused.

    A file that exists is changed; else the configuration of the running cluster is copied, if there is one, else an
    empty one is made. The running cluster is not changed.
    """
    from quorate.plan.render.pcs import line, sections
    from quorate.plan.resources import wanted
    want = wanted(plan)
    if want.unfenced:
        raise Refused("quorate: the plan has no fence device for %s, and without one the cluster would start nothing; "
                      "write "
                      "fence = { agent = \"...\" } into [nodes.%s]." % (", ".join(want.unfenced), want.unfenced[0]))
    empty = _create_cib(path, want.nodes, commands)
    for section in sections(plan, version):
        for step in section.steps:
            done = commands.run(("pcs", "-f", path) + step.words, SECONDS)
            if done.rc != 0:
                raise Refused("quorate: %s: %s" % (line(("-f", path) + step.words), _failure(done)))
    nodes = "".join(" --node-up %s" % name for name in want.nodes) if empty else ""
    return ("%s holds what the plan wants%s; nothing else was changed.\n"
            "What the cluster would do:  crm_simulate --simulate --xml-file %s%s\n"
            "To apply it:                pcs cluster cib-push %s --config\n" % (
                path, ", for nodes that run nothing yet" if empty else "", path, nodes, path))


def _create_cib(path, nodes, commands):
    """Make sure that there is a CIB at `path`. Whether an empty one was made, for lack of a running cluster."""
    if os.path.exists(path):
        return False
    done = commands.run(("cibadmin", "-Q"), SECONDS)
    text = done.out if done.rc == 0 else EMPTY_CIB % "".join(
        '<node id="%d" uname="%s"/>' % (number + 1, name) for number, name in enumerate(nodes))
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Refused("quorate: %s cannot be written: %s." % (path, error.strerror)) from None
    return done.rc != 0


def _failure(done):
    """Why a command of pcs failed, a sentence."""
    if done.timed_out:
        return "no answer in %.0f s." % SECONDS
    if done.rc == 127:
        return "pcs is not installed; install the package pcs."
    lines = [one for one in (done.err.strip() or done.out.strip()).splitlines() if "Error: Errors have" not in one]
    errors = [one for one in lines if one.startswith("Error")] or lines[-1:]
    return errors[0] if errors else "it ended with code %s." % done.rc
