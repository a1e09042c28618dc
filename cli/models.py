"""`poseauth models`: the networks of the pose estimator, which are not poseauth's own and are fetched once."""

from __future__ import annotations

import json
from pathlib import Path

import click

from poseauth.shown_text import readable


@click.group(
    help="""List the pose models, and fetch them once.

They are Google's, under Apache-2.0. Nothing is fetched unless you ask for it.

\b
Example:
  poseauth models list
  poseauth models get"""
)
def models() -> None:
    """Commands on the models."""


@models.command("list", help="Each model, and where it is.\n\n\b\nExample:\n  poseauth models list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_models(as_json: bool) -> int:
    """Name, use, size, licence, digest and place of each; 1 if one is missing."""
    from keypoint_extractors.blazepose.model_files import LICENCE, RELEASE, locate_models, models_folder

    located = locate_models()
    if as_json:
        rows = [
            {
                "name": model.name,
                "does": model.does,
                "bytes": model.n_bytes,
                "licence": LICENCE,
                "from": RELEASE,
                "sha256": model.sha256,
                "path": None if path is None else str(path),
            }
            for model, path in located.items()
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for model, path in located.items():
            where = click.style("missing", fg="yellow") if path is None else readable(str(path))
            click.echo(
                f"{model.name}: {model.does}, {model.n_bytes / 1e6:.1f} MB, {LICENCE}, SHA-256 {model.sha256[:12]}...: "
                f"{where}"
            )
        if None in located.values():
            click.echo(f"Fetch them into {readable(str(models_folder()))} with: poseauth models get", err=True)
    return 1 if None in located.values() else 0


@models.command(
    "get",
    help="""Put the models on this machine, once.

pip downloads one wheel (mediapipe 0.10.21, 36 MB) from your own package index. poseauth takes the four models and their
licence out of it, checks each against its SHA-256, and keeps nothing else. Any Python will do.

Without a network, name the wheel, or a folder that holds it or the models.

\b
Example:
  poseauth models get
  poseauth models get --from mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl""",
)
@click.option("--from", "source", type=click.Path(path_type=Path), metavar="WHEEL|FOLDER", help="Use no network.")
def get(source: Path | None) -> None:
    """Fetch what is missing and say where it is."""
    from keypoint_extractors.blazepose.model_files import get_models

    folder = get_models(source)
    click.echo(f"The models are in {readable(str(folder))}")
