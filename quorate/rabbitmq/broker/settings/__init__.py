# SPDX-License-Identifier: Apache-2.0
"""What RabbitMQ's own files and variables say: read as RabbitMQ reads them, and nothing is executed."""
