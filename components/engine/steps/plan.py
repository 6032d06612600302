"""What to do next with one step, as a pure function of what is known of it and the time.

A step that will be started is claimed, and one that will be ended has a `stop`: both are stored
before anything is done. The instance that loses that write plans again. From wherever an earlier
attempt was interrupted, the next plan continues:

- After a claim has expired, another instance may take the step. Whether that attempt has started
  it is then in doubt. A backend that knows keys is asked to start it again; with any other, the
  step is sought until a search proves that there is none.
- A step that is to end and was never started ends at once. One that may have been started is sought
  first, unless the backend fences: there the request that ends it wins over any that started it.
- If the backend does not confirm the end in time, the step is given up, so that the deployment can
  end. It is still ended: the deployment is not settled before that is confirmed.

Whether a step takes too long is judged by what the backend says, and not by the clock alone: time
in which the backend could not be asked does not count. No step is ended by a clock that has just
jumped.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from backends.status import Status
from components.engine.instant import Instant
from components.engine.steps.merge import final
from components.engine.steps.model import Claim, Doubt, Step, Stop, StopReason

S = TypeVar("S", bound=Step)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for a step of one kind.

    `overdue` is the message of one that takes too long, with `{}` for how long it may take. A claim
    lasts for `claim`; a step that has started may take `longest`, if there is a limit;
    `confirmation` is how long the backend has to confirm an end. `settling` and `knows_keys` are
    the backend's own. Where it `fences`, an end needs no search. Where a stop `ends` nothing, what
    was started is left as it is.
    """

    overdue: str
    claim: timedelta
    longest: timedelta | None
    timeout: StopReason
    confirmation: timedelta
    ending: str
    unconfirmed: str
    settling: timedelta = timedelta()
    knows_keys: bool = True
    fences: bool = False
    ends: bool = True


def due_stop(
    step: Step, rules: Rules, at: Instant, since: datetime, deployment_limit: timedelta
) -> Stop | None:
    """Return the stop of a step that takes too long; `since` is when its deployment began."""
    if step.status.is_final:
        return None
    # A step that the backend has is judged by what it says, any other by the clock.
    judged = at.now if step.id is None else step.seen
    if judged is None:
        return None
    if at.is_past(since + deployment_limit + step.unasked, since, judged):
        message = f"the deployment took longer than {duration(deployment_limit)}: cancelled"
        return Stop(StopReason.DEPLOYMENT_TIMEOUT, at.now, message)
    began, longest = step.started, rules.longest
    if began and longest and at.is_past(began + longest + step.unasked, began, judged):
        return Stop(rules.timeout, at.now, rules.overdue.format(duration(longest)))
    return None


def without_expired_claim(step: S, rules: Rules, at: Instant) -> S:
    """Return a step without its claim if that has expired; its outcome is then in doubt."""
    if step.claim is None or not at.is_past(step.claim.until, step.claim.at):
        return step
    return replace(step, claim=None, doubt=in_doubt(step, step.claim.until, rules.settling))


def claimed(step: S, rules: Rules, at: Instant, by: str) -> S:
    """Return a step that waits to be started as `by` claims it; any other as it is."""
    if step.id is not None or step.claim or (step.doubt and not rules.knows_keys):
        return step
    claim = Claim(by, at.now, at.now + rules.claim)
    return replace(step, claim=claim, attempt=step.attempt + 1)


def stopped(step: S, stop: Stop, rules: Rules, at: Instant) -> S:
    """Return a step as it is while it is to end."""
    step = replace(step, stop=stop)
    if step.claim or step.status.is_final:
        return step  # the instance that starts it, or ends it, stores what became of that
    if step.id is None and step.doubt is None:
        return final(replace(step, status=Status.CANCELLED, message=never_started(stop)), stop)
    if not rules.ends:
        return final(replace(step, status=Status.CANCELLED, message=stop.message), stop)
    if at.is_past(stop.since + rules.confirmation, stop.since):
        return replace(
            step,
            status=Status.ERROR if stop.reason.is_failure else Status.CANCELLED,
            message=f"{stop.message}; {rules.unconfirmed}",
            timed_out=stop.is_timeout,
        )
    return replace(step, message=rules.ending)


def is_to_be_ended(step: Step, rules: Rules) -> bool:
    """Whether the backend is to end it now."""
    known = step.id is not None or (rules.fences and step.doubt is not None and not step.claim)
    return known and step.stop is not None and not step.is_settled


def is_to_be_sought(step: Step, rules: Rules) -> bool:
    """Whether the backend is to be searched for it now."""
    in_question = step.doubt is not None and not step.claim and step.id is None
    return in_question and not step.is_settled and not (rules.fences and step.stop)


def in_doubt(step: Step, interrupted: datetime, settling: timedelta) -> Doubt:
    """Return the doubt about a step whose claimed attempt was interrupted without an outcome."""
    since = step.doubt.since if step.doubt else step.claim.at if step.claim else interrupted
    return Doubt(since, interrupted + settling)


def never_started(stop: Stop) -> str:
    """Return the message of a step that was stopped before anybody started it."""
    return f"{stop.message} before it was started"


def duration(time: timedelta) -> str:
    """Return a length of time as people say it: `1 h 30 min`, `45 s`."""
    seconds = time // timedelta(seconds=1)
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
