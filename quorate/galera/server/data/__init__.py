# SPDX-License-Identifier: Apache-2.0
"""The data directory of this node: its files, its name, and the position that only InnoDB can tell."""
