"""Looks through built manifests and the compose file: schemas, and rules that no schema knows.

Called by tests/checks/manifests with one file for each overlay (overlay+component+… where one has more), compose.json,
Dockerfiles, and the Jobs that people make. Prints every problem; fails if there is one.
"""

import json
import pathlib
import re
import sys
import tomllib

import jsonschema
import kubernetes_validate
import yaml

# The oldest release whose `preStop.sleep` is on, and the newest that is known here.
KUBERNETES = ["1.30", "1.36"]
HERE = pathlib.Path(__file__).parent
DEFAULTS = tomllib.loads((HERE / "../../src/config/default.toml").read_text())
STOP_GRACE_S = DEFAULTS["server"]["stop_grace_ms"] / 1000
# A version in the tag, and the digest behind it. Ours is built by whoever deploys it: a version alone.
PINNED = re.compile(r"[a-z0-9./-]+:[a-z-]*v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")
OURS = re.compile(r"waha-ingest(-toolbox)?:\d+\.\d+\.\d+")


def workloads(resources):
    """Those that have pods; a CronJob as the Job that it makes."""
    plain = [it for it in resources if it["kind"] in ("Deployment", "StatefulSet", "Job")]
    timed = [it for it in resources if it["kind"] == "CronJob"]
    jobs = [{"kind": "Job", "metadata": it["metadata"], **it["spec"]["jobTemplate"]} for it in timed]
    return plain + jobs


def schema(resource):
    """Built-in kinds by Kubernetes' own schemas, others by the small ones beside this file."""
    own = HERE / "schemas" / f"{resource['kind']}.json"
    if own.exists():
        checker = jsonschema.Draft202012Validator(json.loads(own.read_text()))
        yield from (f"{it.json_path}: {it.message}" for it in checker.iter_errors(resource))
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {error.message}"
        except kubernetes_validate.SchemaNotFoundError:
            yield "no schema: add one to tests/checks/schemas"


def pod(resource):
    """Not root, not writable, not privileged, no token, no service links."""
    spec = resource["spec"]["template"]["spec"]
    security = spec.get("securityContext", {})
    wanted = {
        "runAsNonRoot": security.get("runAsNonRoot") is True,
        "runAsUser": security.get("runAsUser", 0) >= 10000,
        "seccompProfile": security.get("seccompProfile") == {"type": "RuntimeDefault"},
        "automountServiceAccountToken": spec.get("automountServiceAccountToken") is False,
        "serviceAccountName": "serviceAccountName" in spec,
        # Their variables begin as ours do.
        "enableServiceLinks": spec.get("enableServiceLinks") is False,
        "no host": not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(),
        "no host path": all("hostPath" not in it for it in spec.get("volumes", [])),
    }
    yield from (name for name, is_right in wanted.items() if not is_right)
    if resource["kind"] != "Job":
        probes = {"startupProbe", "livenessProbe", "readinessProbe"}
        yield from (f"{it['name']}: probes" for it in spec["containers"] if not probes <= it.keys())
    for container in spec["containers"] + spec.get("initContainers", []):
        yield from (f"{container['name']}: {it}" for it in in_container(container))


def in_container(container):
    security = container.get("securityContext", {})
    resources = container.get("resources", {})
    image = container["image"]
    roles = {it["name"]: it.get("value") for it in container.get("env", []) if it["name"].endswith("__ROLE")}
    wanted = {
        "privileges": security.get("allowPrivilegeEscalation") is False,
        "privileged": "privileged" not in security,
        "root file system": security.get("readOnlyRootFilesystem") is True,
        "capabilities": security.get("capabilities") == {"drop": ["ALL"]},
        "requests": resources.get("requests", {}).keys() == {"cpu", "memory"},
        "limits": resources.get("limits", {}).keys() == {"cpu", "memory"},
        "image without version and digest": is_pinned(image),
    }
    if roles:
        wanted["a role of its own for Prometheus"] = (
            roles.get("WAHA_INGEST__ADMIN__TOKENS__PROMETHEUS__ROLE") == "metrics"
        )
    yield from (name for name, is_right in wanted.items() if not is_right)
    for variable in container.get("env", []):
        is_secret = any(word in variable["name"] for word in ("PASSWORD", "KEYS", "SECRET", "TOKEN"))
        if is_secret and not variable["name"].endswith(("_FILE", "__ROLE")):
            yield f"{variable['name']}: mount a file"


def grace(resource):
    """What is in hand is finished before the kubelet kills."""
    spec = resource["spec"]["template"]["spec"]
    if resource["kind"] == "Job":
        return
    before = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    needed = before.get("seconds", 0) + STOP_GRACE_S
    if spec.get("terminationGracePeriodSeconds", 30) <= needed:
        yield f"terminationGracePeriodSeconds must be above {needed:.0f}"


def is_pinned(image):
    return bool(PINNED.fullmatch(image) or OURS.fullmatch(image))


def covered(resource, resources):
    """Each pod is named by network policies for both directions, beside the one that denies all; many of
    a kind by a budget."""
    labels = resource["spec"]["template"]["metadata"]["labels"]
    yield from unspoken(labels, resources)
    budgets = [it["spec"] for it in resources if it["kind"] == "PodDisruptionBudget"]
    is_one = resource["kind"] == "Job" or resource["spec"].get("replicas") == 1
    if not is_one and not any(matches(it["selector"], labels) for it in budgets):
        yield "no disruption budget"
    if not is_one and not resource["spec"]["template"]["spec"].get("topologySpreadConstraints"):
        yield "no topology spread"


def unspoken(labels, resources):
    """Directions in which no policy says what a pod may."""
    speaking = [it for it in policies(resources) if it["podSelector"] and matches(it["podSelector"], labels)]
    for direction in ("Ingress", "Egress"):
        if not any(direction in it["policyTypes"] for it in speaking):
            yield f"no network policy says its {direction.lower()}"


def policies(resources):
    return [it["spec"] for it in resources if it["kind"] == "NetworkPolicy"]


# The pods that operators make of their resources, by the label that they give them.
OPERATED = {
    "RabbitmqCluster": ("app.kubernetes.io/name", "image"),
    "Cluster": ("cnpg.io/cluster", "imageName"),
}


def operated(resource, resources):
    """What an operator runs for us is pinned and restricted as ours is."""
    label, image = OPERATED[resource["kind"]]
    if not is_pinned(resource["spec"].get(image, "")):
        yield f"{image} without version and digest"
    yield from unspoken({label: resource["metadata"]["name"]}, resources)


def network(resources):
    """Nothing may but what is said, and what is said names somebody."""
    denying = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if denying not in policies(resources):
        yield "no policy denies all traffic of all pods by default"
    for resource in resources:
        if resource["kind"] == "NetworkPolicy":
            name = resource["metadata"]["name"]
            yield from (f"NetworkPolicy {name}: {it}" for it in loose(resource["spec"]))


def loose(policy):
    """Rules that let in anybody, or out by any port."""
    for rule in policy.get("ingress", []):
        if not rule.get("from"):
            yield "an ingress rule names nobody"
    for rule in policy.get("egress", []):
        if not rule.get("to") and not rule.get("ports"):
            yield "an egress rule names nobody and no port"
    for rule in policy.get("ingress", []) + policy.get("egress", []):
        for peer in rule.get("from", []) + rule.get("to", []):
            if "namespaceSelector" in peer and not names_namespaces(peer["namespaceSelector"]):
                yield "a namespaceSelector names no namespace"
            if peer.get("podSelector") == {} and "namespaceSelector" not in peer:
                yield "a podSelector names no pod"


def names_namespaces(selector):
    name = "kubernetes.io/metadata.name"
    expressions = selector.get("matchExpressions", [])
    is_named = any(it["key"] == name and it["operator"] == "In" for it in expressions)
    return name in selector.get("matchLabels", {}) or is_named


def matches(selector, labels):
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(it["key"]) in it["values"] for it in expressions
    )


def kept(resource):
    """What may change tables is seen by what migrates alone; bodies have an end; a spool has room."""
    spec = resource["spec"]["template"]["spec"]
    container = spec["containers"][0]
    volumes = {it["name"]: it.get("secret", {}).get("secretName") or "" for it in spec.get("volumes", [])}
    for mount in container["volumeMounts"]:
        if volumes.get(mount["name"], "").endswith("-migrate"):
            yield f"{container['name']} sees the Secret {volumes[mount['name']]}"
    days = [it["value"] for it in container.get("env", []) if it["name"] == "WAHA_INGEST__LEDGER__BODY_DAYS"]
    if container["args"][0] in ("work", "up") and not (days and int(days[0]) > 0):
        yield "bodies are kept without an end"
    for claim in resource["spec"].get("volumeClaimTemplates", []):
        size = gigabytes(claim["spec"]["resources"]["requests"]["storage"])
        if size < 1.5 * DEFAULTS["queue"]["spool_bytes_max"] / 2**30:
            yield f"{size} GiB are too few for a spool and its log"


def gigabytes(quantity):
    return float(re.fullmatch(r"(\d+)Gi", quantity)[1])


def budgets(resources):
    """A pod that is not ready holds up no drain; no door is scaled by anything."""
    for resource in resources:
        name = resource["metadata"]["name"]
        if resource["kind"] == "PodDisruptionBudget" and resource["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"PodDisruptionBudget {name}: pods that are not ready can't be evicted"
        target = resource["spec"].get("scaleTargetRef", {}) if "spec" in resource else {}
        if target.get("name", "").endswith("-serve"):
            yield f"{resource['kind']} {name}: a door that is scaled down takes its spool along"


def whole(resources, text):
    """What only the whole overlay shows."""
    if any(it["kind"] == "Secret" for it in resources):
        yield "a Secret: they are named, never held"
    made = {"waha-ingest-postgres-ca"}
    for resource in workloads(resources):
        for volume in resource["spec"]["template"]["spec"].get("volumes", []):
            name = volume.get("secret", {}).get("secretName")
            if name and name not in made and name not in text:
                yield f"the head of kustomization.yaml does not name the Secret {name}"
    for resource in resources:
        if resource["metadata"].get("namespace", "waha-ingest") != "waha-ingest":
            yield f"{resource['metadata']['name']} is in another namespace"
    yield from shared(resources)


def heads(path):
    return path.read_text().split("apiVersion:")[0]


def shared(resources):
    """What logs in is each process's own: no Secret of broker or database is in two workloads."""
    seen = {}
    for resource in workloads(resources):
        for name in {it.get("secret", {}).get("secretName") for it in resource["spec"]["template"]["spec"]["volumes"]}:
            if name and ("-queue" in name or "-database" in name):
                if name in seen:
                    yield f"{seen[name]} and {resource['metadata']['name']} share the Secret {name}"
                seen[name] = resource["metadata"]["name"]


def problems(overlay, resources):
    for resource in resources:
        name = f"{overlay}: {resource['kind']} {resource['metadata']['name']}"
        yield from (f"{name}: {it}" for it in schema(resource))
    for resource in workloads(resources):
        name = f"{overlay}: {resource['kind']} {resource['metadata']['name']}"
        for rule in (pod(resource), grace(resource), covered(resource, resources), kept(resource)):
            yield from (f"{name}: {it}" for it in rule)
    for resource in resources:
        if resource["kind"] in OPERATED:
            yield from (f"{overlay}: {resource['kind']}: {it}" for it in operated(resource, resources))
    yield from (f"{overlay}: {it}" for it in [*network(resources), *budgets(resources)])
    base, *components = overlay.split("+")
    files = [f"overlays/{base}", *(f"components/{it}" for it in components)]
    text = "".join(heads(HERE / "../../deploy/kubernetes" / it / "kustomization.yaml") for it in files)
    yield from (f"{overlay}: {it}" for it in whole(resources, text))


def alone(path, job, overlays):
    """A Job that a person makes. It is no door: a Service of doors must not find it; and policies of each overlay
    that it is for know it."""
    labels = job["spec"]["template"]["metadata"]["labels"]
    found = [*schema(job), *pod(job)]
    if labels["app.kubernetes.io/component"] in ("serve", "work", "up"):
        found.append("is taken for something else")
    for overlay, wanted in ALONE[path.name]:
        found += (f"{overlay}: {it}" for it in unreached(labels, wanted, overlays[overlay]))
    yield from (f"{path.name}: {it}" for it in found)


# What the Jobs that people make have to reach, in the overlays that they are for.
ALONE = {
    "drain-spool.yaml": [("distributed", {5671}), ("complete", {5671})],
    "toolbox.yaml": [("distributed", {5671, 5432}), ("complete", {5671, 15671, 5432})],
    "restore.yaml": [("embedded", set())],
}


def unreached(labels, wanted, resources):
    """Ports that no policy lets these pods out to."""
    mine = [it for it in policies(resources) if it["podSelector"] and matches(it["podSelector"], labels)]
    ports = {port.get("port") for it in mine for rule in it.get("egress", []) for port in rule.get("ports", [])}
    yield from (f"no policy lets it out to port {port}" for port in sorted(wanted - ports))
    yield from unspoken(labels, resources)


def compose(services):
    """Every image is pinned, and a token that is not an operator's reads metrics and nothing else."""
    for name, service in services.items():
        if not is_pinned(service["image"]):
            yield f"compose: {name}: {service['image']}: image without version and digest"
        role = service.get("environment", {}).get("WAHA_INGEST__ADMIN__TOKENS__PROMETHEUS__ROLE", "metrics")
        if role != "metrics":
            yield f"compose: {name}: Prometheus is {role}"
        if not service.get("networks") or "default" in service["networks"]:
            yield f"compose: {name}: is in the network of all"


def dockerfile(text):
    for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        # Ours, as an argument says.
        if image not in ("scratch", "${WAHA_INGEST}") and not is_pinned(image):
            yield f"Dockerfile: {image}: image without version and digest"


def main():
    found, overlays = [], {}
    for path in map(pathlib.Path, sys.argv[1:]):
        if path.name in ALONE:
            found += alone(path, yaml.safe_load(path.read_text()), overlays)
        elif path.suffix == ".yaml":
            resources = list(yaml.safe_load_all(path.read_text()))
            overlays[path.stem] = resources
            found += problems(path.stem, resources)
            print(f"{path.stem}: {len(resources)} resources")
        elif path.suffix == ".json":
            found += compose(json.loads(path.read_text())["services"])
        else:
            found += dockerfile(path.read_text())
    print("\n".join(found))
    sys.exit(bool(found))


main()
