"""Renders the chart and compares it with what Kustomize builds.

Called by tests/checks/helm with the chart and a folder of built overlays. Prints every problem; fails if
there is one.
"""

import copy
import json
import pathlib
import re
import sys

import helm_python
import yaml
from helm_python.chart import Chart, lint

CHART, BUILT = map(pathlib.Path, sys.argv[1:])
SHAPES = ["embedded", "distributed", "complete"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# What the schema must refuse, and what it leads to.
REFUSED = [
    {"shape": "large"},
    {"serve": {"replicas": "3"}},
    {"bodyDays": -1},
    {"image": {"digest": "latest"}},
    {"servee": {}},
    {"serve": {"storage": "16"}},
    {"backup": {"embedded": {"schedule": "0 0 3 * * *"}}},
    {"media": {"wahaUrl": "waha.example"}},
]


def render(values):
    with Chart.load(CHART) as chart:
        return chart.render(values, name="waha-ingest", namespace="waha-ingest", is_install=True)


def resources(texts):
    """By kind and name, without what the two ways of installing do differently."""
    found = {}
    for text in texts:
        for resource in filter(None, yaml.safe_load_all(text)):
            # The namespace is the release's, the hash in a name is an annotation of the pod.
            text = re.sub(r"waha-ingest-serve-[a-z0-9]{10}\b", "waha-ingest-serve", json.dumps(resource))
            resource = json.loads(text)
            resource["metadata"].pop("namespace", None)
            template = resource.get("spec", {}).get("template", {})
            template.get("metadata", {}).pop("annotations", None)
            key = resource["kind"], resource["metadata"]["name"]
            assert key not in found, key
            found[key] = resource
    return found


def same(shape, *components):
    """Every resource of the overlay with these components, and nothing else, with the values as they are."""
    built = resources([(BUILT / f"{'+'.join([shape, *components])}.yaml").read_text()])
    built.pop(("Namespace", "waha-ingest"))
    switched_on = {component: {"enabled": True} for component in components}
    rendered = resources(render({"shape": shape, **switched_on}).values())
    for key in built.keys() ^ rendered.keys():
        yield f"{shape}: {key} is only in the {'overlay' if key in built else 'chart'}"
    for key in built.keys() & rendered.keys():
        if built[key] != rendered[key]:
            yield f"{shape}: {key} differs: {list(differences(built[key], rendered[key]))}"


def differences(one, other, path=""):
    if type(one) is type(other) is dict:
        for key in one.keys() | other.keys():
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif type(one) is type(other) is list and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other)):
            yield from differences(a, b, f"{path}[{i}]")
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def leaves(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def another(path, value):
    special = {
        ("image", "digest"): "sha256:" + "0" * 64,
        ("image", "pullPolicy"): "Always",
        ("monitoring", "runbookUrl"): "https://wiki.example.org/runbook",
        ("monitoring", "labels"): {"release": "prometheus"},
        ("serve", "env"): [{"name": "RUST_LOG", "value": "debug"}],
        ("work", "env"): [{"name": "RUST_LOG", "value": "debug"}],
        ("backup", "retention"): "7d",
        ("backup", "embedded", "schedule"): "0 4 * * *",
        ("gateway", "parentRefs"): [{"name": "other"}],
        ("network", "wahaNamespaces"): ["other"],
    }
    if path in special:
        return special[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return "7Gi" if re.fullmatch(r"\d+Gi", value) else value + "1"


def effects():
    """Every value changes something in some shape."""
    everything = {"gateway": {"enabled": True}, "backup": {"enabled": True}, "media": {"enabled": True}}
    for path, value in leaves(VALUES):
        if path == ("shape",):
            continue
        if not any(changes(shape, everything, path, value) for shape in SHAPES):
            yield f"values.yaml: {'.'.join(path)} has no effect"


def changes(shape, everything, path, value):
    before = {"shape": shape, **copy.deepcopy(everything)}
    if isinstance(value, bool):
        before.pop(path[0], None)
    after = copy.deepcopy(before)
    place = after
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = another(path, value)
    rendered = render(after)
    for text in rendered.values():
        list(yaml.safe_load_all(text))
    return rendered != render(before)


def linted():
    for shape in SHAPES:
        report = lint(CHART, {"shape": shape}, strict=True, namespace="waha-ingest", kube_version="v1.30.0")
        yield from (f"lint: {shape}: {it}" for it in report["messages"] if it["severity"] > 1)
        yield from (f"lint: {shape}: {it}" for it in report["errors"])


def refused():
    for values in REFUSED:
        try:
            with Chart.load(CHART) as chart:
                chart.validate_schema(values)
            yield f"values.schema.json takes {values}"
        except helm_python.HelmError:
            pass


found = [*linted(), *refused(), *(it for shape in SHAPES for it in same(shape)),
         *same("distributed", "media"), *effects()]
print("\n".join(found) or f"{len(SHAPES)} shapes as Kustomize builds them; {sum(1 for _ in leaves(VALUES))} values have an effect")
sys.exit(bool(found))
