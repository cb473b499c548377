# SPDX-License-Identifier: Apache-2.0
"""Why a server ended: its error log, the kernel's, and who holds its port."""
