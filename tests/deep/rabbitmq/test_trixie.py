# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:rabbitmq and rabbitmq-check on Debian 13: RabbitMQ 4.0, as it comes (Mnesia) and with Khepri enabled."""

import pytest

from lab.faults import machine
from lab.faults.fault import wait_for
from lab.services import rabbitmq
from tests.lab.rabbitmq_cluster import BEAM, LIMIT, assert_kept, furnished, monitor
from tests.lab.output import eventually

CREDENTIALS = "[client]\nuser = watch\npassword = watch\n"


def with_khepri(lab):
    rabbitmq.ctl(lab, "n1", "enable_feature_flag", "--experimental", "khepri_db")


@pytest.fixture(scope="module", params=(None, with_khepri), ids=("mnesia", "khepri"))
def lab(request):
    with furnished("ttrabbit", "trixie", request.param) as made:
        yield made


@pytest.fixture
def whole(lab):
    rabbitmq.wait_whole(lab, timeout=LIMIT)
    yield lab
    assert_kept(lab)


def checked(lab, node, *words):
    """What the resident check on port 9201 of `node` answers: (status, text)."""
    done = lab.run(node, ["curl", "-s", "-w", "\n%{http_code}", "http://127.0.0.1:9201/"] + list(words))
    text, _, code = done.out.rpartition("\n")
    return int(code or 0), text.strip()


def test_disable_and_enable(whole):
    whole.check("n1", ["pcs", "resource", "disable", "mq-clone", "--wait=100"], 120)
    rabbitmq.wait_silent(whole)
    whole.check("n1", ["pcs", "resource", "enable", "mq-clone"])


def test_sigkill_of_all(whole):
    for node in whole.node_names:
        machine.kill(whole, node, BEAM)
    assert wait_for(lambda: not rabbitmq.serving(whole), 10, 0.05)


def test_power_cut_of_all(whole):
    whole.power_cut(*whole.node_names, stay_off=True)
    whole.power_on()


def test_an_empty_disk_joins_as_a_new_member(whole):
    whole.check("n3", "mkdir -p /root/aside; kill -KILL $(pidof %s); sleep 0.3; mv %s/rabbit@n3 /root/aside/; "
                      "rm -r /var/lib/quorate" % (BEAM, rabbitmq.BASE))
    assert wait_for(lambda: "n3" not in rabbitmq.serving(whole), 10, 0.05)
    rabbitmq.wait_whole(whole, timeout=LIMIT)
    assert wait_for(lambda: rabbitmq.quorum_members(whole, "n1") == 3, LIMIT, 1)


def test_a_mirroring_policy_is_refused_in_a_sentence(whole):
    whole.check("n1", ["pcs", "resource", "update", "mq", 'set_policy=ha-all ^ha {"ha-mode":"all"}'])
    try:
        eventually(whole, "n1", ["crm_mon", "-1"], "use quorum queues")
    finally:
        whole.check("n1", "pcs resource update mq set_policy=; crm_resource --wait; pcs resource cleanup mq", 100)


def test_the_check_and_the_monitor_at_its_levels(whole):
    """An alarm, maintenance, a hang and a stop, each reported by its name; with credentials and the management API."""
    whole.check("n2", "rabbitmq-plugins -q enable rabbitmq_management", 90)
    whole.check("n2", "rabbitmqctl -q add_user watch watch && rabbitmqctl -q set_user_tags watch monitoring && "
                      "rabbitmqctl -q set_permissions watch '^$' '^$' '^$'", 60)
    whole.check("n2", "install -d /etc/quorate && install -m 640 -g rabbitmq /dev/stdin /etc/quorate/rabbitmq.cnf",
                stdin=CREDENTIALS)
    whole.check("n2", ["systemctl", "start", "quorate-rabbitmq-check.socket"])
    assert wait_for(lambda: checked(whole, "n2") == (200, "RabbitMQ serves clients."), LIMIT, 0.5), checked(whole, "n2")
    assert [monitor(whole, "n2", level).rc for level in (0, 10, 20)] == [0, 0, 0]

    rabbitmq.ctl(whole, "n2", "set_vm_memory_high_watermark", "0.00001")
    assert wait_for(lambda: "alarm of memory" in checked(whole, "n2")[1], LIMIT, 0.5), checked(whole, "n2")
    assert [monitor(whole, "n2", level).rc for level in (0, 20)] == [190, 190]
    rabbitmq.ctl(whole, "n2", "set_vm_memory_high_watermark", "0.4")

    rabbitmq.ctl(whole, "n2", "rabbitmq-upgrade", "drain")
    assert wait_for(lambda: checked(whole, "n2")[0] == 503 and "maintenance" in checked(whole, "n2")[1], LIMIT, 0.5)
    rabbitmq.ctl(whole, "n2", "rabbitmq-upgrade", "revive")
    assert wait_for(lambda: checked(whole, "n2")[0] == 200, LIMIT, 0.5)

    machine.stop(whole, "n2", BEAM)
    assert wait_for(lambda: checked(whole, "n2")[0] == 503 and "SIGSTOP" in checked(whole, "n2")[1], LIMIT, 0.2)
    machine.cont(whole, "n2", BEAM)
    whole.check("n2", ["systemctl", "stop", "quorate-rabbitmq-check.socket", "quorate-rabbitmq-check.service"])
