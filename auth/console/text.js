// text.js - elements and words. What comes from the store becomes text, never HTML.

function find(id) {
	return document.getElementById(id);
}

// An element with properties and children; strings become text.
function make(tag, properties, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children);
	return element;
}

// Changes text only where it differs: a screen reader would read it again.
function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
	element.hidden = text === "";
}

function count(number, noun) {
	return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function bytes(number) {
	const units = ["B", "kB", "MB", "GB", "TB", "PB"];
	let unit = 0;
	while (number >= 1000 && unit < units.length - 1) {
		number /= 1000;
		unit++;
	}
	return `${unit === 0 || number >= 100 ? Math.round(number) : number.toFixed(1)} ${units[unit]}`;
}

function age(seconds) {
	const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const [size, unit] = units.find(([size]) => seconds >= size) || [1, "s"];
	return `${Math.floor(seconds / size)} ${unit}`;
}

function since(time) {
	return time ? `${age(Math.max(0, (Date.now() - Date.parse(time)) / 1000))} ago` : "not known";
}

function labels(object) {
	return Object.entries(object || {}).map(([name, value]) => `${name}=${value}`).join(", ");
}

// "a=b, c=d" as an object; null when that is not its form.
function labelsOf(text) {
	const pairs = text.split(/[\s,]+/).filter((pair) => pair !== "").map((pair) => pair.split("="));
	return pairs.every((pair) => pair.length === 2 && pair[0] !== "") ? Object.fromEntries(pairs) : null;
}

// A value of the API in words.
function plain(value) {
	if (value === null || value === undefined || value === "")
		return "none";
	if (Array.isArray(value))
		return value.length > 0 ? value.map(plain).join(", ") : "none";
	if (typeof value === "object")
		return labels(value) || "none";
	return String(value);
}
