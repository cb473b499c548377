# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: this suite beside its peer, on one lab in one run. Started by scripts/bench."""
