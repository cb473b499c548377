# SPDX-License-Identifier: Apache-2.0
"""`quorate explain`: one screen for each resource that decides anything."""

import sys

from quorate.cli import galera, openstack, rabbitmq
from quorate.errors import NoSuchResource


def explain(resource, as_json):
    """Print all of them, or the named one. Raises NoSuchResource when there is none."""
    views = []
    for room in (galera, rabbitmq, openstack):
        try:
            views += room.views(resource)
        except NoSuchResource:
            pass
    if not views:
        raise NoSuchResource("There is no resource %s in this cluster." % (resource or "of ocf:quorate:*"))
    if as_json:
        import json
        json.dump([data for _name, _agent, _lines, data in views], sys.stdout, indent=2, sort_keys=True)
        sys.stdout.write("\n")
        return 0
    for name, agent, lines, _data in views:
        sys.stdout.write("%s (%s)\n\n" % (name, agent) + "".join(line + "\n" for line in lines) + "\n")
    return 0
