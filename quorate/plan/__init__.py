# SPDX-License-Identifier: Apache-2.0
"""One description of a control plane, and the texts that are made from it."""
