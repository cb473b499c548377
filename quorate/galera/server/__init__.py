# SPDX-License-Identifier: Apache-2.0
"""mysqld on this node: its processes, its files, its answers."""
