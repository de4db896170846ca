"""Waits until all pods of the DaemonSet `hook-image-puller` are ready: all images are pulled."""

import json
import os
import ssl
import time
import urllib.request
from pathlib import Path

account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
namespace = (account / "namespace").read_text()
host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/hook-image-puller"
headers = {"Authorization": "Bearer " + (account / "token").read_text()}
request = urllib.request.Request(f"https://{host}:{port}{path}", headers=headers)
tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
while True:
    daemons = json.load(urllib.request.urlopen(request, context=tls, timeout=10))["status"]
    wanted, ready = daemons["desiredNumberScheduled"], daemons["numberReady"]
    print(f"{ready} of {wanted} nodes have pulled all images", flush=True)
    if wanted and ready >= wanted:
        break
    time.sleep(1)
