# SPDX-License-Identifier: Apache-2.0
"""The HTTP answer and the server behind port 9200: one thread answers from one fact of bounded age, one asks the service."""
