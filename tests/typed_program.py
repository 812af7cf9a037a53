"""What a typed program says to jaxgan: `mypy` reads it, nothing runs it."""

from typing import assert_type

import numpy as np
from ml_collections import ConfigDict

import jaxgan

config: ConfigDict = jaxgan.config.load("dcgan:tiny", ["seed=1"])
assert_type(jaxgan.train(config, "outputs/x", quiet=True), jaxgan.Generator)
generator = jaxgan.load("outputs/x", checkpoint="best")
assert_type(generator, jaxgan.Generator)
images: np.ndarray = generator.generate(range(16), labels=3, truncation=0.7)
height, width, channels = generator.info.shape
scores = jaxgan.score(images, "digits", ["fd", {"name": "kid"}], backbone="pixels")
assert_type(scores["fd16_pixels"].value, float)
names: list[str] = list(jaxgan.metrics.METRICS)
try:
    generator.generate(range(16), labels="three")  # type: ignore[arg-type]
except jaxgan.InputError as error:
    print(error)
jaxgan.load(3)  # type: ignore[arg-type]
