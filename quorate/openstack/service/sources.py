# SPDX-License-Identifier: Apache-2.0
"""All that the engine sees beyond processes and commands, behind one object that tests replace. Each look imports what it
needs: a healthy monitor of level 0 needs the kernel's tables only.

The service's own configuration files, in the order in which oslo.config reads them (find_config_files, find_config_dirs):
what the distribution ships, the file, the drop-in directory beside it.
"""

import os

from quorate.host.connections import Connections
from quorate.host.units import Units
from quorate.openstack.service import parse


class Sources:
    """What a service's surroundings say. Every method ends within the seconds it is given and raises nothing."""

    def __init__(self, commands):
        self.units = Units(commands)

    def connections(self):
        """Sockets, as they are now."""
        return Connections()

    def settings(self, service, config):
        """Settings of the service's own configuration."""
        return settings(service, config)

    def broker(self, brokers, seconds):
        """Whether any broker answers: True, False, None."""
        from quorate.openstack.service.network import broker
        return broker(brokers, seconds)

    def rows(self, service, address, names, seconds):
        """Heartbeat rows."""
        from quorate.openstack.service.heartbeat import read
        return read(service, address, names, seconds)

    def replies(self, brokers, exchange, targets, seconds, method):
        """RPC round trips of the Call `method`."""
        from quorate.openstack.service.rpc import call
        return call(brokers, exchange, targets, seconds, method)

    def page(self, host, port, path, seconds, tls):
        """An HTTP GET."""
        from quorate.openstack.service.network import page
        return page(host, port, path, seconds, tls)

    def user(self, name):
        """(uid, gid) of an account, None when there is none."""
        import pwd
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            return None
        return account.pw_uid, account.pw_gid


def files(service, config):
    """Paths of what there is."""
    found = ["/usr/share/%s/%s-dist.conf" % (service.project, service.project), config]
    for directory in (config + ".d", "%s/%s.conf.d" % (os.path.dirname(config), service.name)):
        if os.path.isdir(directory):
            found += sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".conf"))
    return [path for path in found if os.path.isfile(path)]


def pairs(service, config):
    """All options; None when the file itself cannot be read."""
    found, observed = {}, False
    for path in files(service, config):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                parse.ini(file.read(), found)
        except OSError:
            continue
        observed = observed or path == config
    return found if observed else None


def settings(service, config):
    """Settings; Settings() (readable False, everything unknown) when the file cannot be read."""
    found = pairs(service, config)
    if found is None:
        from quorate.openstack.facts import Settings
        return Settings()
    return parse.settings(found, service, os.uname().nodename)
