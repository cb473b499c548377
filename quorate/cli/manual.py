# SPDX-License-Identifier: Apache-2.0
"""The manual page of the command `quorate`; how it is called comes from the command's own usage text."""

from quorate.cli import USAGE
from quorate.cli.plan import USAGE as PLAN
from quorate.manual import Page, synopsis, terms

MANUAL = Page(
    "quorate", 8, "explain what a cluster decides and why, and overrule it by name", synopsis(USAGE),
    "Shows on any node of a Pacemaker cluster what the resource agents of the provider quorate know and decide, and takes "
    "the operator's word where they may not decide alone. RESOURCE is needed only where there is more than one.",
    (("COMMANDS", terms(USAGE)),
     ("QUORATE PLAN", "A plan is a TOML file that describes a control plane: nodes and their roles, networks, virtual "
      "addresses, services. From it come the files and commands that are otherwise written by hand, as text to read and "
      "then apply, the same from run to run, with the reasons as comments. Nothing is applied. Examples are in "
      "/usr/share/doc/quorate/examples.\n\n" + "\n".join("    " + line for line in synopsis(PLAN))),
     ("QUORATE PLAN VERBS", terms(PLAN)),
     ("EXIT STATUS", (
         ("0", "Done. status: all is well. diff: no difference."),
         ("1", "It could not be done; the reason is on standard error in one sentence. status: something is not well, or is "
          "in standby, maintenance, disabled or drained. diff: something differs."),
         ("2", "The command line was not understood. status, diff: the cluster could not be asked.")))),
    ("ocf_quorate_galera(7)", "pcs(8)", "crm_mon(8)"))
