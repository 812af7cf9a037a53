"""A trace of what the device does."""

from pathlib import Path

import jax

from jaxgan.typing import PyTree

FIRST, COUNT = 2, 3  # calls of the compiled steps: those before are compiled, or wait for their data


class Profiler:
    """Traces a few calls, once the program is warm, into a folder: files for xprof, TensorBoard and ui.perfetto.dev."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._running = False

    def before(self, call: int, state: PyTree) -> None:
        """Told before each call, with its number from 0 and the state it is given, which is waited for."""
        if call == FIRST:
            jax.block_until_ready(state)
            jax.profiler.start_trace(self.folder, create_perfetto_trace=True)
            self._running = True
        elif call == FIRST + COUNT:
            jax.block_until_ready(state)
            self.close()

    def close(self) -> None:
        """Ends a trace that is running."""
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
