"""Who may see an onboarding: one answer for pages and API.

Promises: `may_see` is pure. Whoever may not see an onboarding gets the same answer as for one that does not exist; what one may see
follows from the roles held now, so a role that was taken away shows nothing from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from workflow.engine import Engine, InForce
from workflow.engine.calls import drive
from workflow.engine.turn import fetch
from workflow.errors import NotFoundError
from workflow.ports import SYSTEM, InstanceQuery, Page, WorkQuery
from workflow.states.definition import Definition, Digest, EventName, Role, RoleName
from workflow.states.effects import Work
from workflow.states.instance import Actor, ActorId, Delegation, Grant, Instance, InstanceId, Situation
from workflow.states.may import events_of_interest, may
from workflow.states.step import recalendar, settle
from workflow.states.verdict import Refused, Verdict
from workflow.states.who import Holders, scope_of

T = TypeVar("T")

SEES_ALL = frozenset({"administrator", "auditor"})
"""Roles, held without a scope, that see every onboarding."""
BATCH = 200
"""Rows that are read at once when a page is filled with what one may see."""
MOST_BATCHES = 20
"""Batches that are read for one page; then the page stays short and says where to go on."""


def nobody_holds(_role: RoleName, _scope: str | None) -> Collection[ActorId]:
    """Say that nobody holds a role: a directory for those who have none."""
    return ()


def sees_all(actor: Actor) -> bool:
    """Tell whether an actor sees every onboarding, with the whole history."""
    return any(grant.role in SEES_ALL and grant.scope is None for grant in actor.grants)


def may_see(
    definition: Definition,
    instance: Instance,
    actor: Actor,
    *,
    delegations: Collection[Delegation] = (),
    holders: Holders = nobody_holds,
    now: datetime | None = None,
) -> bool:
    """Tell whether an actor may see an onboarding.

    These may: its subject; whoever holds, for this onboarding's scope, a role that may fire an event of its definition; a deputy of
    somebody who holds such a role, while the delegation runs; whoever holds ``administrator`` or ``auditor``.

    Args:
        definition: of the onboarding.
        instance: the onboarding.
        actor: who wants to see it, with the roles held now.
        delegations: those that are known; only the ones that run at `now` count.
        holders: who holds a role for a scope now, for deputies; nobody when it is left out.
        now: the present instant; delegations count for nothing when it is left out.
    """
    if actor.id == instance.subject or sees_all(actor):
        return True
    running = [d for d in delegations if d.deputy == actor.id and now is not None and d.starts_at <= now < d.ends_at]
    if not actor.grants and not running:
        return False
    for role in _roles(definition):
        scope = scope_of(role, instance.fields)
        if role.scope is not None and scope is None:
            continue
        if Grant(role=role.name, scope=scope) in actor.grants:
            return True
        for d in running:
            covers = d.role in (None, role.name) and d.scope in (None, scope)
            if covers and d.principal in holders(role.name, scope):
                return True
    return False


def _roles(definition: Definition) -> Sequence[Role]:
    """Give the roles of people who must hold them to fire an event; what anyone or the subject may do shows nothing to others."""
    used = {name for event in definition.events.values() for name in event.by}
    return [role for name, role in definition.roles.items() if name in used and not role.is_anyone and not role.is_subject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An onboarding as it is now, with what is needed to judge who may do what with it."""

    situation: Situation
    in_force: InForce
    delegations: tuple[Delegation, ...]
    now: datetime

    @property
    def instance(self) -> Instance:
        """Give the instance."""
        return self.situation.instance

    @property
    def definition(self) -> Definition:
        """Give its definition."""
        return self.in_force.world.definition

    def is_seen_by(self, actor: Actor, holders: Holders) -> bool:
        """Tell whether an actor may see it; see `may_see`."""
        return may_see(self.definition, self.instance, actor, delegations=self.delegations, holders=holders, now=self.now)

    def verdicts(self, actor: Actor, holders: Holders, *events: str) -> dict[str, Verdict]:
        """Say what an actor may do with it now: the events named, or all that people may fire in its state."""
        names = [EventName(name) for name in events] or events_of_interest(self.in_force.world, self.instance.state)
        return {
            name: may(self.in_force.world, self.situation, name, actor, delegations=self.delegations, holders=holders, now=self.now)
            for name in names
        }


def look(engine: Engine, instance_id: str) -> Seen:
    """Read an onboarding in one read, reached deadlines included (they are taken into account but not written).

    Raises:
        NotFoundError: there is no such onboarding; the system's own chain is none.
    """
    if instance_id == SYSTEM:
        raise NotFoundError("instance", instance_id)
    with engine.store.unit() as uow:
        loaded = uow.load(InstanceId(instance_id))
        if loaded.situation is None:
            raise NotFoundError("instance", instance_id)
        in_force = drive(fetch(engine.parts, uow, loaded))
    situation, now = loaded.situation, engine.parts.now(loaded)
    return Seen(situation=as_now(in_force, situation, now=now), in_force=in_force, delegations=loaded.delegations, now=now)


def as_now(in_force: InForce, situation: Situation, *, now: datetime) -> Situation:
    """Bring a situation up to date in memory: a new calendar first, then every deadline that is reached."""
    moved = recalendar(in_force.world, situation, now=now)
    situation = moved.after if moved else situation
    steps = settle(in_force.world, situation, now=now)
    return steps[-1].after if steps else situation


def look_for(engine: Engine, instance_id: str, actor: Actor) -> Seen:
    """Read an onboarding for an actor.

    Raises:
        NotFoundError: there is no such onboarding, or the actor may not see it; which of both is not told.
    """
    seen = look(engine, instance_id)
    if not seen.is_seen_by(actor, engine.parts.directory.holders):
        raise NotFoundError("instance", instance_id)
    return seen


@dataclass(slots=True, kw_only=True)
class Sight:
    """What one actor sees in the lists of one engine, for the length of one request."""

    engine: Engine
    actor: Actor
    delegations: tuple[Delegation, ...]
    now: datetime
    _in_force: dict[Digest, InForce]

    @staticmethod
    def of(engine: Engine, actor: Actor) -> Sight:
        """Read what holds for the whole request."""
        with engine.store.unit() as uow:
            loaded = uow.load(None, subject=actor.id)
        return Sight(engine=engine, actor=actor, delegations=loaded.delegations, now=engine.parts.now(loaded), _in_force={})

    def in_force(self, instance: Instance) -> InForce:
        """Give the documents in force for an instance, read once for each definition."""
        found = self._in_force.get(instance.digest)
        if found is None:
            found = self._in_force[instance.digest] = self.engine.in_force(instance.id)
        return found

    def seen(self, situation: Situation) -> Seen:
        """Give an onboarding of a list as it is now."""
        in_force = self.in_force(situation.instance)
        return Seen(situation=as_now(in_force, situation, now=self.now), in_force=in_force, delegations=self.delegations, now=self.now)

    def sees(self, instance: Instance) -> bool:
        """Tell whether the actor may see an instance."""
        definition = self.in_force(instance).world.definition
        holders = self.engine.parts.directory.holders
        return may_see(definition, instance, self.actor, delegations=self.delegations, holders=holders, now=self.now)

    @property
    def is_deputy(self) -> bool:
        """Tell whether the actor may act for somebody now."""
        return any(d.deputy == self.actor.id and d.starts_at <= self.now < d.ends_at for d in self.delegations)

    def instances(self, query: InstanceQuery) -> Page[Situation]:
        """List the onboardings that the actor may see; `query.subject` is overruled for those who can only see their own."""
        if not self.actor.grants and not self.is_deputy:
            if query.subject not in (None, self.actor.id):
                return Page(rows=())
            return self.engine.instances(replace(query, subject=self.actor.id))
        return fill(
            lambda after, limit: self.engine.instances(replace(query, after=after, limit=limit)),
            lambda situation: self.sees(situation.instance),
            after=query.after,
            limit=query.limit,
        )

    def work(self, query: WorkQuery) -> Page[tuple[Situation, Work]]:
        """List the work that is open for the actor, by deadline: what is refused whatever is sent along is no work of theirs."""
        grants = self.grants()
        if not grants:
            return Page(rows=())
        return fill(
            lambda after, limit: self.engine.work(replace(query, grants=grants, after=after, limit=limit)),
            lambda row: not isinstance(self.verdict(row[0], row[1].event), Refused),
            after=query.after,
            limit=query.limit,
        )

    def verdict(self, situation: Situation, event: EventName) -> Verdict:
        """Say whether the actor may fire an event now."""
        return self.seen(situation).verdicts(self.actor, self.engine.parts.directory.holders, event)[event]

    def grants(self) -> tuple[tuple[str, str | None], ...]:
        """Give the queues of the actor as (role, scope): the roles held, the actor's own onboarding, and what a deputy takes over."""
        found: set[tuple[str, str | None]] = {(str(g.role), g.scope) for g in self.actor.grants}
        with self.engine.reads() as reads:
            names = reads.names("definition")
        for name in names:
            in_force = self.engine.newest(name)
            found.add((str(in_force.world.definition.subject), str(self.actor.id)))
            found |= self._taken_over(in_force)
        return tuple(sorted(found, key=lambda grant: (grant[0], grant[1] or "")))

    def _taken_over(self, in_force: InForce) -> set[tuple[str, str | None]]:
        """Give the queues of those for whom the actor is deputy now, as far as the directory says that they hold the role."""
        running = [d for d in self.delegations if d.deputy == self.actor.id and d.starts_at <= self.now < d.ends_at]
        holders = self.engine.parts.directory.holders
        return {
            (str(role.name), scope)
            for role in (_roles(in_force.world.definition) if running else ())
            for scope in _scopes(in_force, role, running)
            if any(d.role in (None, role.name) and d.scope in (None, scope) and d.principal in holders(role.name, scope) for d in running)
        }


def _scopes(in_force: InForce, role: Role, running: Collection[Delegation]) -> Collection[str | None]:
    """Name the scopes for which a role may be held: those of the delegations, and those that the catalogue knows."""
    if role.scope is None:
        return (None,)
    said: set[str | None] = {d.scope for d in running if d.scope is not None}
    rule, catalogue = in_force.world.definition.fields[role.scope].catalogue, in_force.world.catalogue
    return said | set(catalogue.sets.get(rule.set_name, ())) if rule is not None and catalogue is not None else said


def fill(
    read: Callable[[str | None, int], Page[T]],
    is_wanted: Callable[[T], bool],
    *,
    after: str | None,
    limit: int,
) -> Page[T]:
    """Fill a page with the rows that are wanted, reading on until it is full.

    A page may be short although there is a next one: at most `MOST_BATCHES` batches are read for one page, so that a list of which one
    sees little costs no more than another.

    Args:
        read: reads a page of a list after a cursor.
        is_wanted: judges a row.
        after: cursor to begin after, None for the beginning.
        limit: rows of a full page.
    """
    found: list[T] = []
    for number in range(MOST_BATCHES):
        page = read(after, BATCH if number else limit)
        places = [place for place, row in enumerate(page.rows) if is_wanted(row)]
        room = limit - len(found)
        if len(places) > room:
            # Only the list itself can make the cursor of the row at which the page is full: read again, no further than there.
            page = read(after, places[room - 1] + 1)
            return Page(rows=(*found, *filter(is_wanted, page.rows)), next=page.next)
        found += [page.rows[place] for place in places]
        if page.next is None or len(places) == room:
            return Page(rows=tuple(found), next=page.next)
        after = page.next
    return Page(rows=tuple(found), next=after)
