"""Makes a host of the platform out of a fresh one: the tree of a fixture, and the units, users and lists of era.json.

    install.py                     in the directory with era.json, tree.txt and the stand-ins
"""

import json
import os
import pathlib
import shutil
import subprocess

SHARE = "/usr/share/lab-wazo"
# What a host has of its own.
KEPT = ("/etc/passwd", "/etc/group", "/usr/bin/", "/lib/systemd/system/")
UNIT = """[Unit]
Description={name}, as far as certificates go
[Service]
Type=notify
User={user}
RuntimeDirectory={name}
ExecStart=/usr/bin/python3 /usr/share/lab-wazo/daemon.py {name}
[Install]
WantedBy=multi-user.target
"""
IDLE = "[Service]\nType=exec\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def put(path, text, mode=0o644, owner="root:root"):
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    pathlib.Path(path).write_text(text, encoding="utf-8")
    shutil.chown(path, *owner.split(":"))
    os.chmod(path, mode)


def unpack(tree):
    for section in tree.rstrip("\n").split("\n== ")[1:]:
        head, _, content = section.partition("\n")
        kind, *words = head.split(" ")
        path = words[0] if kind == "link" else words[2]
        if path.startswith(KEPT):
            continue
        if kind == "file":
            put(path, content + "\n", int(words[0], 8), words[1])
        elif kind == "dir":
            os.makedirs(path, exist_ok=True)
            os.chmod(path, int(words[0], 8))
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(words[2], path)


def client(name, blocks, pair):
    """Configures one that only calls others, and that the fixture has no need of."""
    lines = "".join(
        f"{block}:\n  host: localhost\n  port: {port}\n  verify_certificate: {pair}/server.crt\n" for block, port in blocks.items()
    )
    put(f"/etc/{name}/config.yml", lines)
    os.makedirs(f"/etc/{name}/conf.d", exist_ok=True)


def main():
    with open("era.json", encoding="utf-8") as file:
        era = json.load(file)
    with open("tree.txt", encoding="utf-8") as file:
        unpack(file.read())
    for name, blocks in era["clients"].items():
        client(name, blocks, era["pair"])
    for path, text in era["files"].items():
        put(path, text)
    for user in {unit.get("user", name) for name, unit in era["units"].items()} - {"root", "www-data"}:
        groups = ["-G", "www-data"] if user in era["readers"] or "all" in era["readers"] else []
        subprocess.run(["useradd", "--system", *groups, user], check=True)
    for name, unit in era["units"].items():
        put(f"/lib/systemd/system/{name}.service", UNIT.format(name=name, user=unit.get("user", name)))
    for name in era["idle"]:
        put(f"/lib/systemd/system/{name}.service", IDLE)
    os.makedirs(SHARE, exist_ok=True)
    for name in ("daemon.py", "era.json", "ask.py"):
        shutil.copy(name, SHARE)
    shutil.copy("service.py", f"/usr/bin/{era['script']}")
    shutil.copy("update_config.py", "/usr/sbin/xivo-update-config")
    for path in (f"/usr/bin/{era['script']}", "/usr/sbin/xivo-update-config"):
        os.chmod(path, 0o755)
    # Rendered for the first time, as an installation does.
    subprocess.run(["xivo-update-config"], check=True, stdout=subprocess.DEVNULL)
    units = [*era["idle"], *era["units"], "nginx"]
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "--quiet", "enable", "--now", *units], check=True)


main()
