# SPDX-License-Identifier: Apache-2.0
"""What holds of every diagnosis of an OpenStack service, whatever was observed."""

from hypothesis import HealthCheck, given, settings, strategies as some

from quorate.host.process import Process
from quorate.openstack import catalog, facts
from quorate.openstack.facts import Address, Limits, Page, Reply, Row, Rows, Observation, Settings, Sockets, Tree
from quorate.openstack.symptoms import detect
from quorate.openstack.symptoms.diagnosis import diagnose

# Not how fast a busy machine makes examples is what is asked here.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
CALM = settings(settings.get_profile("calm"))
SERVICES = (catalog.CINDER_VOLUME, catalog.HEAT_ENGINE, catalog.NOVA_CONSOLEAUTH, catalog.NOVA_NOVNCPROXY)
BOLDNESS = {facts.STOPPED: 2, facts.HEALTHY: 0, facts.DEGRADED: 0, facts.FAILED: 1}
KEYS = ("orphans", "copies", "frozen", "workers", "amqp", "broker", "port", "database", "heartbeat", "heartbeat-part",
        "heartbeat-never", "heartbeat-unknown", "clock", "rpc", "rpc-waiting", "queue", "queue-part", "linking",
        "rpc-unknown", "consumers", "page", "page-missing")
NUMBERS = some.one_of(some.none(), some.integers(-100, 5000))


def maybe(strategy):
    return some.one_of(some.none(), strategy)


@some.composite
def trees(draw):
    state = some.sampled_from("SSSRDTt")
    pids = iter(range(10, 100))

    def processes(count, parent):
        return tuple(Process(pid, parent, pid, draw(state), ("x",)) for pid, _ in zip(pids, range(count)))

    parent = processes(1, 1)[0] if draw(some.booleans()) else None
    workers = processes(draw(some.integers(0, 3)), 10) if parent else ()
    if parent and not workers:
        workers = (parent,)
    return Tree(parent, workers, processes(draw(some.integers(0, 2)), 1), processes(draw(some.integers(0, 2)), 1)
                if parent else ())


@some.composite
def observations(draw):
    tree = draw(trees())
    sockets = {one.pid: Sockets(draw(maybe(some.integers(0, 3))), 1, draw(maybe(some.just(frozenset()))))
               for one in tree.all if draw(some.booleans())}
    configured = Settings(
        True, (Address("n1", 5672),) * draw(some.integers(0, 1)), None, draw(maybe(some.just("ha"))),
        (("a", "ha"), ("b", "ha"))[:draw(some.integers(0, 2))], None, draw(maybe(some.integers(1, 3))),
        "openstack", 10.0, 60.0, draw(maybe(some.just(("", 6080)))))
    row = some.builds(Row, some.sampled_from(("ha@a", "ha@b", "ha", "id")), NUMBERS, NUMBERS, some.just("m"),
                      some.one_of(some.none(), some.integers(0, 5000)), some.integers(0, 2))
    outcome = some.sampled_from((facts.ANSWERED, facts.SILENT, facts.UNREACHABLE, facts.MISSING, facts.UNKNOWN))
    return Observation(
        tree, sockets, configured, draw(some.floats(0, 5000)), draw(maybe(some.integers(1, 3))),
        draw(maybe(some.integers(1, 3))),
        draw(maybe(some.integers(0, 3))), draw(maybe(some.booleans())),
        draw(some.sampled_from((None, "ours", "other", "nobody"))),
        draw(maybe(some.builds(Rows, outcome, some.lists(row, max_size=4).map(tuple), some.just("why"),
                                some.integers(0, 5000)))),
        tuple(draw(some.lists(some.builds(Reply, some.just("q"), outcome, maybe(some.integers(0, 5))), max_size=2))),
        draw(maybe(some.builds(Page, outcome, maybe(some.sampled_from((200, 404, 503)))))))


DURATIONS = some.dictionaries(some.sampled_from(KEYS), some.floats(0, 10000))
LIMITS = some.builds(Limits, some.floats(0, 300), some.floats(0, 300))


def diagnosed(service, observed, durations, limits):
    return diagnose(service, observed, detect.symptoms(service, observed), durations, limits)


@CALM
@given(some.sampled_from(SERVICES), observations(), DURATIONS, LIMITS)
def test_alive_is_never_stopped_and_nothing_alive_is_nothing_else(service, observed, durations, limits):
    assert (diagnosed(service, observed, durations, limits).state == facts.STOPPED) == (not observed.tree.all)


@CALM
@given(some.sampled_from(SERVICES), observations(), DURATIONS, LIMITS)
def test_every_problem_has_a_message_and_health_has_none(service, observed, durations, limits):
    diagnosis = diagnosed(service, observed, durations, limits)

    assert (diagnosis.state == facts.HEALTHY) == (diagnosis.message == "") == (not diagnosis.symptoms
                                                                               and bool(observed.tree.all))
    assert "None" not in diagnosis.message


@CALM
@given(some.sampled_from(SERVICES), observations(), DURATIONS, LIMITS, some.data())
def test_more_unknowns_never_make_it_bolder(service, observed, durations, limits, data):
    """Forgetting a fact never turns a service that is left alone into one that is restarted."""
    which = data.draw(some.sampled_from(("sockets", "expected", "broker", "port_owner", "rows", "replies", "page")))
    less = observed._replace(**{which: {"sockets": {}, "replies": (), "rows": Rows(facts.UNKNOWN)}.get(which)})

    assert BOLDNESS[diagnosed(service, less, durations, limits).state] <= BOLDNESS[diagnosed(service, observed,
                                                                                             durations, limits).state]


@CALM
@given(some.sampled_from(SERVICES), observations(), DURATIONS, LIMITS)
def test_the_longer_it_lasts_the_worse_and_never_the_better(service, observed, durations, limits):
    longer = {key: value + 100 for key, value in durations.items()}

    assert (BOLDNESS[diagnosed(service, observed, durations, limits).state]
            <= BOLDNESS[diagnosed(service, observed, longer, limits).state])


@CALM
@given(some.sampled_from(SERVICES), observations(), DURATIONS, some.floats(0, 300))
def test_an_outage_alone_never_fails_a_service(service, observed, durations, tolerance):
    """With the default, a broker or database that is away restarts nothing."""
    found = detect.symptoms(service, observed)
    if found and all(one.kind == facts.OUTAGE for one in found):
        assert facts.DEGRADED == diagnose(service, observed, found, durations, Limits(tolerance, 0)).state


@CALM
@given(some.sampled_from(SERVICES), observations(), LIMITS)
def test_a_symptom_observed_for_the_first_time_fails_only_when_it_is_fatal(service, observed, limits):
    found = detect.symptoms(service, observed)
    diagnosis = diagnose(service, observed, found, {}, limits)

    assert (diagnosis.state == facts.FAILED) == (bool(observed.tree.all)
                                                 and any(one.kind == facts.FATAL for one in found))
