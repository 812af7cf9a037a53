"""One run a folder: a lock that its process holds, and that goes with the process however it ends."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from jaxgan.errors import InputError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

NAME = ".running"


@contextmanager
def held(folder: Path, doing: str = "trained", option: str = "--workdir") -> Iterator[str]:
    """Holds `folder` for this process, making it where it is missing; yields what is to be said, as a rule "".

    Raises InputError where another process holds it, naming that, or where the folder cannot be written to. A killed
    process leaves the file behind but not the lock on it, and the next one takes it over. Where file systems know no
    locks there is a warning and no more. Folders made here that stay empty are removed. doing, option: what messages
    call it.
    """
    path = folder / NAME
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file, warning = _locked(path, doing, option)
    except FileExistsError as error:
        raise InputError(f"{error.filename} is a file: choose another {option}.") from error
    except OSError as error:
        raise InputError(f"Cannot write to {folder} ({error.strerror}): choose another {option}.") from error
    try:
        yield warning
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # before the lock goes: whoever has the file open sees that it is gone
            file.close()
            for each in made:
                each.rmdir()


def _locked(path: Path, doing: str, option: str) -> tuple[IO[str], str]:
    """The file at `path`, locked by this process and telling whose it is, and a warning if it could not be locked."""
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - closed by who holds it
        warning = ""
        try:
            if fcntl is None:
                raise OSError("this system has none")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _holder(file)
            file.close()
            raise InputError(f"{path.parent} is being {doing}{holder}: wait for that run, stop it, or choose another "
                             f"{option}.") from error
        except OSError as error:
            warning = (f"{path.parent} is on a file system without locks ({error.strerror or error}): make sure that "
                       "no other process writes there.")
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        file.close()  # its last holder has removed it in between
    file.truncate(0)
    file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid(),
                           "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}))
    file.flush()
    return file, warning


def _holder(file: IO[str]) -> str:
    """Who says to hold it: process, host, since when."""
    file.seek(0)
    with suppress(ValueError, KeyError, TypeError):
        facts = json.loads(file.read())
        return f" by process {facts['pid']} on {facts['host']} since {facts['since']}"
    return " by another process"
