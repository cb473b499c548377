# SPDX-License-Identifier: Apache-2.0
"""api-check: does an HTTP API of OpenStack answer a real request."""
