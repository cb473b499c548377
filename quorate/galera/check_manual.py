# SPDX-License-Identifier: Apache-2.0
"""The manual page of galera-check."""

from quorate.galera import credentials
from quorate.galera.check import GaleraCheck
from quorate.web.manual import page

MANUAL = page(
    GaleraCheck,
    """Answers HAProxy on port 9200, and keepalived, Prometheus and people. Without a listening socket it looks once, prints \
a sentence and exits.

As a server it keeps one connection to the database server, asks it again and again, and answers everybody from the last \
fact, which is never older than a second: a server that hangs makes it answer 503, never wait. systemd starts it with

    systemctl enable --now quorate-galera-check.socket

and xinetd with /etc/xinetd.d/quorate-galera-check, where disable has to be set to no. Arguments by position and the \
settings files are those of clustercheck; a settings file is read, never executed.""",
    ((credentials.FILE, "Credentials, in the [client] section. Owner root, group mysql, mode 0640. Not needed where the user "
                        "mysql may log in on the socket (unix_socket), as MariaDB has it."),
     ("/etc/default/clustercheck /etc/sysconfig/clustercheck", "Settings of clustercheck, used when that file is missing.")),
    ("ocf_quorate_galera(7)", "quorate(8)", "haproxy(1)"))
