"""How far our networks are from the published ones, in one table; see the README beside this.

    python -m experiments.parity.run

Runs the parity tests, slow ones included, and tabulates the errors they record.
"""

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from experiments.campaign import ROOT, Campaign

# test file -> what it compares, and with whose code
SUITES = {
    "test_r3gan_parity": "R3GAN, RpGAN with R1 and R2 (brownvc/R3GAN)",
    "test_stylegan2_parity": "StyleGAN2, four phases with R1 and path length (NVlabs/stylegan2-ada-pytorch)",
    "test_stylegan3_parity": "StyleGAN3, generator (NVlabs/stylegan3)",
    "test_biggan_parity": "BigGAN (ajbrock/BigGAN-PyTorch, POSTECH-CVLab/PyTorch-StudioGAN)",
    "test_resnet_parity": "SNGAN ResNet (POSTECH-CVLab/PyTorch-StudioGAN)",
}


def measure() -> list[dict]:
    """Runs the tests; each that recorded errors, with them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = [f"tests/{name}.py" for name in SUITES]
        subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "slow or not slow", "-o", "junit_family=xunit1",
                        f"--junitxml={report}", *files], cwd=ROOT, check=True)
        cases = ElementTree.parse(report).getroot().iter("testcase")
    found = []
    for case in cases:
        errors = {entry.get("name"): float(entry.get("value")) for entry in case.iter("property")}
        if errors:
            suite = case.get("classname").rpartition(".")[2]
            found.append({"suite": suite, "case": case.get("name"), **errors})
    return found


def table(results: list[dict]) -> str:
    """The largest errors of each suite and width."""
    lines = ["| | cases | float64: outputs | gradients | float32: outputs | gradients |", "|---" * 6 + "|"]
    for suite, words in SUITES.items():
        mine = [result for result in results if result["suite"] == suite]
        cells = []
        for width in ("float64", "float32"):
            cases = [result for result in mine if width in result["case"]]
            cells += [f"{max(case[name] for case in cases):.0e}" for name in ("forward", "gradient")]
        lines.append(f"| {words} | {len(mine)} | {' | '.join(cells)} |")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("jax", "jaxlib", "flax"))
    return "\n".join([*lines, "", f"Python {platform.python_version()}, {versions}, CPU."])


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    results, campaign = measure(), Campaign(__file__)
    campaign.results.mkdir(exist_ok=True)
    (campaign.results / "parity.json").write_text(json.dumps(results, indent=1) + "\n")
    campaign.publish(table(results))


if __name__ == "__main__":
    main()
