// lists.js - what the page lists: sessions, tokens and jobs.

const LISTS = {
	sessions: {
		title: "Sessions", noun: "session", path: "v1/sessions", key: (session) => session.id, name: (session) => session.job,
		none: "Nothing runs now.",
		columns: [
			{title: "Job", text: (session) => session.job},
			{title: "Token", text: (session) => session.token_name || session.token_id || "out of your scope"},
			{title: "Client", text: (session) => session.client, wide: true},
			{title: "Request", text: (session) => `${session.method} ${session.path}`, wide: true},
			{title: "State", text: (session) => session.state},
			{title: "Age", text: (session) => age(session.age_s), order: (session) => session.age_s, number: true},
			{title: "Bytes", text: (session) => bytes(session.bytes_in + session.bytes_out),
				order: (session) => session.bytes_in + session.bytes_out, number: true, wide: true},
			{title: "Rate", text: (session) => `${bytes(session.rate)}/s`, order: (session) => session.rate, number: true, wide: true},
		],
	},
	tokens: {
		title: "Tokens", noun: "token", path: "v1/tokens", key: (token) => token.id, name: (token) => `${token.name} (${token.id})`,
		none: "There is no token within your scope.",
		columns: [
			{title: "Name", text: (token) => token.name},
			{title: "Id", text: (token) => token.id, wide: true},
			{title: "Role", text: (token) => token.role},
			{title: "Reaches", text: (token) => plain(token.label_selector) === "none" ? "all jobs" : plain(token.label_selector)},
			{title: "Version", text: (token) => String(token.version), order: (token) => token.version, number: true, wide: true},
			{title: "Last used", text: (token) => since(token.last_used_at), order: (token) => token.last_used_at || "", wide: true},
			{title: "Expires", text: (token) => token.expires_at || "never", wide: true},
		],
	},
	jobs: {
		title: "Jobs", noun: "job", path: "v1/jobs", key: (job) => job.id, name: (job) => job.id,
		none: "There is no job within your scope.",
		columns: [
			{title: "Job", text: (job) => job.id},
			{title: "Backend", text: (job) => job.url || "no URL yet"},
			{title: "Labels", text: (job) => labels(job.labels)},
			{title: "Public URL", text: (job) => job.job_url || "", wide: true},
			{title: "Changed", text: (job) => since(job.updated_at), order: (job) => job.updated_at, wide: true},
		],
	},
};

const TOLD_MAX = 5; // lines for changes of one reading

// What happened to a record, from the one before (may be null) and the one now (null: it is gone).
function changeOf(before, now) {
	if (!now)
		return "is gone";
	if (!before)
		return now.created_at === now.updated_at ? "is new" : "was changed";
	if (before.version !== now.version)
		return "was renewed: its previous value is refused, at the latest when its grace ends";
	return before.updated_at !== now.updated_at ? "was changed" : "";
}

function told(list, item, did) {
	return sentence(`${list.noun} ${list.name(item)} ${did}`);
}

// Sentences on what differs between two readings of a list; before: key -> item.
function differences(list, before, now) {
	const found = new Map(now.map((item) => [list.key(item), item]));
	const lines = [];
	let ended = 0, begun = 0;
	for (const [key, item] of new Map([...before, ...found])) {
		const did = changeOf(before.get(key), found.get(key));
		ended += !found.has(key);
		begun += !before.has(key);
		if (did)
			lines.push(told(list, item, did));
	}
	if (list === LISTS.sessions)
		return sessionSentences(begun, ended, 0);
	const more = lines.splice(TOLD_MAX).length;
	return more > 0 ? [...lines, `${count(more, `other ${list.noun}`)} changed.`] : lines;
}

function sessionSentences(begun, ended, cut) {
	return [begun > 0 ? `${count(begun, "session")} began.` : "", ended > 0 ? `${count(ended, "session")} ended.` : "",
		cut > 0 ? `${count(cut, "session")} ${cut === 1 ? "was" : "were"} ended by a revocation or an operator.` : ""].filter(Boolean);
}
