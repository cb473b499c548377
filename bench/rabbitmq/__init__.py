# SPDX-License-Identifier: Apache-2.0
"""The RabbitMQ agent beside ocf:heartbeat:rabbitmq-cluster. Started by scripts/bench --service rabbitmq."""
