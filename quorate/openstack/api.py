# SPDX-License-Identifier: Apache-2.0
"""The HTTP APIs of OpenStack: whether one answers a real request."""
