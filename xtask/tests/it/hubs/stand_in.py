#!/usr/bin/env python3
"""Answers as kubectl and as helm, by its name, for the command lines that `cargo xtask` uses for a
deployed hub. Refuses all others, in the programs' words, and records them in `unknown`, so that a
new one is noticed. The folder named by `STAND_IN` has the objects and revisions (`cluster.json`),
the calls (`cluster-calls`) and the planned failures (`cluster-flaws.json`).
"""

import fcntl
import io
import json
import os
import signal
import sys
import tarfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(os.environ["STAND_IN"])
PROGRAM = Path(sys.argv[0]).name
ARGS = sys.argv[1:]
LINE = " ".join([PROGRAM, *ARGS])

KINDS = {
    "configmap": "configmaps",
    "configmaps": "configmaps",
    "job": "jobs.batch",
    "networkpolicy": "networkpolicies.networking.k8s.io",
    "networkpolicies": "networkpolicies.networking.k8s.io",
    "deployment": "deployments.apps",
    "lease.coordination.k8s.io": "leases.coordination.k8s.io",
    "leases.coordination.k8s.io": "leases.coordination.k8s.io",
    "namespace": "namespaces",
    "pod": "pods",
    "pods": "pods",
    "pvc": "persistentvolumeclaims",
    "persistentvolumeclaim": "persistentvolumeclaims",
    "secret": "secrets",
    "service": "services",
    "events": "events",
    "daemonsets": "daemonsets.apps",
    "jobs": "jobs.batch",
}


class Refused(Exception):
    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


def unknown():
    with (HERE / "unknown").open("a") as file:
        file.write(LINE + "\n")
    return Refused(f"error: not known to the stand-in: {LINE}", 64)


@contextmanager
def state(changes=False):
    """Yields the state, which other calls neither read nor change meanwhile."""
    path = HERE / "cluster.json"
    with (HERE / "cluster.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        res = json.loads(path.read_text())
        yield res
        if changes:
            part = path.with_suffix(".part")
            part.write_text(json.dumps(res))
            part.replace(path)


def parsed(args, flags):
    """Returns the words and the values of flags; `flags` tells which flags have a value."""
    words, values = [], {}
    args = list(args)
    while args:
        it = args.pop(0)
        if it == "--":
            return [*words, "--", *args], values
        if not it.startswith("-") or it == "-":
            words.append(it)
            continue
        name, is_joined, value = it.partition("=")
        if name not in flags:
            raise Refused(f"error: unknown flag: {name}")
        if flags[name] and not is_joined:
            if not args:
                raise Refused(f"error: flag needs an argument: {name}")
            value = args.pop(0)
        values[name] = value if flags[name] or is_joined else True
    return words, values


def flawed(after):
    """Does what the test planned for this call; returns whether the call goes on."""
    path = HERE / "cluster-flaws.json"
    if not path.exists():
        return
    with (HERE / "cluster.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        flaws = json.loads(path.read_text())
        found = next(
            (
                it
                for it in flaws
                if it["on"] in LINE
                and it.get("without", "\n") not in LINE
                and it.get("times", 1)
                and bool(it.get("after")) == after
            ),
            None,
        )
        if found is None:
            return
        found["skip"] = found.get("skip", 0) - 1
        if found["skip"] < 0:
            found["times"] = found.get("times", 10**6) - 1
        path.write_text(json.dumps(flaws))
    if found["skip"] < 0:
        print(found.get("stdout", ""), end="")
        raise Refused(found.get("stderr", "error: planned"), found.get("status", 1))


def kubectl():
    flags = {
        "--context": True,
        "--namespace": True,
        "--request-timeout": True,
        "-o": True,
        "-f": True,
        "--ignore-not-found": False,
        "--selector": True,
        "--raw": True,
        "--timeout": True,
        "--replicas": True,
        "--validate": True,
        "--wait": True,
        "-i": False,
        "--container": True,
        "--tail": True,
        "--follow": False,
        "--previous": False,
        "--minify": False,
        "--flatten": False,
    }
    words, values = parsed(ARGS, flags)
    for name in ("--context", "--namespace"):
        if name not in values:
            raise Refused(f"error: the stand-in wants {name}")
    if values["--context"] != "lab":
        raise Refused(f'error: context "{values["--context"]}" does not exist')
    verb, *rest = words
    answer = VERBS.get(verb)
    if answer is None:
        raise unknown()
    answer(rest, values)


def named(word, name=None):
    if name is None:
        kind, _, name = word.partition("/")
    else:
        kind = word
    kind = "deployment" if kind == "deploy" else kind
    if kind not in KINDS:
        raise Refused(f'error: the server doesn\'t have a resource type "{kind}"')
    return KINDS[kind], name


def get(words, values):
    if "--raw" in values and not words:
        return raw(values["--raw"])
    if values.get("-o") != "json":
        raise unknown()
    with state() as all:
        if values.get("-f") == "-":
            wanted = json.load(sys.stdin)["items"]
            keys = [key(it) for it in wanted]
            found = [all["objects"][it] for it in keys if it in all["objects"]]
        elif len(words) == 2:
            kind, name = named(*words)
            it = all["objects"].get(f"{kind}/{name}")
            if it is None and "--ignore-not-found" in values:
                return None
            if it is None:
                raise Refused(f'Error from server (NotFound): {kind} "{name}" not found')
            print(json.dumps(it))
            return None
        else:
            (kinds,) = words
            kinds = [named(it, "")[0] for it in kinds.split(",")]
            objects = [*all["objects"].items(), *pods(all), *pods_of_jobs(all), *refusals(all)]
            found = [
                it
                for name, it in objects
                if name.split("/")[0] in kinds and selected(it, values.get("--selector"))
            ]
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}))
    return None


def raw(path):
    with state() as all:
        if not running(all):
            raise Refused("Error from server (ServiceUnavailable): no endpoints available")
        prefix = "/api/v1/namespaces/hello-staging/services/http:proxy-public:80/proxy/hub/"
        if path == prefix + "api":
            print(json.dumps({"version": all["version"]}))
        elif path != prefix + "health":
            raise unknown()


def running(all):
    hub = all["objects"].get("deployments.apps/hub")
    return hub is not None and hub["spec"]["replicas"] > 0


def pods(all):
    """Returns the pod of the hub, a new one for each time that it was started."""
    if not running(all):
        return []
    name = f"hub-{all['starts']}"
    started = {"running": {"startedAt": "2026-11-27T10:00:00Z"}}
    status = {"name": "hub", "ready": True, "restartCount": 0, "started": True, "state": started}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "labels": {"component": "hub"}},
        "spec": {"containers": [{"name": "hub"}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }
    return [(f"pods/{name}", pod)]


def selected(it, selector):
    labels = it["metadata"].get("labels", {})
    if selector is None:
        return True
    if " notin " in selector:
        name, _, values = selector.partition(" notin ")
        return labels.get(name) not in values.strip("()").split(",")
    parts = [part.partition("=") for part in selector.split(",")]
    return all(
        labels.get(it) == value if is_equal else it in labels for it, is_equal, value in parts
    )


def pods_of_jobs(all):
    """Returns a pod for each Job of tests, in the state that the test planned for it."""
    jobs = [it for name, it in all["objects"].items() if name.startswith("jobs.batch/")]
    res = []
    for job in jobs:
        name = job["metadata"]["name"]
        status = planned(all, name)
        if status is None:
            continue
        labels = job["spec"]["template"]["metadata"]["labels"]
        metadata = {"name": f"{name}-pod", "uid": f"{name}-pod", "labels": labels}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
        res.append((f"pods/{name}-pod", pod))
    return res


def refusals(all):
    """Returns an event for each Job of tests without a pod."""
    told = all.get("tests", {}).get("refused")
    jobs = [it for name, it in all["objects"].items() if name.startswith("jobs.batch/")]
    without = [it["metadata"] for it in jobs if planned(all, it["metadata"]["name"]) is None]
    event = {"type": "Warning", "reason": "FailedCreate", "message": told}
    return [("events/1", {**event, "metadata": {}, "involvedObject": it}) for it in without]


def planned(all, job):
    """Returns the status of a Job's pod, by the end of the Job's name; else it has results."""
    if (HERE / "hold").exists():
        return {
            "phase": "Running",
            "containerStatuses": [{"name": "test", "state": {"running": {}}}],
        }
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return all["tests"]["pods"].get(job.rpartition("-")[2], ready)


def key(it):
    kind, name = named(it["kind"].lower() + group(it), it["metadata"]["name"])
    return f"{kind}/{name}"


def group(it):
    return ".coordination.k8s.io" if it["kind"] == "Lease" else ""


def stored(all, it):
    all["writes"] += 1
    it["metadata"]["resourceVersion"] = str(all["writes"])
    it["metadata"].setdefault("uid", f"uid-{all['writes']}")
    if it["kind"] == "Pod":
        status = {"name": "database", "ready": True, "state": {"running": {}}}
        it["status"] = {"phase": "Running", "containerStatuses": [status]}
    all["objects"][key(it)] = it
    print(json.dumps(it))


def create(words, values):
    if words or values.get("-f") != "-" or values.get("-o") not in ("json", "name"):
        raise unknown()
    it = json.load(sys.stdin)
    with state(changes=True) as all:
        if it["kind"] == "List" and it["items"][0]["kind"] == "SelfSubjectAccessReview":
            print(json.dumps({**it, "items": [reviewed(all, each) for each in it["items"]]}))
            return
        if it["kind"] == "List":
            for each in it["items"]:
                all["objects"][key(each)] = each
                each["metadata"]["uid"] = each["metadata"]["name"]
                print(key(each))
            all["created"] = [*all.get("created", []), *it["items"]]
            return
        if key(it) in all["objects"]:
            kind, _, name = key(it).partition("/")
            raise Refused(f'Error from server (AlreadyExists): {kind} "{name}" already exists')
        stored(all, it)


def reviewed(all, it):
    """Returns the answer to whether the user may do something: all but what the test planned."""
    wanted = it["spec"]["resourceAttributes"]
    name = "/".join(filter(None, (wanted["resource"], wanted["subresource"])))
    denied = all.get("denied", [])
    return {**it, "status": {"allowed": f"{wanted['verb']} {name}" not in denied}}


def replace(words, values):
    if words or values.get("-f") != "-" or values.get("-o") != "json":
        raise unknown()
    it = json.load(sys.stdin)
    with state(changes=True) as all:
        old = all["objects"].get(key(it))
        kind, _, name = key(it).partition("/")
        if old is None:
            raise Refused(f'Error from server (NotFound): {kind} "{name}" not found')
        version = it["metadata"].get("resourceVersion")
        if version not in (None, old["metadata"]["resourceVersion"]):
            raise Refused(
                "Error from server (Conflict): Operation cannot be fulfilled on "
                f'{kind} "{name}": the object has been modified; please apply your changes to '
                "the latest version and try again"
            )
        it["metadata"]["uid"] = old["metadata"]["uid"]
        stored(all, it)


def delete(words, values):
    if "--ignore-not-found" not in values:
        raise unknown()
    with state(changes=True) as all:
        if "--selector" in values:
            kinds = [named(it, "")[0] for it in words[0].split(",")]
            for name, it in list(all["objects"].items()):
                if name.split("/")[0] in kinds and selected(it, values["--selector"]):
                    del all["objects"][name]
            return
        kind, name = named(*words)
        all["objects"].pop(f"{kind}/{name}", None)
        if kind == "secrets" and name.startswith("sh.helm.release.v1."):
            revision = int(name.rpartition(".v")[2])
            all["release"] = [it for it in all["release"] if it["revision"] != revision]


def scale(words, values):
    kind, name = named(*words)
    with state(changes=True) as all:
        it = all["objects"].get(f"{kind}/{name}")
        if it is None:
            raise Refused(f'Error from server (NotFound): {kind} "{name}" not found')
        it["spec"]["replicas"] = int(values["--replicas"])
        all["starts"] += 1


def rollout(words, values):
    if words[0] != "status" or "--timeout" not in values:
        raise unknown()
    kind, name = named(words[1])
    with state() as all:
        it = all["objects"].get(f"{kind}/{name}")
        if it is None:
            raise Refused(f'Error from server (NotFound): {kind} "{name}" not found')
        if it["spec"]["replicas"] == 0:
            raise Refused("error: timed out waiting for the condition")


def logs(words, values):
    if "--container" not in values:
        raise unknown()
    print("passed  a test (0.1 s)", flush=True)
    if (HERE / "deaf").exists():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    while "--follow" in values and (HERE / "hold").exists():
        time.sleep(0.02)


def pack(pod, container, folder):
    """Writes the results of a pod's container, for the tests in its plan."""
    with state() as all:
        job = pod.removesuffix("-pod")
        plan = json.loads(all["objects"][f"configmaps/{job}"]["data"]["plan.json"])
        told = all["tests"]
    of_image = {"home", "permissions"}
    kinds = {
        "/opt/test-results-of-image": of_image,
        "/opt/test-results": {"kernel", "server", "shell"},
    }
    known = of_image | kinds["/opt/test-results"]
    wanted = []
    for test in told["results"]:
        name = [test["environment"], test["kind"], test["name"]]
        is_here = (
            test["kind"] in kinds[folder] if container == "test-hub" else test["kind"] not in known
        )
        is_wanted = name in plan["tests"] if plan["tests"] else name not in plan["without"]
        if is_here and is_wanted:
            wanted.append(test)
    failed = any(it["outcome"] == "failed" for it in wanted)
    files = {
        "results.jsonl": "".join(json.dumps(it) + "\n" for it in wanted),
        "image.json": json.dumps(told["contents"]),
        "network": told["network"],
        "ended": str(int(failed)),
        "notebooks/hello/a.ipynb": "{}",
    }
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


def execute(words, values):
    of, _, *command = words
    if command[:3] == ["tar", "--create", "--directory"]:
        return pack(of, values["--container"], command[3])
    if "-i" not in values or command[:2] not in (["python3", "-"], ["python3", "-c"]):
        raise unknown()
    script = sys.stdin.read()
    with state(changes=True) as all:
        if of == "deploy/hub" and not running(all):
            raise Refused("error: timed out waiting for the condition")
        if of.startswith("pod/") and f"pods/{of[4:]}" not in all["objects"]:
            raise Refused(f'Error from server (NotFound): pods "{of[4:]}" not found')
        match command[1:]:
            case ["-", "smoke"]:
                print(json.dumps({"step": "log in", "seconds": 0.1}))
            case ["-", "clean"]:
                pass
            case ["-", "list", "/srv/jupyterhub"] if "sqlite3" in script:
                print(json.dumps({"names": sorted(all["backups"], reverse=True)}))
            case ["-", "restore", "/srv/jupyterhub", name, kept] if "sqlite3" in script:
                if running(all):
                    raise Refused("the stand-in's hub uses the database")
                if name not in all["backups"]:
                    print(json.dumps({"error": f"{name} not found"}))
                    raise Refused("command terminated with exit code 1")
                all["backups"].append(kept)
                print(json.dumps({"name": name, "bytes": 1, "replaced": kept}))
            case _:
                raise unknown()
    return None


def version(_words, _values):
    versions = {"clientVersion": "v1.32.4", "serverVersion": "v1.32.1"}
    print(json.dumps({name: {"gitVersion": it} for name, it in versions.items()}))


def auth(_words, _values):
    raise Refused('error: the server doesn\'t have a resource type "selfsubjectreviews"')


VERBS = {
    "get": get,
    "create": create,
    "replace": replace,
    "delete": delete,
    "scale": scale,
    "rollout": rollout,
    "exec": execute,
    "logs": logs,
    "version": version,
    "auth": auth,
}


def helm():
    flags = {
        "--kube-context": True,
        "--namespace": True,
        "--output": True,
        "--max": True,
        "--revision": True,
        "--wait": False,
        "--timeout": True,
        "--history-max": True,
        "--template": True,
    }
    words, values = parsed(ARGS, flags)
    if words == ["version"] and values == {"--template": "{{.Version}}"}:
        print("v3.17.2", end="")
        return
    if (values.get("--kube-context"), values.get("--namespace")) != ("lab", "hello-staging"):
        raise Refused("Error: the stand-in wants the context and the namespace")
    match words:
        case ["history", "hello-staging"]:
            history()
        case ["get", part, "hello-staging"] if part in ("manifest", "hooks", "values"):
            of_revision(part, int(values["--revision"]))
        case ["rollback", "hello-staging", revision] if "--wait" in values:
            rollback(int(revision))
        case _:
            raise unknown()


def history():
    with state() as all:
        if not all["release"]:
            raise Refused("Error: release: not found")
        shown = [
            {name: it[name] for name in it if name not in ("manifest", "values")}
            for it in all["release"]
        ]
    print(json.dumps(shown))


def of_revision(part, revision):
    with state() as all:
        found = [it for it in all["release"] if it["revision"] == revision]
        if not found:
            raise Refused("Error: release: not found")
        if part == "values":
            print(json.dumps(found[0]["values"]))
        elif part == "manifest":
            print("\n".join("---\n" + json.dumps(it) for it in found[0]["manifest"]))


def rollback(revision):
    with state(changes=True) as all:
        found = [it for it in all["release"] if it["revision"] == revision]
        if not found:
            raise Refused("Error: release: not found")
        number = all["release"][-1]["revision"] + 1
        description = f"Rollback to {revision}"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        new = {**found[0], "revision": number, "updated": now, "description": description}
        new["status"] = "pending-rollback"
        all["release"].append(new)
    # Helm 3 has no handler for signals here: the revision stays pending.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    while (HERE / "hold").exists():
        time.sleep(0.02)
    plan = HERE / "rollback"
    with state(changes=True) as all:
        for it in new["manifest"]:
            all["objects"][key(it)] = {**it, "metadata": {**it["metadata"], "uid": "uid-0"}}
        all["starts"] += 1
        if plan.exists():
            all["release"][-1]["status"] = "failed"
            said = plan.read_text()
        else:
            for it in all["release"]:
                it["status"] = "superseded" if it["status"] == "deployed" else it["status"]
            all["release"][-1]["status"] = "deployed"
            said = None
    if said is not None:
        raise Refused(said)
    print("Rollback was a success! Happy Helming!")


def main():
    with (HERE / "cluster-calls").open("a") as file:
        file.write(LINE + "\n")
    try:
        flawed(after=False)
        {"kubectl": kubectl, "helm": helm}[PROGRAM]()
        sys.stdout.flush()
        flawed(after=True)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return refused.status
    return 0


sys.exit(main())
