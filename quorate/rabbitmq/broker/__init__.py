# SPDX-License-Identifier: Apache-2.0
"""The broker on this node: its processes, its files, its answers."""
