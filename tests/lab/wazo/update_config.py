#!/usr/bin/python3
"""Stands in for the platform's renderer of /etc/hosts and others, lies included: whatever fails it says DONE and exits 0,
every file beside a template is installed with it, with the mode it has, and a link in its place is passed over.

    xivo-update-config
"""

import os
import re
import subprocess
import sys
import tempfile

BASE = "/usr/share/xivo-config/templates"
CUSTOM = "/etc/xivo/custom-templates"


def settings():
    with open("/etc/xivo/common.conf", encoding="utf-8") as file:
        lines = (line.strip().partition("=") for line in file)
        return {key: value for key, equals, value in lines if equals}


def files(top):
    for directory, _, names in os.walk(top):
        for name in names:
            path = f"{directory}/{name}"
            if os.path.isfile(path) and not os.path.islink(path):
                yield os.path.relpath(path, top)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def render(module, custom, values):
    with tempfile.TemporaryDirectory() as work:
        for source in (f"{BASE}/{module}", f"{custom}/{module}"):
            for path in files(source):
                # Mode, owner and time come along.
                subprocess.run(["cp", "-a", "--parents", path, work], cwd=source, check=True)
        rendered = list(files(work))
        for path in rendered:
            for name, value in values.items():
                subprocess.run(["sed", "-ri", f"s#\\#{name}\\##{value}#g", f"{work}/{path}"], check=False)
        if any(re.search(rb"#[A-Z0-9_]+#", read(f"{work}/{path}")) for path in rendered):
            message = f"ERROR: generation from template '{module}' failed because all variables could not be expanded"
            print(message, file=sys.stderr)
            return
        if all(os.path.exists(f"/{path}") and read(f"/{path}") == read(f"{work}/{path}") for path in rendered):
            print(f"'{module}' configuration OK, skipping.")
            return
        for path in rendered:
            subprocess.run(["cp", "-a", "--parents", path, "/"], cwd=work, check=False)
        print(f"'{module}' configuration UPDATED.")


def main():
    values = settings()
    if not values.get("XIVO_NET4_IP") or not values.get("XIVO_NET4_NETMASK"):
        print("ERROR: Network badly configured", file=sys.stderr)
        return 1
    # Where there are no custom templates, every directory of wherever it was called is taken for them.
    custom = CUSTOM if os.path.isdir(CUSTOM) else os.getcwd()
    for module in sorted({*os.listdir(BASE), *os.listdir(custom)}):
        render(module, custom, values)
    print("DONE")
    return 0


sys.exit(main())
