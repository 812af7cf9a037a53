"""What a run gives away of its training images: copies among its samples, and how well membership is told."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan import privacy
from jaxgan.data.source import Arrays, Source, materialise, read
from jaxgan.images import to_uint8
from jaxgan.inputs import Input
from jaxgan.latents import neighbours
from jaxgan.metrics.memorization import against, authentic, nearest
from jaxgan.privacy.attacks import attack
from jaxgan.reporting.page.markup import document, element, section, table
from jaxgan.reporting.page.pictures import image
from jaxgan.trained import Trained
from jaxgan.typing import PyTree

MOST = 5000  # images of each real side that membership is asked of
PAIRS, NEAR = 8, 3  # samples in the gallery, and training images beside each
ABOUT = {
    "memorization": "Distances of samples to their nearest training image, against those of held-out images, which the "
                    "run cannot have copied. A ratio of 1 is as far as new images are. Close are those nearer than all "
                    "but 1 % of the held-out ones. Authentic are those whose nearest training image has another "
                    "training image nearer still.",
    "membership": "An attacker wants to know whether an image was trained on. White-box: the discriminator's logit. "
                  "Black-box: how near the nearest sample is. The advantage is true minus false positives at the best "
                  "threshold; by chance alone it stays below the number beside it in 95 of 100 cases.",
    "duplicates": "An image that is in the data several times is learned several times as well. Nearly equal are those "
                  "whose nearest other is ten times nearer than is usual.",
}


class Audit(NamedTuple):
    """record: what audit.json holds. gallery: uint8 [H, W, C], the samples nearest to training images."""

    record: dict[str, Any]
    gallery: np.ndarray


def audited(run: Trained, weights: PyTree, held_out: Input, spaces: Sequence[str], num: int) -> Audit:
    """Looks at `num` samples of the first seeds in each feature space: "pixels", "discriminator", or a backbone."""
    labels = run.draw_labels(np.arange(num)) if run.draw_labels else None
    made = to_uint8(run.experiment.generate(weights, range(num), labels))
    train, unseen = materialise(run.real.source), some(held_out.source)
    shown = np.concatenate([made, unseen.images])
    shown_labels = None if labels is None else np.concatenate([labels, unseen.labels])
    members = np.sort(np.random.default_rng(0).permutation(len(train.images))[:MOST])
    memory, attacks, gallery = [], [], None
    for space in spaces:
        real, given = run.features({"name": "pixels", "size": 32} if space == "pixels" else space, shown, shown_labels)
        fake, new = given[:num], given[num:]
        memory.append({"space": space} | copied(real, fake, new))
        attacks.append({"attack": "black-box", "by": f"distance to the nearest of {num:,} samples, {space}"}
                       | attack(-nearest(real[members], fake)[0], -nearest(new, fake)[0]))
        gallery = pairs(run, made, real, fake, space) if gallery is None else gallery
    logits = [run.judge("logit", part.images, part.labels) for part in (read(run.real.source, members), unseen)]
    attacks.insert(0, {"attack": "white-box", "by": "the discriminator's logit"} | attack(*logits))
    record = {"run": run.title, "step": run.step, "training": run.real.record(), "held_out": held_out.record(),
              "samples": num, "differential_privacy": privacy.statement(run.config, run.info, run.step),
              "memorization": memory, "duplicates": duplicates(train), "membership": attacks}
    return Audit(record, gallery)


def some(source: Source) -> Arrays:
    """At most MOST examples, evenly drawn."""
    return read(source, np.sort(np.random.default_rng(0).permutation(len(source))[:MOST]))


def copied(real: np.ndarray, fake: np.ndarray, new: np.ndarray) -> dict[str, float]:
    """How near fakes come to training images, against new real ones; features [N, D]."""
    near, usual = nearest(fake, real)[0], nearest(new, real)[0]
    ratio, close = against(near, usual)
    return {"fake_median": float(np.median(near)), "held_out_median": float(np.median(usual)), "ratio": ratio,
            "close": close, "copies": int(np.sum(near == 0)),
            "authpct": authentic(real, fake), "held_out_authpct": authentic(real, new)}


def duplicates(train: Arrays) -> dict[str, int]:
    """Training images that another one equals, or nearly so, by their pixels."""
    flat = train.images.reshape(len(train.images), -1)
    own = nearest(flat, flat, leave_out=np.arange(len(flat)))[0]
    return {"n": len(flat), "equal": int(np.sum(own == 0)), "nearly_equal": int(np.sum(own < np.median(own) / 10))}


def pairs(run: Trained, made: np.ndarray, real: np.ndarray, fake: np.ndarray, space: str) -> np.ndarray:
    """The samples nearest to a training image, each beside its nearest ones."""
    order = np.argsort(nearest(fake, real)[0], kind="stable")[:PAIRS]
    distances, rows = neighbours.nearest(fake[order], real, NEAR)
    near = read(run.real.source, rows.ravel()).images
    captions = [[f"{distance:.3g}" for distance in row] for row in distances]
    return neighbours.picture(made[order], [f"seed {seed}" for seed in order],
                              near.reshape(*rows.shape, *near.shape[1:]), captions,
                              f"{run.title}: the samples nearest to training images, by {space}")


def curves(record: dict[str, Any]) -> np.ndarray:
    """The ROC of each attack, on logarithmic axes: what matters is how many are found without a mistake."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # most of a second to import
    from matplotlib.figure import Figure
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    axes.plot([1e-4, 1], [1e-4, 1], ":", color="grey")
    for row in record["membership"]:
        axes.plot(np.maximum(row["curve"]["fpr"], 1e-4), np.maximum(row["curve"]["tpr"], 1e-4),
                  label=f"{row['attack']}: {row['by']}")
    axes.set(xscale="log", yscale="log", xlim=(1e-3, 1), ylim=(1e-3, 1), xlabel="false positives",
             ylabel="true positives")
    axes.legend(fontsize="small", loc="lower right")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def page(audit: Audit) -> str:
    """The audit as HTML in the style of the house."""
    record, percent = audit.record, "{:.1%}".format
    memory = table(["features", "ratio of medians", "close", "copies", "authentic", "authentic, of held-out"],
                   [[row["space"], f"{row['ratio']:.3f}", percent(row["close"]), f"{row['copies']:,}",
                     f"{row['authpct']:.1f} %", f"{row['held_out_authpct']:.1f} %"] for row in record["memorization"]])
    attacks = table(["attack", "by", "advantage", "by chance below", "AUC", "TPR at 0.1 % FPR", "TPR at 1 % FPR"],
                    [[row["attack"], row["by"], f"{row['advantage']:.3f}", f"{row['chance']:.3f}", f"{row['auc']:.3f}",
                      percent(row["tpr"]["0.001"]), percent(row["tpr"]["0.01"])] for row in record["membership"]])
    few = min(row["n_others"] for row in record["membership"])
    note = f"With {few:,} held-out images, a rate of 0.1 % means that not one is mistaken." if few < 2000 else None
    twice = record["duplicates"]
    counts = table([], [["training images", f"{twice['n']:,}"], ["equal to another", f"{twice['equal']:,}"],
                        ["nearly equal to another", f"{twice['nearly_equal']:,}"]])
    lead = element("p", f"{record['run']}: {record['samples']:,} samples against {twice['n']:,} training images and "
                        f"{few:,} held-out ones.", class_="lead")
    sections = [
        section("Memorization", memory, about=ABOUT["memorization"]),
        section("Closest pairs", image(audit.gallery, "samples beside their nearest training images", 400_000)),
        section("Membership inference", attacks, note and element("p", note, class_="note"),
                image(curves(record), "ROC of each attack", 200_000), about=ABOUT["membership"]),
        section("Duplicates in the training set", counts, about=ABOUT["duplicates"]),
        section("Differential privacy", element("p", privacy.in_words(record["differential_privacy"]))),
    ]
    return document(f"Privacy audit of {record['run']}", lead, sections, {"frames": [], "charts": []})
