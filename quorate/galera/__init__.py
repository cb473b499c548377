# SPDX-License-Identifier: Apache-2.0
"""The database cluster: Galera with MariaDB or Percona XtraDB Cluster. See docs/galera.md, docs/galera-election.md."""
