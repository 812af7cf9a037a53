"""Differential privacy in numbers, by the dp-accounting library.

A Gaussian mechanism of relative standard deviation `noise` looks at a Poisson sample of the data, each example in it
with probability `rate`, `steps` times. Neighbouring data differ by one example that is there or not.
"""

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from jaxgan.errors import InputError

LEAST_NOISE = 0.1  # epsilon is in the thousands by then, and promises nothing


@functools.lru_cache(maxsize=256)
def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """The epsilon that holds with `delta` (Rényi accounting: Mironov et al. 2019)."""
    if not steps:
        return 0.0
    with _library() as dp:
        accountant = dp.rdp.RdpAccountant()
        accountant.compose(_event(dp, noise, rate, steps))
        return float(accountant.get_epsilon(delta))


@functools.lru_cache(maxsize=16)
def noise_for(target: float, rate: float, steps: int, delta: float) -> float:
    """The least noise with which `epsilon` is at most `target`, found to a thousandth."""
    with _library() as dp:
        try:
            return float(dp.calibrate_dp_mechanism(dp.rdp.RdpAccountant,
                                                   lambda noise: _event(dp, noise, rate, steps), target, delta,
                                                   dp.LowerEndpointAndGuess(LEAST_NOISE, 1.0), tol=1e-3))
        except dp.mechanism_calibration.NoBracketIntervalFoundError as error:
            raise InputError(f"config.privacy.epsilon is {target}: no noise from {LEAST_NOISE} on gives it, over "
                             f"{steps:,} steps at a rate of {rate:.3g}; give another, or config.privacy.noise."
                             ) from error


def steps_within(target: float, noise: float, rate: float, delta: float, most: int) -> int:
    """The largest number of steps up to `most` whose `epsilon` is at most `target`."""
    if epsilon(noise, rate, most, delta) <= target:
        return most
    fits, fails = 0, most
    while fails - fits > 1:
        middle = (fits + fails) // 2
        fits, fails = (middle, fails) if epsilon(noise, rate, middle, delta) <= target else (fits, middle)
    return fits


def _event(dp, noise: float, rate: float, steps: int):
    return dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(rate, dp.GaussianDpEvent(noise)), steps)


@contextmanager
def _library() -> Iterator:
    """The library, without its warnings of Rényi orders that it leaves out, which makes epsilon no smaller."""
    try:
        import dp_accounting
        import dp_accounting.rdp
    except ImportError as error:
        raise InputError("config.privacy counts with dp-accounting: pip install 'jaxgan[privacy]'.") from error
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield dp_accounting
    finally:
        logger.setLevel(before)
