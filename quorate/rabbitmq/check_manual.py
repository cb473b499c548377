# SPDX-License-Identifier: Apache-2.0
"""The manual page of rabbitmq-check."""

from quorate.rabbitmq import where
from quorate.rabbitmq.check import RabbitmqCheck
from quorate.web.manual import page

MANUAL = page(
    RabbitmqCheck,
    """Answers a load balancer on port 9201, and keepalived, Prometheus and people. Without a listening socket it looks once, \
prints a sentence and exits.

As a server it asks the broker again and again and answers everybody from the last fact, which is never older than two \
seconds: a broker that hangs makes it answer 503, never wait. No Erlang machine is started. systemd starts it with

    systemctl enable --now quorate-rabbitmq-check.socket

and xinetd with /etc/xinetd.d/quorate-rabbitmq-check, where disable has to be set to no.

With a user for it (rabbitmqctl add_user NAME, which asks for its password; rabbitmqctl set_user_tags NAME monitoring; \
rabbitmqctl set_permissions NAME '^$' '^$' '^$') it keeps one AMQP connection and knows of alarms, partitions and members by the \
management API. Without one it shakes hands every five seconds, which RabbitMQ logs as a client that closed its connection.""",
    ((where.CREDENTIALS, "Names and values in the [client] section: user, password; vhost, host, port, ssl, ssl_ca, "
                         "management_host, management_port, management_ssl, epmd_port where they are not the usual. Owner root, "
                         "group rabbitmq, mode 0640; one that every user can read is not used."),
     ("/etc/rabbitmq/rabbitmq-env.conf", "NODENAME is read from it, if it is a plain word.")),
    ("ocf_quorate_rabbitmq(7)", "rabbitmq-diagnostics(8)", "haproxy(1)"))
