"""Watches the heartbeat's file until its count grows."""
import json
import os
import platform
import sys
import time

with open(os.environ["TOSCA_INPUTS"], encoding="utf-8") as f:
    inputs = json.load(f)


def beats():
    try:
        with open(os.path.join(inputs["folder"], "beats"), encoding="utf-8") as f:
            return int(f.read())
    except FileNotFoundError:
        return 0


first, deadline = beats(), time.monotonic() + 20
while beats() <= first:
    if time.monotonic() > deadline:
        sys.exit(f"process {inputs['pid']} does not beat")
    time.sleep(0.05)

with open(os.environ["TOSCA_OUTPUTS"], "a", encoding="utf-8") as f:
    json.dump({"beats": True, "platform": {"system": platform.system(), "python": platform.python_version()}}, f)
