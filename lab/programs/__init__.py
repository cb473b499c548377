# SPDX-License-Identifier: Apache-2.0
"""Programs that run inside a lab's nodes or network; each is a file on its own."""
