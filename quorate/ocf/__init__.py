# SPDX-License-Identifier: Apache-2.0
"""The OCF resource agent contract, version 1.1. It knows no service.

https://github.com/ClusterLabs/OCF-spec/blob/main/ra/1.1/resource-agent-api.md
"""
