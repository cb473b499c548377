# SPDX-License-Identifier: Apache-2.0
"""The cluster as Pacemaker knows it: node attributes, promotion scores, members, status, configuration."""
