# SPDX-License-Identifier: Apache-2.0
"""The message broker cluster: RabbitMQ with Mnesia or Khepri. See docs/rabbitmq.md, docs/rabbitmq-check.md."""
