# SPDX-License-Identifier: Apache-2.0
"""One of the two agents that are compared."""

from typing import Dict, NamedTuple


class Side(NamedTuple):
    """label: its name in the tables. provider, type: of the agent. parameters: what an operator has to give."""

    label: str
    provider: str
    type: str
    parameters: Dict[str, str]

    @property
    def agent(self):
        return "ocf:%s:%s" % (self.provider, self.type)
