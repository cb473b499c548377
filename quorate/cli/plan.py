# SPDX-License-Identifier: Apache-2.0
"""`quorate plan`: one description of the control plane, checked, and rendered as text to read and apply.

A rendering is a module of quorate.plan with `render(plan)` or, where it is for one machine, `render(plan, node)`.
"""

import sys

USAGE = """\
usage: quorate plan check FILE
       quorate plan schema
       quorate plan haproxy FILE
       quorate plan keepalived FILE NODE
       quorate plan systemd FILE NODE
       quorate plan xinetd FILE NODE
       quorate plan pcs FILE [--pacemaker 2.1|3.0] [--shadow CIB]

check       whether the description is right; one sentence for each mistake, with its line and the remedy
schema      every key that a description can have, as Markdown
haproxy     haproxy.cfg: every service at its VIP; the same on all nodes that run HAProxy
keepalived  keepalived.conf of an endpoint node, where keepalived moves the VIPs
systemd     commands for a node: kernel settings, the check services, what starts at boot and what the cluster starts
xinetd      the check service of a node as a file for xinetd, where systemd's sockets are not wanted
pcs         the Pacemaker cluster, as a script of pcs commands with their reasons; with --shadow they are run on the file
            CIB (made from the running cluster, else empty), so that crm_simulate can show what would happen
"""
# Name of a rendering -> (module, whether it is for one node). The module is imported by its command alone.
RENDERINGS = {
    "haproxy": ("quorate.plan.haproxy", False),
    "keepalived": ("quorate.plan.keepalived", True),
    "systemd": ("quorate.plan.systemd", True),
    "xinetd": ("quorate.plan.xinetd", True),
}


class Refused(Exception):
    """It was not done; the text says why and what to type."""


class Usage(Exception):
    """The words cannot be understood."""


def main(words):
    """Run `quorate plan WORDS`. Returns the exit code: 0 done, 1 the file is not right, 2 not understood."""
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if words else 2
    verb, names = words[0], words[1:]
    try:
        if verb == "schema" and not names:
            from quorate.plan.schema import document
            sys.stdout.write(document())
        elif verb == "check" and len(names) == 1:
            plan = load(names[0])
            sys.stdout.write("%s: nothing is wrong with it (%s).\n" % (names[0], ", ".join(
                "%d %s%s" % (len(values), one, "" if len(values) == 1 else "s")
                for values, one in ((plan.nodes, "node"), (plan.vips, "VIP"), (plan.services, "service")))))
        elif verb == "pcs":
            from quorate.cli import pcs
            return pcs.main(names)
        elif verb in RENDERINGS and len(names) == 1 + RENDERINGS[verb][1]:
            sys.stdout.write(render(verb, *names))
        else:
            raise Usage("not understood: quorate plan %s" % " ".join(words))
    except Usage as error:
        sys.stderr.write("quorate: %s\n%s" % (error, USAGE))
        return 2
    except Refused as error:
        sys.stderr.write("%s\n" % error)
        return 1
    return 0


def load(path):
    """The Plan in the file at `path`. Refused with one line for each problem."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("quorate: %s cannot be read: %s." % (path, getattr(error, "strerror", None) or error)) from None
    try:
        from quorate.plan.read import read
    except ImportError:  # tomllib since Python 3.11, tomli before
        raise Refused("quorate: Python %d.%d needs the package tomli to read TOML: dnf install python3-tomli, "
                      "or pip install tomli." % sys.version_info[:2]) from None
    plan, problems = read(text)
    if problems:
        raise Refused("\n".join(one.sentence(path) for one in problems))
    return plan


def render(verb, path, *node):
    """The text of one rendering. Refused where the plan has no such node."""
    import importlib
    plan = load(path)
    for name in node:
        if name not in [one.name for one in plan.nodes]:
            raise Refused("quorate: there is no node '%s' in %s. Its nodes are: %s." % (
                name, path, ", ".join(one.name for one in plan.nodes)))
    try:
        return importlib.import_module(RENDERINGS[verb][0]).render(plan, *node)
    except ValueError as error:  # a renderer says that there is nothing for it to do here
        raise Refused("quorate: %s" % error) from None
