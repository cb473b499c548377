# SPDX-License-Identifier: Apache-2.0
"""The manual page of api-check."""

from quorate.api.check import ApiCheck
from quorate.web.manual import page

MANUAL = page(
    ApiCheck,
    """Asks an OpenStack API something and says in one sentence what is wrong, if anything is: nobody listens, it hangs, drips \
or breaks off, its TLS is not accepted, it answers an error, or something that is no API. A list of versions may come as 200 \
or 300. The whole look is limited, whatever the server or the name server does.

    api-check keystone
    api-check --host 192.0.2.11 --tls nova
    api-check https://cloud.example:5000/v3
    api-check --credentials /etc/quorate/api-check.openrc neutron

With credentials it asks Keystone for a token, keeps it, and asks the service something that needs it and its database. \
Without a token, because Keystone gives none, the service is asked what needs none, and that is said: a lost Keystone must \
not take all other services out of a load balancer. Keystone itself is judged by whether it lets the check in.

Resident (--listen, or systemctl enable --now quorate-api-check@PORT.socket with ARGS in /etc/quorate/api-check-PORT) it asks \
every second and answers 200 or 503 from the last fact.""",
    (("/etc/quorate/api-check-PORT", "ARGS=... for the unit quorate-api-check@PORT: the options and the service."),),
    ("quorate(8)", "haproxy(1)", "galera-check(8)"),
    (("3", "Unknown: it could not be asked (name, credentials refused).",),))
