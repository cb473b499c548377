# SPDX-License-Identifier: Apache-2.0
"""Manual pages, made from the declarations: `python3 -m quorate.cli.manual build/man`.

An agent has a page in section 7, as users of pcs and crmsh expect it (ocf_quorate_galera.7). A command has one in
section 8: its synopsis comes from its usage text, the rest of a check's page from its class. README.md and docs/ have
the same parameters as tables, between two comments: `python3 -m quorate.cli.manual --tables FILE` prints such a page
with its tables brought up to date.
"""

import os
import sys
from typing import NamedTuple

from quorate import __version__
from quorate.ocf.metadata import duration
from quorate.web.command import usage

PROVIDER = "quorate"


class Page(NamedTuple):
    """A manual page before it is roff: plain text; an empty line ends a paragraph, an indented line stays as it is."""

    name: str
    section: int
    summary: str  # after the dash of NAME
    synopsis: tuple  # lines
    description: str
    parts: tuple = ()  # of (heading, body); a body is a text, or a tuple of (term, text); a term's first word is bold
    see_also: tuple = ()  # of "name(section)"


def agent_page(agent):
    """The page of a resource agent."""
    kind = "ocf:%s:%s" % (PROVIDER, agent.name)
    parts = [("PARAMETERS", tuple((_parameter_term(each), _parameter_text(each)) for each in agent.parameters)),
             ("ACTIONS", "What the cluster may call, with the times that pcs takes over from here.\n\n"
                         + "\n".join("    " + _action_line(action) for action in agent.advertised())),
             ("EXAMPLE", "\n".join("    " + line for line in example(agent)))]
    return Page("ocf_%s_%s" % (PROVIDER, agent.name), 7, agent.shortdesc,
                ("pcs resource create ID %s [PARAMETER=VALUE ...]" % kind,), agent.longdesc, tuple(parts),
                ("quorate(8)", "pcs(8)", "pacemaker(7)"))


def example(agent):
    """Lines of a `pcs resource create` with every required parameter; pcs adds the actions from the meta-data."""
    words = ["pcs resource create %s ocf:%s:%s" % (agent.name, PROVIDER, agent.name)]
    words += ["%s=..." % each.name for each in agent.parameters if each.required]
    if any(action.name == "promote" for action in agent.actions):
        words.append("promotable")
    return [("    " if index else "") + word + (" \\" if word is not words[-1] else "")
            for index, word in enumerate(words)]


def check_page(check):
    """The page of a check. check: its class."""
    text = usage(check)
    summary = " ".join(check.__doc__.split("\n\n")[0].split()).partition(": ")[2].rstrip(".")
    return Page(
        check.name, 8, summary, synopsis(text), check.description,
        (("OPTIONS", terms(text)),
         ("ROLES", tuple(check.roles.items()) + (
             ("/status", "all that is known, as JSON"),
             ("/metrics", "the same for Prometheus"))),
         ("ANSWERS", (
             ("200", "Fit."),
             ("404", "Fit, and draining: with http-check disable-on-404 HAProxy sends no new connections and keeps the "
                     "open ones. Also a role that does not exist."),
             ("503", "Not fit; the reason is the body, one line."))),
         ("EXIT STATUS", (
             ("0", "Fit; or done."),
             ("1", "Not fit, or it could not be done; the reason is printed."),
             ("2", "The command line was not understood.")) + check.exit_texts),
         ("FILES", check.files + (
             (check.drain_directory(), "Flags of a drain; only root writes there."),))),
        check.see_also)


def quorate_page():
    """The page of the command `quorate`."""
    from quorate.cli import USAGE
    from quorate.cli.plan import USAGE as PLAN
    return Page(
        "quorate", 8, "explain what a cluster decides and why, and override it by name", synopsis(USAGE),
        "Shows on any node of a Pacemaker cluster what the resource agents of the provider quorate know and decide, "
        "and takes the operator's order where they may not decide alone. RESOURCE is needed only where there is more "
        "than one.",
        (("COMMANDS", terms(USAGE)),
         ("QUORATE "
          "PLAN", "A plan is a TOML file that describes a control plane: nodes and their roles, networks, virtual "
          "addresses, services. The files and commands that are otherwise written by hand are made from it, as text to "
          "read and then apply, the same in each run, with the reasons as comments. Nothing is applied. Examples are "
          "in /usr/share/doc/quorate/examples.\n\n" + "\n".join("    " + line for line in synopsis(PLAN))),
         ("QUORATE PLAN VERBS", terms(PLAN)),
         ("EXIT STATUS", (
             ("0", "Done. status: all is well. diff: no difference. rabbitmq upgrade-check: nothing stands in "
                  "the way."),
             ("1", "It could not be done; the reason is on standard error in one sentence. status: something is not "
              "well, or is in standby, maintenance, disabled or drained. diff: there are differences. rabbitmq "
              "upgrade-check: something stands in the way."),
             ("2", "The command line was not understood. status, diff, rabbitmq upgrade-check: the cluster could not "
                   "be asked.")))),
        ("ocf_quorate_galera(7)", "pcs(8)", "crm_mon(8)"))


def synopsis(text):
    """The lines of a usage text (`usage: NAME ...`, then an empty line) that say how the command is called."""
    lines = text.partition("\n\n")[0].splitlines()
    name = lines[0].split()[1]
    words = [line.replace("usage:", "      ", 1).strip() for line in lines]
    return tuple(line.partition("  ")[0] for line in words if line.startswith(name))


def terms(page):
    """The rest of a usage text, a tuple of (term, text). A term is indented by at most two blanks."""
    found = []
    for line in page.partition("\n\n")[2].splitlines():
        if line.strip() and len(line) - len(line.lstrip()) <= 2:
            term, _, text = line.strip().partition("  ")
            found.append([term, text.strip()])
        elif line.strip():
            found[-1][1] += " " + line.strip()
    return tuple((term, text) for term, text in found)


def parameter_table(agent):
    """The parameters as a Markdown table, for the README."""
    rows = ["| parameter | default | what it is |", "|---|---|---|"]
    for each in agent.parameters:
        default = "**required**" if each.required else "`%s`" % each.default if each.default else ""
        notes = each.shortdesc.rstrip(".") + (" (deprecated)" if each.deprecated is not None else "")
        rows.append("| `%s` | %s | %s |" % (each.name, default, notes.replace("|", "\\|")))
    return "\n".join(rows) + "\n"


def _parameter_term(parameter):
    facts = [{"select": "one of " + ", ".join(parameter.options), "seconds": "time"}.get(parameter.kind,
                                                                                         parameter.kind)]
    if parameter.required:
        facts.append("required")
    elif parameter.default:
        facts.append("default " + parameter.default)
    if parameter.unique_group:
        facts.append("unique")
    if parameter.reloadable:
        facts.append("reloadable")
    return "%s (%s)" % (parameter.name, ", ".join(facts))


def _parameter_text(parameter):
    text = parameter.longdesc.strip()
    if parameter.deprecated is not None:
        instead = " and ".join(parameter.deprecated)
        text += "\n\nDeprecated%s." % (": use %s instead" % instead if instead else "")
    return text


def _action_line(action):
    words = ["%-12s timeout %s" % (action.name, duration(action.timeout))]
    if action.interval is not None:
        words.append("interval " + duration(action.interval))
    if action.role:
        words.append("role " + action.role)
    if action.depth is not None:
        words.append("depth %d" % action.depth)
    return ", ".join(words)


def roff(page):
    """The page in man(7) macros."""
    title = page.name.upper().replace("-", "\\-")
    lines = ['.TH "%s" "%d" "" "quorate %s" "quorate"' % (title, page.section, __version__),
             ".SH NAME", "%s \\- %s" % (_text(page.name), _text(_one_line(page.summary).rstrip("."))),
             ".SH SYNOPSIS", ".nf"]
    lines += [_line(line) for line in page.synopsis]
    lines += [".fi", ".SH DESCRIPTION"] + _paragraphs(page.description)
    for heading, body in page.parts:
        lines.append('.SH "%s"' % heading)
        lines += _paragraphs(body) if isinstance(body, str) else _terms(body)
    if page.see_also:
        lines.append('.SH "SEE ALSO"')
        lines.append(", ".join(_reference(each) for each in page.see_also))
    return "\n".join(lines) + "\n"


def _terms(pairs):
    lines = []
    for term, text in pairs:
        head, _, rest = term.partition(" ")
        lines += [".TP", "\\fB%s\\fR%s" % (_text(head), " " + _text(rest) if rest else "")]
        # .IP without a tag keeps the indentation of the term; .PP would end it.
        lines += [".IP" if line == ".PP" else line for line in _paragraphs(text)]
    return lines


def _paragraphs(text):
    """Paragraphs as roff lines. Indented lines are shown as they are; long descriptions are filled by man."""
    lines, verbatim = [], False
    for raw in text.strip("\n").splitlines():
        if raw.strip() and raw.startswith("    ") != verbatim:
            verbatim = not verbatim
            lines += [".PP", ".nf", ".RS 4"] if verbatim else [".RE", ".fi", ".PP"]
        if raw.strip():
            lines.append(_line(raw[4:] if verbatim else raw.strip()))
        elif lines and not verbatim and lines[-1] != ".PP":
            lines.append(".PP")
    if lines and lines[-1] == ".PP":
        lines.pop()
    return _without_double_breaks(lines + ([".RE", ".fi"] if verbatim else []))


def _without_double_breaks(lines):
    return [line for index, line in enumerate(lines)
            if not (line == ".PP" and (index == 0 or lines[index - 1] == ".PP"))]


def _reference(text):
    name, _, section = text.partition("(")
    return "\\fB%s\\fR(%s" % (_text(name), _text(section))


def _one_line(text):
    return " ".join(text.split())


def _text(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def _line(text):
    escaped = _text(text)
    # A dot or an apostrophe in the first column would be a request.
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped


def agents():
    """Every agent there is."""
    from quorate.galera.agent import AGENT as galera
    from quorate.openstack.agent import AGENTS as services
    from quorate.rabbitmq.agent import AGENT as rabbitmq
    return [galera, rabbitmq] + list(services)


def checks():
    """The class of every check there is."""
    from quorate.galera.check import GaleraCheck
    from quorate.haproxy.check import HaproxyCheck
    from quorate.openstack.api.check import ApiCheck
    from quorate.openstack.check import ServiceCheck
    from quorate.rabbitmq.check import RabbitmqCheck
    return [ApiCheck, GaleraCheck, HaproxyCheck, RabbitmqCheck, ServiceCheck]


def pages():
    """Every page there is."""
    return [agent_page(agent) for agent in agents()] + [check_page(check) for check in checks()] + [quorate_page()]


def write(directory):
    """Write all pages below `directory`; returns their paths."""
    os.makedirs(directory, exist_ok=True)
    paths = []
    for page in pages():
        path = os.path.join(directory, "%s.%d" % (page.name, page.section))
        with open(path, "w", encoding="utf-8") as target:
            target.write(roff(page))
        paths.append(path)
    return paths


def with_tables(page):
    """The text of a page with the table of each agent's parameters brought up to date."""
    for agent in agents():
        head, begin, rest = page.partition("<!-- parameters of %s:" % agent.name)
        if begin:
            note, _, rest = rest.partition("-->\n")
            page = head + begin + note + "-->\n" + parameter_table(agent) + rest[rest.index("<!-- end -->"):]
    return page


def main(arguments):
    """`DIRECTORY`: write the pages there. `--tables FILE`: print a page of the documentation as it should be."""
    if len(arguments) == 2 and arguments[0] == "--tables":
        with open(arguments[1], encoding="utf-8") as file:
            sys.stdout.write(with_tables(file.read()))
    elif len(arguments) == 1 and not arguments[0].startswith("-"):
        for path in write(arguments[0]):
            print(path)
    else:
        sys.stderr.write("usage: python3 -m quorate.cli.manual DIRECTORY | --tables FILE\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
