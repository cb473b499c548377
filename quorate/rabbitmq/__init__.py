# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ: a cluster of brokers that keeps what it was given."""
