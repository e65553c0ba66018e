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

// Sentences on what differs between two readings of a list.
function differences(list, before, now) {
	const told = [];
	const found = new Map(now.map((item) => [list.key(item), item]));
	for (const [key, old] of before)
		if (!found.has(key))
			told.push({item: old, did: "is gone"});
	for (const [key, item] of found) {
		const old = before.get(key);
		if (!old)
			told.push({item, did: "is new"});
		else if (old.version !== item.version)
			told.push({item, did: "was renewed: its value before is refused"});
		else if (old.updated_at !== item.updated_at)
			told.push({item, did: "was changed"});
	}
	return list === LISTS.sessions ? summary(told) : sentences(list, told);
}

function sentences(list, told) {
	const lines = told.slice(0, TOLD_MAX).map(({item, did}) => `${list.noun} ${list.name(item)} ${did}.`);
	if (told.length > TOLD_MAX)
		lines.push(`${count(told.length - TOLD_MAX, `other ${list.noun}`)} changed.`);
	return lines.map(sentence);
}

function summary(told) {
	const ended = told.filter(({did}) => did === "is gone").length, begun = told.length - ended;
	return [begun > 0 ? `${count(begun, "session")} began.` : "", ended > 0 ? `${count(ended, "session")} ended.` : ""].filter(Boolean);
}
