# SPDX-License-Identifier: Apache-2.0
"""Services on a lab's nodes, set up as an operator would."""
