# SPDX-License-Identifier: Apache-2.0
"""Keystone, Cinder and Heat over HTTP, as a user's client calls them; the OpenStack commands take a second each to
start.

Documented in the API references of Keystone v3, Block Storage v3 and Orchestration v1.
"""

import time

from lab import LabError
from lab.services.openstack import configuration

USERS = ("cinder", "heat")
ROLES = ("heat_stack_owner", "heat_stack_user")
SERVICES = (("volumev3", "http://%s:8776/v3/%%(project_id)s"), ("orchestration", "http://%s:8004/v1/%%(project_id)s"))


class Rest:
    """A session as the admin of project admin. address: of the node with the APIs; the caller must be able to reach
    it."""

    def __init__(self, address, secret, timeout=20.0):
        import requests
        self._session = requests.Session()
        self._session.trust_env = False  # this machine's proxies do not reach the lab
        self._address, self._secret, self._timeout = address, secret, timeout
        self.project = self.token = None

    def login(self):
        """Get a token. LabError with the answer if there is none."""
        user = {"name": "admin", "domain": {"id": "default"}, "password": self._secret}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = self._session.post(self._url("keystone", "/v3/auth/tokens"), json=body, timeout=self._timeout)
        if answer.status_code != 201:
            raise LabError("keystone gives no token: HTTP %d %s" % (answer.status_code, answer.text[:200]))
        self.token = self._session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        self.project = answer.json()["token"]["project"]["id"]
        return self

    def _url(self, service, path):
        return "http://%s:%d%s" % (self._address, configuration.PORTS[service], path)

    def ask(self, method, service, path, body=None, missing_ok=False):
        """The decoded answer; {} where it is empty. LabError unless the status is 2xx; with missing_ok None for 404."""
        path = path.replace("PROJECT", self.project or "")
        headers = {"OpenStack-API-Version": "volume 3.70"} if service == "cinder" else {}
        answer = self._session.request(method, self._url(service, path), json=body, headers=headers,
                                       timeout=self._timeout)
        if missing_ok and answer.status_code == 404:
            return None
        if answer.status_code // 100 != 2:
            raise LabError("%s %s %s: HTTP %d %s" % (service, method, path, answer.status_code, answer.text[:200]))
        return answer.json() if answer.content else {}

    # -- keystone

    def bootstrap(self, api):
        """Users, roles, services and endpoints beyond what `keystone-manage bootstrap` made."""
        made = self.ask("POST", "keystone", "/v3/projects", {"project": {"name": "service", "domain_id": "default"}})
        roles = {one["name"]: one["id"] for one in self.ask("GET", "keystone", "/v3/roles")["roles"]}
        for name in USERS:
            self._user(name, "default", "/v3/projects/%s" % made["project"]["id"], roles["admin"])
        domain = self.ask("POST", "keystone", "/v3/domains", {"domain": {"name": "heat"}})["domain"]["id"]
        self._user("heat_domain_admin", domain, "/v3/domains/" + domain, roles["admin"])
        for name in ROLES:
            self.ask("POST", "keystone", "/v3/roles", {"role": {"name": name}})
        for kind, url in SERVICES:
            service = self.ask("POST", "keystone", "/v3/services", {"service": {"type": kind, "name": kind}})
            for interface in ("public", "internal"):
                self.ask("POST", "keystone", "/v3/endpoints", {"endpoint": {
                    "interface": interface, "url": url % api, "region_id": configuration.REGION,
                    "service_id": service["service"]["id"]}})

    def service_user(self, name):
        """Make another user of project service, an admin as all of them are."""
        project = self.ask("GET", "keystone", "/v3/projects?name=service")["projects"][0]["id"]
        role = self.ask("GET", "keystone", "/v3/roles?name=admin")["roles"][0]["id"]
        self._user(name, "default", "/v3/projects/" + project, role)

    def _user(self, name, domain, where, role):
        user = self.ask("POST", "keystone", "/v3/users",
                        {"user": {"name": name, "domain_id": domain, "password": self._secret}})["user"]["id"]
        self.ask("PUT", "keystone", "%s/users/%s/roles/%s" % (where, user, role))

    # -- cinder

    def create_volume(self, name):
        """Request a volume of 1 GB; its id. Cinder's fake driver calls every backend `fake`, so the scheduler chooses
        one."""
        return self.ask("POST", "cinder", "/v3/PROJECT/volumes", {"volume": {"name": name, "size": 1}})["volume"]["id"]

    def volume(self, volume, kind="volume"):
        """The volume (or snapshot), a dict; None once it is gone."""
        found = self.ask("GET", "cinder", "/v3/PROJECT/%ss/%s" % (kind, volume), missing_ok=True)
        return found and found[kind]

    def await_volume(self, volume, status, timeout=60.0, kind="volume"):
        """Wait until the status of the volume (or snapshot) is `status` (None: it is gone); the seconds it took."""
        began = time.monotonic()
        while True:
            found = self.volume(volume, kind)
            now = found and found["status"]
            if now == status:
                return time.monotonic() - began
            if now is not None and now.startswith("error") or time.monotonic() - began > timeout:
                raise LabError("%s %s is %s after %.0f s, not %s"
                               % (kind, volume, now or "gone", time.monotonic() - began, status or "gone"))
            time.sleep(0.3)

    def snapshot(self, volume):
        """Request a snapshot of `volume`, which only the backend that has it can make; its id."""
        body = {"snapshot": {"volume_id": volume, "name": "of " + volume}}
        return self.ask("POST", "cinder", "/v3/PROJECT/snapshots", body)["snapshot"]["id"]

    def delete_snapshot(self, snapshot):
        """Request its deletion."""
        self.ask("DELETE", "cinder", "/v3/PROJECT/snapshots/" + snapshot)

    def volume_services(self):
        """{host@backend: "up" or "down"} of cinder-volume, according to cinder."""
        found = self.ask("GET", "cinder", "/v3/PROJECT/os-services?binary=cinder-volume")["services"]
        return {one["host"]: one["state"] for one in found}

    # -- heat

    def create_stack(self, name, seconds=0):
        """Request a stack of one resource that takes `seconds` to make; its id."""
        resource = {"type": "OS::Heat::TestResource", "properties": {"value": name,
                                                                     "action_wait_secs": {"create": seconds}}}
        template = {"heat_template_version": "2018-08-31", "resources": {"one": resource}}
        body = {"stack_name": name, "template": template, "timeout_mins": 5}
        return self.ask("POST", "heat", "/v1/PROJECT/stacks", body)["stack"]["id"]

    def stack_status(self, name):
        """Its status, such as CREATE_COMPLETE; None once it is gone."""
        found = self.ask("GET", "heat", "/v1/PROJECT/stacks/" + name, missing_ok=True)
        return found and found["stack"]["stack_status"]
