"""Scores, order and flips, by hand and as properties."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isojoule.apps.compare.points import BOOK, ranking
from isojoule.apps.compare.ranking import flips, order, scores
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


THIRDS = st.integers(0, 8).map(lambda n: n / 8)
TABLES = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.dictionaries(
            st.sampled_from("abcde"), st.tuples(*[st.floats(-1, 1) | THIRDS] * n), min_size=2
        ),
        st.tuples(*[st.floats(0, 5) | THIRDS] * n),
    )
)


@given(TABLES)
def test_just_below_a_flip_the_winner_stays_and_just_above_it_goes(
    table: tuple[dict[str, tuple[float, ...]], tuple[float, ...]],
) -> None:
    points, weights = table
    exact = [Fraction(w) for w in weights]
    first = order(points, exact)[0]

    def winner(at: int, weight: Fraction) -> str:
        return order(points, [*exact[:at], weight, *exact[at + 1 :]])[0]

    found = flips(points, weights)
    for flip in found:
        before = exact[flip.criterion]
        assert flip.at - before == flip.change
        tiny = Fraction(1, 10**2000)
        away = tiny if flip.change > 0 or (flip.change == 0 and flip.at == before) else -tiny
        sides = [away, -away] if flip.change == 0 else [away]
        beyond = [winner(flip.criterion, flip.at + s) for s in sides if flip.at + s >= 0]
        assert flip.winner in beyond
        if flip.change:
            assert flip.winner != first
            inside = before + flip.change * (1 - Fraction(1, 10**9))
            assert winner(flip.criterion, inside) == first
    # where no flip is named, no weight changes the winner
    for at, weight in enumerate(exact):
        up = [f for f in found if f.criterion == at and f.change >= 0]
        if not up:
            assert winner(at, weight + 10**6) == first


def test_one_more_mechanism_never_changes_the_order_of_the_others() -> None:
    more = {**POINTS, "poor": (-3.0, 0.0), "rich": (9.0, 9.0)}
    for weights in ([2, 1], [1, 1], [1, 3]):
        assert [n for n in order(more, weights) if n in POINTS] == order(POINTS, weights)


def test_criteria_that_are_not_known_of_all_are_left_out() -> None:
    known = {c.key: 0.5 for c in BOOK}
    found = ranking(BOOK, {"a": known, "b": {**known, "fairness": None}}, {"welfare": 3})
    assert found["left_out"] == ["fairness"]
    weights = {c["key"]: c["weight"] for c in found["criteria"]}
    assert weights == {"welfare": 3.0, "members": 1.0, "nobody_loses": 1.0, "simplicity": 0.0}
    assert found["scores"] == {"a": 0.5, "b": 0.5}  # a weighted mean


@pytest.mark.parametrize("weights", [{"beauty": 1}, {"welfare": -1}, {"welfare": float("nan")}])
def test_bad_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"criterion|between"):
        ranking(BOOK, {}, weights)
