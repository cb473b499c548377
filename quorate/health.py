# SPDX-License-Identifier: Apache-2.0
"""The meaning of a service's state: a code and a sentence. Every `health` module returns it, every check answers with it."""

from collections import namedtuple


class Health(namedtuple("Health", "code ok sentence")):
    """code: a word of the room's own (down: nobody there; hung: no answer in time; refused: our credentials are;
    maintenance: the operator's; unknown: it could not be asked, which is not a no). ok: clients may come. sentence: for
    people, what is wrong and what to type."""

    __slots__ = ()
