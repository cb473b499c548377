# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on purpose."""
