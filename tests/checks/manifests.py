"""Looks through built manifests: schemas, and rules that no schema knows.

Called by tests/checks/manifests with one file for each overlay. Prints every problem; fails if there
is one.
"""

import json
import pathlib
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


def workloads(resources):
    return [it for it in resources if it["kind"] in ("Deployment", "StatefulSet", "Job")]


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
    for container in spec["containers"] + spec.get("initContainers", []):
        yield from (f"{container['name']}: {it}" for it in in_container(container, resource))


def in_container(container, resource):
    security = container.get("securityContext", {})
    resources = container.get("resources", {})
    image = container["image"]
    wanted = {
        "privileges": security.get("allowPrivilegeEscalation") is False,
        "privileged": "privileged" not in security,
        "root file system": security.get("readOnlyRootFilesystem") is True,
        "capabilities": security.get("capabilities") == {"drop": ["ALL"]},
        "requests": resources.get("requests", {}).keys() == {"cpu", "memory"},
        "limits": resources.get("limits", {}).keys() == {"cpu", "memory"},
        "image tag": ":" in image and not image.endswith(":latest"),
    }
    if resource["kind"] != "Job":
        probes = {"startupProbe", "livenessProbe", "readinessProbe"}
        wanted["probes"] = probes <= container.keys()
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


def covered(resource, resources):
    """Each pod is named by a network policy for both directions; many of a kind by a budget."""
    labels = resource["spec"]["template"]["metadata"]["labels"]
    policies = [it["spec"] for it in resources if it["kind"] == "NetworkPolicy"]
    directions = {
        direction
        for policy in policies
        if matches(policy["podSelector"], labels)
        for direction in policy["policyTypes"]
    }
    if directions != {"Ingress", "Egress"}:
        yield "no network policy"
    budgets = [it["spec"] for it in resources if it["kind"] == "PodDisruptionBudget"]
    is_one = resource["kind"] == "Job" or resource["spec"].get("replicas") == 1
    if not is_one and not any(matches(it["selector"], labels) for it in budgets):
        yield "no disruption budget"
    if not is_one and not resource["spec"]["template"]["spec"].get("topologySpreadConstraints"):
        yield "no topology spread"


def matches(selector, labels):
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(it["key"]) in it["values"] for it in expressions
    )


def whole(resources, text):
    """What only the whole overlay shows."""
    if any(it["kind"] == "Secret" for it in resources):
        yield "a Secret: they are named, never held"
    header = text.split("apiVersion:")[0]
    made = {"waha-ingest-rabbitmq-default-user", "waha-ingest-postgres-app"}
    for resource in workloads(resources):
        for volume in resource["spec"]["template"]["spec"].get("volumes", []):
            name = volume.get("secret", {}).get("secretName")
            if name and name not in made and name not in header:
                yield f"the head of kustomization.yaml does not name the Secret {name}"
    for resource in resources:
        if resource["metadata"].get("namespace", "waha-ingest") != "waha-ingest":
            yield f"{resource['metadata']['name']} is in another namespace"


def problems(overlay, resources):
    for resource in resources:
        name = f"{overlay}: {resource['kind']} {resource['metadata']['name']}"
        yield from (f"{name}: {it}" for it in schema(resource))
    for resource in workloads(resources):
        name = f"{overlay}: {resource['kind']} {resource['metadata']['name']}"
        for rule in (pod(resource), grace(resource), covered(resource, resources)):
            yield from (f"{name}: {it}" for it in rule)
    text = (HERE / f"../../deploy/kubernetes/overlays/{overlay}/kustomization.yaml").read_text()
    yield from (f"{overlay}: {it}" for it in whole(resources, text))


def main():
    found = []
    for path in map(pathlib.Path, sys.argv[1:]):
        resources = list(yaml.safe_load_all(path.read_text()))
        found += problems(path.stem, resources)
        print(f"{path.stem}: {len(resources)} resources")
    print("\n".join(found))
    sys.exit(bool(found))


main()
