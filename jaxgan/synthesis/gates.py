"""What images of a set have to pass: the run's discriminator, a classifier of real images, or having an object."""

import numpy as np

from jaxgan.errors import InputError
from jaxgan.evaluation import Judge, Say
from jaxgan.images import to_uint8
from jaxgan.latents import rejection
from jaxgan.latents.sampling import Truncation
from jaxgan.metrics.cache import Cache
from jaxgan.synthesis.cutouts import cut
from jaxgan.synthesis.search import Gate
from jaxgan.trained import Trained
from jaxgan.typing import PyTree


def by_discriminator(run: Trained, weights: PyTree, truncation: Truncation | None, option: str,
                     percentile: float | None) -> Gate:
    """Rejection sampling as jaxgan.sample --reject does it."""
    calibration, ratios = run.calibration(weights, truncation)
    rule = rejection.make_rule(ratios, percentile)

    def judge(made: np.ndarray, seeds: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        logit = run.judge("logit", made, labels)
        return logit, rejection.uniforms(seeds) < rule.probability(calibration.log_ratio(logit))
    facts = {"by": "the run's discriminator (rejection sampling, Azadi et al. 2019)", "option": f"--reject={option}",
             **rule._asdict(), "calibration": calibration._asdict()}
    return Gate(f"--reject={option}", "logit", facts, judge)


def by_classifier(run: Trained, least: float, cache: Cache, say: Say) -> Gate:
    """Keeps images which a classifier, trained on the run's real ones, gives at least this probability of being of
    their label's class."""
    if run.info.label_kind != "class":
        raise InputError(f"--confidence={least} is of a class, and this run was trained without: leave it out.")
    extractor = Judge(run.real, None, (), cache, say=say).extractor("classifier")

    def judge(made: np.ndarray, _: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        pictures = to_uint8(made)
        stream = extractor.stream(lambda start, stop: pictures[start:stop], len(pictures))
        logits = np.concatenate([outputs["logits"] for _, outputs in stream]).astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probability = (odds / odds.sum(axis=1, keepdims=True))[np.arange(len(labels)), labels]
        return probability, probability >= least
    facts = {"by": "a classifier trained on the run's real images", "option": f"--confidence={least}",
             "least_probability": least, "classifier": {"name": extractor.backbone.name,
                                                        "weights_sha256": extractor.backbone.weights_sha256}}
    return Gate(f"--confidence={least}", "probability", facts, judge)


def with_object(how: str) -> Gate:
    """Keeps images in which there is something to cut out."""
    def judge(made: np.ndarray, *_: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        keep = np.asarray([cut(image, how) is not None for image in to_uint8(made)])
        return keep, keep
    return Gate(f"--cut={how}", None, {"by": "having an object to be cut out", "option": f"--cut={how}"}, judge)
