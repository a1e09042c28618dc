"""`poseauth serve`: a page in the browser."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from poseauth.errors import StorageError

from .options import EXTRACTOR_CHOICES, home_option, open_store, resident_options
from .web.settings import JOB_MINUTES, KEEP_HOURS, LOOPBACK, MAX_QUEUE, MAX_UPLOAD_MB, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = "poseauth serve needs a few packages more. Get them: pip install 'poseauth[web]'"
_SHUTDOWN_S = 5


@click.command(
    help="""Serve a page on which clips are checked and people enrolled, for one user or a newsroom.

The address that is printed holds a token: whoever has it may use the page. By default nobody can reach it from another
machine. Clips and reports are deleted after --keep-hours, videos given for an enrolment as soon as it ends.

\b
Example:
  poseauth serve
  poseauth serve --port 9000 --keep-hours 1
  poseauth serve --host 10.0.0.5 --allow-host check.newsroom.example   (behind a proxy that speaks https)"""
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which browsers may address the server, beside those of this machine.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of uploads and reports. [default: the platform's data folder]",
)
@click.option(
    "--keep-hours",
    type=click.FloatRange(0.001, 24 * 365),
    default=KEEP_HOURS,
    show_default=True,
    help="How long a clip and its report are kept after the answer.",
)
@click.option(
    "--max-upload-mb",
    type=click.IntRange(1),
    default=MAX_UPLOAD_MB,
    show_default=True,
    help="Of one upload, all its files.",
)
@click.option("--max-queue", type=click.IntRange(1), default=MAX_QUEUE, show_default=True, help="Jobs that may wait.")
@click.option(
    "--job-minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=JOB_MINUTES,
    show_default=True,
    help="Minutes after which a job is ended.",
)
@click.option(
    "--extractor",
    type=click.Choice(EXTRACTOR_CHOICES),
    default="auto",
    show_default=True,
    help="For enrolments; a clip is seen by its profile's.",
)
@resident_options
@home_option
def serve(
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    data: Path | None,
    keep_hours: float,
    max_upload_mb: int,
    max_queue: int,
    job_minutes: float,
    extractor: str,
    home: Path | None,
    **reader: Any,
) -> None:
    """Listen, say where, and answer until interrupted."""
    try:
        import uvicorn

        from .web.application import make_application
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("uvicorn", "starlette", "jinja2", "python_multipart"):
            raise
        raise click.ClickException(MISSING) from error
    if not _is_loopback(host) and not allowed_hosts:
        raise click.UsageError(
            f"--host {host} can be reached from other machines: say by which name they address it, with --allow-host"
        )
    settings = Settings(
        data=data or _default_data(),
        home=open_store(home).home,
        hosts=(*LOOPBACK, *([host] if _is_loopback(host) else ()), *(name.strip("[]") for name in allowed_hosts)),
        max_upload_bytes=max_upload_mb * 10**6,
        keep_s=keep_hours * 3600,
        max_queue=max_queue,
        job_s=job_minutes * 60,
        extractor=extractor,
        reader={**reader, "allow_download": False, "cache_dir": None, "no_cache": True, "openpose_fps": 30.0},
    )
    token = secrets.token_urlsafe(32)
    with _own_folder(settings), _listening(host, port) as listener:
        bound = listener.getsockname()[1]
        application = make_application(settings, token=token, cookie=f"poseauth-{bound}")
        # The log of requests would hold the token.
        config = uvicorn.Config(
            application,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        if _is_loopback(host):
            click.echo(f"http://{f'[{host}]' if ':' in host else host}:{bound}/?token={token}")
        for name in allowed_hosts:
            click.echo(f"https://{name}/?token={token} (by a proxy that sends it to {host}, port {bound})")
        click.echo(
            f"Whoever has the address gets in. Clips and reports are kept for {keep_hours:g} h in {settings.data}; "
            "Ctrl-C ends.",
            err=True,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _default_data() -> Path:
    import platformdirs

    return Path(platformdirs.user_data_path("poseauth")) / "web"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _own_folder(settings: Settings) -> Iterator[None]:
    """The data folder, for this server alone and for nobody else's eyes."""
    from filelock import FileLock, Timeout

    try:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(settings.data / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise click.ClickException(
            f"another poseauth serve works in {settings.data}. End it, or name another folder with --data"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{settings.data} cannot be written: {error.strerror or error}. Name another --data"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises
    ------
    click.ClickException
        If the address is taken, or is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        raise click.ClickException(
            f"{host}, port {port}: {error.strerror or error}. Another: --host, --port"
        ) from error
    return listener
