# SPDX-License-Identifier: Apache-2.0
"""An action as the agent advertises it."""

from collections import namedtuple


class Action(namedtuple("Action", "name timeout interval depth role", defaults=(None, None, None))):
    """One <action> element of the meta-data.

    name      'start', 'stop', 'monitor', ...; several monitors may be declared, one for each role or depth.
    timeout   seconds, advised. pcs copies it into the cluster configuration: the hint becomes the real timeout.
    interval  seconds, or None. Two monitors need different ones (Pacemaker knows an operation by name and interval).
    depth     check level: 0, 10 or 20, or None.
    role      'Promoted', 'Unpromoted' or 'Started' (OCF 1.1 names), or None.
    """

    __slots__ = ()
