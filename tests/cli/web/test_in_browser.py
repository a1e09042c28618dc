"""The page in headless Chromium, end to end: a server that works with real networks, and one that works with none."""

from __future__ import annotations

import base64
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="pip install playwright")
from playwright.sync_api import Error, expect, sync_playwright

from cli.web.application import make_application
from cli.web.jobs import Jobs
from cli.web.settings import Settings
from keypoint_extractors.drawing.rendering import render_video
from keypoint_extractors.drawing.speakers import STYLES, speak
from tests.cli.conftest import SMALL
from tests.cli.web.conftest import TOKEN
from tests.cli.web.fake_work import FakeWork
from tests.cli.web.test_serve import listening

MOST_BYTES = 6_000_000
AT_LEISURE_MS = 120_000
"""For what loads networks on a busy machine."""
LEAST_CONTRAST = 4.5
"""Of text, WCAG 2.2, level AA."""

DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (mark) => mark.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.getElementById("drop").dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""  # noqa: E501


@pytest.fixture(scope="module")
def chromium():
    """Chromium of this machine or playwright's own."""
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome")
        found = next((path for name in names if (path := shutil.which(name))), None)
        try:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error:
            pytest.skip(f"no {', '.join(names)} here, and none of playwright's own: playwright install chromium")
        yield browser
        browser.close()


def settings_in(folder, home):
    reader = {
        "weights": None, "device": "cpu", "allow_download": False, "cache_dir": None, "no_cache": True,
        "openpose_fps": 30.0, "limits": None,
    }  # fmt: skip
    return Settings(folder / "data", home, max_upload_bytes=MOST_BYTES, reader=reader, recipe=SMALL)


@pytest.fixture(scope="module")
def real(tmp_path_factory, enrolled_home):
    """The address of a server that works with real networks; Ada is enrolled."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(enrolled_home, folder / "home")
    settings = replace(settings_in(folder, folder / "home"), max_upload_bytes=10 * MOST_BYTES)
    with listening(make_application(settings, token=TOKEN)) as base:
        yield base


@pytest.fixture
def quick(tmp_path, home):
    """The address of a server whose process does at once what a clip's name says, and its jobs."""
    settings = settings_in(tmp_path, home)
    jobs = Jobs(settings.data, keep_s=settings.keep_s)
    application = make_application(settings, token=TOKEN, jobs=jobs, make=FakeWork)
    with listening(application) as base:
        yield base, jobs


@pytest.fixture
def open_page(chromium):
    """Opens a page of a server with its token, and sees to it that the browser has nothing to complain about.

    Named after the server in a test, so that pages are closed before their server is: an open one asks again and again.
    """
    contexts, complaints = [], []

    def open_(base, path="/", **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{base}{path}?token={TOKEN}", timeout=AT_LEISURE_MS)
        return page

    open_.complaints = complaints
    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def drop(page, path, name=None):
    page.evaluate(DROP, [name or path.name, base64.b64encode(path.read_bytes()).decode()])


def choose(page, name, content=b"a clip"):
    page.set_input_files("#clip", {"name": name, "mimeType": "video/mp4", "buffer": content})


def answer_of(page, name):
    return page.locator("[data-ended]", has=page.get_by_role("link", name=name, exact=True)).first


def test_a_clip_is_dropped_and_its_verdict_and_report_are_read(open_page, real, speeches):
    page = open_page(real)
    page.get_by_label("Who seems to be in it?").select_option("Ada")
    drop(page, speeches / "test-ada.npz")
    expect(page.locator("#queued [data-told]")).to_contain_text(re.compile("loading|comparing|writing"))
    answer = answer_of(page, "test-ada.npz")
    expect(answer).to_contain_text("authentic", timeout=AT_LEISURE_MS)
    expect(answer).to_contain_text("held against Ada")
    expect(page.get_by_role("status")).to_contain_text("test-ada.npz: authentic. body movement consistent with Ada")
    expect(page.locator("#queue ~ p")).to_have_text("Nothing waits.")
    answer.get_by_role("link", name="Report on test-ada.npz").click()
    expect(page).to_have_title("test-ada.npz: authentic (Ada)")
    expect(page.locator("main")).to_contain_text("Chain of custody")
    expect(page.locator("main svg").first).to_be_visible()
    told = page.request.get(page.url.replace(".html", ".json")).json()
    assert told["verification"]["source"] == "test-ada.npz"
    assert told["verification"]["verdict"] == "authentic"
    assert "/data/jobs/" not in str(told)
    page.go_back()
    drop(page, speeches / "test-ada.npz", "second.npz")
    expect(answer_of(page, "second.npz")).to_contain_text("authentic", timeout=AT_LEISURE_MS)


def test_what_is_no_video_is_not_analysed_and_the_reason_stands_in_its_row(open_page, real, speeches, tmp_path):
    page = open_page(real)
    (tmp_path / "<b>note.mp4").write_text("no video")
    drop(page, tmp_path / "<b>note.mp4")
    answer = answer_of(page, "<b>note.mp4")
    expect(answer).to_contain_text("not analysed", timeout=AT_LEISURE_MS)
    expect(answer).to_contain_text("not a video that can be read")
    drop(page, speeches / "short.npz")
    expect(answer_of(page, "short.npz")).to_contain_text("5 s are needed", timeout=AT_LEISURE_MS)


def test_a_person_is_enrolled_from_the_browser_or_refused_with_the_reason(open_page, real, speeches):
    page = open_page(real, "/enrolment")
    page.get_by_label("Name of the person").fill("Grace")
    page.set_input_files("#own", [speeches / "others/bob.npz", speeches / "others/cleo.npz"])
    page.set_input_files("#others", [speeches / f"ada/{name}.npz" for name in ("one", "two")])
    page.get_by_label("Compare with the people enrolled before").uncheck()
    page.get_by_role("button", name="Enrol").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace")
    expect(page.locator(".answer")).to_contain_text("not enrolled", timeout=AT_LEISURE_MS)
    expect(page.locator(".answer")).to_contain_text("tick “Keep a weak profile”")
    page.goto(f"{real}/enrolment")
    page.get_by_label("Name of the person").fill("Grace")
    page.set_input_files("#own", [speeches / "others/bob.npz", speeches / "others/cleo.npz"])
    page.set_input_files("#others", [speeches / f"ada/{name}.npz" for name in ("one", "two")])
    page.get_by_label("Keep a weak profile").check()
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator(".answer")).to_contain_text("enrolled", timeout=AT_LEISURE_MS)
    expect(page.locator("main")).to_contain_text("The videos were deleted when the enrolment ended.")
    page.goto(real)
    expect(page.get_by_label("Who seems to be in it?")).to_contain_text("Grace")
    page.goto(f"{real}/enrolment")
    page.get_by_label("Name of the person").fill("Grace")
    page.set_input_files("#own", [speeches / "others/bob.npz"])
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator("#uploads")).to_contain_text("is enrolled already")
    open_page.complaints.clear()  # the browser tells of a status 422


def test_a_real_video_is_seen_frame_by_frame_and_can_be_cancelled(open_page, real, tmp_path, eventually, models):
    clip = render_video(speak(STYLES[0], duration_s=12, seed=5), tmp_path / "film.mp4", width=640, height=360)
    page = open_page(real)
    drop(page, clip)
    told = page.locator("#queued [data-told]")
    expect(told).to_contain_text(re.compile("pose found in [1-9][0-9]* of 360"), timeout=AT_LEISURE_MS)
    first = float(page.locator("#queued progress").get_attribute("value") or 0)
    eventually(lambda: float(page.locator("#queued progress").get_attribute("value") or 0) > first)
    page.get_by_role("button", name="Cancel film.mp4").click()
    expect(answer_of(page, "film.mp4")).to_contain_text("cancelled", timeout=AT_LEISURE_MS)


@pytest.mark.heavy
def test_a_person_is_enrolled_from_real_videos_and_a_real_clip_is_judged(open_page, real, tmp_path, models):
    sides = {"own": ((0, 1), (0, 2), (0, 11), (0, 12)), "others": ((1, 3), (2, 4), (3, 13)), "clip": ((0, 5),)}
    films = {
        side: [
            render_video(speak(STYLES[style], duration_s=11, seed=seed), tmp_path / f"{side}{seed}.mp4")
            for style, seed in speeches
        ]
        for side, speeches in sides.items()
    }
    page = open_page(real, "/enrolment")
    page.get_by_label("Name of the person").fill("Zoe")
    page.set_input_files("#own", films["own"])
    page.set_input_files("#others", films["others"])
    page.get_by_role("button", name="Enrol").click()
    expect(page.locator("[data-told]")).to_contain_text("video 1 of 7, own1.mp4", timeout=AT_LEISURE_MS)
    expect(page.locator(".answer .verdict")).to_have_text("enrolled", timeout=5 * AT_LEISURE_MS)
    expect(page.locator(".reasons")).to_contain_text("self-test, 4 videos of the person and 3 of 3 others")
    page.goto(real)
    page.get_by_label("Who seems to be in it?").select_option("Zoe")
    drop(page, films["clip"][0])
    answer = answer_of(page, "clip5.mp4")
    expect(answer).to_contain_text(re.compile("authentic|inconclusive"), timeout=AT_LEISURE_MS)
    answer.get_by_role("link", name="Report on clip5.mp4").click()
    expect(page.locator("figure img").first).to_be_visible()
    page.locator("figure a").first.click()
    page.wait_for_url("**/clip/00/clip5.mp4#t=*")


def test_progress_changes_and_a_reload_in_the_middle_loses_nothing(quick, open_page, eventually):
    base, _ = quick
    page = open_page(base)
    choose(page, "steps.mp4")
    page.get_by_role("button", name="Check").click()
    bar = page.get_by_role("progressbar", name="How far steps.mp4 is")
    expect(page.locator("#queued [data-told]")).to_contain_text("pose found in", timeout=AT_LEISURE_MS)
    seen = float(bar.get_attribute("value"))
    eventually(lambda: float(bar.get_attribute("value")) > seen)
    page.reload()
    expect(page.locator("#queued [data-told]")).to_contain_text("pose found in")
    assert float(bar.get_attribute("value")) > seen
    expect(answer_of(page, "steps.mp4")).to_contain_text("authentic", timeout=AT_LEISURE_MS)


def test_what_is_too_large_is_refused_before_and_after_it_is_sent(quick, open_page):
    base, jobs = quick
    page = open_page(base)
    choose(page, "large.mp4", b"x" * (MOST_BYTES + 200_000))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#uploads")).to_contain_text("large.mp4: 6.2 MB, and 6 MB may be sent at most.")
    page.evaluate("document.getElementById('upload').dataset.max = 1e12")
    choose(page, "large.mp4", b"x" * (MOST_BYTES + 200_000))
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#uploads")).to_contain_text("One upload may have 6 MB here")
    open_page.complaints.clear()  # the browser tells of a status 413
    plain = open_page(base, java_script_enabled=False)
    choose(plain, "large.mp4", b"x" * (MOST_BYTES + 200_000))
    plain.get_by_role("button", name="Check").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Too large")
    expect(plain.locator("main")).to_contain_text("One upload may have 6 MB here")
    open_page.complaints.clear()
    assert jobs.in_order() == []


def test_a_clip_is_cancelled_and_one_is_deleted(quick, open_page):
    base, jobs = quick
    page = open_page(base)
    page.set_input_files("#clip", [{"name": name, "mimeType": "", "buffer": b"1"} for name in ("slow.mp4", "b.mp4")])
    page.get_by_role("button", name="Check").click()
    page.get_by_role("button", name="Cancel slow.mp4").click()
    expect(answer_of(page, "slow.mp4")).to_contain_text("cancelled", timeout=AT_LEISURE_MS)
    answer = answer_of(page, "b.mp4")
    expect(answer).to_contain_text("authentic", timeout=AT_LEISURE_MS)
    answer.get_by_text("Delete", exact=True).click()
    answer.get_by_role("button", name="Delete clip, report and row now").click()
    expect(answer_of(page, "slow.mp4")).to_be_visible()
    expect(answer_of(page, "b.mp4")).to_have_count(0)
    assert [job.title for job in jobs.in_order()] == ["slow.mp4"]


def test_the_keyboard_suffices_and_keeps_its_place_while_the_page_changes(quick, open_page, eventually):
    base, jobs = quick
    page = open_page(base)
    focused = lambda: page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")  # noqa: E731
    page.keyboard.press("Tab")
    assert focused() == "To the content"
    met = []
    while met[-1:] != ["Check"] and len(met) < 20:
        page.keyboard.press("Tab")
        met.append(focused())
        if met[-1] == "clip":
            choose(page, "steps.mp4")  # the chooser itself is the system's
    assert [name for name in met if name in ("person", "clip", "Check")] == ["person", "clip", "Check"]
    page.keyboard.press("Enter")
    page.locator("#queued button").focus()
    held = focused()
    assert held.startswith("cancel-")
    eventually(lambda: page.evaluate("document.querySelector('#queued progress')?.value > 0.2"))
    assert focused() == held
    expect(answer_of(page, "steps.mp4")).to_contain_text("authentic", timeout=AT_LEISURE_MS)
    job = jobs.in_order()[0]
    assert focused() == f"job-{job.id}"  # the button that had it is gone
    page.locator(f"#report-{job.id}").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_title("a report")
    page.go_back()
    page.locator(f"#delete-{job.id}").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused().startswith("Delete clip")
    page.keyboard.press("Enter")
    expect(page.locator("#history ~ .empty")).to_have_text("None yet.")


def test_without_a_script_everything_still_works(quick, open_page):
    base, _ = quick
    page = open_page(base, java_script_enabled=False)
    choose(page, "steps.mp4")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("steps.mp4")
    expect(page.locator(".answer")).to_contain_text("authentic", timeout=AT_LEISURE_MS)  # the page loads itself anew
    page.get_by_role("link", name="Check a clip").first.click()
    answer_of(page, "steps.mp4").get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete clip, report and row now").click()
    expect(page.locator("#history ~ .empty")).to_have_text("None yet.")


def test_a_stranger_reads_how_to_get_in(chromium, quick):
    base, _ = quick
    context = chromium.new_context()
    page = context.new_page()
    assert page.goto(base, timeout=AT_LEISURE_MS).status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")
    context.close()


def test_a_clip_plays_where_the_report_links_it(quick, open_page, tmp_path, eventually):
    base, jobs = quick
    film = render_video(speak(STYLES[0], duration_s=3, seed=5), tmp_path / "film.webm", width=320, height=180)
    page = open_page(base)
    choose(page, "film.webm", film.read_bytes())
    page.get_by_role("button", name="Check").click()
    expect(answer_of(page, "film.webm")).to_contain_text("authentic", timeout=AT_LEISURE_MS)
    page.goto(f"{base}/jobs/{jobs.in_order()[0].id}/clip/00/film.webm#t=1")
    eventually(lambda: page.evaluate("document.querySelector('video')?.readyState >= 2"))
    assert page.evaluate("document.querySelector('video').currentTime") >= 1


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1000])
def test_dark_and_light_wide_and_narrow_can_be_read(quick, open_page, scheme, width):
    base, _ = quick
    page = open_page(base, color_scheme=scheme, viewport={"width": width, "height": 800})
    choose(page, f"{'a-long-name-without-a-break' * 6}.mp4")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("[data-ended]")).to_contain_text("authentic", timeout=AT_LEISURE_MS)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(paper) < 0.5) == (scheme == "dark")
    for place in ("body", ".verdict", "a", ".danger", ".empty", "summary"):
        colour = page.evaluate("(place) => getComputedStyle(document.querySelector(place)).color", place)
        assert contrast(colour, paper) >= LEAST_CONTRAST, place
    button = "getComputedStyle(document.querySelector('.primary'))"
    colours = page.evaluate(f"[{button}.color, {button}.backgroundColor]")
    assert contrast(*colours) >= LEAST_CONTRAST
    for path in ("/", "/enrolment", "/nothing"):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    open_page.complaints.clear()  # the browser tells of a status 404


def test_a_screen_reader_finds_names_for_all_there_is_to_do(quick, open_page):
    base, _ = quick
    page = open_page(base)
    page.set_input_files("#clip", [{"name": name, "mimeType": "", "buffer": b"1"} for name in ("a.mp4", "slow.mp4")])
    page.get_by_role("button", name="Check").click()
    expect(answer_of(page, "a.mp4")).to_contain_text("authentic", timeout=AT_LEISURE_MS)
    expect(page.locator("#queued")).to_contain_text("slow.mp4")
    for path in ("/", "/enrolment"):
        page.goto(base + path)
        assert page.locator("h1").count() == 1
        assert page.evaluate("document.documentElement.lang") == "en"
        unnamed = page.evaluate(
            "[...document.querySelectorAll('input, select')].filter((one) => !one.labels.length).length"
            " + [...document.querySelectorAll('a, button, summary')].filter((one) => !one.textContent.trim()).length"
            " + [...document.querySelectorAll('progress')].filter((one) => !one.ariaLabel).length"
            " + [...document.querySelectorAll('[id]')].filter((one, _, all) => all.some((other) => other !== one"
            " && other.id === one.id)).length"
        )
        assert unnamed == 0
        levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
        assert levels[0] == 1
        assert all(level - before <= 1 for before, level in pairwise(levels))
    page.goto(base)
    names = [page.get_by_role("button", name=name).count() for name in ("Check", "Cancel slow.mp4")]
    assert names == [1, 1]
    assert page.get_by_role("link", name="Report on a.mp4").count() == 1
    assert page.get_by_role("progressbar", name="How far slow.mp4 is").count() == 1
    assert page.get_by_role("region").count() == 4


def test_the_pages_keep_their_picture_of_themselves(tmp_path):
    """Templates, style and script are found beside the code wherever it is installed."""
    folder = Path(make_application.__code__.co_filename).parent
    assert {path.name for path in (folder / "static").iterdir()} == {"script.js", "style.css"}
    assert (folder / "templates" / "base.html").is_file()
