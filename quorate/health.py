# SPDX-License-Identifier: Apache-2.0
"""The meaning of a service's state: a code and a sentence. The modules `health` give it, the checks answer with it."""

from collections import namedtuple


class Health(namedtuple("Health", "code ok sentence")):
    """code: one of the service's own codes (down: it does not run; hung: no answer in time; refused: it refused our
    credentials; maintenance: by the operator; unknown: it could not be asked, which is not a no). ok: clients may come.
    sentence: for the operator, what is wrong and what to type."""

    __slots__ = ()
