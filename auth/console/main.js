// main.js - signing in and out, and the list that is shown.

const REFRESH_MS = 2000;
const REFRESH_LIVE_MS = 60000; // of tokens and jobs, whose changes come by themselves: only their last use does not
const LOG_MAX = 100;

let signIn = null;  // null: signed out
let me = null;      // the operator's own token, without its value
let list = null;    // one of LISTS
let known = null;   // what the list had last: key -> item; null: not read yet
let traffic = null;
let live = null;    // changes as they happen
let page = {silent_workers: 0, cut: false}; // what the last reading said of the list
const touched = new Map(); // key -> item or null: events that came while the list was being read; they count more
let reading = 0;    // which reading of lists is the present one
let isDue = false;  // the list is to be read again, although changes of it come by themselves
let wake = () => {};
let byLink = false; // the page of `jobgate console`: no token is asked for, since the server of another user may be at its port once the command has ended

const table = new Table((item) => openItem(item));

function log(sentences) {
	for (const text of sentences)
		find("log").prepend(make("li", {}, make("time", {}, new Date().toLocaleTimeString("en-GB")), ` ${text}`));
	while (find("log").children.length > LOG_MAX)
		find("log").lastChild.remove();
	find("no-log").hidden = find("log").children.length > 0;
}

// ---- signing in and out ----

function show(signedIn) {
	find("sign-in").hidden = signedIn;
	find("console").hidden = !signedIn;
	document.querySelector("#sign-in form").hidden = find("kept").hidden = byLink;
	find("again").hidden = !byLink;
}

// next: what to do, where a token can be pasted.
function signOut(message, isError, next = "") {
	if (signIn)
		signIn.end();
	signIn = me = known = live = null;
	reading++;
	closeDialog();
	table.set([]);
	find("log").replaceChildren();
	find("no-log").hidden = false;
	find("charts").replaceChildren();
	for (const id of ["who", "state", "count", "problem", "empty"])
		find(id).textContent = "";
	const text = find("message");
	text.className = isError ? "error" : "";
	text.setAttribute("role", isError ? "alert" : "status");
	text.textContent = byLink || next === "" ? message : `${message} ${next}`;
	show(false);
	find("token").focus();
}

async function beginSignIn(value) {
	if (!/^jgt_[0-9A-Za-z_]+$/.test(value)) {
		signOut("This is not a token. A token begins with jgt_. Paste an operator's token.", true);
		return;
	}
	await begin(new SignIn(value));
}

// `jobgate console` opens the page with a code behind the #, which no server and no log sees. It works once, for a key that stays in this page's memory.
async function beginWithLink() {
	const link = /^#link(?:=([0-9a-f]{64})$)?/.exec(location.hash);
	if (!link)
		return;
	byLink = true;
	history.replaceState(null, "", `${location.pathname}#link`); // so that it is still known after a reload
	signOut(link[1] ? "Signing in." : "You are signed out.", false);
	if (!link[1])
		return;
	try {
		const {key} = await new SignIn("").call("POST", "link", {code: link[1]});
		await begin(new SignIn(key));
	} catch (error) {
		signOut(error.message, true);
	}
}

async function begin(begun) {
	try {
		me = await begun.call("GET", "v1/me");
	} catch (error) {
		if (error.status !== 404) {
			if (error.status === 0)
				signOut("The gateway cannot be reached.", true, "Check the network, then paste the token again.");
			else
				signOut(error.message, true, error.status === 403 ? "Paste an operator's token." : "");
			return;
		}
		me = {id: "local", name: "Local administrator", label_selector: null}; // the gateway's own socket asks for no token
	}
	signIn = begun;
	traffic = new Traffic();
	const scope = plain(me.label_selector);
	say(find("who"), `${me.name} (${me.id}), ` + (scope === "none" ? "for all jobs" : `only for what is labelled ${scope}`));
	show(true);
	choose("sessions");
	find("title").focus();
	live = new Live(begun, {item: takeItem, flush: showKnown, again: readSoon, log, failed: (error) => failed(error, begun)});
}

// What a call of the API failed with. True when that ended the sign-in.
function failed(error, inSignIn) {
	if (inSignIn.over)
		return true;
	if (!(error instanceof Refusal))
		throw error;
	if (error.status === 401)
		signOut(`${error.message} You are signed out.`, true, "Sign in with another token.");
	return error.status === 401;
}

// ---- the list ----

function choose(name) {
	list = LISTS[name];
	known = null;
	touched.clear();
	for (const button of document.querySelectorAll("nav button"))
		button.ariaCurrent = button.value === name ? "page" : null;
	find("title").textContent = list.title;
	find("filter").value = "";
	say(find("problem"), "");
	say(find("empty"), "Reading the list.");
	say(find("count"), "");
	find("charts").hidden = list !== LISTS.sessions;
	say(find("create"), list.create ? list.create.text : "");
	table.filter("");
	table.begin(list.title, list.columns, list.key);
	keepReading(++reading);
}

function tellCount() {
	const silent = page.silent_workers > 0 ? ` ${count(page.silent_workers, "worker")} did not answer in time: their sessions are missing.` : "";
	const cut = page.cut ? " There are more: the command line lists all of them." : "";
	const shown = find("filter").value === "" ? "" : `${table.shown.toLocaleString("en")} of `;
	say(find("count"), shown + count(known.size, list.noun) + cut + silent);
	say(find("empty"), table.shown > 0 ? "" : known.size > 0 ? "Nothing here has the text of the filter." : list.none);
}

function showKnown() {
	if (!known)
		return;
	table.set([...known.values()]);
	tellCount();
}

function change(items, key, item) {
	if (item)
		items.set(key, item);
	else
		items.delete(key);
}

// An event about one item; it shows at the next flush.
function takeItem(ofList, key, item) {
	if (ofList !== list)
		return;
	touched.set(key, item);
	if (known)
		change(known, key, item);
}

function isLive() {
	return live !== null && (list === LISTS.sessions ? live.sessions : live.records);
}

async function read(number) {
	touched.clear();
	const answer = await signIn.list(list.path);
	if (number !== reading)
		return;
	const found = new Map(answer.items.map((item) => [list.key(item), item]));
	for (const [key, item] of touched)
		change(found, key, item);
	if (known !== null && !answer.cut && !isLive())
		log(differences(list, known, [...found.values()]));
	if (live && list !== LISTS.sessions)
		for (const [key, item] of found)
			live.remember(list, key, item);
	known = found;
	page = answer;
	showKnown();
	if (list === LISTS.sessions)
		traffic.add([...found.values()]);
	say(find("state"), await signIn.readiness());
	say(find("problem"), "");
}

// At once, after what the operator has done here.
function readAgain() {
	keepReading(++reading);
}

// As soon as the list is due, since something of it was missed: what is being read may be older.
function readSoon(what) {
	if ((what === "sessions") !== (list === LISTS.sessions))
		return;
	isDue = true;
	wake();
}

// Until the time has passed, or readSoon.
function pauseUntilDue(ms) {
	return new Promise((done) => {
		const timer = setTimeout(done, ms);
		wake = () => {
			clearTimeout(timer);
			done();
		};
		if (isDue)
			wake();
	});
}

// One reading at a time. Long lists are read less often: each page of a thousand adds a second.
async function keepReading(number) {
	const begun = signIn;
	while (number === reading) {
		isDue = false;
		try {
			await read(number);
		} catch (error) {
			if (failed(error, begun))
				return;
			say(find("problem"), error.message);
		}
		await pause(REFRESH_MS + (known ? known.size : 0));
		if (number === reading && isLive() && list !== LISTS.sessions)
			await pauseUntilDue(REFRESH_LIVE_MS);
		await visible();
	}
}

// A page that is not visible asks for nothing.
function visible() {
	return new Promise((done) => {
		if (!document.hidden)
			done();
		else
			document.addEventListener("visibilitychange", () => done(), {once: true});
	});
}

// ---- the page's own events ----

for (const [name, {title}] of Object.entries(LISTS)) {
	const button = make("button", {type: "button", value: name}, title);
	button.addEventListener("click", () => choose(name));
	document.querySelector("nav").append(button);
}
document.querySelector("#sign-in form").addEventListener("submit", (event) => {
	event.preventDefault();
	const value = find("token").value.trim();
	find("token").value = ""; // browsers keep what stays in a form
	beginSignIn(value);
});
find("sign-out").addEventListener("click", () => signOut("You are signed out.", false));
find("create").addEventListener("click", () => list.create.run());
find("filter").addEventListener("input", () => {
	table.filter(find("filter").value);
	if (known)
		tellCount();
});
// A page that is left keeps nothing, even where the browser keeps the page.
addEventListener("pagehide", () => signOut("You have left the page and are signed out.", false, "Sign in again."));
show(false);
find("token").focus();
addEventListener("hashchange", beginWithLink); // the next link, in the same tab
beginWithLink();
