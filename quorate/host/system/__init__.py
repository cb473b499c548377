# SPDX-License-Identifier: Apache-2.0
"""What systemd, the kernel's log and psutil tell, and directories that a service needs. No healthy monitor loads it."""
