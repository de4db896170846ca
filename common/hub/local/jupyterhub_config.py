"""Configuration of the hub on this machine, from the settings that `hub-up` copies to /etc/hub.

Reference: https://jupyterhub.readthedocs.io/en/stable/reference/config-reference.html and
https://jupyterhub-dockerspawner.readthedocs.io/.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from spawner import LocalSpawner

settings = json.loads(Path("/etc/hub/settings.json").read_text())
name = settings["name"]
state = Path("/srv/hub")

c = get_config()  # noqa: F821 -- JupyterHub's

c.JupyterHub.bind_url = f"http://0.0.0.0:8000{settings['base_url']}"
c.JupyterHub.hub_bind_url = "http://0.0.0.0:8081"
c.JupyterHub.hub_connect_url = f"http://{name}:8081"
c.JupyterHub.db_url = f"sqlite:///{state}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
# Users' servers go on while the hub is replaced.
c.JupyterHub.cleanup_servers = False

c.JupyterHub.template_paths = [str(Path(__file__).parent / "templates")]

# Milliseconds for an answer, such as a large notebook as a page; without it 20 s, and status 503.
c.ConfigurableHTTPProxy.command = ["configurable-http-proxy", "--proxy-timeout", "300000"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:8001"
# In memory: a pid of before a restart would be another process now.
c.ConfigurableHTTPProxy.pid_file = "/dev/shm/proxy.pid"

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = settings["password"]
c.Authenticator.allow_all = True
# Names that volumes, containers and labels can have.
c.Authenticator.username_pattern = "[a-z0-9][a-z0-9._@-]{0,63}"
c.Authenticator.blocked_users = {settings["smoke_user"]}

c.JupyterHub.spawner_class = LocalSpawner
c.LocalSpawner.hub_name = name
c.LocalSpawner.run_label = settings["run_label"]
c.LocalSpawner.choices = settings["choices"]
c.LocalSpawner.pull_policy = "never"
c.LocalSpawner.network_name = name
c.LocalSpawner.use_internal_ip = True
c.LocalSpawner.prefix = name
c.LocalSpawner.start_timeout = settings["start_timeout"]
c.LocalSpawner.http_timeout = settings["start_timeout"]

scopes = ("admin:users", "servers", "access:servers", "delete:users")
c.JupyterHub.services = [{"name": "smoke", "api_token": settings["smoke_token"]}]
c.JupyterHub.load_roles = [
    {
        "name": "smoke",
        "services": ["smoke"],
        "scopes": [f"{it}!user={settings['smoke_user']}" for it in scopes],
    }
]
