// api.js - the control API, as one operator.

// The page may be below a path of a proxy in front, so the API's paths are relative to it.
const UNREACHABLE = "The gateway cannot be reached. Check the network. This page tries again by itself.";
const NOT_KNOWN = "The gateway did not answer, so it is not known whether this was done. Look at the list before you try again.";
const LIST_MAX = 20000;

class Refusal extends Error {
	constructor(status, detail) {
		super(detail);
		this.status = status;
	}
}

function pause(ms) {
	return new Promise((done) => setTimeout(done, ms));
}

async function refusalOf(answer) {
	const problem = await answer.json().catch(() => null);
	const detail = problem && typeof problem.detail === "string" ? problem.detail : `status ${answer.status}`;
	const field = problem && typeof problem.field === "string" ? ` (${problem.field})` : "";
	return new Refusal(answer.status, sentence(detail) + field);
}

// The API writes "the token is not valid": a sentence of a page begins with a capital letter.
function sentence(text) {
	return text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!)]$/.test(text) ? "" : ".");
}

// A sign-in of this page. The token is only here: never in a cookie, a storage or a URL.
class SignIn {
	#token;
	#ended = new AbortController();
	renewing = false; // the operator renews its own token: whatever is refused for the value before is tried again

	constructor(token) {
		this.#token = token;
	}

	// The operator has renewed its own token.
	goOnWith(token) {
		this.#token = token;
	}

	#isOld(token, status) {
		return status === 401 && (this.renewing || token !== this.#token);
	}

	end() {
		this.#token = "";
		this.#ended.abort();
	}

	get over() {
		return this.#ended.signal.aborted;
	}

	async #send(method, path, body) {
		const headers = {Authorization: `Bearer ${this.#token}`};
		if (body !== undefined)
			headers["Content-Type"] = "application/json";
		try {
			return await fetch(path, {method, headers, body: body && JSON.stringify(body), mode: "same-origin", credentials: "omit",
				cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", signal: this.#ended.signal});
		} catch (error) {
			throw this.over ? error : new Refusal(0, method === "GET" ? UNREACHABLE : NOT_KNOWN);
		}
	}

	// A GET that has to wait for others (429) is sent again, as the command line does.
	async #answer(method, path, body) {
		for (let tries = 0; ; tries++) {
			const token = this.#token;
			const answer = await this.#send(method, path, body);
			if (answer.ok)
				return answer;
			if ((answer.status !== 429 && !this.#isOld(token, answer.status)) || method !== "GET" || tries === 10)
				throw await refusalOf(answer);
			await pause(1000 * (Number(answer.headers.get("Retry-After")) || 1));
		}
	}

	// The JSON of the answer; null when it has none.
	async call(method, path, body) {
		const answer = await this.#answer(method, path, body);
		try {
			return answer.status === 204 ? null : await answer.json();
		} catch (error) {
			throw this.over ? error : new Refusal(0, method === "GET" ? UNREACHABLE : NOT_KNOWN);
		}
	}

	// All records of a list, page by page: {items, silent_workers, cut}; cut: there are more.
	async list(path) {
		const all = {items: [], silent_workers: 0, cut: false};
		for (let cursor = null; ;) {
			const page = await this.call("GET", `${path}?limit=1000` + (cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`));
			all.items.push(...page.items);
			all.silent_workers = Math.max(all.silent_workers, page.silent_workers || 0);
			cursor = page.next_cursor;
			all.cut = cursor !== null && all.items.length >= LIST_MAX;
			if (cursor === null || all.cut)
				return all;
		}
	}

	// What changes, as it happens: {name, data} of each server-sent event, until the gateway ends the stream or it breaks.
	async *events() {
		const token = this.#token;
		const answer = await this.#answer("GET", "v1/events");
		const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		for (let text = ""; ;) {
			const {value, done} = await reader.read();
			if (done)
				return;
			const blocks = (text + value).split("\n\n");
			text = blocks.pop();
			for (const block of blocks) {
				const event = /^event: (\w+)\ndata: (.*)$/.exec(block); // a comment is none
				if (!event)
					continue;
				const data = JSON.parse(event[2]);
				if (event[1] === "end" && this.#isOld(token, data.status))
					return;
				yield {name: event[1], data};
			}
		}
	}

	// "" when the gateway is ready; otherwise why not, or what it says besides.
	async readiness() {
		try {
			const answer = await this.#answer("GET", "readyz");
			return (await answer.text()).replace(/^ok\s*/, "").trim();
		} catch (error) {
			if (error instanceof Refusal && error.status === 503)
				return `Not ready. ${error.message}`;
			throw error;
		}
	}
}
