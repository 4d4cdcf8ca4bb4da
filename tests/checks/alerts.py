"""Every metric and label in rules and dashboard is exported; every alert has its test and its runbook.

Called by tests/checks/alerts. What is exported is read from src/metrics/METRICS.md, which a test
keeps equal to a running process. Prints every problem; fails if there is one.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).parent / "../.."
TESTS = [ROOT / "deploy/alerts" / it for it in ("tests.yaml", "scenarios.yaml", "scenarios-days.yaml")]
RUNBOOK = "https://example.com/waha-ingest/deploy/RUNBOOK.md"
HISTOGRAM = {"_bucket": {"le"}, "_sum": set(), "_count": set()}
# What a scrape adds, and what every client of Prometheus exports.
SCRAPED = {"namespace", "instance", "job", "pod"}
PROCESS = {"process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}


# What others export, by their own documentation: kube-state-metrics, the kubelet, rabbitmq_prometheus,
# CloudNativePG and its Barman plugin, cert-manager, ingress-nginx, the blackbox exporter, Prometheus.
CLAIM = {"persistentvolumeclaim"}
CONTAINER = {"container"}
OTHERS = {
    "up": set(),
    "kube_pod_container_status_restarts_total": CONTAINER,
    "kube_pod_container_status_last_terminated_reason": CONTAINER | {"reason"},
    "kube_pod_init_container_status_waiting_reason": CONTAINER | {"reason"},
    "kube_job_failed": {"job_name", "condition"},
    "kube_cronjob_status_last_successful_time": {"cronjob"},
    "kube_persistentvolumeclaim_info": CLAIM,
    "kube_pod_spec_volumes_persistentvolumeclaims_info": CLAIM,
    "kubelet_volume_stats_available_bytes": CLAIM,
    "kubelet_volume_stats_capacity_bytes": CLAIM,
    "rabbitmq_alarms_free_disk_space_watermark": set(),
    "rabbitmq_alarms_memory_used_watermark": set(),
    "rabbitmq_disk_space_available_bytes": set(),
    "rabbitmq_disk_space_available_limit_bytes": set(),
    "cnpg_pg_replication_streaming_replicas": set(),
    "cnpg_collector_pg_wal_archive_status": {"value"},
    "barman_cloud_cloudnative_pg_io_last_available_backup_timestamp": set(),
    "certmanager_certificate_expiration_timestamp_seconds": {"name"},
    "nginx_ingress_controller_ssl_expire_time_seconds": {"secret_name"},
    "probe_ssl_earliest_cert_expiry": set(),
}
PREFIXES = "waha_ingest|process|kube|kubelet|rabbitmq|cnpg|barman|certmanager|nginx|probe"


def exported():
    """Each metric with its labels."""
    names = {name: set() for name in PROCESS} | OTHERS
    table = (ROOT / "src/metrics/METRICS.md").read_text()
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", table, re.M):
        labels = set(re.findall(r"\w+", labels))
        if kind == "histogram":
            names |= {name + suffix: labels | more for suffix, more in HISTOGRAM.items()}
        else:
            names[name] = labels
    return names


def expressions():
    """Where each is, and its text."""
    rules = yaml.safe_load((ROOT / "deploy/alerts/rules.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    dashboard = json.loads((ROOT / "deploy/grafana/waha-ingest.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]


def without_labels_of_groups(text):
    return re.sub(r"\b(by|on|group_left)\s*\([^)]*\)", r"\1 ()", text)


def unknown(known):
    recorded = {where for where, _ in expressions() if ":" in where}
    for where, text in expressions():
        used = re.findall(rf"\b((?:(?:{PREFIXES})[_:][\w:]*|up))(?:\{{([^}}]*)\}})?", without_labels_of_groups(text))
        if not used:
            yield f"{where}: no metric in it"
        for name, matchers in used:
            if name in recorded:
                continue
            if name not in known:
                yield f"{where}: {name} is not exported"
                continue
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            for label in labels - known[name] - SCRAPED:
                yield f"{where}: {name} has no label {label}"
        grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", text)
        labels = {label for names in grouped for label in re.findall(r"\w+", names)}
        carried = set().union(*(known.get(name, set()) for name, _ in used))
        for label in labels - carried - SCRAPED:
            yield f"{where}: nothing in it has a label {label}"


def unwritten():
    rules = yaml.safe_load((ROOT / "deploy/alerts/rules.yaml").read_text())
    runbook = (ROOT / "deploy/RUNBOOK.md").read_text()
    fired = {
        (case["alertname"], expected["exp_labels"]["severity"])
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        for expected in case["exp_alerts"]
    }
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", runbook, re.M | re.S))
    for rule in (rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule):
        name = rule["alert"]
        if (name, rule["labels"]["severity"]) not in fired:
            yield f"{name}: no test sees it fire"
        if rule["annotations"]["runbook_url"] != f"{RUNBOOK}#{name.lower()}":
            yield f"{name}: its runbook is somewhere else"
        for part in ("Meaning", "Look", "Act"):
            if f"**{part}.**" not in entries.get(name, ""):
                yield f"{name}: the runbook has no {part}"
    names = {rule.get("alert") for group in rules["groups"] for rule in group["rules"]}
    yield from (f"{it}: in the runbook, but no alert" for it in entries if it.startswith("Waha") and it not in names)


found = [*unknown(exported()), *unwritten()]
print("\n".join(found) or "every metric is exported, every alert has its test and its runbook")
sys.exit(bool(found))
