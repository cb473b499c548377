# SPDX-License-Identifier: Apache-2.0
"""The manual page of galera-check; how it is called comes from the command's own usage text, the roles from its table."""

from quorate.galera.check import ROLES
from quorate.galera.check_command import CREDENTIALS, USAGE
from quorate.manual import Page, synopsis, terms
from quorate.host.drain import DIRECTORY

MANUAL = Page(
    "galera-check", 8, "say whether the Galera server on this node is fit for clients", synopsis(USAGE),
    """Answers HAProxy on port 9200, and keepalived, Prometheus and people. Without a listening socket it looks once, prints \
a sentence and exits.

As a server it keeps one connection to the database server, asks it again and again, and answers everybody from the last \
fact, which is never older than a second: a server that hangs makes it answer 503, never wait. systemd starts it with

    systemctl enable --now quorate-galera-check.socket

and xinetd with /etc/xinetd.d/quorate-galera-check, where disable has to be set to no. Arguments by position and the \
settings files are those of clustercheck; a settings file is read, never executed.""",
    (("OPTIONS", terms(USAGE)),
     ("ROLES", tuple(ROLES.items()) + (
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
         ("2", "The command line was not understood."))),
     ("FILES", (
         (CREDENTIALS, "Credentials, in the [client] section. Owner root, group mysql, mode 0640. Not needed where the user "
                       "mysql may log in on the socket (unix_socket), as MariaDB has it."),
         ("/etc/default/clustercheck /etc/sysconfig/clustercheck", "Settings of clustercheck, used when that file is missing."),
         (DIRECTORY, "Marks of a drain; only root writes there.")))),
    ("ocf_quorate_galera(7)", "quorate(8)", "haproxy(1)"))
