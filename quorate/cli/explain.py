# SPDX-License-Identifier: Apache-2.0
"""`quorate explain`: one screen for each resource of ours."""

import sys

from quorate.cli import galera, openstack, rabbitmq
from quorate.errors import NoSuchResource


def explain(resource, as_json):
    """Print the screens of all resources, or of the named one. Raises NoSuchResource when there is none."""
    views = []
    for module in (galera, rabbitmq, openstack):
        try:
            views += module.views(resource)
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
