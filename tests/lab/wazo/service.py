#!/usr/bin/python3
"""Stands in for the platform's restart script, faults included: it stops all and starts all, one after the other, the first
that does not start leaves the rest down, a filter that it does not know is no error, and some units are on no list.

    wazo-service restart [FILTER]
"""

import json
import os
import subprocess
import sys


def systemctl(verb, unit):
    done = subprocess.run(["systemctl", "--quiet", verb, unit], stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def main():
    with open("/usr/share/lab-wazo/era.json", encoding="utf-8") as file:
        era = json.load(file)
    action, which = (sys.argv[1:] + ["default"])[:2] if len(sys.argv) > 1 else ("", "")
    units = era["lists"].get(which)
    if action != "restart" or units is None:
        if era["release"] != "17.06" or action != "restart":
            print("usage: wazo-service restart [FILTER]")
            return 0
        # The usage is a function that this release does not have, and an empty list is gone through.
        print("usage: command not found", file=sys.stderr)
        units = []
    systemctl("stop", "monit")
    for unit in reversed(units):
        print(f"stopping {unit}")
        systemctl("stop", unit)
    for unit in units:
        if systemctl("is-active", unit):
            continue
        if os.path.exists("/var/lib/wazo/disabled") and unit in era["lists"].get("wazo", []):
            print(f"{unit} is disabled")
        elif not systemctl("start", unit):
            print(f"starting {unit} NOK")
            return 1
        else:
            print(f"starting {unit} OK")
    systemctl("start", "monit")
    print("Wazo fully booted")
    return 0


sys.exit(main())
