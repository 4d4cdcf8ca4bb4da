"""Prints the commands of runbook and READMEs, one a line: where it stands, a tab, the command.

Called by tests/checks/runbook. Commands are what is in fenced blocks of sh, and what is in backticks and begins as
one does. A command that is only named (`migrate up`, `k edit pvc`) is one as well; one that is left open by … is not.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent / "../.."
FILES = [
    "README.md",
    "deploy/README.md",
    "deploy/RUNBOOK.md",
    "deploy/CLUSTER.md",
    "deploy/RIGHTS.md",
    "deploy/helm/waha-ingest/README.md",
]
# What runs until it is stopped is named without its arguments.
ENDLESS = {"demo", "help", "serve", "up", "work"}


def commands():
    """Every command of the binary."""
    help = subprocess.run([os.environ["binary"], "--help"], check=True, capture_output=True, text=True)
    found = re.findall(r"^  ([a-z][a-z-]*)(?= |$)", help.stdout.split("Commands:")[1], re.M)
    assert len(found) > 15, help.stdout
    return set(found) - ENDLESS


# How a command in the running text begins. Ours are often named without the binary.
OURS = commands()
OTHERS = "wi door waha-ingest k kubectl docker rabbitmqctl rabbitmq-queues rabbitmq-upgrade rabbitmq-diagnostics tests/drill".split()
# Prefixed with the binary of these words are not: they are words.
WORDS = {"check", "status", "search", "backup", "restore", "man", "feed", "audit", "consumers", "spool", "webhooks", "migrate"}


def blocks(text):
    """Lines, long ones in one piece; loops and functions whole."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        block = re.sub(r"\\\n\s*", " ", block)
        yield from re.findall(r"^for .*?^done|^\w+\(\).*$|^(?!#|alias |\s*$).+$", block, re.M | re.S if "\ndone" in block else re.M)


def named(text):
    for command in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        command = " ".join(command.split())
        first, *rest = command.split(" ")
        if first in OTHERS and rest:
            yield command
        elif first in OURS and rest and not rest[0].startswith("="):
            yield f"waha-ingest {command}"


def main():
    seen = set()
    for name in FILES:
        text = (ROOT / name).read_text()
        for command in [*blocks(text), *named(text)]:
            # What is left open, and words that only look alike.
            if re.search(r"…(?!')", command) or command in seen:
                continue
            seen.add(command)
            print(name, command.replace("\n", " ; ").replace("do ; ", "do "), sep="\t")


sys.exit(main())
