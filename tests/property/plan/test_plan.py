# SPDX-License-Identifier: Apache-2.0
"""What holds of every plan: the reader finds its way, the texts are whole, and order does not matter where it must
not."""

import ipaddress
import random

from hypothesis import HealthCheck, given, settings, strategies as st

from quorate.plan import facts, schema
from quorate.plan.parse import read, tomllib
from quorate.plan.render import haproxy, keepalived, systemd, xinetd
from quorate.plan.services import BY_NAME
from quorate.plan.toml_lines import lines
from tests.property.plan.plans import documents, toml, value_text

# A plan takes a few milliseconds to draw, and much longer on a machine that is busy with labs.
SOME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(SOME, max_examples=150)
PER_NODE = (keepalived, systemd, xinetd)


def right(text):
    plan, problems = read(text)
    assert [] == [one.sentence("plan") for one in problems], text
    return plan


def all_texts(plan):
    """Every text that can be made of a plan, by name; a refusal is its sentence."""
    found = {"haproxy": haproxy.render(plan)}
    for module in PER_NODE:
        for node in plan.nodes:
            try:
                found[module.__name__, node.name] = module.render(plan, node.name)
            except ValueError as refused:
                found[module.__name__, node.name] = str(refused)
    return found


@given(documents(), st.randoms(use_true_random=False))
@SOME
def test_order_of_tables_and_keys_does_not_matter(document, chance):
    def shuffled(items):
        chance.shuffle(items)
        return items

    one, other = right(toml(document)), right(toml(document, shuffled))

    assert one == other
    assert all_texts(one) == all_texts(other)


@given(documents())
@SOME
def test_the_order_of_a_placement_matters(document):
    """It is that of preference, so it reaches the text as it was written."""
    plan = right(toml(document))
    for name, entry in document["services"].items():
        if "placement" in entry:
            assert tuple(entry["placement"]) == plan.service(name).nodes


@given(documents())
@SOME
def test_every_endpoint_is_served_by_exactly_one_vip(document):
    plan = right(toml(document))

    assert sorted(facts.ENDPOINTS) == sorted(one for vip in plan.vips for one in vip.endpoints)
    for service in plan.services:
        assert bool(plan.vips_of(service)) == BY_NAME[service.name].proxied
        assert service.nodes


@given(documents())
@SOME
def test_who_died_is_noticed_before_he_is_back(document):
    """systemd waits longer than two and a half checks; only what has no second server is restarted at once."""
    plan = right(toml(document))
    assert systemd.RESTART >= 2 * haproxy.NOTICED
    text = haproxy.render(plan)
    for service in plan.services:
        if service.name not in systemd.APIS:
            continue
        listener = text.split("listen %s\n" % service.name)[1].split("\n\n")[0]
        assert (" observe layer4 " in listener) == (len(service.nodes) > 1)
        assert "mark-down" not in listener, "one refusal is no proof"
        assert "\n    http-request disable-l7-retry if !{ method GET HEAD OPTIONS }\n" in listener
    for node in plan.nodes:
        alone = {systemd.APIS[one.name][plan.system != "debian"] for one in plan.services
                 if one.name in systemd.APIS and node.name in one.nodes and len(one.nodes) == 1}
        several = {systemd.APIS[one.name][plan.system != "debian"] for one in plan.services
                   if one.name in systemd.APIS and node.name in one.nodes and len(one.nodes) > 1}
        try:
            parts = [part for part in systemd.render(plan, node.name).split("\n\n") if "RestartSec=3s" in part]
        except ValueError:
            parts = []
        named = {word[:-len(".service")] for part in parts for word in part.split() if word.endswith(".service")}
        assert named <= several and not named & (alone - several)


@given(documents())
@SOME
def test_haproxy_is_whole(document):
    """Each word belongs to a section, each listener has addresses and servers, no two listeners an address and port."""
    plan = right(toml(document))
    sections, binds = {}, []
    for line in haproxy.render(plan).splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line.startswith(" "):
            assert line not in sections
            sections[line] = current = []
        else:
            current.append(line.split())
            if current[-1][0] == "bind":
                binds.append(current[-1][1])
    assert len(binds) == len(set(binds))
    for name in (one.name for one in plan.services if BY_NAME[one.name].proxied):
        words = sections["listen " + name]
        assert any(one[0] == "bind" for one in words)
        servers = [one for one in words if one[0] == "server"]
        assert list(plan.service(name).nodes) == [one[1] for one in servers]
        for one in servers:
            host, _, port = one[2].rpartition(":")
            assert ipaddress.ip_address(host.strip("[]")) and int(port) == plan.service(name).backend_port
        # The one that serves alone is the first: an active server beside it would be a second writer.
        if not any(one[0] == "balance" for one in words):
            assert [False] + [True] * (len(servers) - 1) == ["backup" in one for one in servers]
        for one in words:
            for word in one:
                if word.startswith("nbsrv("):
                    assert "backend " + word[len("nbsrv("):-1] in sections
    assert ("peers quorate" in sections) == any("peers" in one for words in sections.values() for one in words)


@given(documents())
@SOME
def test_braces_of_keepalived_are_balanced_and_the_nodes_agree(document):
    plan = right(toml(document))
    if plan.vip_manager != "keepalived":
        return
    texts = [keepalived.render(plan, node.name) for node in plan.front_nodes]
    for text in texts:
        code = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        assert sum(line.count("{") for line in code) == sum(line.count("}") for line in code)
        for vip in plan.vips:
            assert "        %s/" % vip.address in text
    routers = [[line for line in text.splitlines() if "virtual_router_id" in line] for text in texts]
    assert all(one == routers[0] for one in routers)


@given(documents(), st.data())
@MANY
def test_whatever_is_written_there_is_a_sentence_or_a_plan(document, data):
    """A value of any kind at any key: the reader never fails, and every problem has a line and a remedy."""
    anything = st.one_of(st.none(), st.integers(), st.booleans(), st.text(max_size=8).filter(str.isprintable),
                         st.just([]),
                         st.just({}), st.just([1, "a"]), st.just({"a": 1})).filter(lambda one: one is not None)
    tables = [document["plan"]] + [entry for table in ("networks", "vips", "nodes", "services")
                                   for entry in document[table].values()]
    table = data.draw(st.sampled_from(tables))
    keys = sorted({key.name for one in schema.TABLES for key in one.keys})
    key = data.draw(st.sampled_from(keys))
    table[key] = data.draw(anything)
    text = toml(document)
    plan, problems = read(text)

    assert (plan is None) == bool(problems)
    for one in problems:
        assert one.line is None or 1 <= one.line <= text.count("\n")
        assert one.text and one.remedy and "\n" not in one.sentence("plan")
    if plan is not None:
        all_texts(plan)


# -- the lines of keys

KEYS = st.one_of(st.text("abc-_1", min_size=1, max_size=4), st.text(" .=#\"[]{}',\\", min_size=1, max_size=4))
VALUES = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(" ab#=]}[{,\"\\'", max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=8)


def layout(value, chance):
    """A value as TOML, written in one of the ways there are."""
    if isinstance(value, str):
        kinds = [value_text]
        if "'" not in value:
            kinds += [lambda text: "'%s'" % text]
            if not value.endswith("'"):
                kinds.append(lambda text: "'''\n%s'''" % text)
        if '"' not in value and "\\" not in value:
            kinds.append(lambda text: '"""%s"""' % text)
        return chance.choice(kinds)(value)
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s = %s" % (layout_key(key), layout(one, chance)) for key, one in value.items())
    if isinstance(value, list):
        gap = chance.choice(["", " ", "\n", "  # a ] comment\n "])
        return "[%s%s%s]" % (gap, ("," + gap).join(layout(one, chance) for one in value), gap)
    return value_text(value)


def layout_key(key):
    return key if key and set(key) <= set("abc-_1") else value_text(key)


@given(st.dictionaries(KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=3)), max_size=5),
       st.integers(0, 9999))
@MANY
def test_each_key_is_found_in_the_line_where_it_stands(content, seed):
    """Written in any of TOML's ways; where each key stands is counted as it is written."""
    chance = random.Random(seed)
    text, expected, tables = "", {}, []
    for key, value in content.items():
        if isinstance(value, dict) and chance.random() < 0.5:
            tables.append((key, value))
            continue
        text += chance.choice(["", "\n", "# a = 1\n"])
        expected[(key,)] = text.count("\n") + 1
        text += "%s = %s\n" % (layout_key(key), layout(value, chance))
    for key, value in tables:
        expected[(key,)] = text.count("\n") + 1
        text += "[ %s ]  # table\n" % layout_key(key)
        for inner, one in value.items():
            expected[(key, inner)] = text.count("\n") + 1
            text += "%s=%s\n" % (layout_key(inner), layout(one, chance))
    document = tomllib.loads(text)
    found = lines(text)

    assert expected.items() <= found.items(), text
    assert set(paths(document)) == set(found), text


def paths(value, above=()):
    """Every path of keys of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield above + (key,)
        yield from paths(one, above + (key,))
