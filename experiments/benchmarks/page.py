"""The README beside this, into which every script here writes its tables."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def write(script: str, text: str, folder: Path) -> None:
    """Puts `text` between the marks of a script, where its results went to the folder `results` beside this."""
    if folder != HERE / "results":
        return
    begin, end = (f"<!-- written by {script}: {what} -->" for what in ("begin", "end"))
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(begin)
    readme.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
