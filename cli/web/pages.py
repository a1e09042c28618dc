"""The pages: what the templates are given, and how they are found and filled."""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from poseauth import __version__
from poseauth.decision import Verdict
from poseauth.report import NOT_EXAMINED, SCOPE
from poseauth.shown_text import counted, readable

from .. import page
from .jobs import Job, Jobs, Kind, State
from .runner import Runner
from .settings import Settings
from .work import ENROLLED, ENROLLED_WEAK

_STATIC = {"style.css": "text/css", "script.js": "text/javascript"}
_STATUS_WORDS = {
    400: "That was not understood",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not done here",
    408: "Nothing came",
    409: "Not now",
    411: "How large is it?",
    413: "Too large",
    415: "Not a form with files",
    422: "Something is missing",
    503: "Not now",
}
_STATE_WORDS = {
    State.QUEUED: "waiting",
    State.RUNNING: "being worked on",
    State.CANCELLED: "cancelled",
}
_TONES = {
    Verdict.AUTHENTIC.value: "authentic",
    Verdict.FAKE.value: "fake",
    Verdict.INCONCLUSIVE.value: "inconclusive",
    ENROLLED: "authentic",
    ENROLLED_WEAK: "inconclusive",
}


@dataclass(frozen=True)
class JobView:
    """A job as a page shows it.

    Attributes
    ----------
    job : Job
        The job.
    word : str
        The answer or the state in a word or two.
    tone : str
        Class of its colour.
    told : str
        In one sentence: how far it is, the answer, or why there is none.
    share : float or None
        How far its step is, 0 to 1.
    ended, kept_until : str
        ISO 8601, UTC; "" as long as it has not ended.
    """

    job: Job
    word: str
    tone: str
    told: str
    share: float | None
    ended: str
    kept_until: str

    @property
    def about(self) -> str:
        """What is asked."""
        if self.job.kind is Kind.ENROLMENT:
            own = sum(file.role == "own" for file in self.job.files)
            others = len(self.job.files) - own
            second = f", second profile of {self.job.same_as}" if self.job.same_as else ""
            return f"enrolment from {counted(own, 'video')}, {others} of others{second}"
        if self.job.answer is None or self.job.person:
            return f"held against {self.job.person or 'everybody enrolled'}"
        return f"closest of all enrolled: {self.job.answer.person}"

    @property
    def size(self) -> str:
        """Of what was uploaded."""
        n_bytes = sum(file.n_bytes for file in self.job.files)
        return f"{n_bytes / 1e6:,.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:,.1f} kB"

    def as_dict(self) -> dict[str, Any]:
        """What the page's script shows of it without another page."""
        return {
            "id": self.job.id,
            "title": readable(self.job.title),
            "state": self.job.state.value,
            "word": self.word,
            "told": readable(self.told),
            "share": self.share,
        }


class Pages:
    """Fills the templates.

    Parameters
    ----------
    settings : Settings
        What the pages say of the server.
    """

    def __init__(self, settings: Settings) -> None:
        package = __package__ or ""
        # Every text goes through `readable` on its way in: names may hold control codes, and forge a line.
        self._templates = Environment(
            loader=PackageLoader(package),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        own = {name: (importlib.resources.files(package) / "static" / name).read_bytes() for name in _STATIC}
        self._static = {**own, "style.css": page.STYLE.encode() + own["style.css"]}
        stamp = hashlib.sha256(b"".join(self._static.values())).hexdigest()[:12]
        self._templates.globals.update(
            version=__version__,
            stamp=stamp,
            scope=SCOPE,
            not_examined=", ".join(NOT_EXAMINED),
            max_mb=f"{settings.max_upload_bytes / 1e6:,.0f}",
            max_bytes=settings.max_upload_bytes,
            keep=_hours(settings.keep_s),
            counted=counted,
            minute=lambda iso: iso[:16].replace("T", " ") + " UTC",
        )

    def page(self, template: str, status: int = 200, **content: Any) -> HTMLResponse:
        """A page, or a part of one."""
        return HTMLResponse(self._templates.get_template(template).render(**content), status)

    def refusal(self, request: Request, status: int, words: str) -> Response:
        """An error in words: a page, or JSON for the page's script."""
        if request.headers.get("accept", "").startswith("application/json"):
            return JSONResponse({"error": words}, status)
        title = _STATUS_WORDS.get(status, "That did not work")
        return self.page("refusal.html", status, title=title, words=words)

    def static(self, name: str) -> Response | None:
        """Style or script, or nothing of that name."""
        if name not in _STATIC:
            return None
        return Response(self._static[name], media_type=_STATIC[name], headers={"cache-control": "max-age=86400"})


def _shown(value: Any) -> Any:
    return readable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def views(jobs: Jobs, runner: Runner, chosen: Sequence[Job]) -> list[JobView]:
    """Jobs as a page shows them."""
    waiting = [job.id for job in jobs.queued()]
    return [_view(job, jobs, runner, waiting) for job in chosen]


def _view(job: Job, jobs: Jobs, runner: Runner, waiting: Sequence[str]) -> JobView:
    word, told = _STATE_WORDS.get(job.state, ""), ""
    share: float | None = None
    if job.state is State.QUEUED:
        n_before = waiting.index(job.id) if job.id in waiting else 0
        told = f"{n_before} before it in the queue" if n_before else "next in the queue"
    elif job.state is State.RUNNING:
        stage = runner.stage_of(job.id)
        told = "loading the networks" if stage is None or stage.words == "loading" else stage.words
        share = None if stage is None else stage.share
        if runner.is_being_cancelled(job.id):
            told, share = "being cancelled", None
    elif job.state is State.CANCELLED:
        told = "Its files are deleted."
    elif job.answer is not None:
        word, told = job.answer.word, job.answer.sentence
    else:
        word, told = ("not enrolled" if job.kind is Kind.ENROLMENT else "not analysed"), job.reason
    until_s = jobs.kept_until_s(job)
    return JobView(job, word, _TONES.get(word, "unanalysed"), told, share, _iso(job.ended_s), _iso(until_s))


def _iso(time_s: float | None) -> str:
    return "" if time_s is None else datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds")


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:g} hour{'' if hours == 1 else 's'}" if hours >= 1 else f"{seconds / 60:g} minutes"
