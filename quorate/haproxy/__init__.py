# SPDX-License-Identifier: Apache-2.0
"""HAProxy: whether the one on this node serves."""
