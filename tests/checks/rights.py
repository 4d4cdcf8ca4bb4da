"""What each user of the broker may and may not, tried one by one; and small errands of the check.

Called by tests/checks/rights: `rights.py COMMAND FOLDER ...` with its folder of servers and Secrets.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import urllib.error
import urllib.parse
import urllib.request

import pika
import yaml

COMMAND, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
USERS = {"serve": "queue-serve", "work": "queue-work", "scale": "queue-scale"}
# Exchanges and queues of others, made by the administrator.
OTHER = "other"
RETRY = "waha.retry.messages.5000"


def secrets():
    """Lays the Secrets out as a pod finds them: a folder each, a file for each key."""
    for one in yaml.safe_load_all((FOLDER / "secrets.yaml").read_text()):
        folder = FOLDER / "secrets" / one["metadata"]["name"]
        folder.mkdir(parents=True)
        for key, text in one["stringData"].items():
            (folder / key).write_text(text)


def secret(name, key):
    return (FOLDER / "secrets" / f"waha-ingest-{name}" / key).read_text().strip()


def login(user):
    """Name and password, as the Secrets have them."""
    if user == "monitor":
        url = urllib.parse.urlsplit(secret("queue-work", "management-url"))
    else:
        url = urllib.parse.urlsplit(secret(USERS[user], "url"))
    return url.username, url.password


def port(name):
    return (FOLDER / "rabbitmq" / name).read_text().strip()


def url(user):
    """The Secret's URL, led to the private broker, which has no TLS."""
    if user == "monitor":
        return f"http://{':'.join(login(user))}@127.0.0.1:{port('management_port')}"
    return amqp_url(*login(user))


def amqp_url(name, password):
    return f"amqp://{name}:{password}@127.0.0.1:{port('port')}/%2f"


def amqp(user, action):
    """Whether an action on a channel is allowed; none is the administrator."""
    name, password = login(user) if user else ("guest", "guest")
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url(name, password)))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        action(channel)
        return True
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code != 403:
            raise
        return False
    finally:
        connection.close()


def get(queue):
    return lambda channel: channel.basic_get(queue)  # Not acked: it goes back with the connection.


def purge(queue):
    return lambda channel: channel.queue_purge(queue)


def count(queue):
    """How KEDA asks."""
    return lambda channel: channel.queue_declare(queue, passive=True)


def make(queue):
    return lambda channel: channel.queue_declare(queue, durable=True)


def delete(queue):
    return lambda channel: channel.queue_delete(queue)


def publish(exchange):
    """With a key that leads nowhere, so nothing comes of it."""
    return lambda channel: channel.basic_publish(exchange, "nowhere", b"")


def bind(queue, exchange):
    return lambda channel: channel.queue_bind(queue, exchange, "nowhere")


# Who may, of all four.
ON_CHANNELS = [
    ("read a lane", get("waha.messages"), "work"),
    ("read suspects", get("waha.suspects"), "work"),
    ("read what waits to be retried", get(RETRY), "work"),
    # An exchange has the same name, which a door binds.
    ("read what the broker gave up", get("waha.dead"), "serve work"),
    ("purge a lane", purge("waha.calls"), "work"),
    ("count a lane", count("waha.messages"), "serve work scale monitor"),
    ("publish by the default exchange", publish(""), "serve work"),
    ("publish a retry", publish("waha.retry"), "serve work"),
    ("bind a lane", bind("waha.calls", "waha.lanes"), "serve work"),
    # One right is for both.
    ("make a queue of ours", make("waha.rights"), "serve work"),
    ("delete a queue of ours", delete("waha.rights"), "serve work"),
    ("make another queue", make(OTHER + ".new"), ""),
    ("delete another queue", delete(OTHER), ""),
    ("read another queue", get(OTHER), ""),
    ("bind another queue", bind(OTHER, "waha.lanes"), ""),
    ("bind to another exchange", bind("waha.calls", OTHER), ""),
    ("publish to another exchange", publish(OTHER), ""),
    ("publish to amq.topic", publish("amq.topic"), ""),
]

LANE = "/api/queues/%2F/waha.messages"
ON_API = [
    ("look at queues", "GET", "/api/queues/%2F", None, "monitor"),
    ("look at nodes", "GET", "/api/nodes", None, "monitor"),
    ("see all definitions", "GET", "/api/definitions", None, ""),
    ("make a user", "PUT", "/api/users/other", {"password": "a", "tags": "administrator"}, ""),
    ("make a policy", "PUT", "/api/policies/%2F/other", {"pattern": ".", "definition": {"max-length": 1}}, ""),
    ("purge over HTTP", "DELETE", LANE + "/contents", None, ""),
    ("delete over HTTP", "DELETE", LANE, None, ""),
    ("read over HTTP", "POST", LANE + "/get", {"count": 1, "ackmode": "reject_requeue_true", "encoding": "auto"}, ""),
]


def api(user, method, path, body):
    """Whether the management API does it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port('management_port')}{path}", data, method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login(user)).encode()).decode())
    request.add_header("Content-Type", "application/json")
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read()
        return True
    except urllib.error.HTTPError as error:
        refusals = (401, 403)
        # What a channel may not is told as a bad request.
        if error.code not in refusals and not (error.code == 400 and b"ACCESS_REFUSED" in error.read()):
            raise
        return False


def wrong():
    """Each user that may what it should not, or may not what it should."""
    amqp(None, make(OTHER))
    amqp(None, lambda channel: channel.exchange_declare(OTHER))
    for name, action, may in ON_CHANNELS:
        for user in ("serve", "work", "scale", "monitor"):
            if name == "delete a queue of ours":
                amqp(None, make("waha.rights"))
            if amqp(user, action) != (user in may.split()):
                yield f"{user}: {name}: should {'' if user in may.split() else 'not '}be allowed"
    for name, *request, may in ON_API:
        for user in ("serve", "work", "scale", "monitor"):
            if api(user, *request) != (user in may.split()):
                yield f"{user}: {name}: should {'' if user in may.split() else 'not '}be allowed"


def bury(door):
    """Sends a signed webhook that no normalizer can read."""
    body = b'{"id":"evt_rights","timestamp":1700000000000,"event":"message","session":"s","payload":{}}'
    request = urllib.request.Request(f"http://127.0.0.1:{door}/webhooks/default", body)
    request.add_header("Content-Type", "application/json")
    request.add_header("X-Webhook-Hmac-Algorithm", "sha512")
    request.add_header("X-Webhook-Hmac", hmac.new(b"secret", body, hashlib.sha512).hexdigest())
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).read()


if COMMAND == "secrets":
    secrets()
elif COMMAND == "url":
    print(url(sys.argv[3]))
elif COMMAND == "bury":
    bury(sys.argv[3])
else:
    found = list(wrong())
    print("\n".join(found), file=sys.stderr)
    sys.exit(bool(found))
