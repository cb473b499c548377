# SPDX-License-Identifier: Apache-2.0
"""Why a broker ended: what it printed and logged, and the kernel's log."""
