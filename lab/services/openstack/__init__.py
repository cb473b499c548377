# SPDX-License-Identifier: Apache-2.0
"""Debian's OpenStack on a lab."""
