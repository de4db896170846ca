"""Users' servers: a container for each, made from one of the choices that `hub-up` found."""

import asyncio
import html

from docker.errors import APIError, ImageNotFound
from docker.types import Mount
from dockerspawner import DockerSpawner
from requests.exceptions import RequestException
from traitlets import Dict, List, Unicode, default

# Paths and ids of this project's images.
HOME = "/home/jovyan"
USER = "1000:100"

LABEL = "science-platform"

# Lines of a server that ended that its user sees, and the longest of them.
LINES = 10
WIDTH = 500


class NotStartedError(Exception):
    """A server that did not start; the hub shows users this text."""

    def __init__(self, text):
        super().__init__(text)
        self.jupyterhub_message = text


class LocalSpawner(DockerSpawner):
    """DockerSpawner without left-over containers, for homes that begin empty."""

    hub_name = Unicode(config=True, help="Prefix of all names, and the value of the hub's label.")
    run_label = Unicode(config=True, help="Label NAME=VALUE of what ends with the run of hub-up.")
    choices = List(Dict(), config=True, help="What users may start; the settings' `choices`.")

    # Containers are removed by `start` and `stop`, not by the engine: a server that ends at once
    # still has its output, and no earlier container with an earlier image is started again.
    remove = False

    @property
    def will_resume(self):
        return False

    @default("options_form")
    def _form(self):
        rows = [_row(it, number == 0) for number, it in enumerate(self.choices)]
        return '<div class="list-group">' + "\n".join(rows) + "</div>"

    @default("options_from_form")
    def _from_form(self):
        return lambda data: {"choice": data.get("choice", [""])[0]}

    def choice(self):
        """Returns the chosen server's settings; without a choice, the first."""
        if unknown := set(self.user_options) - {"choice"}:
            raise NotStartedError(f"unknown option: {', '.join(sorted(unknown))}")
        name = self.user_options.get("choice") or self.choices[0]["id"]
        for it in self.choices:
            if it["id"] == name:
                return it
        raise NotStartedError("this server is not on the list of this hub")

    def apply(self, choice):
        self.image = choice["image"]
        self.environment = choice["env"]
        self.mem_limit = choice["memory"]
        self.cpu_limit = choice["cpu"]
        self.cmd = choice["cmd"] or []
        self.default_url = choice["url"] or ""
        self.extra_create_kwargs = {
            "labels": self.labels("hub-server", choice),
            **({"user": choice["user"]} if choice["user"] else {}),
        }
        self.extra_host_config = {"security_opt": ["no-new-privileges"]}

    def labels(self, role, choice):
        name, _, value = self.run_label.partition("=")
        return self.home_labels(role, choice) | {name: value}

    def home_labels(self, role, choice):
        return {
            f"{LABEL}.hub": self.hub_name,
            f"{LABEL}.role": role,
            f"{LABEL}.hub-user": self.user.name,
            f"{LABEL}.hub-choice": choice["id"],
        }

    def home(self, choice):
        """Returns the volume's name: a mission's name may have dots, an escaped user's has none."""
        return f"{self.hub_name}-{choice['home']}.{self.escaped_name}"

    @property
    def mount_binds(self):
        choice = self.choice()
        binds = [Mount(it["to"], it["from"], "bind", read_only=it["ro"]) for it in choice["binds"]]
        return [Mount(HOME, self.home(choice), "volume", no_copy=True), *binds]

    async def start(self):
        choice = self.choice()
        try:
            return await self.start_again(choice)
        except ImageNotFound as error:
            mission = choice["mission"]
            raise NotStartedError(
                f"the image of {mission} was removed from this machine; "
                f"fix: `cargo xtask image-all {mission}`, then `cargo xtask hub-up`"
            ) from error
        except APIError as error:
            raise NotStartedError(f"docker refuses: {error.explanation or error}") from error
        except RequestException as error:
            raise NotStartedError("the docker engine does not answer") from error

    async def start_again(self, choice):
        """Starts a container in place of an earlier one, and returns its address once open."""
        self.apply(choice)
        if await self.get_object():
            await self.discard()
        await self.prepare_home(choice)
        where = await super().start()
        while not await _is_open(*where):
            if await self.poll() is not None:
                said = await self.last_lines()
                await self.discard()
                raise NotStartedError(f"the server ended at once: {said}")
        return where

    async def stop(self, now=False):
        await super().stop(now)
        if await self.get_object():
            await self.discard()
        self.object_id = ""

    async def discard(self):
        """Removes the container, whatever its state."""
        await self.docker("remove_container", self.object_id, v=True, force=True)
        self.object_id = ""

    async def last_lines(self):
        text = (await self.docker("logs", self.object_id, tail=LINES)).decode(errors="replace")
        lines = ["".join(c for c in it if c.isprintable())[:WIDTH] for it in text.splitlines()]
        return "\n".join(lines) or "without output"

    async def prepare_home(self, choice):
        """Makes the top folder of the home its user's: an empty volume belongs to root."""
        volume, mount = self.home(choice), "/mnt"
        await self.docker("create_volume", name=volume, labels=self.home_labels("hub-home", choice))
        host_config = self.client.create_host_config(
            mounts=[Mount(mount, volume, "volume", no_copy=True)],
            cap_drop=["ALL"],
            cap_add=["CHOWN"],
            security_opt=["no-new-privileges"],
        )
        made = await self.docker(
            "create_container",
            image=choice["image"],
            entrypoint=["chown"],
            command=[choice["user"] or USER, mount],
            user="root",
            network_disabled=True,
            healthcheck={"test": ["NONE"]},
            labels=self.labels("hub-prepare", choice),
            host_config=host_config,
        )
        try:
            await self.docker("start", made["Id"])
            ended = await self.docker("wait", made["Id"])
            if ended["StatusCode"] != 0:
                said = (await self.docker("logs", made["Id"], tail=LINES)).decode(errors="replace")
                raise NotStartedError(f"the home cannot be prepared: {said.strip()}")
        finally:
            await self.docker("remove_container", made["Id"], v=True, force=True)


async def _is_open(host, port):
    """Returns whether the port accepts connections, after a pause if it does not."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1)
    except (TimeoutError, OSError):
        await asyncio.sleep(0.2)
        return False
    writer.close()
    return True


def _row(choice, checked):
    """Returns a choice of the spawn page."""
    told = {it: html.escape(choice[it]) for it in ("id", "title", "description", "detail")}
    mark = " checked" if checked else ""
    about = f"<p class='mb-0'>{told['description']}</p>" if told["description"] else ""
    return (
        f"<label class='list-group-item'><input type='radio' name='choice' "
        f"value='{told['id']}'{mark}> <strong>{told['title']}</strong>{about}"
        f"<small class='text-muted'> {told['detail']}</small></label>"
    )
