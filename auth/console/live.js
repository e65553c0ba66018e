// live.js - what changes, as it happens (GET /v1/events).

const FLUSH_MS = 500;
const RETRY_MS = 1000, RETRY_MAX_MS = 30000;
const REMEMBERED_MAX = 20000;

class Live {
	#signIn;
	#take;
	#remembered = new Map(); // "token <id>" -> record, to tell what changed and the name of what is gone
	#sessions = {begun: 0, ended: 0, cut: 0};
	#due = false;
	#down = new Set(); // what the log says is out of reach
	records = false; // changes of records come, so that lists need not be read again and again
	sessions = false;

	// take: {item(list, key, record), flush(), again(what: "records" or "sessions"), log(sentences), failed(error)}; failed is true when the sign-in is over
	constructor(signIn, take) {
		this.#signIn = signIn;
		this.#take = take;
		this.#follow();
	}

	async #follow() {
		for (let wait = RETRY_MS; !this.#signIn.over; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
			try {
				for await (const {name, data} of this.#signIn.events()) {
					if (name === "end")
						throw new Refusal(data.status, sentence(data.detail));
					this.#event(name, data);
					wait = RETRY_MS;
				}
			} catch (error) {
				if (this.#signIn.over || (error instanceof Refusal && this.#take.failed(error)))
					return;
			}
			const was = this.records || this.sessions;
			this.records = this.sessions = false;
			this.#tell();
			if (was)
				this.#again(); // the lists are read again and again, as long as nothing tells of changes
			await pause(wait);
		}
	}

	// The attribute is for tests: they wait for it.
	#tell() {
		find("console").dataset.live = this.records && this.sessions;
	}

	#again() {
		this.#take.again("records");
		this.#take.again("sessions");
	}

	#event(name, data) {
		if (name === "start") {
			this.records = data.changes;
			this.sessions = data.sessions;
			this.#tell();
			this.#again();
		} else if (name === "missed") {
			this.records ||= data.what === "records";
			this.sessions ||= data.what === "sessions";
			this.#tell();
			this.#take.again(data.what);
		} else if (name === "token" || name === "job") {
			this.#record(name === "token" ? LISTS.tokens : LISTS.jobs, data);
		} else if (name === "session") {
			this.#sessions[data.is]++;
			this.#take.item(LISTS.sessions, data.session.id, data.is === "begun" ? data.session : null);
			this.#flushSoon();
		} else if (name === "store") {
			this.#reach("The store", data.up);
		} else if (name === "worker") {
			this.#reach(`Worker ${data.worker}`, data.up);
		}
	}

	// Every stream begins with what is up, so only a change is told.
	#reach(what, up) {
		if (!up && !this.#down.has(what))
			this.#take.log([`${what} is out of reach.`]);
		if (up && this.#down.has(what))
			this.#take.log([`${what} can be reached again.`]);
		if (up)
			this.#down.delete(what);
		else
			this.#down.add(what);
	}

	#record(list, {id, record}) {
		const key = `${list.noun} ${id}`, before = this.#remembered.get(key);
		const did = changeOf(before, record);
		if (did)
			this.#take.log([told(list, record || before || {id, name: "without a known name"}, did)]);
		this.remember(list, id, record);
		this.#take.item(list, id, record);
		this.#flushSoon();
	}

	remember(list, id, record) {
		const key = `${list.noun} ${id}`;
		this.#remembered.delete(key);
		if (record)
			this.#remembered.set(key, {id, name: record.name, version: record.version, updated_at: record.updated_at});
		if (this.#remembered.size > REMEMBERED_MAX)
			this.#remembered.delete(this.#remembered.keys().next().value);
	}

	// Many events make one change of the page.
	#flushSoon() {
		if (this.#due)
			return;
		this.#due = true;
		setTimeout(() => {
			this.#due = false;
			const {begun, ended, cut} = this.#sessions;
			this.#sessions = {begun: 0, ended: 0, cut: 0};
			if (this.#signIn.over)
				return;
			this.#take.log(sessionSentences(begun, ended, cut));
			this.#take.flush();
		}, FLUSH_MS);
	}
}
