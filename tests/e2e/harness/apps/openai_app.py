"""What vLLM and others serve, as far as OpenAI's clients ask for it. It prints the fields of each request. Usage: openai_app.py PORT [KEY]"""

import json
import sys

from aiohttp import web


def refused(status, message, code):
    return web.json_response({"error": {"message": message, "type": "invalid_request_error", "code": code}}, status=status)


async def models(request):
    return web.json_response({"object": "list", "data": [{"id": "demo", "object": "model", "created": 0, "owned_by": "demo"}]})


async def completions(request):
    asked = await request.json()
    print(dict(request.headers), flush=True)
    if len(sys.argv) > 2 and request.headers.get("Authorization") != f"Bearer {sys.argv[2]}":
        return refused(401, "the model has a key of its own", "invalid_api_key")
    if asked["model"] != "demo":
        return refused(404, f"the model {asked['model']} does not exist", "model_not_found")
    words = asked["messages"][-1]["content"].upper().split(" ")
    about = {"id": "chatcmpl-1", "created": 0, "model": "demo"}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": " ".join(words)}
        return web.json_response({**about, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    for number, word in enumerate(words):
        delta = {"content": word if number == 0 else f" {word}"}
        chunk = {**about, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        await answer.write(f"data: {json.dumps(chunk)}\n\n".encode())
    await answer.write(b"data: [DONE]\n\n")
    return answer


def main():
    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", completions)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


main()
