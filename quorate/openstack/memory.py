# SPDX-License-Identifier: Apache-2.0
"""What an agent writes down on its own node (see quorate.host.memory). All of it is gone with a reboot, as the processes are."""

from quorate.host.memory import Memory

SERVICE = "service"    # which process was started, and how many workers came up
SYMPTOMS = "symptoms"  # since when something is wrong
FAILED = "failed"      # what had lasted too long when a monitor last called it failed

__all__ = ["FAILED", "SERVICE", "SYMPTOMS", "Memory"]
