"""Two results against each other: what is worse, what only looks so, what can't be told, what can't be compared."""

from __future__ import annotations

import pytest

from bshm_watchd.bench.comparing import Comparison, comparison
from bshm_watchd.bench.effort import BY_DEFAULT
from bshm_watchd.bench.results import SceneQuality
from bshm_watchd.bench.verdicts import enough_samples
from bshm_watchd.cli.bench_compare import conclusion
from bshm_watchd.errors import ConfigError
from tests.support.results import a_machine, a_picture, a_quality_result, a_set, a_speed_result, a_stamp, noisy


def verdicts(found: Comparison) -> dict[str, str]:
    return {one.subject: one.verdict for one in found.figures}


# -- speed ---------------------------------------------------------------------------------------------------


def test_a_daemon_that_takes_a_fifth_longer_is_a_regression_in_everything_that_takes_time() -> None:
    found = comparison(a_speed_result(a_set()), a_speed_result(a_set(slower=1.2, seed=50)))
    told = verdicts(found)
    assert found.is_worse
    assert told.pop("peak memory") == "same"
    assert set(told.values()) == {"regression"}


def test_a_regression_is_told_with_old_new_and_ratio() -> None:
    found = comparison(a_speed_result(a_set()), a_speed_result(a_set(slower=1.2, seed=50)))
    speed = next(one for one in found.figures if one.subject == "photos/s in bursts")
    assert speed.old == pytest.approx(2.0, rel=0.05)
    assert speed.ratio == pytest.approx(1 / 1.2, rel=0.05)
    assert speed.p <= 0.01


def test_the_noise_of_two_equal_daemons_is_no_regression() -> None:
    for seed in range(100, 200, 10):
        assert not comparison(a_speed_result(a_set()), a_speed_result(a_set(seed=seed))).is_worse


def test_a_faster_daemon_is_better_and_nothing_is_worse() -> None:
    found = comparison(a_speed_result(a_set()), a_speed_result(a_set(slower=0.8, seed=50)))
    assert not found.is_worse
    assert verdicts(found)["drop to result less settling"] == "better"


def test_more_memory_is_a_regression_although_nothing_takes_longer() -> None:
    rounds = [one.model_copy(update={"peak_mib": 700.0}) for one in a_set().rounds]
    found = comparison(a_speed_result(a_set()), a_speed_result(a_set().model_copy(update={"rounds": rounds})))
    assert verdicts(found)["peak memory"] == "regression"


def test_a_change_below_the_threshold_does_not_matter_however_sure_it_is() -> None:
    old, new = a_set(), a_set(slower=1.04, seed=50)
    assert not comparison(a_speed_result(old), a_speed_result(new)).is_worse
    assert comparison(a_speed_result(old), a_speed_result(new), threshold=0.02).is_worse


def test_a_great_change_in_three_rounds_can_t_be_told_from_chance_and_says_what_to_do() -> None:
    few = {"rounds": 3, "lone": 3}
    old, new = (a_set(slower=slower, seed=seed, **few) for slower, seed in ((1.0, 0), (1.3, 50)))
    found = comparison(a_speed_result(old), a_speed_result(new))
    assert verdicts(found)["photos/s in bursts"] == "too few"
    assert any("too few samples can't tell" in line and "--rounds" in line for line in conclusion(found, 5))


def test_what_is_measured_by_default_is_enough_to_tell_a_change_from_chance() -> None:
    assert min(BY_DEFAULT.rounds, BY_DEFAULT.lone, BY_DEFAULT.cold) >= enough_samples(paired=False)


def test_samples_that_are_all_over_the_place_say_that_it_may_be_chance() -> None:
    old = a_set(matte_seconds=noisy(0.45, 20, 1, spread=0.6))
    new = a_set(matte_seconds=noisy(0.52, 20, 2, spread=0.6))
    found = comparison(a_speed_result(old), a_speed_result(new))
    assert verdicts(found)["matte, alone"] == "chance"
    assert any("as chance makes them differ" in line for line in conclusion(found, 5))


def test_a_long_wait_whether_a_photo_is_whole_hides_no_regression() -> None:
    """From 10.4 to 10.5 s it is one per cent; from .4 to .5 s it is a quarter."""
    old, new = (
        a_set(settle_seconds=10.0, drop_to_result_seconds=[10.0 + one for one in noisy(seconds, 20, 5)])
        for seconds in (0.4, 0.5)
    )
    found = comparison(a_speed_result(old), a_speed_result(new))
    assert verdicts(found)["drop to result less settling"] == "regression"


def test_a_fraction_of_a_millisecond_matters_to_nobody() -> None:
    old, new = (a_set(matte_seconds=noisy(seconds, 20, 3)) for seconds in (0.0002, 0.0009))
    assert verdicts(comparison(a_speed_result(old), a_speed_result(new)))["matte, alone"] == "same"


def test_a_set_that_only_one_of_them_has_is_left_out_and_told() -> None:
    found = comparison(a_speed_result(a_set()), a_speed_result(a_set(), a_set(name="24 MP")))
    assert {one.place for one in found.figures} == {"1080p"}
    assert "24 MP: not in both, left out" in found.notes


# -- quality -------------------------------------------------------------------------------------------------


def test_mattes_that_got_worse_picture_by_picture_are_a_regression() -> None:
    errors = noisy(0.02, 12, 7, spread=0.5)
    found = comparison(a_quality_result(errors), a_quality_result([one * 1.2 for one in errors]))
    assert set(verdicts(found).values()) == {"regression"}


def test_pictures_are_compared_with_themselves_so_that_easy_and_hard_ones_hide_nothing() -> None:
    """Unpaired, errors between .001 and .1 would swamp a change of a tenth."""
    errors = [0.001 * 1.6**number for number in range(10)]
    assert comparison(a_quality_result(errors), a_quality_result([one * 1.1 for one in errors])).is_worse


def test_mattes_that_got_better_are_no_regression() -> None:
    errors = noisy(0.02, 12, 7, spread=0.5)
    found = comparison(a_quality_result(errors), a_quality_result([one * 0.8 for one in errors]))
    assert not found.is_worse
    assert verdicts(found)["edge error"] == "better"


def test_the_same_mattes_are_the_same() -> None:
    found = comparison(a_quality_result([0.01] * 8), a_quality_result([0.01] * 8))
    assert set(verdicts(found).values()) == {"same"}


def test_five_pictures_can_t_tell_a_change_from_chance_and_say_how_many_could() -> None:
    found = comparison(a_quality_result([0.01] * 5), a_quality_result([0.02] * 5))
    assert set(verdicts(found).values()) == {"too few"}
    assert "8 pictures" in " ".join(conclusion(found, 5))


def test_a_picture_that_has_no_matte_any_more_is_worse_without_any_statistics() -> None:
    found = comparison(a_quality_result([0.01] * 8), a_quality_result([0.01] * 8, failed=[3]))
    assert found.is_worse
    assert found.newly_failed == ["hair-detail/3.jpg: no alpha"]


def test_one_matte_that_becomes_wrong_about_what_is_person_is_worse_whatever_the_others_do() -> None:
    found = comparison(a_quality_result([0.01] * 8), a_quality_result([0.01] * 7 + [0.12]))
    assert found.is_worse
    assert found.newly_failed == ["hair-detail/7.jpg: alpha is off by 12 %, so it is wrong about what is person"]


def test_a_matte_that_was_wrong_already_is_nothing_new() -> None:
    errors = [0.01] * 7 + [0.12]
    assert comparison(a_quality_result(errors), a_quality_result(errors)).newly_failed == []


def test_a_wrong_matte_that_is_gone_altogether_is_new() -> None:
    errors = [0.01] * 7 + [0.12]
    found = comparison(a_quality_result(errors), a_quality_result(errors, failed=[7]))
    assert found.newly_failed == ["hair-detail/7.jpg: no alpha"]


def test_a_picture_that_never_had_a_matte_is_nothing_new() -> None:
    found = comparison(a_quality_result([0.01] * 8, failed=[3]), a_quality_result([0.01] * 8, failed=[3]))
    assert not found.is_worse


def test_of_several_scenes_all_pictures_are_compared_together_as_well() -> None:
    old, new = a_quality_result([0.01] * 8), a_quality_result([0.02] * 8)
    more = a_quality_result([0.01] * 8, scene="group")
    found = comparison(
        old.model_copy(update={"scenes": [*old.scenes, *more.scenes]}),
        new.model_copy(update={"scenes": [*new.scenes, *more.scenes]}),
    )
    assert {one.place for one in found.figures if one.verdict == "regression"} == {"hair-detail", "all scenes"}


# -- what can't be compared ----------------------------------------------------------------------------------

_OTHER_MACHINE = a_machine("EPYC", cores=8)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"stamp": a_stamp(machine=_OTHER_MACHINE)},
            f"machine: {a_machine().key} before, EPYC, 8 cores now",
        ),
        ({"stamp": a_stamp(bundle="u2netp")}, "bundle: portrait before, u2netp now"),
        ({"stamp": a_stamp(precision="f32")}, "precision: bf16 before, f32 now"),
        ({"file_system": "tmpfs"}, "file system: ext4 before, tmpfs now"),
    ],
)
def test_results_of_other_circumstances_are_refused_with_what_differs(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        comparison(a_speed_result(), a_speed_result(**changes))
    assert refused.value.problems[0] == told
    assert "--anyway" in refused.value.problems[-1]


def test_sets_that_were_not_measured_alike_are_refused() -> None:
    with pytest.raises(ConfigError, match="photos in a burst: 10 before, 40 now"):
        comparison(a_speed_result(a_set()), a_speed_result(a_set(photos=40)))


def test_a_set_of_other_photos_is_refused_although_it_is_called_the_same() -> None:
    old, new = (a_speed_result(a_set(photos_sha256=letter * 64)) for letter in "ab")
    with pytest.raises(ConfigError, match=f"1080p: photos, sha256: {'a' * 12} before, {'b' * 12} now"):
        comparison(old, new)
    assert not comparison(old, a_speed_result(a_set())).is_worse  # of an unknown set nothing is known to differ


def test_who_wants_them_compared_anyway_is_told_what_differs() -> None:
    found = comparison(a_speed_result(), a_speed_result(stamp=a_stamp(bundle="u2netp")), anyway=True)
    assert "bundle: portrait before, u2netp now" in found.notes


def test_speed_and_quality_are_never_compared() -> None:
    with pytest.raises(ConfigError, match="compare two of one kind"):
        comparison(a_speed_result(), a_quality_result([0.01] * 8), anyway=True)


def test_results_without_a_common_set_are_refused_even_if_wanted() -> None:
    with pytest.raises(ConfigError, match="nothing in common"):
        comparison(a_speed_result(a_set()), a_speed_result(a_set(name="24 MP")), anyway=True)


def test_quality_may_be_compared_between_machines() -> None:
    other = a_quality_result([0.01] * 8, stamp=a_stamp(machine=_OTHER_MACHINE))
    assert not comparison(a_quality_result([0.01] * 8), other).is_worse


def test_quality_of_other_pictures_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"only the new one has hair-detail/8\.jpg"):
        comparison(a_quality_result([0.01] * 8), a_quality_result([0.01] * 9))


def test_quality_of_pictures_with_other_content_is_refused_although_they_are_called_the_same() -> None:
    old, new = (
        a_quality_result([0.01] * 8).model_copy(
            update={"scenes": [SceneQuality(scene="group", pictures=[a_picture("a", 0.01)], photos_sha256=letter * 64)]}
        )
        for letter in "ab"
    )
    with pytest.raises(ConfigError, match="group: photos and mattes, sha256: aaaaaaaaaaaa before"):
        comparison(old, new)


def test_another_version_of_the_program_and_of_a_network_is_told_and_compared() -> None:
    stamp = a_stamp("0.3.0", networks={"modnet.onnx": "a" * 64, "u2netp.onnx": "c" * 64})
    found = comparison(a_speed_result(), a_speed_result(stamp=stamp))
    assert found.notes == [
        "version: 0.2.0 before, 0.3.0 now",
        "network u2netp.onnx: bbbbbbbbbbbb before, cccccccccccc now",
    ]
