"""Runs `check --print` with what each container of ours is given.

Called by tests/checks/configuration with the binary and a folder of built manifests. Neither broker
nor database is there, so `check` fails; but never because of the configuration.
"""

import json
import pathlib
import subprocess
import sys

import yaml

BINARY, FOLDER = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
# What the Secrets hold, by the path under which it is looked for.
SECRETS = {
    "sources/default": "an-old-key\na-new-key\n",
    "admin/prometheus": "viewer-of-thirty-two-characters!\n",
    "admin/operator": "operator-of-thirty-two-characters\n",
    "queue/url": "amqp://user:password@127.0.0.1:1/\n",
    "database/url": "postgresql://user:password@127.0.0.1:1/waha",
    "broker-ca/ca.crt": "",
    "database-ca/ca.crt": "",
}
# What a variable is given of a Secret, by its key.
VARIABLES = {"management-url": "http://user:password@127.0.0.1:1"}


def of_overlays():
    """Each container's name, command, environment, and the files that it finds."""
    for path in sorted(FOLDER.glob("*.yaml")):
        resources = list(yaml.safe_load_all(path.read_text()))
        files = {it["metadata"]["name"]: it["data"] for it in resources if it["kind"] == "ConfigMap"}
        for resource in resources:
            if resource["kind"] not in ("Deployment", "StatefulSet", "Job"):
                continue
            spec = resource["spec"]["template"]["spec"]
            for container in spec.get("initContainers", []) + spec["containers"]:
                environment = {it["name"]: value_of(it) for it in container.get("env", [])}
                name = f"{path.stem} {container['name']}"
                yield name, container["args"][0], environment, mounted(spec, container, files)


def value_of(variable):
    if "value" in variable:
        return variable["value"]
    return VARIABLES[variable["valueFrom"]["secretKeyRef"]["key"]]


def mounted(spec, container, config_maps):
    volumes = {it["name"]: it for it in spec.get("volumes", [])}
    for mount in container["volumeMounts"]:
        volume = volumes.get(mount["name"], {})
        at = mount["mountPath"]
        for name, text in config_maps.get(volume.get("configMap", {}).get("name"), {}).items():
            yield f"{at}/{name}", text
        if "secret" in volume:
            folder = at.removeprefix("/run/secrets/")
            items = volume["secret"].get("items")
            names = [it["path"] for it in items] if items else [
                it.split("/")[1] for it in SECRETS if it.startswith(folder + "/")
            ]
            yield from ((f"{at}/{name}", SECRETS[f"{folder}/{name}"]) for name in names)


def of_compose():
    services = json.loads((FOLDER / "compose.json").read_text())["services"]
    for name, service in services.items():
        if service["image"].startswith("waha-ingest:"):
            yield f"compose {name}", service["command"][0], service["environment"], []


def problems(name, command, environment, files):
    """Runs it with all absolute paths below a folder of its own."""
    root = FOLDER / name.replace(" ", "-")
    root.mkdir()
    below = lambda text: text.replace("/run/secrets", f"{root}/run/secrets")  # noqa: E731
    for path, text in files:
        file = pathlib.Path(f"{root}{path}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(below(text))
    environment = {key: below(str(value)) for key, value in environment.items()}
    if "WAHA_INGEST_CONFIG" in environment:
        environment["WAHA_INGEST_CONFIG"] = f"{root}{environment['WAHA_INGEST_CONFIG']}"
    environment["WAHA_INGEST__DATA_DIR"] = f"{root}/data"
    run = subprocess.run(
        [BINARY, "check", "--print"], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    if "queue.prefix" not in run.stdout and "queue.bytes_max" not in run.stdout:
        yield run.stderr.strip()
    wanted = {
        "serve": ["sources.default.hmac_keys"],
        "up": ["sources.default.hmac_keys", "embedded", "waha.db", "ledger.body_days = 30"],
        "work": ['queue.url = ["amqp://', 'database.url = "postgres', "ledger.body_days = 30"],
        "migrate": ['database.url = "postgres'],
    }[command]
    yield from (f"{it} is not in effect" for it in wanted if it not in run.stdout)


count = 0
found = []
for it in [*of_overlays(), *of_compose()]:
    count += 1
    found += (f"{it[0]}: {problem}" for problem in problems(*it))
print("\n".join(found) or f"{count} containers: every setting is known, every secret is found")
sys.exit(bool(found))
