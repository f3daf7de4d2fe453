"""The questions about the system: callers, workers, schedules, secrets, what was done elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.growth.of_runs import Question
from benchmarks.growth.sample import LIVE_TOKEN, Sample
from ticketgen.database import new_id
from ticketgen.domain import effects, schedules, secrets, tokens, users, workers
from ticketgen.domain.effects import Effect, EffectName
from ticketgen.domain.schedules import FireOutcome
from ticketgen.domain.secrets import SecretName

__all__ = ["QUESTIONS"]

_MINUTE = timedelta(minutes=1)
_MONTH = timedelta(days=30)
_SCHEDULE = "cleanup.audit_logs"


def _effect(at: Sample) -> EffectName:
    return EffectName(plugin="export", operation="send:jira:SITE", key=str(at.ticket))


async def _begin(db: AsyncSession, at: Sample) -> Effect:
    name = EffectName(plugin="export", operation="growth", key=str(at.ticket))
    effect, _ = await effects.begin_effect(
        db, name, session_id=at.session, run_id=at.running, attempt=1, lasts=timedelta(0)
    )
    return effect


async def _done(db: AsyncSession, at: Sample) -> None:
    effect = await _begin(db, at)
    taken = await effects.take_over(db, effect, run_id=at.running, attempt=2, lasts=_MINUTE)
    assert taken is not None
    await effects.record_result(db, taken, "SITE-1")


async def _withdraw(db: AsyncSession, at: Sample) -> None:
    await effects.withdraw(db, await _begin(db, at))


async def _forget(db: AsyncSession, at: Sample) -> None:
    await effects.forget_effect(db, (await _begin(db, at)).name)


async def _stream_pass(db: AsyncSession, at: Sample) -> None:
    user = await db.get(users.User, at.owner)
    assert user is not None
    _, secret = await tokens.create_stream_pass(db, user=user, channel="one", lifetime=_MINUTE)
    await tokens.open_stream_pass(db, secret=secret, channel="one")


async def _secret(db: AsyncSession, at: Sample) -> None:
    name = SecretName(plugin="export", name="growth", user_id=at.owner)
    await secrets.put_secret(db, name, sealed=b"sealed", key_id="key 1")
    await secrets.read_secret(db, name)
    await secrets.delete_secret(db, name)


QUESTIONS: dict[str, Question] = {
    "tokens.authenticate": lambda db, at: tokens.authenticate(db, LIVE_TOKEN),
    "tokens.create_stream_pass, open_stream_pass": _stream_pass,
    "tokens.count_expired_tokens": lambda db, at: tokens.count_expired_tokens(
        db, grace=_MONTH, limit=10_000
    ),
    "tokens.delete_expired_tokens": lambda db, at: tokens.delete_expired_tokens(
        db, grace=_MONTH, limit=100
    ),
    "users.names_of": lambda db, at: users.names_of(db, [at.owner]),
    "users.get_user_by_name": lambda db, at: users.get_user_by_name(db, "user 2"),
    "secrets.put_secret, read_secret, delete_secret": _secret,
    "secrets.list_secrets": lambda db, at: secrets.list_secrets(
        db, plugin="export", user_id=at.owner
    ),
    "secrets.count_expired_secrets": lambda db, at: secrets.count_expired_secrets(
        db, grace=_MONTH, limit=10_000
    ),
    "secrets.delete_expired_secrets": lambda db, at: secrets.delete_expired_secrets(
        db, grace=_MONTH, limit=100
    ),
    "workers.say_alive": lambda db, at: workers.say_alive(
        db,
        worker_id=at.worker,
        host="host",
        pid=1,
        version="1",
        task_types=["export"],
        plugins={"export": "1"},
        max_jobs=10,
        running=1,
        lag=0,
    ),
    "workers.say_farewell": lambda db, at: workers.say_farewell(db, at.worker),
    "workers.list_live_workers": lambda db, at: workers.list_live_workers(db, expiry=_MINUTE),
    "workers.list_workers": lambda db, at: workers.list_workers(db),
    "workers.forget_dead_workers": lambda db, at: workers.forget_dead_workers(db),
    "schedules.remember_schedule": lambda db, at: schedules.remember_schedule(
        db, name=_SCHEDULE, cron="1 8 * * *", zone="UTC"
    ),
    "schedules.known_schedules": lambda db, at: schedules.known_schedules(db, [_SCHEDULE]),
    "schedules.hold_schedule": lambda db, at: schedules.hold_schedule(db, _SCHEDULE),
    "schedules.record_fire": lambda db, at: schedules.record_fire(
        db, schedule=_SCHEDULE, fire_time=datetime.now(UTC), task_id=at.running
    ),
    "schedules.record_fires": lambda db, at: schedules.record_fires(
        db, schedule=_SCHEDULE, fire_times=[datetime.now(UTC)], outcome=FireOutcome.MISSED
    ),
    "schedules.forget_fires": lambda db, at: schedules.forget_fires(
        db, older_than=timedelta(days=90), limit=100
    ),
    "effects.read_effect": lambda db, at: effects.read_effect(db, _effect(at), lock=True),
    "effects.begin_effect, take_over, record_result": _done,
    "effects.begin_effect, withdraw": _withdraw,
    "effects.begin_effect, forget_effect": _forget,
    "effects.settle_by_hand": lambda db, at: effects.settle_by_hand(
        db, _effect(at), str(new_id()), overwrite=True
    ),
    "effects.count_effects": lambda db, at: effects.count_effects(db, plugin="export"),
    "effects.list_effects": lambda db, at: effects.list_effects(db, limit=100),
    "effects.list_effects (of a session)": lambda db, at: effects.list_effects(
        db, session_id=at.session, limit=100
    ),
    "effects.list_effects (unknown)": lambda db, at: effects.list_effects(
        db, unknown=True, limit=100
    ),
    "effects.release_effects": lambda db, at: effects.release_effects(db, [at.session]),
}
"""Function, and variant, of the domain → a call of it."""
