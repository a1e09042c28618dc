"""The addresses of the server and what is answered there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from poseauth.errors import PoseAuthError, ProfileExistsError
from poseauth.keypoint_files import SUFFIX as KEYPOINT_SUFFIX

from ..enrolling import check_name
from ..options import open_store
from .access import FILE_POLICY, REPORT_POLICY, VIDEO_POLICY, Access
from .jobs import REPORT, Job, JobFile, Jobs, Kind, QueueFullError
from .pages import JobView, Pages, views
from .people import People
from .runner import Runner
from .settings import Settings
from .uploads import Upload, check_announced, drain, read_plain, receive
from .work import Work, WorkOptions

CLIP_FIELD, OWN_FIELD, OTHERS_FIELD = "clip", "own", "others"
ANYONE = ""
"""What the form sends in place of a person where the closest of all is asked for."""
_REPORT_JSON = "report.json"
_VIDEO_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".ogv": "video/ogg",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".mpeg": "video/mpeg",
    ".3gp": "video/3gpp",
}
"""What was uploaded is served as one of these or as plain bytes, whatever it holds."""

_BY_STARLETTE = {
    "Not Found": "There is nothing at this address, or not any more.",
    "Method Not Allowed": "This address takes forms, and is no page.",
}


def make_application(
    settings: Settings,
    *,
    token: str,
    cookie: str = "poseauth",
    jobs: Jobs | None = None,
    make: Callable[[], Any] | None = None,
) -> Starlette:
    """The server as an ASGI application; its process and its cleaner run while its lifespan does.

    Parameters
    ----------
    settings : Settings
        What it was told.
    token : str
        Whoever has it may do everything.
    cookie : str
        Name of the cookie.
    jobs : Jobs or None
        With a clock of their own; None: by this machine's.
    make : callable or None
        Makes what the process does with a job; None: `Work`.
    """
    make = make or partial(Work, WorkOptions(settings.home, settings.extractor, settings.reader, settings.recipe))
    jobs = jobs or Jobs(settings.data, keep_s=settings.keep_s)
    server = _Server(settings, jobs, Runner(jobs, make, job_s=settings.job_s))
    pages = server.pages

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        await drain(request)
        return pages.refusal(request, error.status_code, _BY_STARLETTE.get(error.detail, error.detail))

    async def not_usable(request: Request, error: Exception) -> Response:
        return pages.refusal(request, 503, str(error))

    return Starlette(
        routes=server.routes,
        middleware=[
            Middleware(Access, token=token, hosts=settings.hosts, refuse=pages.refusal, cookie=cookie),
        ],
        exception_handlers={HTTPException: refused, PoseAuthError: not_usable},
        lifespan=server.lifespan,
    )


class _Server:
    """Answers requests."""

    def __init__(self, settings: Settings, jobs: Jobs, runner: Runner) -> None:
        self._settings, self._jobs, self._runner = settings, jobs, runner
        self._people = People(settings.home)
        self.pages = Pages(settings)

    @property
    def routes(self) -> list[Route]:
        """Every address."""
        return [
            Route("/", self._start),
            Route("/lists", self._lists),
            Route("/progress", self._progress),
            Route("/enrolment", self._enrolment_form),
            Route("/clips", self._add_clips, methods=["POST"]),
            Route("/enrolments", self._add_enrolment, methods=["POST"]),
            Route("/jobs/{id}", self._job),
            Route("/jobs/{id}/cancel", self._cancel, methods=["POST"]),
            Route("/jobs/{id}/delete", self._delete, methods=["POST"]),
            Route(f"/jobs/{{id}}/{REPORT}", self._report),
            Route(f"/jobs/{{id}}/{_REPORT_JSON}", self._report_json),
            Route("/jobs/{id}/{place:path}", self._file),
            Route("/static/{name}", self._static),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Work as long as the server runs."""
        await run_in_threadpool(self._jobs.open)
        self._runner.start()
        try:
            yield
        finally:
            await run_in_threadpool(self._runner.stop)

    async def _start(self, _: Request) -> Response:
        people = await run_in_threadpool(self._people.all)
        return self.pages.page("start.html", people=people, refresh=True, **self._shown())

    async def _lists(self, _: Request) -> Response:
        return self.pages.page("lists.html", **self._shown())

    async def _progress(self, _: Request) -> Response:
        return JSONResponse([view.as_dict() for view in self._views()])

    async def _enrolment_form(self, _: Request) -> Response:
        return self.pages.page("enrolment.html", people=await run_in_threadpool(self._people.usable))

    async def _job(self, request: Request) -> Response:
        (view,) = views(self._jobs, self._runner, [self._asked_for(request)])
        return self.pages.page("job.html", view=view, refresh=view.job.is_active)

    async def _add_clips(self, request: Request) -> Response:
        async def add(upload: Upload, folder: Path) -> list[Job]:
            clips = [file for file in upload.files if file.role == CLIP_FIELD]
            if not clips:
                raise HTTPException(422, "No clip was chosen.")
            person = upload.texts.get("person", ANYONE)
            if person != ANYONE:
                await run_in_threadpool(self._check_enrolled, person)
            return await run_in_threadpool(self._queue_clips, folder, person, clips)

        return await self._take(request, add)

    def _queue_clips(self, folder: Path, person: str, clips: list[JobFile]) -> list[Job]:
        """A job for each clip, in a folder of its own; the first in the upload's, which has its place in the queue."""
        made = []
        for clip in clips[1:]:
            try:
                with self._jobs.arriving(self._settings.max_queue) as own:
                    (own / clip.place).parent.mkdir(parents=True)
                    (folder / clip.place).rename(own / clip.place)
                    made.append(self._jobs.add(own, Kind.CLIP, person, [clip]))
            except QueueFullError:
                break
        return [self._jobs.add(folder, Kind.CLIP, person, clips[:1]), *made]

    async def _add_enrolment(self, request: Request) -> Response:
        async def add(upload: Upload, folder: Path) -> list[Job]:
            person, same_as = upload.texts.get("person", ""), upload.texts.get("same_as", "")
            files = [file for file in upload.files if file.role in (OWN_FIELD, OTHERS_FIELD)]
            if not any(file.role == OWN_FIELD for file in files):
                raise HTTPException(422, "No video of the person was chosen.")
            await run_in_threadpool(self._check_name, person)
            if same_as:
                await run_in_threadpool(self._check_enrolled, same_as)
            made = self._jobs.add(
                folder,
                Kind.ENROLMENT,
                person,
                files,
                allow_weak="allow_weak" in upload.texts,
                with_enrolled="with_enrolled" in upload.texts,
                same_as=same_as,
            )
            return [made]

        return await self._take(request, add)

    def _check_enrolled(self, person: str) -> None:
        if person not in {one.name for one in self._people.usable()}:
            raise HTTPException(422, f"{person} is not enrolled here.")

    def _check_name(self, person: str) -> None:
        from person_profiles.store import folder_name

        try:
            folder_name(person)
            check_name(open_store(self._settings.home), person)
        except ProfileExistsError as error:
            raise HTTPException(
                422,
                f"{person}, or somebody of a name that reads the same, is enrolled already. Choose another name, or "
                f"have them removed first where the server runs: poseauth profiles remove {person!r}",
            ) from error
        except PoseAuthError as error:
            raise HTTPException(422, f"{error}.") from error

    async def _take(self, request: Request, add: Callable[[Upload, Path], Awaitable[list[Job]]]) -> Response:
        """Take an upload in and queue what it asks for; the way to what was queued."""
        check_announced(request, self._settings.max_upload_bytes, self._settings.data)
        try:
            with self._jobs.arriving(self._settings.max_queue) as folder:
                upload = await receive(request, folder, self._settings.max_upload_bytes)
                made = await add(upload, folder)
        except QueueFullError as error:
            n_most = self._settings.max_queue
            raise HTTPException(503, f"{n_most} jobs wait already, which is the limit here. Try later.") from error
        self._runner.notice()
        if request.headers.get("accept", "").startswith("application/json"):
            return JSONResponse({"jobs": [job.id for job in made]}, 201)
        return RedirectResponse(f"/jobs/{made[0].id}" if len(made) == 1 else "/", 303)

    async def _cancel(self, request: Request) -> Response:
        await read_plain(request)
        job = self._asked_for(request)
        if not await run_in_threadpool(self._runner.cancel, job.id):
            raise HTTPException(409, f"{job.title} has ended already.")
        return RedirectResponse("/", 303)

    async def _delete(self, request: Request) -> Response:
        await read_plain(request)
        job = self._asked_for(request)
        if not await run_in_threadpool(self._jobs.remove, job.id):
            raise HTTPException(409, f"{job.title} is being worked on or waits. Cancel it first.")
        return RedirectResponse("/", 303)

    async def _report(self, request: Request) -> Response:
        return self._kept(request, REPORT, "text/html; charset=utf-8", REPORT_POLICY)

    async def _report_json(self, request: Request) -> Response:
        return self._kept(request, _REPORT_JSON, "application/json", REPORT_POLICY)

    async def _file(self, request: Request) -> Response:
        """What was uploaded: a video for the browser's player, anything else to be saved."""
        job, place = self._asked_for(request), request.path_params["place"]
        file = next((file for file in job.files if file.place == place and file.role == CLIP_FIELD), None)
        if file is None:
            raise HTTPException(404)
        ending = Path(file.place).suffix.lower()
        if ending in _VIDEO_TYPES:
            return self._kept(request, place, _VIDEO_TYPES[ending], VIDEO_POLICY)
        saved_as = f"clip{KEYPOINT_SUFFIX if ending == KEYPOINT_SUFFIX else '.bin'}"
        attachment = f'attachment; filename="{saved_as}"'
        return self._kept(request, place, "application/octet-stream", FILE_POLICY, attachment)

    def _kept(self, request: Request, place: str, kind: str, policy: str, attachment: str | None = None) -> Response:
        """A file of a job; `place` comes from the job, never from an address."""
        path = self._jobs.folder_of(self._asked_for(request).id) / place
        if not path.is_file():
            raise HTTPException(404)
        headers = {"content-security-policy": policy}
        if attachment:
            headers["content-disposition"] = attachment
        return FileResponse(path, media_type=kind, headers=headers)

    async def _static(self, request: Request) -> Response:
        answer = self.pages.static(request.path_params["name"])
        if answer is None:
            raise HTTPException(404)
        return answer

    def _asked_for(self, request: Request) -> Job:
        job = self._jobs.find(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "This job is not here, or not any more: it was deleted, or its time had come.")
        return job

    def _views(self) -> list[JobView]:
        return views(self._jobs, self._runner, self._jobs.in_order())

    def _shown(self) -> dict[str, Any]:
        """The lists of the start page: what waits as it comes, what ended with the latest first."""
        all_views = self._views()
        ended = sorted((view for view in all_views if not view.job.is_active), key=lambda view: view.ended)
        return {"queue": [view for view in all_views if view.job.is_active], "history": ended[::-1]}
