# SPDX-License-Identifier: Apache-2.0
"""Configurations of RabbitMQ that people have, tried on a real cluster."""
