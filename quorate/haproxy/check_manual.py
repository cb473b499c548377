# SPDX-License-Identifier: Apache-2.0
"""The manual page of haproxy-check."""

from quorate.haproxy.check import HaproxyCheck
from quorate.web.manual import page

MANUAL = page(
    HaproxyCheck,
    """Asks HAProxy on its stats socket, within a second, and says in one sentence whether the address belongs on this node: \
it runs and answers (a stopped or hanging one does not), its listeners are open, and there is a server that is up behind \
them. Needs 'stats socket' in HAProxy's section global, and rights on it; level user is enough.

For keepalived:

    vrrp_script haproxy {
        script "/usr/bin/haproxy-check"
        interval 1
        timeout 2
        fall 2
        rise 2
        weight -50
        user root
    }

A weight, and no fault: where every node is equally badly off (a backend that is gone for all, a check without rights), the \
address stays where it is.

A backend without a server is told and keeps the node fit, since another node sees the same servers; all backends without \
one mean that this node is cut off. --backend names one that matters by itself.""",
    (("/run/haproxy/admin.sock /var/lib/haproxy/stats", "HAProxy's stats socket on Debian and on Red Hat."),),
    ("haproxy(1)", "keepalived.conf(5)", "galera-check(8)"),
    (("3", "Unknown: HAProxy could not be asked (no rights, no stats socket). keepalived takes it for a failure."),))
