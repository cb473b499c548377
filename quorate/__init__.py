# SPDX-License-Identifier: Apache-2.0
"""quorate: OCF resource agents and health checks that keep an OpenStack control plane running on Pacemaker.

Nothing is imported here: an agent's monitor is a fresh process each time, and this file is on its path.
"""

__version__ = "0.1.0"
