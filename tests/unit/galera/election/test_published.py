# SPDX-License-Identifier: Apache-2.0
"""Reports and orders as attribute values. (That any report survives the way is a property: tests/property.)"""

import pytest

from quorate.galera.election.published import decode_override, decode_report, encode_override, encode_report
from quorate.galera.facts import DOWN, Override, Report, View

U = "6b1f0c2e-c6a1-11ef-0000-3b0d6f7a8c11"
REPORT = Report("n1", DOWN, U, 12, view=View(U, 3, frozenset([U])), my_uuid=U, generation=2, since=1700000000.7)


def test_a_newer_node_may_say_more():
    text = encode_report(REPORT).replace(",end:1", ",mood:good,end:1")
    assert decode_report("n1", text) == REPORT._replace(since=1700000000)


@pytest.mark.parametrize("text", [
    None, "", "v2,st:down,end:1", "v1", "v1,st:asleep,end:1", "v1,st:down,n:many,end:1", "v1,st:down,u:1234,end:1",
    "v1,n:5,end:1", "v1,st:down,st:synced,end:1", "v1,st:down,vu:%s,end:1" % U, "v1,st:down,vu:%s,vn:1,vm:,end:1" % U,
    "v1,st:down,c:2,end:1", "v1,st:down,n:\u0661,end:1", "down", "v1,st:down,nonsense,end:1"])
def test_nonsense_is_no_report(text):
    assert decode_report("n1", text) is None


def test_an_order_and_who_gave_it():
    order = Override("n1", "root", 1700000000, True)
    assert decode_override(encode_override(order)) == order
    assert decode_override(encode_override(order._replace(by="a b,c:d\n"))).by == "a_b_c_d_"
    assert decode_override(encode_override(Override("n1"))) == Override("n1", None, 0, False)


@pytest.mark.parametrize("text", [
    None, "", "n1", "v1,node:,by:x,at:1,f:0", "v1,node:n1,by:x,at:1", "v1,node:n1,by:x,at:1,f:yes",
    "v1,node:n 1,by:x,at:1,f:0", "v9,node:n1,by:x,at:1,f:0"])
def test_half_an_order_is_none(text):
    assert decode_override(text) is None
