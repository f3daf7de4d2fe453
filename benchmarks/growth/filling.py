"""Fills a database with as many rows as an installation gathers over the years, by SQL alone.

Everything follows from a number: the rows of one size are the same on every machine, and whoever
asks for one of them computes its id.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ticketgen.database import unhurried_engine

__all__ = ["BIG", "Shape", "fill", "id_of"]

BIG = (
    "artifacts",
    "audit_log",
    "effects",
    "export_results",
    "processing_usage",
    "run_attempts",
    "run_steps",
    "session_errors",
    "session_tasks",
    "sessions",
    "ticket_dependencies",
    "ticket_validations",
    "tickets",
    "uploads",
    "validations",
)
"""The tables that grow with the work that is done."""

_KINDS = {
    name: number
    for number, name in enumerate(
        ("user", "session", "ticket", "run", "failure", "validation", "upload", "other"), start=1
    )
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How much of everything there is."""

    rows: int
    """Runs, attempts, tickets, audit entries, failures, effects: so many of each."""
    per_session: int = 50
    """Of each of them, on average."""
    per_user: int = 5
    """Sessions of each user."""
    active: int = 300
    """Runs that are not settled, whatever the size: more history is no more work."""

    @property
    def sessions(self) -> int:
        """All of them together have the rows."""
        return max(2, self.rows // self.per_session)

    @property
    def users(self) -> int:
        """All of them together have the sessions."""
        return max(2, self.sessions // self.per_user)


def id_of(kind: str, number: int) -> UUID:
    """The id of the so-manieth of its kind, from 1; like real ones, later ones sort behind."""
    return UUID(f"{_KINDS[kind]:08x}-0000-7000-8000-{number:012x}")


def _id(kind: str, number: str) -> str:
    """The same in SQL."""
    return f"('{_KINDS[kind]:08x}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


async def fill(engine: AsyncEngine, shape: Shape) -> None:
    """Insert everything, and let the planner learn of it; the database is migrated and empty."""
    async with unhurried_engine(engine) as unhurried, unhurried.connect() as connection:
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        # No trigger of a foreign key looks anything up: what is inserted here fits together.
        await connection.execute(text("SET session_replication_role = replica"))
        for statement in _statements(shape):
            await connection.execute(text(statement))
        await _learn(connection)


async def _learn(connection: AsyncConnection) -> None:
    # Also marks pages as visible to all, as autovacuum does in time.
    await connection.execute(text("VACUUM (ANALYZE)"))


def _statements(shape: Shape) -> list[str]:
    return [
        *_people(shape),
        _sessions(shape),
        *_sheets_and_tickets(shape),
        *_verdicts(shape),
        *_runs(shape),
        *_around_runs(shape),
        *_of_plugins(shape),
    ]


def _people(shape: Shape) -> list[str]:
    return [
        f"""INSERT INTO users (id, name, role, created_at)
        SELECT {_id("user", "n")}, 'user ' || n, CASE n WHEN 1 THEN 'admin' ELSE 'member' END,
               clock_timestamp() - interval '400 days'
        FROM generate_series(1, {shape.users}) n""",
        f"""INSERT INTO api_tokens (id, user_id, name, token_hash, created_at, expires_at,
               last_used_at)
        SELECT {_id("other", "n")}, {_id("user", f"n % {shape.users} + 1")}, 'token ' || n,
               sha256(('tg_' || n)::bytea), clock_timestamp() - interval '200 days',
               clock_timestamp() + (n % 365 - 25) * interval '1 day', clock_timestamp()
        FROM generate_series(1, {shape.users * 3}) n""",
        f"""INSERT INTO secrets (id, plugin, name, user_id, sealed, key_id, expires_at)
        SELECT {_id("other", "n")}, 'export', 'connection', {_id("user", "n")}, 'sealed',
               'key ' || n % 3, clock_timestamp() + (n % 365 - 31) * interval '1 day'
        FROM generate_series(1, {shape.users}) n""",
    ]


def _sessions(shape: Shape) -> str:
    # Of those that are not completed some are past their retention of seven days.
    return f"""INSERT INTO sessions (id, owner_id, name, description, jira_project_key, writer,
           stage, content_revision, created_at, updated_at)
    SELECT {_id("session", "n")}, {_id("user", f"n % {shape.users} + 1")}, 'Site ' || n,
           'A site about the number ' || n, 'SITE' || n % 100, 'template',
           CASE WHEN n % 5 > 0 THEN 'completed'
                ELSE (ARRAY['upload', 'review', 'review', 'jira_export'])[n % 4 + 1] END,
           1, clock_timestamp() - ({shape.sessions} - n) * interval '365 days' / {shape.sessions},
           clock_timestamp() - CASE WHEN n % 5 > 0
               THEN ({shape.sessions} - n) * interval '365 days' / {shape.sessions}
               ELSE (n % 100) * interval '1.75 hours' END
    FROM generate_series(1, {shape.sessions}) n"""


def _sheets_and_tickets(shape: Shape) -> list[str]:
    session = _id("session", f"(n - 1) / {shape.per_session} + 1")
    text_of = "repeat('As an editor I want component ' || n || ' to be there. ', 4)"
    return [
        f"""INSERT INTO uploads (id, session_id, file_name, csv_type, confidence, detected_by,
               encoding, row_count, size, sha256, content, created_at)
        SELECT {_id("upload", "n")}, {_id("session", "(n - 1) / 10 + 1")},
               'Sheet ' || n % 10 || '.csv', 'bundles', 1, 'header', 'utf-8', 20, 200,
               repeat('0', 64), sha256(n::text::bytea), clock_timestamp()
        FROM generate_series(1, {shape.sessions * 10}) n""",
        f"""INSERT INTO tickets (id, session_id, key, csv_type, entity_group, position, title,
               description, generated_title, generated_description, writer, assignee, sources,
               notes, revision, edited_at, created_at)
        SELECT {_id("ticket", "n")}, {session}, 'bundles:content-type:c' || n % {shape.per_session},
               'bundles', 'Group ' || n % 6, (n - 1) % {shape.per_session} + 1, 'Component ' || n,
               {text_of}, 'Component ' || n, {text_of}, 'template',
               CASE WHEN n % 7 = 0 THEN 'ada' END, '[]', '[]', 1,
               CASE WHEN n % 10 = 0 THEN clock_timestamp() END, clock_timestamp()
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO ticket_dependencies (ticket_id, depends_on_id, by_person, removed)
        SELECT {_id("ticket", "n")}, {_id("ticket", "n - 1")}, false, n % 20 = 0
        FROM generate_series(1, {shape.rows}) n WHERE (n - 1) % {shape.per_session} > 0""",
    ]


def _verdicts(shape: Shape) -> list[str]:
    return [
        f"""INSERT INTO validations (id, session_id, task_id, content_revision, passed,
               ticket_count, failed_count, created_at)
        SELECT {_id("validation", "n")}, {_id("session", "(n - 1) / 2 + 1")},
               {_id("run", f"(n - 1) / 2 * {shape.per_session} + 1")},
               (n + 1) % 2, n % 3 > 0, {shape.per_session}, 0,
               clock_timestamp() - (n % 2) * interval '1 hour'
        FROM generate_series(1, {shape.sessions * 2}) n""",
        f"""INSERT INTO ticket_validations (validation_id, ticket_id, passed, findings, document)
        SELECT {_id("validation", f"(n - 1) / {shape.per_session} * 2 + 2")}, {_id("ticket", "n")},
               n % 9 > 0, '[]', '{{"type": "doc", "version": 1, "content": []}}'
        FROM generate_series(1, {shape.rows}) n""",
    ]


def _runs(shape: Shape) -> list[str]:
    settled = shape.rows - shape.active
    # Of every session an export, with what it has exported.
    first = f"n % {shape.per_session} = {1 % shape.per_session}"
    again = f"n % 20 = 1 AND NOT {first}"
    of_session = f"(n % 5 > 0 OR {first})"
    state = f"""CASE WHEN n <= {settled} AND {first} THEN 'completed' WHEN n <= {settled}
        THEN (CASE n % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' ELSE 'completed' END)
        ELSE (ARRAY['queued', 'queued', 'queued', 'queued', 'running', 'parked'])
             [n % 6 + 1] END"""
    kind = f"""CASE WHEN {first} THEN 'export' WHEN n % 5 = 0
        THEN (ARRAY['cleanup.audit_logs', 'cleanup.expired_tokens'])[n / 5 % 2 + 1]
        ELSE (ARRAY['processing', 'processing.check', 'adf_validation', 'export'])[n % 4 + 1]
        END"""
    began = f"clock_timestamp() - ({shape.rows} - n) * interval '90 days' / {shape.rows}"
    session = _id("session", f"(n - 1) / {shape.per_session} % {shape.sessions} + 1")
    return [
        f"""INSERT INTO session_tasks (id, task_type, session_id, requested_by, payload,
               exclusivity_key, conflict_group, state, attempt, tries, rescues, delivery,
               available_at, request, schedule, lineage_id, retry_of, retry_count, progress,
               result_summary, error, parked, created_at, started_at, finished_at, announced_at)
        SELECT {_id("run", "n")}, {kind}, CASE WHEN {of_session} THEN {session} END,
               CASE WHEN {of_session} THEN {_id("user", f"n % {shape.users} + 1")} END,
               '{{"schema_version": 1, "writer": "template"}}', 'run:' || n, NULL, {state},
               CASE WHEN n % 6 = 4 OR n <= {settled} THEN 1 ELSE 0 END, 1, 0, 1,
               {began} + CASE WHEN n > {settled} AND n % 2 = 0 THEN interval '1 hour'
                              ELSE interval '0' END,
               '{{}}', CASE WHEN NOT {of_session} THEN 'cleanup.audit_logs' END,
               {_id("run", f"CASE WHEN {again} THEN n - 1 ELSE n END")},
               CASE WHEN {again} THEN {_id("run", "n - 1")} END,
               ({again})::int, '{{"percentage": 100, "stage": "Done"}}',
               CASE WHEN n <= {settled} THEN '{{"tickets": {shape.per_session}}}'::json END, NULL,
               CASE WHEN n > {settled} AND n % 6 = 5
                    THEN '{{"code": "not_served", "message": "Nobody."}}'::jsonb END,
               {began}, {began}, CASE WHEN n <= {settled} THEN {began} END,
               CASE WHEN n <= {settled} - 5 THEN {began} END
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO run_attempts (run_id, attempt, worker_id, worker, alone, started_at,
               lease_expires_at, ended_at, outcome)
        SELECT {_id("run", "n")}, 1, {_id("other", "n % 4 + 1")}, 'host:' || n % 4, false,
               {began}, clock_timestamp() + (n % 12 - 1) * interval '1 minute',
               CASE WHEN n <= {settled} THEN {began} END,
               CASE WHEN n <= {settled} THEN 'completed' END
        FROM generate_series(1, {shape.rows}) n WHERE n <= {settled} OR n % 6 = 4""",
    ]


def _around_runs(shape: Shape) -> list[str]:
    session = _id("session", f"(n - 1) / {shape.per_session} + 1")
    when = f"clock_timestamp() - ({shape.rows} - n) * interval '91 days' / {shape.rows}"
    return [
        f"""INSERT INTO run_steps (lineage_id, key, result)
        SELECT {_id("run", "n * 2")}, 'step ' || n, '{{"value": 1}}'
        FROM generate_series(1, {shape.rows // 2}) n""",
        f"""INSERT INTO session_errors (id, session_id, task_id, attempt, error_category,
               severity, operation_stage, code, user_message, recovery_actions,
               technical_details, created_at)
        SELECT {_id("failure", "n")}, CASE WHEN n % 4 > 0 THEN {session} END,
               CASE WHEN n % 3 > 0 THEN {_id("run", "n")} END, 1, 'temporary', 'transient',
               'processing', 'processing.writer_busy', 'The model was busy.',
               '["Wait."]', '{{"status": 429}}', {when}
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO audit_log (id, at, actor_id, action, session_id, subject, details)
        SELECT {_id("other", "n")}, {when}, {_id("user", f"n % {shape.users} + 1")},
               'ticket.edited', CASE WHEN n % 10 > 0 THEN {session} END,
               {_id("ticket", "n")}::text, '{{"fields": ["title"]}}'
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO effects (plugin, operation, key, session_id, run_id, attempt, state,
               began_at, over_at, result, settled_at)
        SELECT 'export', 'send:jira:SITE', {_id("ticket", "n")}::text, {session},
               {_id("run", f"(n - 1) / {shape.per_session} * {shape.per_session} + 1")}, 1,
               CASE WHEN n % 2000 = 0 THEN 'intended' ELSE 'done' END, {when}, {when},
               '{{"value": "SITE-1"}}', {when}
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO artifacts (id, session_id, lineage_id, name, media_type, size, content)
        SELECT {_id("other", "n")}, {_id("session", "(n - 1) / 5 + 1")},
               {_id("run", f"(n - 1) / 5 * {shape.per_session} + 1")}, n % 5 || '.json',
               'application/json', 32, sha256(n::text::bytea)
        FROM generate_series(1, {shape.sessions * 5}) n""",
        """INSERT INTO schedules (name, cron, zone, since)
        SELECT 'cleanup.' || name, '0 8 * * *', 'UTC', clock_timestamp()
        FROM unnest(ARRAY['audit_logs', 'expired_sessions', 'expired_tokens']) name""",
        f"""INSERT INTO schedule_fires (id, schedule, fire_time, outcome, recorded_at, task_id)
        SELECT {_id("other", "n")}, (ARRAY['cleanup.audit_logs', 'cleanup.expired_sessions',
               'cleanup.expired_tokens'])[n % 3 + 1],
               clock_timestamp() - ({shape.rows // 10} - n) * interval '15 minutes', 'started',
               clock_timestamp() - ({shape.rows // 10} - n) * interval '15 minutes',
               {_id("run", "n * 5")}
        FROM generate_series(1, {shape.rows // 10}) n""",
        f"""INSERT INTO workers (id, host, pid, version, task_types, max_jobs, running, plugins,
               lag)
        SELECT {_id("other", "n")}, 'host', n, '1', '["processing", "export"]', 10, 5,
               '{{"processing": "1", "export": "1"}}', 0
        FROM generate_series(1, 4) n""",
    ]


def _of_plugins(shape: Shape) -> list[str]:
    session = _id("session", f"(n - 1) / {shape.per_session} + 1")
    return [
        f"""INSERT INTO export_results (session_id, target, place, ticket_id, position, title,
               reference, manual_fixes, closing_fixes, run_id, sent_at, completed_at)
        SELECT {session}, 'jira', 'SITE', {_id("ticket", "n")}, (n - 1) % {shape.per_session} + 1,
               'Component ' || n, 'SITE-' || n, '[]', '[]', {_id("run", "n")},
               clock_timestamp(), clock_timestamp()
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO export_connections (id, user_id, kind, name, site_url, api_url, account_id,
               account_name)
        SELECT {_id("other", "n")}, {_id("user", f"n % {shape.users} + 1")}, 'api_token',
               'Site ' || n, 'https://' || n || '.example', 'https://' || n || '.example', n, n
        FROM generate_series(1, {shape.sessions}) n""",
        f"""INSERT INTO processing_usage (id, session_id, run_id, ticket_key, writer, model,
               requests, input_tokens, output_tokens, cost, created_at)
        SELECT {_id("other", "n")}, {session}, {_id("run", "n")}, 'c' || n, 'openai', 'model', 1,
               100, 100, 0.001, clock_timestamp()
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO processing_texts (session_id, digest, text, created_at)
        SELECT {session}, md5(n::text), '{{}}', clock_timestamp()
        FROM generate_series(1, {shape.rows}) n""",
        f"""INSERT INTO processing_reports (session_id, run_id, sheets_digest, error_count,
               warning_count, groups, findings, summary, made_at)
        SELECT {_id("session", "n")}, {_id("run", "n")}, repeat('0', 64), 0, 0, '[]', '[]',
               '{{"components": 0, "groups": {{}}, "rows": {{}}}}', clock_timestamp()
        FROM generate_series(1, {shape.sessions}) n""",
    ]
