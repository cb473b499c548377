# SPDX-License-Identifier: Apache-2.0
"""Services of an OpenStack control plane: agents for those that run once, checks for all. See docs/openstack.md."""
