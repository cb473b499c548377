# SPDX-License-Identifier: Apache-2.0
"""The manual page of a check: how it is called comes from the command's own usage text, the roles from its table."""

from quorate.manual import Page, synopsis, terms
from quorate.web.command import usage


def page(declared, description, files=(), see_also=("quorate(8)", "haproxy(1)"), exits=()):
    """The Page of a Check's class. The first paragraph of its docstring, behind the name and a colon, is the summary.

    description: text; files: (path, what it is for) beside the marks of a drain; exits: (code, text) beside 0, 1 and 2
    """
    text, name = usage(declared), declared.name
    summary = " ".join(declared.__doc__.split("\n\n")[0].split()).partition(": ")[2].rstrip(".")
    return Page(
        name, 8, summary, synopsis(text), description,
        (("OPTIONS", terms(text)),
         ("ROLES", tuple(declared.roles.items()) + (
             ("/status", "all that is known, as JSON"),
             ("/metrics", "the same for Prometheus"))),
         ("ANSWERS", (
             ("200", "Fit."),
             ("404", "Fit, and draining: with http-check disable-on-404 HAProxy sends no new connections and keeps the open "
                     "ones. Also a role that does not exist."),
             ("503", "Not fit; the reason is the body, one line."))),
         ("EXIT STATUS", (
             ("0", "Fit; or done."),
             ("1", "Not fit, or it could not be done; the reason is printed."),
             ("2", "The command line was not understood.")) + tuple(exits)),
         ("FILES", tuple(files) + (
             (declared.drain_directory(), "Marks of a drain; only root writes there."),))),
        see_also)
