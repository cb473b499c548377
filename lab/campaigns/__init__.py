# SPDX-License-Identifier: Apache-2.0
"""Seeded campaigns: rounds of faults against a real cluster."""
