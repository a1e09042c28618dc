"""`poseauth profiles`: who is enrolled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from poseauth.errors import PoseAuthError
from poseauth.shown_text import counted, readable

from .options import home_option, open_store
from .reading import SOME_FAILED
from .telling import describe_profile, warn_of_lookalikes


@click.group(
    help="""List, show, export, import and remove enrolled people; sign profiles, trust who signs.

\b
Example:
  poseauth profiles list
  poseauth profiles export obama -o obama.poseauth --sign newsroom.key"""
)
def profiles() -> None:
    """Commands on the store."""


@profiles.command("list", help="One line for everybody enrolled.\n\n\b\nExample:\n  poseauth profiles list --json")
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_profiles(home: Path | None, as_json: bool) -> int:
    """Name, seconds, videos, date of each, and who is weak; 3 if one of them cannot be used."""
    store = open_store(home)
    entries = store.entries()
    status = SOME_FAILED if any(entry.problem for entry in entries) else 0
    if as_json:
        rows = [
            {
                "name": entry.profile.name if entry.profile else None,
                "folder": str(entry.folder),
                "created": entry.profile.created if entry.profile else None,
                "seconds_genuine": entry.profile.seconds_genuine if entry.profile else None,
                "is_weak": entry.profile.is_weak if entry.profile else None,
                "weaknesses": list(entry.profile.weaknesses) if entry.profile else None,
                "problem": entry.problem,
            }
            for entry in entries
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return status
    if not entries:
        click.echo(f"Nobody is enrolled under {store.home}.", err=True)
    for entry in entries:
        if entry.profile is None:
            click.secho(readable(f"{entry.folder.name}: cannot be used: {entry.problem}"), fg="red")
        else:
            n_own = sum(video.role == "genuine" for video in entry.profile.videos)
            click.echo(
                f"{entry.profile.name}: {entry.profile.seconds_genuine:.0f} s in {counted(n_own, 'video')}, "
                f"{entry.profile.created[:10]}, {entry.profile.extractor or 'extractor not known'}"
                + (click.style("; WEAK, every answer is inconclusive", fg="yellow") if entry.profile.is_weak else "")
            )
    return status


@profiles.command(
    "show", help="What a profile was learnt from and what is kept.\n\n\b\nExample:\n  poseauth profiles show obama"
)
@click.argument("person")
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print profile.json, and what is known of its signature.")
def show(person: str, home: Path | None, as_json: bool) -> None:
    """The profile in words, or as it is stored."""
    from person_profiles.profile import profile_as_dict

    store = open_store(home)
    stored = store.stored(person)
    profile = stored.profile
    if as_json:
        plain = {**profile_as_dict(profile), "profile_signature": stored.signature.as_dict()}
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    click.echo(describe_profile(profile))
    click.echo(f"  {stored.signature.sentence}")
    for video in profile.videos:
        whose = "own" if video.role == "genuine" else video.group
        click.echo(f"  {readable(f'{whose}: {video.source_name}')}, {video.seconds:.1f} s, {video.n_windows} windows")
    click.echo(
        f"  kept in {store.folder_of(person)}: the network's weights and the keypoints of the person's own videos; "
        "no picture, no sound"
    )


@profiles.command(
    "export",
    help="""Write a profile into one file, signed on request.

\b
Example:
  poseauth profiles export obama -o obama.poseauth --sign newsroom.key --signer "The Newsroom\"""",
)
@click.argument("person")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
@click.option(
    "--sign",
    "key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="KEY",
    help="Sign with this private key (poseauth profiles keygen makes one).",
)
@click.option("--signer", metavar="NAME", help="Who signs, as you call yourselves; it proves nothing by itself.")
@home_option
def export(person: str, output: Path, key: Path | None, signer: str | None, home: Path | None) -> None:
    """Pack."""
    from person_profiles.archive import export_profile

    if signer and key is None:
        raise click.UsageError("--signer says who signs: give the key with --sign")
    signature = export_profile(open_store(home), person, output, sign_with=key, signer=signer or "")
    click.echo(f"{person} -> {output}: {signature.sentence}")


@profiles.command(
    "import", help="Take a profile out of such a file.\n\n\b\nExample:\n  poseauth profiles import obama.poseauth"
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace the profile of that name.")
@click.option("--require-signature", is_flag=True, help="Refuse a profile that no trusted key has signed.")
@home_option
def import_(archive: Path, overwrite: bool, require_signature: bool, home: Path | None) -> None:
    """Unpack, after checks."""
    from person_profiles.archive import import_profile

    store = open_store(home)
    profile = import_profile(store, archive, overwrite=overwrite, require_signature=require_signature)
    warn_of_lookalikes(store, profile.name)
    click.echo(describe_profile(profile))
    click.echo(f"  {store.stored(profile.name).signature.sentence}")


@profiles.command(
    "keygen",
    help="""Make a key to sign profiles with.

KEY is the private key: keep it to yourself. KEY.pub beside it goes to everybody who shall trust it. Tell them the
fingerprint by another way than the file.

\b
Example:
  poseauth profiles keygen newsroom.key""",
)
@click.argument("key", type=click.Path(dir_okay=False, path_type=Path))
def keygen(key: Path) -> None:
    """Two new files; neither is ever overwritten."""
    from person_profiles.signature import PUBLIC_SUFFIX, make_key

    fingerprint = make_key(key)
    click.echo(f"{key}: the private key, for nobody else")
    click.echo(f"{key}{PUBLIC_SUFFIX}: the public key, for everybody who shall trust it")
    click.echo(f"fingerprint: {fingerprint}")


@profiles.command(
    "trust",
    help="""Trust what a key signs, list the keys that are trusted, or forget one.

Compare the fingerprint with its owner first, by another way than the file came.

\b
Example:
  poseauth profiles trust newsroom.key.pub --name "The Newsroom"
  poseauth profiles trust --list""",
)
@click.argument("key", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", help="Whose key it is, as you call them.")
@click.option("--list", "as_list", is_flag=True, help="Fingerprint and name of every trusted key.")
@click.option("--forget", metavar="FINGERPRINT", help="Trust this key no longer.")
@home_option
def trust(key: Path | None, name: str | None, as_list: bool, forget: str | None, home: Path | None) -> None:
    """One of three things."""
    from person_profiles.signature import read_public_key

    if (key is not None) + as_list + (forget is not None) != 1 or (key is None) != (name is None):
        raise click.UsageError("give a public key with its --name, or --list, or --forget FINGERPRINT")
    store = open_store(home)
    keys = store.trusted_keys
    if key is not None and name is not None:
        trusted = keys.trust(read_public_key(key), name)
        click.echo(f"{trusted.fingerprint} is trusted as the key of {trusted.name}")
    elif forget is not None:
        keys.forget(forget)
        click.echo(f"{forget} is trusted no longer")
    else:
        entries = keys.entries()
        if not entries:
            click.echo(f"No key is trusted under {store.home}.", err=True)
        for entry in entries:
            click.echo(f"{entry.fingerprint}  {entry.name}")


@profiles.command(
    "remove",
    help="Remove a profile and the cached keypoints of its videos.\n\n\b\nExample:\n  poseauth profiles remove obama",
)
@click.argument("person")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="Where keypoints are kept.")
@home_option
def remove(person: str, yes: bool, cache_dir: Path | None, home: Path | None) -> int:
    """Ask, then remove."""
    from keypoint_extractors.cache import ObservationCache, default_cache_folder

    store = open_store(home)
    folder = store.folder_of(person)
    question = f"Remove {person} ({folder}) and the cached keypoints of their videos?"
    if not yes and not _agreed(question):
        click.echo("Nothing was removed.", err=True)
        return 1
    try:
        digests = [video.sha256 for video in store.load(person).videos if video.role == "genuine" and video.sha256]
    except PoseAuthError as error:
        digests = []  # a damaged profile can still be removed
        click.secho(f"cached keypoints are not found: {error}", fg="yellow", err=True)
    store.remove(person)
    cache = ObservationCache(cache_dir or default_cache_folder())
    n_entries = sum(cache.forget(digest) for digest in digests)
    click.echo(f"removed {folder} and {n_entries} cached keypoint files")
    return 0


def _agreed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise click.UsageError("there is nobody to ask. Add --yes to remove without a question") from None
