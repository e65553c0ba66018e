"""Shared caches do not keep what a browser's session opened (RFC 9111 section 5.2.2), and a job's fields give no orders to a proxy."""

import os

import pytest

from harness.process import Program, accepts, eventually, free_port
from harness.raw import Client
from test_browser import AT_JOBS_HOSTS, HTML, request, session_of

NGINX = """{user} daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
	access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
	uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
	proxy_cache_path {folder}/cache keys_zone=shared:1m;
	server {{
		listen 127.0.0.1:{port};
		location / {{
			proxy_pass http://127.0.0.1:{gateway};
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-Proto https;
			proxy_cache shared;
			proxy_cache_valid any 1h;
		}}
		location /secret {{ internal; return 200 secret; }}
	}}
}}"""


@pytest.fixture(scope="module")
def behind_tls(module_gateways):
    return module_gateways.start(AT_JOBS_HOSTS)


@pytest.fixture
def scene(behind_tls, scene_of):
    return scene_of(behind_tls)


def answered(scene, cookie, fields, status="200 OK", asked=()):
    """The answer to a request with this cookie, which the job answers with these fields."""
    with scene.gateway.client() as client:
        client.send(request(scene, fields=[*([f"Cookie: {cookie}"] if cookie else []), *asked]))
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer(b"", status, fields)
        return client.read_response()


@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified", "404 Not Found"])
@pytest.mark.parametrize("sent, wanted", [
    ([], "private"),
    (["Cache-Control: public, max-age=60"], "private, max-age=60"),
    (["Cache-Control: max-age=60", "Cache-Control: s-maxage=9"], "private, max-age=60"),
    (["Cache-Control: max-age=60, no-store"], "max-age=60, no-store"),
    (["Connection: Cache-Control", "Cache-Control: no-store"], "private"),
], ids=["none", "public", "shared", "no-store", "taken away"])
def test_sessions_answers_are_private(scene, status, sent, wanted):
    response = answered(scene, session_of(scene), [*sent, "Vary: Accept", "CDN-Cache-Control: max-age=9"], status)
    assert response.status == int(status.split()[0])
    assert response.all("cache-control") == [wanted]
    assert response.all("vary") == ["Accept, Cookie"]
    assert response.field("cdn-cache-control") is None


def test_tokens_answers_stay_as_they_are(scene):
    """Shared caches know of Authorization (RFC 9111 section 3.5)."""
    response = answered(scene, None, ["Cache-Control: public, max-age=60", "CDN-Cache-Control: max-age=9"],
                        asked=[f"Authorization: {scene.token.bearer}"])
    assert response.all("cache-control") == ["public, max-age=60"]
    assert response.field("vary") is None and response.field("cdn-cache-control") == "max-age=9"


def test_refusals_of_sessions(scene, records):
    cookie = session_of(scene)
    records.delete_token(scene.token)

    def refused():
        with scene.gateway.client() as client:
            client.send(request(scene, "OPTIONS", fields=[f"Cookie: {cookie}", "Max-Forwards: 0", HTML]))
            response = client.read_response()
            return response if response.status == 401 else None
    response = eventually(refused, "the session to end")
    assert response.all("cache-control") == ["no-store"] and response.all("vary") == ["Cookie"]


@pytest.mark.parametrize("domain, kept", [("jobs.test", False), (None, True)], ids=["host form", "path form"])
def test_clear_site_data(module_gateways, scene_of, domain, kept):
    """It would sign people out of other jobs: cookies are cleared for the whole site."""
    gateway = module_gateways.start({"jobs": {"domain": domain, "prefix": "/jobs"}})
    scene = scene_of(gateway)
    scene.client.send(scene.request(path=f"/jobs/{scene.job}/", host="gateway.test"))
    with scene.backend.next() as connection:
        connection.read_request()
        connection.answer(fields=['Clear-Site-Data: "cookies"'])
    assert scene.client.read_response().field("clear-site-data") == ('"cookies"' if kept else None)


@pytest.fixture
def cached(scene, make_folder):
    """The address of an nginx that caches for all clients, in front of the scene's gateway."""
    folder, port = make_folder("cache"), free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, gateway=scene.gateway.address[1],
                                   user="user root;" if os.geteuid() == 0 else ""))
    program = Program(["/usr/sbin/nginx", "-c", config, "-p", folder, "-e", folder / "error.log"], folder / "nginx.log")

    def check():
        assert program.running(), program.log()
        return accepts("127.0.0.1", port)
    eventually(check, "nginx to listen")
    yield "127.0.0.1", port
    program.stop()


def test_a_shared_cache_keeps_nothing_of_a_session(scene, cached):
    cookie = session_of(scene)
    with Client(cached) as client:
        client.send(request(scene, path="/report", fields=[f"Cookie: {cookie}"]))
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer(b"private matters", fields=["Cache-Control: public, max-age=3600"])
        assert client.read_response().body == b"private matters"
        client.send(request(scene, path="/report"))
        response = client.read_response()
    assert response.status == 401 and b"matters" not in response.body


def test_a_job_does_not_steer_the_proxy_in_front(scene, cached):
    with Client(cached) as client:
        client.send(request(scene, path="/steer", fields=[f"Authorization: {scene.token.bearer}"]))
        with scene.backend.next() as connection:
            connection.read_request()
            connection.answer(b"mine", fields=["X-Accel-Redirect: /secret", "Cache-Control: no-store"])
        assert client.read_response().body == b"mine"
