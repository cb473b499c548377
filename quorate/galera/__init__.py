# SPDX-License-Identifier: Apache-2.0
"""Galera: facts, read, probe, decide, agent. See docs/galera-election.md."""
