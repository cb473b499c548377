# SPDX-License-Identifier: Apache-2.0
"""Addresses, maps and options: what is read is what was written, or an error; never silently something else."""

from ipaddress import ip_address
import shlex

from hypothesis import example, given, strategies as st

from quorate.galera.server.settings.address import Misunderstood, cluster_address, host_map, render, render_map, same
from quorate.galera.server.settings.options import provider_options

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
ADDRESSES = st.one_of(NAMES, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
WORDS = st.from_regex(r"[a-zA-Z0-9_.]{1,8}", fullmatch=True)


def usual(host):
    """An address as such: it has more than one spelling."""
    try:
        return ip_address(host)
    except ValueError:
        return host


@given(hosts=st.lists(st.tuples(ADDRESSES, st.none() | st.integers(1, 65535)), min_size=1,
                      unique_by=lambda one: same(one[0])),
       options=st.dictionaries(WORDS, WORDS, max_size=3))
def test_a_cluster_address_is_read_as_it_is_written(hosts, options):
    found, read = cluster_address(render(hosts, options))

    assert options == read
    assert [port for _, port in hosts] == [port for _, port in found]
    assert [usual(host) for host, _ in hosts] == [usual(host) for host, _ in found]
    assert (found, read) == cluster_address(render(found, read))


@given(text=st.text("n12gcomm:/,.[]?=&# \t\\;%-", max_size=30))
@example("n1, n2")
def test_what_galera_reads_of_any_address_is_what_was_understood(text):
    """By Galera's rules: entries between commas as they stand, the port after a single colon or a bracket."""
    try:
        hosts, options = cluster_address("gcomm://" + text)
    except Misunderstood:
        return
    sent = render(hosts, options)
    body, _, query = sent[len("gcomm://"):].partition("?")

    assert not set(" \t\\#@/;") & set(body) and len(hosts) == len(body.split(","))
    for entry, (host, port) in zip(body.split(","), hosts):
        assert entry == ("[%s]" % host if ":" in host else host) + ("" if port is None else ":%d" % port)
        assert host.lower() in text.lower() or ":" in host
    assert options == dict(part.split("=") for part in query.split("&") if part)


@given(st.dictionaries(ADDRESSES, NAMES, max_size=4).filter(
    lambda found: len({same(host) for host in found}) == len(found) == len(set(found.values()))))
def test_a_host_map_is_read_as_it_is_written(found):
    assert {usual(host): node for host, node in found.items()} == {
        usual(host): node for host, node in host_map(render_map(found)).items()}


@given(st.text("cn12:;,=[] .f", max_size=25))
@example("c1:10.0.0.16,c2:10.0.0.17")
@example("c1=10.0.0.16;c2:n2")
def test_no_part_of_a_host_map_is_ignored(text):
    try:
        found = host_map(text)
    except Misunderstood:
        return
    entries = [entry for entry in text.split(";") if entry.strip()]

    assert len(entries) == len(found)
    for entry, (host, node) in zip(entries, found.items()):
        assert entry.partition(":")[0].strip() == node
        assert host in entry or ":" in host


@given(st.dictionaries(WORDS, st.text([chr(code) for code in range(33, 127) if chr(code) != "\\"], min_size=1), max_size=4))
def test_provider_options_are_read_as_galera_escapes_them(options):
    written = " ; ".join("%s = %s" % (name, value.replace(";", "\\;").replace("=", "\\=")) for name, value in options.items())

    assert options == provider_options(written)


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=382), max_size=8)))
def test_quoted_words_reach_the_server_as_they_are(values):
    from quorate.galera.declaration import PARAMETERS
    from quorate.galera.server.settings.options import additional
    from tests import fakes
    words = tuple("--wsrep_x=" + value for value in values)
    parameters = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1",
                               additional_parameters=" ".join(map(shlex.quote, words))).parameters

    assert words == additional(parameters).rest
