# SPDX-License-Identifier: Apache-2.0
"""HAProxy on this node: whether it serves, and a planned move of its virtual addresses."""
