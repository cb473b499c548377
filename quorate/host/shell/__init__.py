# SPDX-License-Identifier: Apache-2.0
"""What the shell makes of files of settings."""
