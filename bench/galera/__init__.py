# SPDX-License-Identifier: Apache-2.0
"""The Galera agent beside ocf:heartbeat:galera. Started by scripts/bench."""
