# SPDX-License-Identifier: Apache-2.0
"""What all checks share: the declaration, the command, and the HTTP server, where one thread answers from a fact of
limited age and one asks the service."""
