# SPDX-License-Identifier: Apache-2.0
"""Root file systems of the nodes, built once and cached."""
