# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ's own tools and its management API, and what is asked of them."""
