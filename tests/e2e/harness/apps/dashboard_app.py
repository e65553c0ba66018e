"""Does what applications of Gradio, Streamlit and TensorBoard do: very many small files and XHRs for a page, an upload, a queue whose results
come as server-sent events, and a WebSocket. The page's title says what has worked. It prints the fields of each request. Usage: dashboard_app.py PORT"""

import asyncio
import json
import sys

from aiohttp import WSMsgType, web

FILES = 150
PAGE = """<!DOCTYPE html><title>waiting</title><link rel="stylesheet" href="static/style.css"><body>
<script type="module">
const done = [];
const say = word => { done.push(word); document.title = done.join(" "); };
const sum = (await Promise.all([...Array(%d).keys()].map(n => import(`./static/${n}.js`)))).reduce((all, one) => all + one.default, 0);
say(`modules:${sum}`);
const runs = await (await fetch("data/runs")).json();
const points = await Promise.all(runs.map(run => fetch(`data/plugin/scalars?run=${run}`).then(answer => answer.json())));
say(`runs:${points.length}`);
const form = new FormData();
form.append("files", new Blob([new Uint8Array(3 << 20)]), "a.bin");
say(`upload:${(await (await fetch("upload", {method: "POST", body: form})).json()).size}`);
const joined = await (await fetch("queue/join", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"data": ["hello"]}'})).json();
const events = new EventSource(`queue/data?session=${joined.session}`);
events.onmessage = event => {
	const message = JSON.parse(event.data);
	if (message.msg !== "completed")
		return;
	events.close();
	say(`queue:${message.output}`);
	const socket = new WebSocket(`wss://${location.host}/_stcore/stream`);
	socket.onopen = () => socket.send("rerun");
	socket.onmessage = answer => { say(`socket:${answer.data}`); window.socket = socket; };
	socket.onclose = () => say("closed");
};
</script>""" % FILES
QUEUE = {}


@web.middleware
async def printed(request, handler):
    print(dict(request.headers), flush=True)
    return await handler(request)


async def page(request):
    return web.Response(text=PAGE, content_type="text/html")


async def static(request):
    name = request.match_info["name"]
    if name.endswith(".css"):
        return web.Response(text="body { color: black }", content_type="text/css")
    return web.Response(text=f"export default {name.removesuffix('.js')};", content_type="text/javascript")


async def runs(request):
    return web.json_response([f"run{number}" for number in range(20)])


async def scalars(request):
    return web.json_response([[0, 1, request.query["run"]]])


async def upload(request):
    form = await request.post()
    return web.json_response({"size": len(form["files"].file.read())})


async def join(request):
    QUEUE["1"] = (await request.json())["data"][0]
    return web.json_response({"session": "1"})


async def data(request):
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    for message in ({"msg": "estimation"}, {"msg": "started"}, {"msg": "completed", "output": QUEUE.pop(request.query["session"]).upper()}):
        await answer.write(f"data: {json.dumps(message)}\n\n".encode())
    await asyncio.sleep(3600)  # the page closes it


async def stream(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(f"{message.data}-done")
    return socket


def main():
    app = web.Application(client_max_size=1 << 30, middlewares=[printed])
    app.router.add_get("/", page)
    app.router.add_get("/static/{name}", static)
    app.router.add_get("/data/runs", runs)
    app.router.add_get("/data/plugin/scalars", scalars)
    app.router.add_post("/upload", upload)
    app.router.add_post("/queue/join", join)
    app.router.add_get("/queue/data", data)
    app.router.add_get("/_stcore/stream", stream)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


main()
