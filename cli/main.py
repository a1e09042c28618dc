"""The command `poseauth`: names its commands and loads one when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from poseauth import __version__
from poseauth.errors import PoseAuthError
from poseauth.shown_text import readable

_COMMANDS = {
    "demo": "Everything below on drawn speakers, in a few minutes.",
    "extract": "Find the keypoints in videos and keep them as files.",
    "enroll": "Learn how a person moves from their videos.",
    "verify": "Say whether a clip moves like an enrolled person.",
    "profiles": "List, show, export, import and remove enrolled people; sign profiles.",
    "serve": "A page in the browser: check clips, enrol people, for one user or a newsroom.",
    "study": "Train and compare detectors of the literature on labelled clips.",
    "evaluate": "Error rates with confidence intervals on labelled clips.",
    "models": "List the pose models, and fetch them once.",
    "doctor": "Say what can run here, what is missing and how to get it.",
}

_SCOPE = (
    "poseauth learns how one person moves (head, shoulders, arms, hands) and says of a clip whether the movement is "
    "theirs. It looks at nothing else: not at lips, voice, pixels or metadata."
)
_EXAMPLE = """\b
Example:
  poseauth enroll --person obama videos/ --impostor others/
  poseauth verify clip.mp4 --person obama"""


_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What click 8.2 and later raise to show the help, lines and all."""


class _LazyGroup(click.Group):
    """Loads a command's file when it is run or its help is read, so that `--help` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] == "enrol":
            args = ["enroll", *args[1:]]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    help=f"{_SCOPE}\n\n{_EXAMPLE}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, package_name="poseauth")
def poseauth() -> None:
    """Entry of all commands."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; ends the process with 0, 1 failed, 2 usage, 3 some inputs, 4 --fail-on, 130 interrupted."""
    # Threads that spin while they wait make training several times slower beside any other busy process.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = poseauth.main(args=arguments, prog_name="poseauth", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except PoseAuthError as error:
        click.secho(readable(f"Error: {error}"), fg="red", err=True)
        sys.exit(1)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()  # whoever read the output has gone: nobody is left to tell
        else:
            told = f"Error: {error.filename or 'a file'}: {error.strerror or error}"
            click.secho(readable(told), fg="red", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.secho("Interrupted. No profile and no keypoint file was left half-written.", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _show(error: click.ClickException) -> None:
    """As click shows it, in one line: what is refused may be a file's name."""
    if isinstance(error, _HELP):
        error.show()
    else:
        click.UsageError(readable(error.format_message()), getattr(error, "ctx", None)).show()
