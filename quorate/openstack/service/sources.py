# SPDX-License-Identifier: Apache-2.0
"""Where observations of a service come from, beyond processes and commands: one object, which tests replace.

Each method imports what it needs, so that a healthy monitor of level 0 loads nothing but the kernel's tables and the
service's own configuration. Its files are read in the order of oslo.config (find_config_files, find_config_dirs): what
the distribution ships, the file itself, the drop-in directories beside it.
"""

import os

from quorate.host.connections import Connections
from quorate.host.units import Units
from quorate.openstack.facts import Settings
from quorate.openstack.service import parse


class Sources:
    """All sources. Every method ends within the seconds it is given, and raises nothing."""

    def __init__(self, commands):
        self.units = Units(commands)

    def connections(self):
        """The sockets of this moment, as quorate.host.connections.Connections."""
        return Connections()

    def settings(self, service, config):
        """The Settings in the service's own configuration."""
        return read_settings(service, config)

    def broker(self, brokers, seconds):
        """Whether any broker answers: True, False, None."""
        from quorate.openstack.service import network
        return network.any_broker_answers(brokers, seconds)

    def rows(self, service, address, names, seconds):
        """The heartbeat Rows of these names."""
        from quorate.openstack.service import heartbeat
        return heartbeat.read(service, address, names, seconds)

    def replies(self, brokers, exchange, targets, seconds, method):
        """The Replies to RPC calls of the Call `method`, a tuple."""
        from quorate.openstack.service import rpc
        return rpc.call(brokers, exchange, targets, seconds, method)

    def page(self, host, port, path, seconds, tls):
        """The Page that an HTTP GET gives."""
        from quorate.openstack.service import network
        return network.page(host, port, path, seconds, tls)

    def user(self, name):
        """(uid, gid) of an account, None when there is none."""
        import pwd
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            return None
        return account.pw_uid, account.pw_gid


def read_settings(service, config):
    """The Settings in a service's configuration; Settings() (readable False, everything unknown) when it cannot be
    read."""
    options = _options(service, config)
    if options is None:
        return Settings()
    return parse.settings(options, service, os.uname().nodename)


def _options(service, config):
    """All options, as parse.ini() gives them; None when the file itself cannot be read."""
    found, readable = {}, False
    for path in _files(service, config):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                parse.ini(file.read(), found)
        except OSError:
            continue
        readable = readable or path == config
    return found if readable else None


def _files(service, config):
    """Paths of the configuration files that exist, the last one wins."""
    found = ["/usr/share/%s/%s-dist.conf" % (service.project, service.project), config]
    for directory in (config + ".d", "%s/%s.conf.d" % (os.path.dirname(config), service.name)):
        if os.path.isdir(directory):
            found += sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".conf"))
    return [path for path in found if os.path.isfile(path)]
