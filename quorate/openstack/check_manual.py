# SPDX-License-Identifier: Apache-2.0
"""The manual page of service-check."""

from quorate.openstack import catalog
from quorate.openstack.check import ServiceCheck
from quorate.web.manual import page

MANUAL = page(
    ServiceCheck,
    """Looks at a service of an OpenStack control plane with the eyes of the resource agents: its processes (of its systemd \
unit, else by command line), their state, their connections to RabbitMQ, its port and what it answers there. --level 10 and \
20 also read its heartbeat from the database and call it by RPC, with the accounts of its own configuration file; that \
needs to be root.

NAME is one of these (--list shows the port and the unit of each):

    %s

A systemd unit that serves it for HAProxy, as /etc/systemd/system/check-nova-api.service:

    [Service]
    ExecStart=/usr/bin/service-check --listen 9274 nova-api
    Restart=always
    [Install]
    WantedBy=multi-user.target

A drain is for all services of the node that are checked; give --drain-directory where one alone is drained.""" % (
        "\n    ".join(sorted(catalog.ALL))),
    (("/etc/PROJECT/PROJECT.conf", "The service's configuration, for the addresses of broker and database."),),
    ("ocf_quorate_cinder-volume(7)", "ocf_quorate_heat-engine(7)", "galera-check(8)", "haproxy(1)"))
