# SPDX-License-Identifier: Apache-2.0
"""Configurations of OpenStack's services that people have, tried on real ones."""
