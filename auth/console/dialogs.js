// dialogs.js - the dialog, and what can be done in it: create, renew, delete, end sessions.

const dialog = document.querySelector("dialog");

function closeDialog() {
	if (dialog.open)
		dialog.close();
}

// What a dialog showed, a token's value perhaps, does not stay in the page. The event comes late: the next one may be open.
dialog.addEventListener("close", () => {
	if (!dialog.open)
		emptyDialog();
});

function emptyDialog() {
	for (const id of ["dialog-title", "dialog-body", "dialog-buttons"])
		find(id).replaceChildren();
	say(find("dialog-problem"), "");
}

// actions: [{text, kind, run}]; kind "main": Enter does it, "danger": it must be chosen.
function openDialog(title, body, actions, close = "Close") {
	closeDialog();
	emptyDialog();
	find("dialog-title").textContent = title;
	find("dialog-body").append(...body);
	for (const {text, kind = "", run} of actions) {
		const button = make("button", {type: kind === "main" ? "submit" : "button", className: kind}, text);
		if (kind !== "main")
			button.addEventListener("click", () => act(run));
		find("dialog-buttons").append(button);
	}
	const main = actions.find(({kind}) => kind === "main");
	dialog.querySelector("form").onsubmit = (event) => {
		event.preventDefault();
		if (main)
			act(main.run);
	};
	const closer = make("button", {type: "button", autofocus: actions.some(({kind}) => kind === "danger")}, close);
	closer.addEventListener("click", closeDialog);
	find("dialog-buttons").append(closer);
	dialog.showModal();
}

// Do it; a refusal shows in the dialog, in the gateway's words.
async function act(run) {
	const begun = signIn;
	for (const button of find("dialog-buttons").children)
		button.disabled = true;
	say(find("dialog-problem"), "");
	try {
		await run();
		if (!begun.over)
			readAgain();
	} catch (error) {
		if (!failed(error, begun))
			say(find("dialog-problem"), error.message);
	} finally {
		for (const button of find("dialog-buttons").children)
			button.disabled = false;
	}
}

function field(name, label, input, hint) {
	Object.assign(input, {id: `field-${name}`, name, autocomplete: "off", spellcheck: false});
	const parts = [make("label", {htmlFor: input.id}, label), input];
	if (hint) {
		parts.push(make("p", {className: "hint", id: `hint-${name}`}, hint));
		input.setAttribute("aria-describedby", `hint-${name}`);
	}
	return parts;
}

function choice(...options) {
	return make("select", {}, ...options.map(([value, text]) => make("option", {value}, text)));
}

function entered(name) {
	return find(`field-${name}`).value.trim();
}

function paragraph(text) {
	return make("p", {}, text);
}

// What a scoped operator creates is within its scope.
function scopeHint() {
	const scope = plain(me.label_selector);
	return scope === "none" ? "" : ` What your own token has, ${scope}, is added.`;
}

// Whatever the id is, the call is about this record.
function pathOf(list, id) {
	return `v1/${list}/${encodeURIComponent(id)}`;
}

// ---- tokens ----

function inDays(days) {
	return days === "" ? null : new Date(Date.now() + Number(days) * 86400000).toISOString().replace(/\.\d+Z$/, "Z");
}

function createToken() {
	openDialog("Create a token", [
		...field("name", "Name", make("input", {required: true, maxLength: 63}), "What it is for. It may have letters, digits, dots, underscores and hyphens."),
		...field("role", "Role", choice(["read", "read: uses jobs"], ["operator", "operator: also manages jobs and tokens"])),
		...field("selector", "Reaches jobs with the labels", make("input"), `For example team=blue. Without labels it reaches all jobs.${scopeHint()}`),
		...field("expiry", "Expires", choice(["", "never"], ["1", "in 1 day"], ["7", "in 7 days"], ["30", "in 30 days"], ["90", "in 90 days"])),
	], [{text: "Create token", kind: "main", run: async () => {
		const made = await signIn.call("POST", "v1/tokens", {name: entered("name"), role: entered("role"),
			label_selector: entered("selector"), ...(entered("expiry") && {expires_at: inDays(entered("expiry"))})});
		showValue(`Token ${made.name} was created`, made);
	}}], "Cancel");
}

function showValue(title, token) {
	const value = make("code", {id: "value", tabIndex: 0}, token.value);
	const copied = make("p", {role: "status"});
	const copy = make("button", {type: "button"}, "Copy");
	copy.addEventListener("click", async () => {
		try {
			await navigator.clipboard.writeText(token.value);
			copied.textContent = "The value was copied.";
		} catch {
			getSelection().selectAllChildren(value);
			copied.textContent = "The browser does not let this page copy. The value is selected: copy it with the keyboard.";
		}
	});
	value.setAttribute("aria-label", "Value of the token");
	openDialog(title, [paragraph("This is its value. It is shown only now: copy it before you close the dialog."), value, copy, copied], []);
}

function renewToken(token) {
	openDialog(`Renew token ${token.name} (${token.id})`, [
		paragraph("It gets a new value. The present value is refused everywhere at once, and what it runs is ended, unless you give it time."),
		...field("grace", "The present value stays valid", choice(["", "no longer"], ["600", "for 10 minutes"], ["3600", "for 1 hour"], ["86400", "for 1 day"])),
	], [{text: "Renew token", kind: "danger", run: async () => {
		const begun = signIn, own = token.id === me.id;
		begun.renewing = own;
		try {
			const made = await begun.call("POST", `${pathOf("tokens", token.id)}/renew`, entered("grace") ? {grace: Number(entered("grace"))} : {});
			if (own)
				begun.goOnWith(made.value);
			showValue(`Token ${made.name} was renewed`, made);
		} finally {
			begun.renewing = false;
		}
	}}], "Cancel");
}

function deleteToken(token) {
	const own = token.id === me.id ? " This is your own token: you will be signed out." : "";
	openDialog(`Delete token ${token.name} (${token.id})`, [
		paragraph(`It is refused everywhere from then on, and what it runs is ended. This cannot be undone.${own}`),
		make("p", {}, make("label", {}, make("input", {id: "field-cascade", type: "checkbox"}), " Also delete all tokens that it created")),
	], [{text: "Delete token", kind: "danger", run: async () => {
		const cascade = find("field-cascade").checked;
		const done = await signIn.call("DELETE", pathOf("tokens", token.id) + (cascade ? "?cascade=true" : ""));
		closeDialog();
		if (done && done.remaining_tokens > 0)
			log([`${count(done.remaining_tokens, "token")} that token ${token.name} created ${done.remaining_tokens === 1 ? "is" : "are"} still valid.`]);
	}}], "Cancel");
}

// ---- jobs ----

function createJob() {
	openDialog("Register a job", [
		...field("id", "Id", make("input", {maxLength: 63}), "The first part of its public address. It may have a-z, 0-9 and hyphens. Without an id, the gateway makes one."),
		...field("url", "URL of its backend", make("input"), "For example http://10.0.0.7:8888. It can follow later."),
		...field("labels", "Labels", make("input"), `For example team=blue, stage=test.${scopeHint()}`),
	], [{text: "Register job", kind: "main", run: async () => {
		const pairs = labelsOf(entered("labels"));
		if (pairs === null)
			throw new Refusal(400, "The labels have another form: write name=value, with commas between them.");
		const made = await signIn.call("POST", "v1/jobs", {labels: pairs,
			...(entered("id") && {id: entered("id")}), ...(entered("url") && {url: entered("url")})});
		openDialog(`Job ${made.id} was registered`, [facts(made)], []);
	}}], "Cancel");
}

function deleteJob(job) {
	openDialog(`Delete job ${job.id}`, [paragraph("Nobody reaches it through the gateway from then on, and what runs is ended. The program itself goes on.")],
		[{text: "Delete job", kind: "danger", run: async () => {
			await signIn.call("DELETE", pathOf("jobs", job.id));
			closeDialog();
		}}], "Cancel");
}

// ---- sessions ----

function endSession(one) {
	openDialog(`End a session at job ${one.job}`, [paragraph(`${one.method} ${one.path} from ${one.client} is ended. The token stays valid, so its client may come again.`)],
		[{text: "End session", kind: "danger", run: async () => {
			await signIn.call("DELETE", pathOf("sessions", one.id));
			closeDialog();
		}}], "Cancel");
}

function endSessions(kind, id, name) {
	openDialog(`End all sessions of ${name}`, [paragraph("They are ended. No access is revoked, so their clients may come again.")],
		[{text: "End sessions", kind: "danger", run: async () => {
			const {cut_sessions: ended} = await signIn.call("DELETE", `v1/sessions?${kind}=${encodeURIComponent(id)}`);
			closeDialog();
			log([`${count(ended, "session")} of ${name} ${ended === 1 ? "was" : "were"} ended.`]);
		}}], "Cancel");
}

// ---- a record ----

// What it means that a member has no value, in the words of the command line.
const UNSET = {label_selector: "none (every job)", last_used_at: "no use is known", expires_at: "never", from: "everywhere",
	rate: "as configured", burst: "as configured", concurrency: "as configured", url: "none yet", access: "only with a token",
	health: "no checks", affinity: "any replica", last_request_at: "no request is known", sessions: "not counted", lease: "none (stays until it is deleted)"};

function facts(item) {
	const list = make("dl");
	for (const [name, value] of Object.entries(item)) {
		const text = plain(value);
		list.append(make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, text === "none" && Object.hasOwn(UNSET, name) ? UNSET[name] : text));
	}
	return list;
}

LISTS.tokens.create = {text: "Create token", run: createToken};
LISTS.tokens.actions = (token) => [
	{text: "Renew…", run: () => renewToken(token)},
	{text: "End its sessions…", run: () => endSessions("token", token.id, `token ${token.name}`)},
	{text: "Delete…", run: () => deleteToken(token)},
];
LISTS.jobs.create = {text: "Register job", run: createJob};
LISTS.jobs.actions = (job) => [
	{text: "End its sessions…", run: () => endSessions("job", job.id, `job ${job.id}`)},
	{text: "Delete…", run: () => deleteJob(job)},
];
LISTS.sessions.actions = (one) => [{text: "End…", run: () => endSession(one)}];

function openItem(item) {
	const buttons = list.actions(item).map(({text, run}) => {
		const button = make("button", {type: "button"}, text);
		button.addEventListener("click", run);
		return button;
	});
	const name = `${list.noun} ${list.name(item)}`;
	openDialog(name.charAt(0).toUpperCase() + name.slice(1), [facts(item)], []);
	find("dialog-buttons").prepend(...buttons);
}
