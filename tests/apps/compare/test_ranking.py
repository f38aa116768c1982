"""Scores, order and flips, by hand and as properties."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.apps.compare.points import BOOK, UNKNOWN, ranking
from isojoule.apps.compare.ranking import flips, order, places, scores, tenths, told
from isojoule.apps.compare.table import ranking_lines
from isojoule.core.errors import InputError

POINTS = {"plain": (0.5, 0.5), "cheap": (0.75, 0.125), "fair": (0.25, 0.875)}


def test_scores_and_order_by_hand() -> None:
    assert scores(POINTS, [2, 1]) == {"plain": 1.5, "cheap": 1.625, "fair": 1.375}
    assert order(POINTS, [2, 1]) == ["cheap", "plain", "fair"]
    assert order(POINTS, [0, 1]) == ["fair", "plain", "cheap"]
    assert order(POINTS, [0, 0]) == ["cheap", "fair", "plain"]  # by name


def test_flips_by_hand() -> None:
    """The lead of `cheap` is 1/8 over `plain`, 1/4 over `fair`.

    A weight of 1 more moves it by 1/4 and 1/2 on the first criterion, by -3/8 and -3/4 on the
    second: both draw level at once.
    """
    found = flips(POINTS, [2, 1])
    assert [(f.criterion, f.at, f.change, f.winner) for f in found] == [
        (1, Fraction(4, 3), Fraction(1, 3), "fair"),
        (0, Fraction(3, 2), Fraction(-1, 2), "fair"),
    ]


def test_what_no_weight_changes_flips_nowhere() -> None:
    assert flips({"best": (1.0, 1.0), "worst": (0.5, 0.25)}, [1, 1]) == []
    assert flips({"alone": (1.0,)}, [1]) == []
    # a weight would have to fall below 0
    assert flips({"a": (0.5, 1.0), "b": (0.25, 0.5)}, [1, 0]) == []


EIGHTHS = st.integers(0, 8).map(lambda n: n / 8)
NUMBERS = st.integers(-(10**9), 10**9).map(lambda n: n / 10**9)
"""With nine digits, as points are rounded to."""
TABLES = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.dictionaries(st.sampled_from("abcde"), st.tuples(*[NUMBERS | EIGHTHS] * n), min_size=2),
        st.tuples(*[NUMBERS.map(abs) | EIGHTHS] * n),
    )
)


@given(TABLES)
def test_just_below_a_flip_the_first_stay_and_just_above_it_they_go(
    table: tuple[dict[str, tuple[float, ...]], tuple[float, ...]],
) -> None:
    points, weights = table
    exact = [Fraction(w) for w in weights]
    top = {name for name, place in places(points, exact).items() if place == 1}

    def best(at: int, weight: Fraction) -> set[str]:
        found = scores(points, [*exact[:at], weight, *exact[at + 1 :]])
        return {name for name, score in found.items() if score == max(found.values())}

    found = flips(points, weights)
    if not any(weights):
        assert found == []
        return
    for flip in found:
        assert flip.at - exact[flip.criterion] == flip.change != 0
        assert flip.winner not in top
        tiny = Fraction(1, 10**80) * (1 if flip.change > 0 else -1)
        assert flip.winner in best(flip.criterion, flip.at + tiny)
        assert not top & best(flip.criterion, flip.at + tiny)
        inside = exact[flip.criterion] + flip.change * (1 - Fraction(1, 10**9))
        assert best(flip.criterion, inside) <= top
    # where no flip is named, no weight takes the first place from those who have it
    for at, weight in enumerate(exact):
        if not any(f.criterion == at and f.change > 0 for f in found):
            assert top & best(at, weight + 10**6)
        if not any(f.criterion == at and f.change < 0 for f in found):
            assert top & best(at, Fraction(0))


@given(TABLES)
def test_who_is_told_the_same_shares_a_place_and_stands_by_name(
    table: tuple[dict[str, tuple[float, ...]], tuple[float, ...]],
) -> None:
    points, weights = table
    place, score = places(points, weights), tenths(points, weights)
    names = order(points, weights)
    for a, b in itertools.pairwise(names):
        assert score[a] > score[b] or (score[a] == score[b] and a < b)
        assert (place[a] == place[b]) == (score[a] == score[b])
    assert [place[n] for n in names] == sorted(place.values())
    whole = sum(map(Fraction, weights)) or 1
    for name, exact in scores(points, weights).items():
        # by floats, as the page and the table have them, as by fractions
        assert told(float(exact / whole)) == f"{score[name] / 10:.1f}"
        assert abs(1000 * exact / whole - score[name]) <= Fraction(1, 2) + Fraction(1, 10**6)


def test_one_more_mechanism_never_changes_the_order_of_the_others() -> None:
    more = {**POINTS, "poor": (-3.0, 0.0), "rich": (9.0, 9.0)}
    for weights in ([2, 1], [1, 1], [1, 3]):
        assert [n for n in order(more, weights) if n in POINTS] == order(POINTS, weights)


def test_criteria_that_are_not_known_of_all_are_left_out() -> None:
    known = {c.key: 0.5 for c in BOOK}
    found = ranking(BOOK, {"a": known, "b": {**known, "fairness": None}}, {"welfare": 3})
    assert found["left_out"] == {"fairness": UNKNOWN}
    weights = {c["key"]: c["weight"] for c in found["criteria"]}
    assert weights == {"welfare": 3.0, "members": 1.0, "nobody_loses": 1.0, "simplicity": 0.0}
    assert found["scores"] == {"a": 0.5, "b": 0.5}  # a weighted mean


@pytest.mark.parametrize("weights", [{"beauty": 1}, {"welfare": -1}, {"welfare": float("nan")}])
def test_bad_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"criterion|between"):
        ranking(BOOK, {}, weights)


def test_what_tells_nothing_here_is_left_out_with_its_reason() -> None:
    points = {"a": {c.key: 0.5 for c in BOOK}}
    found = ranking(BOOK, points, {}, {"welfare": "it is the same"})
    assert found["left_out"] == {"welfare": "it is the same"}
    document = {"ranking": found}
    assert "Left out: welfare, it is the same." in ranking_lines(document)


def test_what_is_level_is_said_to_be() -> None:
    """What money is rounded to, 2e-9 of a point, decides nothing; a tie flips nowhere."""
    points = {"b": dict.fromkeys((c.key for c in BOOK), 0.5)}
    points["a"] = {**points["b"], "welfare": 0.5 + 8e-9}
    points["c"] = {**points["b"], "welfare": 0.25, "simplicity": 0.75}
    found = ranking(BOOK, points, {})
    assert found["order"] == ["a", "b", "c"]
    assert found["places"] == {"a": 1, "b": 1, "c": 3}
    # the lead of 1/4 is made up where the weight of simplicity is 1
    assert [(f["criterion"], f["winner"]) for f in found["flips"]] == [("simplicity", "c")]
    assert found["flips"][0]["to"] == pytest.approx(1.0, abs=1e-7)
    lines = ranking_lines({"ranking": found})
    assert "a and b are level (the same to a tenth of a point)." in lines
    assert any(line.startswith("a and b stay first until the weight of simpl") for line in lines)
    twins = ranking(BOOK, {"a": points["a"], "b": {**points["b"], "simplicity": 0.75}}, {})
    assert twins["flips"] == [] and set(twins["places"].values()) == {1}


def test_halves_are_told_upward_and_nothing_is_minus_zero() -> None:
    assert [told(v) for v in (0.9375, 0.9325, -1e-12, -0.0004, -0.0006)] == [
        "93.8", "93.3", "0.0", "0.0", "-0.1",
    ]  # fmt: skip
    low = ranking(BOOK, {"a": {c.key: -1e-12 for c in BOOK}}, {})
    assert low["scores"]["a"] <= 0
    assert "a 0.0." in ranking_lines({"ranking": low})[0]
