from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketgen import RetryPolicy
from ticketgen.errors import RateLimitedError, TemporaryError
from ticketgen.handling import retry_delay
from ticketgen.settings import Settings

_SETTINGS = Settings(retry_delay=timedelta(seconds=30), retry_delay_limit=timedelta(minutes=10))
_durations = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=2))


@settings(deadline=None)
@given(
    tries=st.integers(1, 10_000), base=_durations, limit=_durations, seed=st.integers(0, 2**32 - 1)
)
def test_a_delay_lies_under_the_exponential_ceiling_and_under_the_limit(
    tries: int, base: timedelta, limit: timedelta, seed: int
) -> None:
    policy = RetryPolicy(base=base, limit=limit)

    delay = retry_delay(
        policy,
        _SETTINGS,
        tries=tries,
        error=TemporaryError("busy"),
        randomness=random.Random(seed),
    )

    assert timedelta(0) <= delay <= limit
    assert tries > 20 or delay <= base * 2 ** (tries - 1)


@settings(deadline=None)
@given(
    tries=st.integers(1, 100),
    asked=st.timedeltas(min_value=timedelta(-1), max_value=timedelta(days=30)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_delay_is_never_shorter_than_the_other_side_asked_for_up_to_a_limit(
    tries: int, asked: timedelta, seed: int
) -> None:
    error = RateLimitedError("slow down", retry_after=asked)

    delay = retry_delay(
        RetryPolicy(), _SETTINGS, tries=tries, error=error, randomness=random.Random(seed)
    )

    granted = min(asked, _SETTINGS.retry_after_limit)
    assert delay >= max(granted, timedelta(0))
    assert delay <= max(granted, timedelta(minutes=10))


@pytest.mark.parametrize(("tries", "ceiling"), [(1, 30), (2, 60), (3, 120), (6, 600), (60, 600)])
def test_the_jitter_is_full_under_a_ceiling_from_the_settings(tries: int, ceiling: int) -> None:
    randomness = random.Random(1)

    delays = [
        retry_delay(
            RetryPolicy(),
            _SETTINGS,
            tries=tries,
            error=TemporaryError("busy"),
            randomness=randomness,
        ).total_seconds()
        for _ in range(2_000)
    ]

    assert min(delays) < 0.05 * ceiling
    assert 0.95 * ceiling < max(delays) <= ceiling
    assert sum(delays) / len(delays) == pytest.approx(ceiling / 2, rel=0.05)
