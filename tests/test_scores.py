"""What keeps results from standing side by side."""

from jaxgan.reporting.scores import protocol_differences


def result(metric, **facts):
    return {"protocol": {"metric": metric, "real": {"sha256": "aa"}, "fake": [{"sha256": "bb"}], "seed": 0} | facts}


def test_every_file_is_compared_with_every_other():
    """The first has no kid, and the two others differ in theirs."""
    files = {"a": [result("fd", n_real=9)], "b": [result("kid", n_real=5), result("fd", n_real=9)],
             "c": [result("kid", n_real=6)], "d": [result("kid", n_real=5, real={"sha256": "cc"})]}
    assert protocol_differences(files) == ["kid: n_real is 5 in b and d, 6 in c",
                                           "kid: real.sha256 is aa in b and c, cc in d"]


def test_the_fakes_may_be_others():
    assert not protocol_differences({"a": [result("fd", seed=1, copies=3)], "b": [result("fd", seed=2, copies=0)]})


def test_a_file_may_have_more_than_another_but_nothing_else():
    small, large = (result("fd", backbone={"name": name}) for name in ("small", "large"))
    assert not protocol_differences({"a": [small, large, small], "b": [large]})
    assert not protocol_differences({"b": [large], "a": [small, large]})
    other = result("fd", backbone={"name": "other"}, n_real=3)
    assert protocol_differences({"a": [other, large], "b": [small, large]}) == [
        "fd: backbone.name is other in a, small in b", "fd: n_real is 3 in a, None in b"]
