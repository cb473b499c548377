# SPDX-License-Identifier: Apache-2.0
"""The manual page of the command `quorate`; how it is called comes from the command's own usage text."""

from quorate.cli import USAGE
from quorate.manual import Page, synopsis, terms

MANUAL = Page(
    "quorate", 8, "explain what a cluster decides and why, and overrule it by name", synopsis(USAGE),
    "Shows on any node of a Pacemaker cluster what the resource agents of the provider quorate know and decide, and takes "
    "the operator's word where they may not decide alone. RESOURCE is needed only where there is more than one.",
    (("COMMANDS", terms(USAGE)),
     ("EXIT STATUS", (
         ("0", "Done."),
         ("1", "It could not be done; the reason is on standard error in one sentence."),
         ("2", "The command line was not understood.")))),
    ("ocf_quorate_galera(7)", "pcs(8)", "crm_mon(8)"))
