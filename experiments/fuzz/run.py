"""Which spoiled files does jaxgan not answer with one message? See the README beside this.

    python experiments/fuzz/run.py --minutes=60
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import resource
import signal
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from random import Random

from readers import READERS

from jaxgan.errors import InputError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results" / "fuzz.json"
FOUND = ROOT / "outputs" / "fuzz"  # inputs that broke something
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
MEMORY = 1 << 30       # bytes that one input may ask for
RESIDENT = 768 << 20   # bytes that one input may fill
SLOW = 5.0             # seconds of the processor that one input may take
HUNG = 300.0           # seconds after which the process is killed
TURN = 60.0            # seconds that a reader has before the next one's turn
FORK = multiprocessing.get_context("fork")  # a child that need not import everything again


def fuzz(name: str, seed: int, first: int, seconds: float, folder: Path) -> None:
    """Reads inputs first, first + 1, … until the time is over, and writes down what it finds. Runs in a process of its
    own, which may die of an input."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders in C speak there
    os.environ["XDG_CACHE_HOME"] = str(folder)
    reader = READERS[name]
    seeds = list(reader.seeds())
    for other, content in reader.beside().items():
        (folder / other).write_bytes(content)
    path = folder / reader.file
    for content in seeds:  # what is good must be read before bad ones mean anything
        attempt(reader, path, content)
    limit_memory()
    index, refused, began, worked = first, 0, time.monotonic(), time.process_time()
    with (folder / "found").open("a") as found:
        while (elapsed := time.monotonic() - began) < seconds:
            rng = Random(f"{name} {seed} {index}")
            content = rng.choice(reader.mutate)(rng, rng.choice(seeds))
            (folder / "state").write_text(json.dumps({"next": index + 1, "refused": refused, "seconds": elapsed,
                                                      "processor": time.process_time() - worked}))
            problem = attempt(reader, path, content)
            refused += problem == ""
            if problem:
                found.write(json.dumps({"problem": problem, "input": keep(name, content)}) + "\n")
                found.flush()
            index += 1


def attempt(reader, path: Path, content: bytes) -> str | None:
    """What is wrong with how `reader` takes `content`: "" for a refusal as it should be, None where it was read."""
    path.write_bytes(content)
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = None
    with warnings.catch_warnings(record=True) as warned:
        try:
            reader.read(path)
        except InputError:
            answer = ""
        except Exception as error:
            answer = describe(error)
    filled = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if warned and not answer:
        answer = f"{warned[0].category.__name__} from {Path(warned[0].filename).name}"
    if time.process_time() - began > SLOW:
        answer = f"slow: over {SLOW:g} s"
    return f"memory: over {RESIDENT >> 20} MiB" if filled > RESIDENT else answer


def describe(error: Exception) -> str:
    """The kind of an exception and the last place in jaxgan it came through: the same for the same mistake."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/jaxgan/" in frame.filename]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}"


def limit_memory() -> None:
    """Lets this process ask for no more than MEMORY beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def keep(name: str, content: bytes) -> str:
    """Stores an input; returns its name."""
    path = FOUND / name / hashlib.sha256(content).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path.name


class Campaign:
    """What is known of one reader so far."""

    def __init__(self, name: str, seed: int):
        self.name, self.seed = name, seed
        self.seconds, self.processor, self.inputs, self.refused = 0.0, 0.0, 0, 0
        self.findings: dict[str, dict] = {}

    def turn(self, seconds: float) -> None:
        """Goes on for so long in a new process; one that dies or hangs is a finding."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            process = FORK.Process(target=fuzz, args=(self.name, self.seed, self.inputs, seconds, folder))
            process.start()
            state = folder / "state"
            while process.is_alive():
                process.join(2)
                if state.exists() and time.time() - state.stat().st_mtime > HUNG:
                    process.kill()
            if not state.exists():
                raise SystemExit(f"{self.name}: the process did not start.")
            for line in (folder / "found").read_text().splitlines():
                self.note(json.loads(line))
            if process.exitcode:
                self.died(process.exitcode, folder)
            last = json.loads(state.read_text())
            self.inputs, self.refused = last["next"], self.refused + last["refused"]
            self.seconds, self.processor = self.seconds + last["seconds"], self.processor + last["processor"]

    def note(self, record: dict) -> None:
        finding = self.findings.setdefault(record["problem"], {"count": 0, "input": record["input"]})
        finding["count"] += 1

    def died(self, code: int, folder: Path) -> None:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        content = (folder / READERS[self.name].file).read_bytes()
        self.note({"problem": f"died: {name}", "input": keep(self.name, content)})


def write(campaigns: list[Campaign], minutes: float, seed: int) -> None:
    """The results as JSON and as the README's table."""
    found = {each.name: {"seconds": round(each.seconds), "processor_seconds": round(each.processor),
                         "inputs": each.inputs, "refused": each.refused, "findings": each.findings}
             for each in campaigns}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"minutes": minutes, "seed": seed, "readers": found}, indent=2) + "\n")
    rows = ["| reader | seconds | of the processor | inputs | refused | findings |", "|---|---:|---:|---:|---:|---:|"]
    rows += [f"| {each.name} | {each.seconds:,.0f} | {each.processor:,.0f} | {each.inputs:,} | {each.refused:,} | "
             f"{len(each.findings)} |" for each in campaigns]
    rows.append("| all | " + " | ".join(f"{sum(column):,.0f}" for column in zip(*(
        (each.seconds, each.processor, each.inputs, each.refused, len(each.findings)) for each in campaigns))) + " |")
    readme = HERE / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
        readme.write_text("\n".join([before + MARKS[0], *rows, MARKS[1] + after]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="over all readers (default: 60)")
    parser.add_argument("--readers", help="such as npz,image (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    campaigns = [Campaign(name, arguments.seed) for name in (arguments.readers or ",".join(READERS)).split(",")]
    share = 60 * arguments.minutes / len(campaigns)
    while (left := [each for each in campaigns if each.seconds < share - 1]):
        for each in left:
            each.turn(min(TURN, share - each.seconds))
            print(f"{each.name}: {each.seconds:.0f} s, {each.inputs:,} inputs, "
                  f"{ {what: finding['count'] for what, finding in each.findings.items()} }", flush=True)
            write(campaigns, arguments.minutes, arguments.seed)


if __name__ == "__main__":
    main()
