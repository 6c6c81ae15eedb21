"""Stands in for one daemon of the platform: reads its configuration once, by the platform's rules, listens with the pair
that it names, and tells whoever connects to /run/UNIT/status.sock how its calls to the others end.

    daemon.py UNIT
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading

import yaml

# On this machine without TLS, or meant for browsers.
NOT_CALLED = ["ami", "ari", "bus", "rest_api", "smtp", "sysconfd", "websocketd"]


class Loader(yaml.SafeLoader):
    """Knows the platform's tag for files that are the output of a command."""


def output_of(loader, node):
    command = loader.construct_mapping(node)["command"]
    return yaml.load(subprocess.check_output(command, shell=True), Loader=Loader)


Loader.add_constructor("!exec", output_of)


def load(path):
    with open(path, "rb") as file:
        return yaml.load(file, Loader=Loader) or {}


def merge(first, then):
    """The first that names a key wins; mappings are merged, lists are not."""
    for key, value in then.items():
        if key not in first:
            first[key] = value
        elif isinstance(first[key], dict) and isinstance(value, dict):
            merge(first[key], value)


def configuration(directory):
    """conf.d before config.yml; what cannot be read in conf.d is skipped with a word, a list at the top is deadly."""
    path = f"{directory}/config.yml"
    main = load(path) if os.path.exists(path) else {}
    conf_d = main.get("extra_config_files", f"{directory}/conf.d")
    names = sorted(os.listdir(conf_d)) if os.path.isdir(conf_d) else []
    config = {}
    for name in names:
        if name.startswith(".") or not name.endswith(".yml"):
            continue
        try:
            document = load(f"{conf_d}/{name}")
        except (OSError, ValueError, yaml.YAMLError, subprocess.CalledProcessError) as error:
            print(f"{conf_d}/{name}: {error}", file=sys.stderr)
            continue
        merge(config, document)
    merge(config, main)
    return config


def listen(unit, config):
    """Returns each port with its pair, or none where it is plain."""
    if "listen" in unit:
        pair = None
        if "pair" in unit:
            with open(unit["pair"], encoding="utf-8") as file:
                text = file.read()
            pair = [re.search(rf'{key}"?\s*[=:]\s*"?([^"\s]+)', text)[1] for key in ("cert_?file", "key(?:_file)?")]
        return [(int(port), pair if how == "tls" else None) for port, how in unit["listen"].items()]
    api = config.get("rest_api", {})
    https = api.get("https", {})
    if https.get("enabled"):
        return [(https["port"], [https["certificate"], https["private_key"]])]
    return [(api["port"], None)] if "port" in api else []


def serve(port, pair):
    context = None
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
    listener = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=each, args=(listener, lambda c: answer(c, context)), daemon=True).start()


def answer(connection, context):
    try:
        connection.settimeout(5)
        if context:
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    except OSError:
        pass
    finally:
        connection.close()


def each(listener, do):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=do, args=(connection,), daemon=True).start()


def is_named(certificate, host):
    """As urllib3 1.26 takes names: the SANs, or without any the CN, in which one label may be a star."""
    names = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"]
    if not names:
        names = [v for rdn in certificate["subject"] for k, v in rdn if k == "commonName"]
    labels = host.lower().split(".")

    def fits(name):
        own = name.lower().split(".")
        return own == labels or own[0] == "*" and len(own) == len(labels) and own[1:] == labels[1:]

    return any(map(fits, names))


def call(block, peer, plain):
    """Calls a peer as its block says, and returns what came of it; `verify` is none where nothing is verified by TLS."""
    flag = "verify" if block == "consul" else "verify_certificate"
    if plain or peer.get("https") is False or peer.get("scheme") == "http":
        verify = None
    else:
        verify = peer.get(flag, True)
    came = {"block": block, "host": peer["host"], "verify": verify, "error": None}
    try:
        with socket.create_connection((peer["host"], peer["port"]), timeout=5) as connection:
            if verify is not None:
                context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
                context.check_hostname = False
                if verify is False:
                    context.verify_mode = ssl.CERT_NONE
                connection = context.wrap_socket(connection, server_hostname=peer["host"])
                if verify and not is_named(connection.getpeercert(), peer["host"]):
                    raise OSError(f"`{peer['host']}` is no name of the leaf")
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if not connection.recv(100).startswith(b"HTTP/1.0 200"):
                raise OSError("no answer")
    except OSError as error:
        came["error"] = str(error)
    return came


def main():
    name = sys.argv[1]
    with open("/usr/share/lab-wazo/era.json", encoding="utf-8") as file:
        era = json.load(file)
    unit = era["units"][name]
    config = configuration(f"/etc/{unit.get('dir', name)}")
    peers = {b: p for b, p in config.items() if b not in NOT_CALLED and (p is None or "host" in p and "port" in p)}
    for block, peer in peers.items():
        # What the daemons do with a block that is null, and consul's client with a key that it does not know.
        if peer is None or block == "consul" and "verify_certificate" in peer:
            raise TypeError(block)
    for port, pair in listen(unit, config):
        serve(port, pair)

    def tell(connection):
        with connection:
            came = [call(block, peer, block in era["plain"]) for block, peer in peers.items()]
            connection.sendall(json.dumps(came).encode())

    status = socket.create_server(f"/run/{name}/status.sock", family=socket.AF_UNIX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    each(status, tell)


main()
