// charts.js - sessions and traffic of the last minutes, from what the list of sessions says.

const POINTS = 90;
const SVG = "http://www.w3.org/2000/svg";

class Chart {
	#points = [];
	#line = document.createElementNS(SVG, "polyline");
	#text = make("figcaption");

	constructor(parent) {
		const svg = document.createElementNS(SVG, "svg");
		svg.setAttribute("viewBox", `0 0 ${POINTS - 1} 100`);
		svg.setAttribute("preserveAspectRatio", "none");
		svg.setAttribute("aria-hidden", "true"); // the caption says the same
		svg.append(this.#line);
		parent.append(make("figure", {}, svg, this.#text));
	}

	add(value, words) {
		this.#points.push(value);
		this.#points.splice(0, this.#points.length - POINTS);
		const most = Math.max(1, ...this.#points);
		const from = POINTS - this.#points.length;
		this.#line.setAttribute("points", this.#points.map((point, i) => `${from + i},${98 - 96 * point / most}`).join(" "));
		say(this.#text, words);
	}
}

class Traffic {
	#before = new Map(); // session -> bytes
	#at = 0;
	#sessions = new Chart(find("charts"));
	#bytes = new Chart(find("charts"));

	add(items) {
		const now = performance.now();
		let moved = 0;
		const sums = new Map();
		for (const item of items) {
			const sum = item.bytes_in + item.bytes_out;
			sums.set(item.id, sum);
			moved += Math.max(0, sum - (this.#before.has(item.id) ? this.#before.get(item.id) : sum));
		}
		const rate = this.#at > 0 ? moved / ((now - this.#at) / 1000) : 0;
		this.#before = sums;
		this.#at = now;
		this.#sessions.add(items.length, `${count(items.length, "session")} now`);
		this.#bytes.add(rate, `${bytes(rate)}/s of content in these sessions`);
	}
}
