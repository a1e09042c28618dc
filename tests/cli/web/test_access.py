"""Who may ask for what, and what every answer carries."""

from __future__ import annotations

import pytest

from cli.web.access import host_name
from tests.cli.web.conftest import BASE, TOKEN


def test_without_the_token_nothing_is_told_but_how_to_get_in(server):
    client = server.client()
    job = server.answered()
    for path in ("/", "/progress", "/lists", "/enrolment", f"/jobs/{job.id}", f"/jobs/{job.id}/report.html", "/none"):
        answer = client.get(path)
        assert answer.status_code == 403
        assert "Open the address with the token" in answer.text
        assert "Ada" not in answer.text
    assert client.post("/clips", files={"clip": b"x"}).status_code == 403
    assert client.post(f"/jobs/{job.id}/delete").status_code == 403
    assert server.jobs.find(job.id)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], f"{TOKEN}x", "\u00e9"])
def test_another_token_does_not_get_in(server, token):
    answer = server.client().get("/", params={"token": token})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(server):
    client = server.client()
    answer = client.get(f"/enrolment?token={TOKEN}&a=b%26c")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/enrolment?a=b%26c"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200


def test_behind_a_proxy_that_speaks_https_the_cookie_stays_on_https(server):
    answer = server.client().get(f"/?token={TOKEN}", headers={"x-forwarded-proto": "https"})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_session_of_another_server_does_not_get_in(make_server, client):
    other = make_server().client()
    other.cookies = client.cookies
    assert other.get("/").status_code == 403


def test_the_way_back_never_leads_to_another_server(server):
    answer = server.client().get(f"{BASE}//evil.example/?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example/")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "[::1", "10.0.0.5"],
)
def test_a_name_that_the_server_does_not_have_is_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 403
    assert client.get("/static/style.css", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8765", "check.example"])
def test_the_names_of_this_machine_and_those_allowed_are_answered(make_server, host):
    server = make_server(hosts=("127.0.0.1", "localhost", "::1", "check.example"))
    assert server.client().get(f"/?token={TOKEN}", headers={"host": host}).status_code == 303


def test_the_name_in_a_host_header():
    assert host_name("a.example:80") == "a.example"
    assert host_name("[::1]:80") == "::1"
    assert host_name("a@b") == host_name("[") == host_name("") == ""


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
        {"origin": BASE, "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "file://127.0.0.1:8765"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_from_elsewhere_is_refused(server, client, headers):
    job = server.add()
    del client.headers["origin"]
    answer = client.post(f"/jobs/{job.id}/cancel", headers=headers)
    assert answer.status_code == 403
    assert "not sent from a page of this server" in answer.text
    assert server.jobs.find(job.id).is_active


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": BASE},
        {"origin": "https://127.0.0.1:8765"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_of_our_own_is_taken(server, client, headers):
    job = server.add()
    del client.headers["origin"]
    assert client.post(f"/jobs/{job.id}/cancel", headers=headers).status_code == 303
    assert not server.jobs.find(job.id).is_active


def test_every_answer_forbids_what_it_does_not_need(server, client):
    job = server.answered()
    paths = ["/", "/enrolment", "/lists", "/progress", f"/jobs/{job.id}", f"/jobs/{job.id}/report.html", "/none",
             f"/jobs/{job.id}/report.json", f"/jobs/{job.id}/clip/00/clip.mp4", "/static/style.css"]  # fmt: skip
    answers = [*(client.get(path) for path in paths), server.client().get("/"), client.put("/"),
               client.get("/", headers={"host": "evil.example"})]  # fmt: skip
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy
        scripts = [part for part in policy.split("; ") if part.startswith("script-src")]
        assert scripts in ([], ["script-src 'self'"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        if "/static/" not in str(answer.url):
            assert answer.headers["cache-control"] == "no-store"
    assert "'unsafe-inline'" not in client.get("/").headers["content-security-policy"]


def test_a_page_names_nothing_from_elsewhere_and_has_no_script_in_it(client):
    for path in ("/", "/enrolment", "/none"):
        text = client.get(path).text
        assert "http://" not in text
        assert "https://" not in text
        assert "<script>" not in text
        assert " on" + "click" not in text
        assert "style=" not in text


def test_other_methods_are_refused_in_words(client):
    assert client.put("/").status_code == 405
    assert "Nothing here is done with DELETE." in client.delete("/jobs/1").text
    assert client.get("/clips").status_code == 405
    assert "no page" in client.get("/clips").text


def test_a_mistake_of_the_server_is_a_page_with_all_headers(server, client, monkeypatch, capsys):
    def fail():
        raise ValueError("a secret path")

    monkeypatch.setattr(server.jobs, "in_order", fail)
    answer = client.get("/progress")
    assert answer.status_code == 500
    assert "The server made a mistake" in answer.text
    assert "secret" not in answer.text
    assert "frame-ancestors" in answer.headers["content-security-policy"]
    assert "a secret path" in capsys.readouterr().err
