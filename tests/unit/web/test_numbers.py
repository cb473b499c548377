# SPDX-License-Identifier: Apache-2.0
"""Numbers on the command lines of the checks: what is none is a mistake that is named, and no traceback."""

import pytest

from quorate.errors import Usage
from quorate.galera.check import GaleraCheck
from quorate.haproxy.check import HaproxyCheck
from quorate.openstack.api.check import ApiCheck
from quorate.openstack.check import ServiceCheck
from quorate.rabbitmq.check import RabbitmqCheck


@pytest.mark.parametrize("check, options", [
    (GaleraCheck, {"port": "%s"}), (RabbitmqCheck, {"port": "%s"}), (ApiCheck, {"target": "glance", "port": "%s"}),
    (ServiceCheck, {"name": "nova-api", "port": "%s"}), (ServiceCheck, {"name": "nova-api", "timeout": "%s"}),
    (HaproxyCheck, {"socket": "h:%s"})])
@pytest.mark.parametrize("text", ["\u00b2", "x", "-1", ""])
def test_what_only_looks_like_a_number(check, options, text):
    """'²' is a digit for str.isdigit() and none for int()."""
    with pytest.raises(Usage):
        check({name: value.replace("%s", text) for name, value in options.items()})
