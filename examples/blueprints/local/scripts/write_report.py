"""Writes the report. Inputs and outputs that are more than text go as JSON."""
import json
import os

import sums  # a dependency of the implementation, which lies beside this script

with open(os.environ["TOSCA_INPUTS"], encoding="utf-8") as f:
    inputs = json.load(f)

sales = inputs["sales"]
total, best = sums.total(sales), sums.best(sales)
path = os.path.join(inputs["folder"], "report.txt")
with open(path, "w", encoding="utf-8") as report:
    for sale in sales:
        report.write(f"{sale['pieces']:>6} {sale['product']}\n")
    report.write(f"{total:>6} in all\n")

with open(os.environ["TOSCA_OUTPUTS"], "a", encoding="utf-8") as f:
    json.dump({"file": path, "total": total, "best": best}, f)
