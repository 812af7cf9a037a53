"""Does to runs what machines do to them, and tells what became of each; see the README beside this.

    python experiments/faults/run.py

Resumable: what has an outcome is not tried again. Needs Linux; disks that are full or read-only need root, clocks that
jump need libfaketime.
"""

import argparse
import collections
import contextlib
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxgan.runs import RunFolder
from jaxgan.training import integrity
from jaxgan.training.checkpoints import Checkpoints

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results" / "results.json"
MARKS = "<!-- written by run.py: begin -->", "<!-- written by run.py: end -->"
CONFIG = HERE / "small_run.py"
CLOCKS = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
GRACE = 10.0  # seconds between SIGTERM and SIGKILL
KILLS = 20
# When: at a random time of the process's life, or as soon as it is seen at something.
MOMENTS = ("anywhere", "checkpoint", "evaluation", "anywhere", "sample",
           "anywhere", "checkpoint", "anywhere", "drawing", "report")
SPANS = {"checkpoint": 0.05, "evaluation": 0.05, "report": 1.0}  # seconds that these take, about


class Skipped(Exception):  # noqa: N818
    """This machine cannot do that; the message says why."""


class Outcome(NamedTuple):
    """What was tried, how often, and how often it went as promised; notes for whoever looks closer."""

    fault: str
    promise: str
    tried: int
    kept: int
    notes: str = ""


class Lab:
    """A scratch folder with an uninterrupted run in it, and ways to start others."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.whole = scratch / "whole"
        self.environment = os.environ | {"JAX_PLATFORMS": "cpu", "XDG_CACHE_HOME": str(scratch / "cache"),
                                         "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)])}
        self.finish(self.whole)  # fills the cache of compiled programs
        shutil.rmtree(self.whole)
        start = time.monotonic()
        self.finish(self.whole)
        self.seconds = time.monotonic() - start

    def start(self, workdir: Path, *options: str, command: str = "main", **variables: str) -> subprocess.Popen:
        given = [f"--config={CONFIG}"] if command == "main" else []
        return subprocess.Popen([sys.executable, "-m", f"jaxgan.{command}", *given, f"--workdir={workdir}", *options],
                                cwd=self.scratch, env=self.environment | variables, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, workdir: Path, *options: str, **given: str) -> tuple[int, str]:
        """Runs to the end: (exit code, what was said on stderr)."""
        process = self.start(workdir, *options, **given)
        _, said = process.communicate(timeout=1800)
        return process.returncode, said

    def finish(self, workdir: Path, *options: str, **given: str) -> str:
        """Runs to the end, which must be a good one; returns what was said."""
        code, said = self.run(workdir, *options, **given)
        if code:
            raise RuntimeError(f"exit code {code}: {said}")
        return said

    def interrupted(self, workdir: Path, step: int = 80, **given: str) -> Path:
        """A run killed when it had the checkpoint of `step`."""
        process = self.start(workdir, **given)
        if not seen(process, lambda: (workdir / "checkpoints" / str(step)).is_dir()):
            raise RuntimeError("the run ended before it was killed")
        kill(process)
        return workdir

    def same(self, workdir: Path) -> str:
        """In what a run differs from the uninterrupted one; "" for nothing."""
        mine, theirs = (set(files(each)) for each in (workdir, self.whole))
        if mine != theirs:
            return f"other files: {sorted(mine ^ theirs)}"
        if last(workdir) != last(self.whole):
            return "another last state"
        for name in sorted(name for name in mine if name.startswith("samples/") and "curves" not in name):
            if (workdir / name).read_bytes() != (self.whole / name).read_bytes():
                return f"another {name}"
        return "" if log(workdir) == log(self.whole) else "another log"


def files(workdir: Path) -> list[str]:
    """Every file of a run, hidden ones too; of checkpoints the steps."""
    found = [str(path.relative_to(workdir)) for path in workdir.rglob("*") if "checkpoints" not in path.parts]
    return found + [f"checkpoints/{path.name}" for path in (workdir / "checkpoints").iterdir()]


def last(workdir: Path) -> tuple[int, dict[str, int]]:
    """The last checkpoint's step and the checksums of what is read from it."""
    with contextlib.closing(Checkpoints(RunFolder(workdir).checkpoints, read_only=True)) as checkpoints:
        step = checkpoints.choose("latest")
        return step, integrity.checksums(checkpoints.restore_plain(step))


def log(workdir: Path) -> list[dict]:
    """The log without what was measured of the machine."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items()
             if not name.startswith(("images_per_second", "time/"))} for line in lines]


def seen(process: subprocess.Popen, event: Callable[[], bool], patience: float = math.inf) -> bool:
    """Waits for an event in a run's folder; False where the process ends first, or the seconds have passed."""
    end = time.monotonic() + patience
    while not event():
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def any_file(folder: Path, pattern: str) -> Callable[[], bool]:
    return lambda: next(folder.glob(pattern), None) is not None


def kill_once(lab: Lab, workdir: Path, kind: str, rng: random.Random) -> bool:
    """Starts or resumes a run and kills it; False where it ended before."""
    events = {"checkpoint": any_file(workdir / "checkpoints", "*tmp*"),
              "evaluation": (lab.scratch / "evaluating").exists,
              "sample": any_file(workdir / "samples", ".step*.tmp"),
              "drawing": any_file(workdir / "samples", ".training.gif*.tmp"),
              "report": (workdir / "samples" / "curves.png").exists}  # drawn just before the page
    (lab.scratch / "evaluating").unlink(missing_ok=True)
    process = lab.start(workdir)
    if kind == "anywhere":
        end = time.monotonic() + rng.uniform(0, lab.seconds)
        there = seen(process, lambda: time.monotonic() > end)
    else:
        there = seen(process, events[kind])
        time.sleep(rng.uniform(0, SPANS.get(kind, 0)))
    kill(process)
    return there and process.returncode == -signal.SIGKILL


def kills(lab: Lab) -> Iterator[Outcome]:
    """kill -9 again and again, some times a run, until enough have hit a process at work."""
    landed: collections.Counter[str] = collections.Counter()
    wrong, rng, moments = [], random.Random(0), itertools.cycle(MOMENTS)
    for index in itertools.count():
        if landed.total() >= KILLS:
            break
        workdir = lab.scratch / f"killed{index}"
        for moment in itertools.islice(moments, len(MOMENTS) // 2):
            landed[moment] += kill_once(lab, workdir, moment, rng)
        lab.finish(workdir)
        wrong += [difference] if (difference := lab.same(workdir)) else []
    where = ", ".join(f"{count} {'' if moment == 'anywhere' else 'in '}{moment}" for moment, count in landed.items())
    yield Outcome(f"kill -9 at {landed.total()} moments of {index} runs ({where})",
                  "the last state, pictures, log and list of files are those of a run never killed",
                  index, index - len(wrong), "; ".join(wrong))


def stop(lab: Lab) -> Iterator[Outcome]:
    """SIGTERM to the README's first command, which is of a laptop's real size."""
    workdir = lab.scratch / "stopped"
    process = subprocess.Popen([sys.executable, "-m", "jaxgan.main", "--config=configs/dcgan.py", "--quiet",
                                f"--workdir={workdir}"], cwd=ROOT, env=lab.environment, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    seen(process, lambda: (workdir / "metrics.jsonl").exists() and (workdir / "metrics.jsonl").stat().st_size > 0)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait()
    seconds = time.monotonic() - start
    kept = process.returncode == 130 and seconds < GRACE and last(workdir)[0] > 0
    yield Outcome("SIGTERM to `configs/dcgan.py`", f"a checkpoint and exit code 130 within {GRACE:.0f} seconds", 1,
                  int(kept), f"{seconds:.1f} s")


def damaged(lab: Lab) -> Iterator[Outcome]:
    """The last checkpoint of a killed run is harmed, then the run goes on."""
    def flip(folder: Path) -> None:
        path = max(folder.rglob("ocdbt.process_0/d/*"), key=lambda path: path.stat().st_size)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def truncate(folder: Path) -> None:
        for path in folder.rglob("d/*"):
            os.truncate(path, path.stat().st_size // 2)

    for name, harm in (("a bit of its largest file flipped", flip), ("its arrays truncated by half", truncate),
                       ("its arrays deleted", lambda folder: shutil.rmtree(folder / "default"))):
        workdir = lab.interrupted(lab.scratch / f"damaged {name}")
        step = max(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdecimal())
        harm(workdir / "checkpoints" / str(step))
        code, refusal = lab.run(workdir, "--seeds=0", f"--output={lab.scratch / 'x.png'}", "--trust", command="sample")
        refused = code == 2 and f"step {step} " in refusal and "Use another: --checkpoint=" in refusal
        said = lab.finish(workdir)
        aside = workdir / "checkpoints" / f"{step}.damaged"
        fell_back = f"step {step} is damaged" in said and "Training goes on from step" in said and aside.exists()
        shutil.rmtree(aside, ignore_errors=True)
        difference = lab.same(workdir)
        yield Outcome(f"last checkpoint: {name}", "sample refuses it and names a whole one; training says so, goes on "
                      "from the one before, and ends in the same bits", 1,
                      int(refused and fell_back and not difference),
                      difference or ("" if refused and fell_back else f"{refusal} {said}"))


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A small disk of its own, in memory."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if made.returncode:
        raise Skipped("mounting is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def full(lab: Lab) -> Iterator[Outcome]:
    """Disks that are full at several points of a run, and then no longer."""
    need = sum(path.stat().st_size for path in lab.whole.rglob("*") if path.is_file())
    for share in (0, 0.05, 0.3, 0.5, 0.7, 0.9):
        where = lab.scratch / "small disk"
        with disk(where, f"size={max(4096, int(share * need))}"):
            if share == 0:
                (where / "filler").write_bytes(bytes(4096))
            code, said = lab.run(where / "run", "--quiet")
            subprocess.run(["mount", "-o", "remount,size=64m", where], check=True)
            difference = "" if code in (1, 2) and "Traceback" not in said and said.count("error:") == 1 else (
                f"exit code {code}: {said[-300:]}")
            if not difference:
                lab.finish(where / "run")
                difference = lab.same(where / "run")
        yield Outcome(f"disk full at {share:.0%} of what a run writes", "one message, no traceback; with room again "
                      "the same command ends in the same bits", 1, int(not difference),
                      difference or said.strip()[-200:])


def read_only(lab: Lab) -> Iterator[Outcome]:
    """A workdir on a disk that is mounted for reading."""
    where = lab.scratch / "read-only disk"
    with disk(where, "size=1m"):
        subprocess.run(["mount", "-o", "remount,ro", where], check=True)
        code, said = lab.run(where / "run")
    yield Outcome("workdir read-only", "exit code 2 and one message", 1,
                  int(code == 2 and "Cannot write to" in said and "Traceback" not in said), said.strip()[-200:])


def second(lab: Lab) -> Iterator[Outcome]:
    """The same command again while the first is at work."""
    workdir = lab.scratch / "twice"
    process = lab.start(workdir)
    seen(process, lambda: (workdir / "metrics.jsonl").exists())
    process.send_signal(signal.SIGSTOP)
    code, said = lab.run(workdir)
    process.send_signal(signal.SIGCONT)
    process.communicate()
    difference = lab.same(workdir)
    yield Outcome("two runs on one workdir", "the second is refused, naming the first, which is not disturbed", 1,
                  int(code == 2 and f"process {process.pid}" in said and not difference),
                  difference or said.strip()[-200:])


def clocks(lab: Lab) -> Iterator[Outcome]:
    """A wall clock that jumps between the parts of a run, and within one."""
    if not CLOCKS.exists():
        raise Skipped(f"there is no {CLOCKS}")
    fake = {"LD_PRELOAD": str(CLOCKS), "DONT_FAKE_MONOTONIC": "1"}
    workdir = lab.scratch / "clock between starts"
    for offset, step in (("-1y", 40), ("+1y", 80)):
        lab.interrupted(workdir, step, FAKETIME=offset, **fake)
    lab.finish(workdir)
    yield clock("a year back, then two forward, between starts", lab.same(workdir))
    for back, seconds in (("half a minute", 30), ("an hour", 3600)):
        yield clock(f"{back} back, then ten minutes forward, within a run", *jumps(lab, fake, seconds))


def jumps(lab: Lab, fake: dict[str, str], back: int) -> tuple[str, str]:
    """A run whose clock jumps at two moments: (difference, what had to be done). One that does not come back, see the
    README, is killed and started once more."""
    workdir, offset = lab.scratch / f"clock {back} back", lab.scratch / "offset"
    offset.write_text("+0")
    process = lab.start(workdir, FAKETIME_TIMESTAMP_FILE=str(offset), FAKETIME_NO_CACHE="1", **fake)
    for step, jump in ((40, f"-{back}"), (80, "+600")):
        seen(process, (workdir / "checkpoints" / str(step)).is_dir, patience=120)
        offset.write_text(jump)
    done = ""
    try:
        process.communicate(timeout=60 + 2 * lab.seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        lab.finish(workdir)
        done = "it waited for its clock, was killed, and went on"
    return lab.same(workdir), done


def clock(name: str, difference: str, done: str = "") -> Outcome:
    return Outcome(f"wall clock {name}", f"the same bits{': ' * bool(done)}{done}", 1, int(not difference), difference)


def edited(lab: Lab) -> Iterator[Outcome]:
    """Options that differ from those the run was started with."""
    workdir = lab.interrupted(lab.scratch / "edited", 40)
    code, said = lab.run(workdir, "--config.loss=hinge")
    yield Outcome("config edited between runs", "refused, with the keys", 1,
                  int(code == 2 and "loss" in said and "hinge" in said and "--allow_change" in said),
                  said.strip()[-200:])
    code, said = lab.run(workdir, "--config.generator.width=48", "--allow_change")
    yield Outcome("the same, of another width, with --allow_change", "refused, with the tensors", 1,
                  int(code == 2 and "does not fit the config" in said and "generator/params" in said
                      and "Traceback" not in said), said.strip()[-200:])
    code, said = lab.run(workdir, "--config.loss=hinge", "--allow_change")
    before = list(workdir.glob("config_until_step*.json"))
    now = json.loads((workdir / "config.json").read_text())["loss"]
    yield Outcome("the same, of another loss, with --allow_change", "goes on; both configs are on record", 1,
                  int(code == 0 and "hinge" in str(now) and len(before) == 1
                      and "non_saturating" in before[0].read_text()), "" if code == 0 else said.strip()[-200:])


CAMPAIGN = {"second": second, "edited": edited, "damaged": damaged, "full": full, "read_only": read_only,
            "clocks": clocks, "stop": stop, "kills": kills}


def report(results: dict[str, list]) -> str:
    """The table of the README."""
    lines = ["| fault | what is promised | kept |", "|---|---|---|"]
    for name in CAMPAIGN:
        for row in results.get(name, []):
            outcome = Outcome(*row)
            notes = f": {outcome.notes}" if outcome.tried and outcome.kept < outcome.tried else ""
            kept = f"{outcome.kept} of {outcome.tried}" if outcome.tried else f"not tried: {outcome.notes}"
            lines.append(f"| {outcome.fault} | {outcome.promise} | {kept}{' '.join(notes.split())[:300]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=CAMPAIGN, help="one kind of fault, tried anew")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if arguments.only:
        results.pop(arguments.only, None)
    wanted = [arguments.only] if arguments.only else [name for name in CAMPAIGN if name not in results]
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder)) if wanted else None
        for name in wanted:
            try:
                results[name] = list(CAMPAIGN[name](lab))
            except Skipped as reason:
                results[name] = [Outcome(name.replace("_", " "), "", 0, 0, str(reason))]
            print(report({name: results[name]}), file=sys.stderr, flush=True)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    readme = HERE / "README.md"
    before, after = readme.read_text().split(MARKS[0])[0], readme.read_text().split(MARKS[1])[1]
    readme.write_text(f"{before}{MARKS[0]}\n{report(results)}\n{MARKS[1]}{after}")
    print(report(results))
    if any(row[3] < row[2] for rows in results.values() for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
