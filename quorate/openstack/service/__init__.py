# SPDX-License-Identifier: Apache-2.0
"""A service on this node, and what it needs: its processes, configuration, broker and database."""
