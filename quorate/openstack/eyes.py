# SPDX-License-Identifier: Apache-2.0
"""All that the engine sees beyond processes and commands, behind one object that tests replace. Each look imports what it
needs: a healthy monitor of level 0 needs the kernel's tables only."""

from quorate.host.connections import Connections
from quorate.host.units import Units


class Eyes:
    """What a service's surroundings say. Every method ends within the seconds it is given and raises nothing."""

    def __init__(self, commands):
        self.units = Units(commands)

    def connections(self):
        """Sockets, as they are now."""
        return Connections()

    def settings(self, service, config):
        """Settings of the service's own configuration."""
        from quorate.openstack.configuration import settings
        return settings(service, config)

    def broker(self, brokers, seconds):
        """Whether any broker answers: True, False, None."""
        from quorate.openstack.reach import broker
        return broker(brokers, seconds)

    def rows(self, service, address, names, seconds):
        """Heartbeat rows."""
        from quorate.openstack.heartbeat import read
        return read(service, address, names, seconds)

    def replies(self, brokers, exchange, targets, seconds, method):
        """RPC round trips of the Call `method`."""
        from quorate.openstack.rpc import call
        return call(brokers, exchange, targets, seconds, method)

    def page(self, host, port, path, seconds, tls):
        """An HTTP GET."""
        from quorate.openstack.reach import page
        return page(host, port, path, seconds, tls)

    def user(self, name):
        """(uid, gid) of an account, None when there is none."""
        import pwd
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            return None
        return account.pw_uid, account.pw_gid
