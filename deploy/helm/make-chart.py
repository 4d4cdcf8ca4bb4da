"""Makes the templates of the chart, and the table of its README, from what Kustomize builds, so that both say the same.

Called by make-chart with a folder of built overlays, the chart's folder, and the paths of rules and dashboard.
Each resource becomes a template that is rendered for its shape alone; what values.yaml offers is put in its
place. A place that is gone is an error: nothing is offered that has no effect.
"""

import json
import pathlib
import re
import sys

import yaml

BUILT, CHART = map(pathlib.Path, sys.argv[1:3])
SHAPES = ["embedded", "distributed", "complete"]
# Texts of the manifests, and the expression that stands in their place.
RUNBOOK = "https://example.com/waha-ingest/deploy/RUNBOOK.md"
IMAGE = re.compile(r"^waha-ingest:\d")
MADE_BY_HAND = {"PrometheusRule", "Namespace"}


def value(path):
    return "{{ .Values." + path + " | toJson }}"


# What the component media adds to workers: variables by how their names begin, mounts and volumes by name.
MEDIA_VARIABLES = ("WAHA_INGEST__MEDIA__", "WAHA_INGEST__SOURCES__DEFAULT__")
MEDIA_VOLUMES = {"media", "sources"}


def is_of_media(item):
    return item["name"].startswith(MEDIA_VARIABLES) or item["name"] in MEDIA_VOLUMES


class Offer:
    """Puts expressions into one resource, and notes which."""

    def __init__(self):
        self.expressions = []

    def mark(self, expression):
        self.expressions.append(expression)
        return f"@@{len(self.expressions) - 1}@@"

    def into(self, resource):
        kind, spec = resource["kind"], resource.get("spec", {})
        component = resource["metadata"]["name"].rsplit("-", 1)[-1]
        if kind in ("StatefulSet", "Deployment"):
            self.workload(component, spec)
        elif kind == "ScaledObject":
            spec["minReplicaCount"] = self.mark(value("work.replicasMin"))
            spec["maxReplicaCount"] = self.mark(value("work.replicasMax"))
        elif kind == "Ingress":
            spec["ingressClassName"] = self.mark(value("ingress.className"))
            spec["tls"][0]["hosts"] = spec["rules"][0]["host"] = self.mark(value("host"))
            spec["tls"][0]["hosts"] = [self.mark(value("host"))]
            spec["tls"][0]["secretName"] = self.mark(value("ingress.tlsSecret"))
        elif kind == "HTTPRoute":
            spec["hostnames"] = [self.mark(value("host"))]
            spec["parentRefs"] = self.mark(value("gateway.parentRefs"))
        elif kind == "Cluster":
            spec["storage"]["size"] = self.mark(value("database.storage"))
            spec["resources"] = self.mark(value("database.resources"))
            spec["instances"] = self.mark(value("database.instances"))
        elif kind == "RabbitmqCluster":
            spec["persistence"]["storage"] = self.mark(value("broker.storage"))
            spec["resources"] = self.mark(value("broker.resources"))
        elif kind == "ObjectStore":
            spec["configuration"]["destinationPath"] = self.mark(value("backup.destinationPath"))
            spec["retentionPolicy"] = self.mark(value("backup.retention"))
        elif kind == "ScheduledBackup":
            spec["schedule"] = self.mark(value("backup.schedule"))
        elif kind == "CronJob":
            self.night(spec)
        elif kind == "PersistentVolumeClaim":
            spec["resources"]["requests"]["storage"] = self.mark(value("backup.embedded.storage"))
        elif kind == "ConfigMap" and "waha-ingest.toml" in resource["data"]:
            resource["data"]["waha-ingest.toml"] = self.mark(value("config"))
        elif kind == "ConfigMap" and "waha-ingest.json" in resource["data"]:
            resource["data"]["waha-ingest.json"] = self.mark('{{ .Files.Get "files/waha-ingest.json" | toJson }}')
        elif kind == "NetworkPolicy":
            self.policy(spec.get("ingress", []))
            if component == "media":
                to_waha = spec["egress"][0]
                self.policy([to_waha])
                to_waha["ports"][0]["port"] = self.mark(value("media.wahaPort"))
        return resource

    def night(self, spec):
        spec["schedule"] = self.mark(value("backup.embedded.schedule"))
        container = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        self.image(container)
        assert container["args"][-2:] == ["--keep", "2"], container["args"]
        container["args"][-1] = self.mark("{{ .Values.backup.embedded.keep | toString | toJson }}")

    def image(self, container):
        assert IMAGE.match(container["image"]), container["image"]
        container["image"] = self.mark('{{ include "waha-ingest.image" . | toJson }}')
        container["imagePullPolicy"] = self.mark(value("image.pullPolicy"))

    def workload(self, component, spec):
        pod = spec["template"]["spec"]
        for container in pod.get("initContainers", []) + pod["containers"]:
            self.image(container)
            for variable in container.get("env", []):
                if variable["name"] == "WAHA_INGEST__LEDGER__BODY_DAYS":
                    variable["value"] = self.mark("{{ .Values.bodyDays | toString | toJson }}")
        main = pod["containers"][0]
        section = "up" if main["args"] == ["up"] else component
        main["resources"] = self.mark(value(f"{section}.resources"))
        if section == "work":
            self.media(pod, main)
        main["env"].append(self.mark("EXTRA"))
        if section == "serve":
            spec["replicas"] = self.mark(value("serve.replicas"))
        for claim in spec.get("volumeClaimTemplates", []):
            claim["spec"]["resources"]["requests"]["storage"] = self.mark(value(f"{section}.storage"))
        if section != "work":
            # What rolls pods when the configuration changes; Kustomize puts the hash into the name.
            spec["template"]["metadata"]["annotations"] = {"checksum/config": self.mark("{{ .Values.config | sha256sum }}")}

    def media(self, pod, main):
        for variable in main["env"]:
            if variable["name"] == "WAHA_INGEST__SOURCES__DEFAULT__WAHA__URL":
                variable["value"] = self.mark(value("media.wahaUrl"))
        for owner, key in (main, "env"), (main, "volumeMounts"), (pod, "volumes"):
            # Its items come last, because a component adds them.
            first = next(i for i, it in enumerate(owner[key]) if is_of_media(it))
            assert all(map(is_of_media, owner[key][first:])), owner[key][first:]
            owner[key].insert(first, self.mark("MEDIA"))
            owner[key].append(self.mark("END"))

    def policy(self, rules):
        for rule in rules:
            for peer in rule.get("from", []) + rule.get("to", []):
                for it in peer.get("namespaceSelector", {}).get("matchExpressions", []):
                    it["values"] = self.mark(value("network.wahaNamespaces"))

    def text(self, resource):
        out = yaml.safe_dump(resource, sort_keys=False, width=10000, allow_unicode=True)
        # What Helm would take for its own.
        out = out.replace("{{", "@<").replace("}}", ">@")
        lines = {"MEDIA": "{{- if .Values.media.enabled }}\n", "END": "{{- end }}\n"}
        extra = '{{- with .Values.%s.env }}\n{{ toYaml . | nindent 8 }}\n{{- end }}'
        for i, expression in enumerate(self.expressions):
            is_line = expression == "EXTRA" or expression in lines
            place = re.compile(rf"( *)- '?@@{i}@@'?\n" if is_line else rf"'?@@{i}@@'?")
            assert place.search(out), expression
            if expression in lines:
                out = place.sub(lines[expression], out)
            elif expression == "EXTRA":
                section = "work" if "name: waha-ingest-work" in out else "serve"
                out = place.sub(lambda found: extra.replace("8", str(len(found[1]))) % section + "\n", out)
            else:
                out = place.sub(lambda _, it=expression: it, out)
        return out.replace("@<", '{{ "{{" }}').replace(">@", '{{ "}}" }}')


# Resources that are there only if a value says so.
OPTIONS = {"Ingress": "ingress.enabled", "HTTPRoute": "gateway.enabled", "ObjectStore": "backup.enabled",
           "ScheduledBackup": "backup.enabled", "CronJob": "backup.enabled", "PersistentVolumeClaim": "backup.enabled",
           "ServiceMonitor": "monitoring.enabled", "PodMonitor": "monitoring.enabled"}
NAMED = {"waha-ingest-ingress": "ingress.enabled", "waha-ingest-gateway": "gateway.enabled",
         "waha-ingest-media": "media.enabled", "waha-ingest-dashboard": "monitoring.enabled", "waha-ingest-admin": "monitoring.enabled"}


def option(resource):
    return OPTIONS.get(resource["kind"]) or NAMED.get(resource["metadata"]["name"])


def plain(resource):
    """Without the hash in a name and the namespace, which is the release's."""
    text = re.sub(r"waha-ingest-serve-[a-z0-9]{10}\b", "waha-ingest-serve", json.dumps(resource))
    resource = json.loads(text)
    resource["metadata"].pop("namespace", None)
    return resource


def main():
    templates = CHART / "templates"
    for old in templates.glob("*.yaml"):
        old.unlink()
    for shape in SHAPES:
        documents = []
        for resource in map(plain, yaml.safe_load_all((BUILT / f"{shape}.yaml").read_text())):
            if resource["kind"] in MADE_BY_HAND:
                continue
            offer = Offer()
            text = offer.text(offer.into(resource))
            if resource["kind"] == "Cluster":
                text = re.sub(r"  plugins:\n(?:  - .*\n|    .*\n)+", lambda it: "  {{- if .Values.backup.enabled }}\n" + it[0] + "  {{- end }}\n", text)
            condition = option(resource)
            if condition:
                text = f"{{{{- if .Values.{condition} }}}}\n---\n{text}{{{{- end }}}}\n"
            else:
                text = "---\n" + text
            documents.append(text)
        made = "{{/* Made by make-chart from deploy/kubernetes: change that. */}}\n"
        body = made + f'{{{{- if eq .Values.shape "{shape}" }}}}\n' + "".join(documents) + "{{- end }}\n"
        (templates / f"{shape}.yaml").write_text(body)
    (templates / "alerts.yaml").write_text(
        "{{/* Made by make-chart. */}}\n{{- if .Values.monitoring.enabled }}\n---\n"
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: waha-ingest\n"
        "  {{- with .Values.monitoring.labels }}\n  labels: {{ toJson . }}\n  {{- end }}\nspec:\n"
        '{{ .Files.Get "files/rules.yaml" | replace "' + RUNBOOK + '" .Values.monitoring.runbookUrl | indent 2 }}\n{{- end }}\n'
    )


def readme():
    """Values with their defaults, in the place that the README has for them."""
    def leaves(values, path):
        for key, it in values.items():
            if isinstance(it, dict) and it and path.count(".") < 1:
                yield from leaves(it, f"{path}{key}.")
            else:
                text = json.dumps(it) if "\n" not in str(it) else "the source `default`"
                yield f"| `{path}{key}` | {text if text.startswith('the') else '`' + text + '`'} |"

    path = CHART / "README.md"
    rows = leaves(yaml.safe_load((CHART / "values.yaml").read_text()), "")
    table = "\n".join(["| value | default |", "| --- | --- |", *rows])
    path.write_text(re.sub(r"\| value \| default \|\n(\|.*\n)*", lambda _: table + "\n", path.read_text()))


main()
readme()
