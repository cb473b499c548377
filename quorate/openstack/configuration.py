# SPDX-License-Identifier: Apache-2.0
"""The service's own configuration files, in the order in which oslo.config reads them (find_config_files, find_config_dirs):
what the distribution ships, the file, the drop-in directory beside it."""

import os

from quorate.openstack import read


def files(service, config):
    """Paths of what there is."""
    found = ["/usr/share/%s/%s-dist.conf" % (service.project, service.project), config]
    for directory in (config + ".d", "%s/%s.conf.d" % (os.path.dirname(config), service.name)):
        if os.path.isdir(directory):
            found += sorted(os.path.join(directory, name) for name in os.listdir(directory) if name.endswith(".conf"))
    return [path for path in found if os.path.isfile(path)]


def pairs(service, config):
    """All options; None when the file itself cannot be read."""
    found, seen = {}, False
    for path in files(service, config):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                read.ini(file.read(), found)
        except OSError:
            continue
        seen = seen or path == config
    return found if seen else None


def settings(service, config):
    """Settings; Settings() (readable False, everything unknown) when the file cannot be read."""
    found = pairs(service, config)
    if found is None:
        from quorate.openstack.facts import Settings
        return Settings()
    return read.settings(found, service, os.uname().nodename)
