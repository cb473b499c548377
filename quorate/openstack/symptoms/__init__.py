# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a service, for how long, and what that adds up to. Pure."""
