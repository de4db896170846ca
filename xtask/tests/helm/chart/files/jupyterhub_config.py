"""Configuration of the hub from the chart's values, which `Secret/hub` holds.

Reference: https://jupyterhub.readthedocs.io/en/stable/reference/config-reference.html and
https://jupyterhub-kubespawner.readthedocs.io/en/latest/spawner.html.
"""

import os
import sys
from pathlib import Path

import yaml

SECRET = Path("/usr/local/etc/jupyterhub/secret")
values = yaml.safe_load((SECRET / "values.yaml").read_text())
hub, user, cull = values["hub"], values["singleuser"], values["cull"]


def secret(key):
    return (SECRET / key).read_text()


c = get_config()  # noqa: F821 -- JupyterHub's

c.JupyterHub.base_url = hub["baseUrl"]
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.cookie_secret = bytes.fromhex(secret("hub.config.JupyterHub.cookie_secret"))
c.CryptKeeper.keys = secret("hub.config.CryptKeeper.keys").split(";")
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
c.ConfigurableHTTPProxy.auth_token = secret("hub.config.ConfigurableHTTPProxy.auth_token")
c.ConfigurableHTTPProxy.should_start = False
# Users' servers go on while the hub is replaced.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 60
if hub["db"]["type"] == "sqlite-pvc":
    c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
elif hub["db"]["type"] == "sqlite-memory":
    c.JupyterHub.db_url = "sqlite://"
else:
    c.JupyterHub.db_url = hub["db"]["url"]

c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.KubeSpawner.common_labels = {"app": "jupyterhub", "release": os.environ["HELM_RELEASE_NAME"]}
c.KubeSpawner.image = f"{user['image']['name']}:{user['image']['tag']}"
c.KubeSpawner.image_pull_policy = user["image"].get("pullPolicy") or "IfNotPresent"
c.KubeSpawner.image_pull_secrets = (
    ["image-pull-secret"] if values["imagePullSecret"]["create"] else values["imagePullSecrets"]
)
c.KubeSpawner.cmd = user["cmd"]
c.KubeSpawner.uid, c.KubeSpawner.fs_gid = 1000, 100
c.KubeSpawner.environment = user["extraEnv"]
c.KubeSpawner.init_containers = user["initContainers"]
c.KubeSpawner.profile_list = user["profileList"]
for trait, value in {
    # Helm 4 leaves out a value that is null.
    "default_url": user.get("defaultUrl"),
    "start_timeout": user["startTimeout"],
    "http_timeout": user["startTimeout"],
    "mem_limit": user["memory"].get("limit"),
    "mem_guarantee": user["memory"].get("guarantee"),
    "cpu_limit": user["cpu"].get("limit"),
    "cpu_guarantee": user["cpu"].get("guarantee"),
}.items():
    if value is not None:
        c.KubeSpawner[trait] = value
storage = user["storage"]
if storage["type"] == "dynamic":
    c.KubeSpawner.storage_pvc_ensure = True
    c.KubeSpawner.storage_capacity = storage["capacity"]
    c.KubeSpawner.storage_access_modes = storage["dynamic"]["storageAccessModes"]
    if storage["dynamic"].get("storageClass"):
        c.KubeSpawner.storage_class = storage["dynamic"]["storageClass"]
    claim = "claim-{user_server}"
    c.KubeSpawner.pvc_name_template = claim
    c.KubeSpawner.volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": claim}}]
    c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": storage["homeMountPath"]}]

c.JupyterHub.services = []
for name, service in hub["services"].items():
    rest = {key: it for key, it in service.items() if key not in ("apiToken", "api_token")}
    token = secret(f"hub.services.{name}.apiToken")
    c.JupyterHub.services.append({"name": name, "api_token": token} | rest)
c.JupyterHub.load_roles = [{"name": name} | role for name, role in hub["loadRoles"].items()]
if cull["enabled"]:
    # Not by the Service `hub`: no pod is ready yet when the culler asks first.
    url = f"http://localhost:8081{hub['baseUrl']}hub/api"
    command = [sys.executable, "-m", "jupyterhub_idle_culler", f"--url={url}"]
    command += [f"--timeout={cull['timeout']}", f"--cull-every={cull['every']}"]
    command += [f"--max-age={cull['maxAge']}", *(["--cull-users"] if cull["users"] else [])]
    c.JupyterHub.services.append({"name": "jupyterhub-idle-culler", "command": command})
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    scopes += ["admin:users"] if cull["users"] else []
    role = {"name": "jupyterhub-idle-culler", "services": ["jupyterhub-idle-culler"]}
    c.JupyterHub.load_roles.append(role | {"scopes": scopes})

for section, traits in hub["config"].items():
    c[section].update(traits)
for name, code in sorted(hub["extraConfig"].items()):
    print(f"extraConfig: {name}", flush=True)
    exec(code)
