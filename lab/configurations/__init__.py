# SPDX-License-Identifier: Apache-2.0
"""Configurations of the database that people have, on real servers: what is unusual in each, and what is right."""
