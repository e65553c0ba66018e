// table.js - a table of any length: only the rows that can be seen are elements.

const ROWS_BEYOND = 8; // rows above and below what is seen, so that scrolling shows no gap

class Table {
	#scroller = find("scroller");
	#head = this.#scroller.querySelector("thead tr");
	#body = this.#scroller.querySelector("tbody");
	#above = make("tr", {className: "space", ariaHidden: "true"}, make("td"));
	#below = make("tr", {className: "space", ariaHidden: "true"}, make("td"));
	#rows = new Map(); // key -> element
	#columns = [];
	#all = [];
	#items = []; // of #all, those that are shown, in order
	#order = {column: null, down: false};
	#filter = "";
	#active = 0; // the row that the keyboard is at
	#keyOf;
	#open;
	#due = false;

	constructor(open) {
		this.#open = open;
		this.#body.append(this.#above, this.#below);
		this.#scroller.addEventListener("scroll", () => this.#renderSoon());
		new ResizeObserver(() => this.#renderSoon()).observe(this.#scroller);
		this.#scroller.addEventListener("keydown", (event) => this.#key(event));
		this.#body.addEventListener("click", (event) => {
			const row = event.target.closest("tr");
			if (row && row.item && event.target.closest("button"))
				this.#open(row.item);
		});
		this.#body.addEventListener("focusin", (event) => this.#activate(event.target.closest("tr").index));
	}

	// Begin an empty table. columns: [{title, text(item), order(item)?, wide?, number?}]
	begin(name, columns, keyOf) {
		this.#columns = columns;
		this.#keyOf = keyOf;
		this.#order = {column: null, down: false};
		this.#active = 0;
		this.#scroller.querySelector("table").ariaLabel = name;
		this.#head.replaceChildren(...columns.map((column) => this.#title(column)));
		this.#scroller.scrollTop = 0;
		this.set([]);
	}

	#title(column) {
		const button = make("button", {type: "button"}, column.title);
		const cell = make("th", {scope: "col", className: classOf(column), ariaSort: "none"}, button);
		button.addEventListener("click", () => {
			this.#order = {column, down: this.#order.column === column && !this.#order.down};
			for (const other of this.#head.children)
				other.ariaSort = "none";
			cell.ariaSort = this.#order.down ? "descending" : "ascending";
			this.#arrange();
		});
		return cell;
	}

	set(items) {
		this.#all = items;
		this.#arrange();
	}

	// Show only the items with this text in some column.
	filter(text) {
		this.#filter = text.toLowerCase();
		this.#arrange();
	}

	get shown() {
		return this.#items.length;
	}

	#passes(item) {
		return this.#columns.some((column) => column.text(item).toLowerCase().includes(this.#filter));
	}

	#arrange() {
		const focused = this.#focusedKey();
		this.#items = this.#filter === "" ? [...this.#all] : this.#all.filter((item) => this.#passes(item));
		const {column, down} = this.#order;
		if (column) {
			const order = column.order || column.text;
			const keys = new Map(this.#items.map((item) => [item, order(item)]));
			this.#items.sort((a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : 0) * (down ? -1 : 1));
		}
		if (focused !== null) {
			const index = this.#items.findIndex((item) => this.#keyOf(item) === focused);
			this.#active = index >= 0 ? index : this.#active;
		}
		this.#active = Math.max(0, Math.min(this.#active, this.#items.length - 1));
		this.#scroller.querySelector("table").ariaRowCount = this.#items.length + 1;
		this.#render();
		if (focused !== null)
			this.#focus();
	}

	#focusedKey() {
		const row = document.activeElement.closest("tbody tr");
		return row && this.#body.contains(row) && row.item ? this.#keyOf(row.item) : null;
	}

	#rowHeight() {
		const row = this.#head.parentElement;
		return row.getBoundingClientRect().height || 40;
	}

	#renderSoon() {
		if (this.#due)
			return;
		this.#due = true;
		requestAnimationFrame(() => {
			this.#due = false;
			const lost = this.#focusedKey() !== null;
			this.#render();
			// The focused row has been scrolled away: the keys still work.
			if (lost && this.#focusedKey() === null)
				this.#scroller.focus({preventScroll: true});
		});
	}

	#render() {
		const height = this.#rowHeight();
		const first = Math.max(0, Math.min(Math.floor(this.#scroller.scrollTop / height), this.#items.length) - ROWS_BEYOND);
		const last = Math.min(this.#items.length, first + Math.ceil(this.#scroller.clientHeight / height) + 2 * ROWS_BEYOND);
		const wanted = new Map();
		for (let i = first; i < last; i++)
			wanted.set(this.#keyOf(this.#items[i]), i);
		for (const [key, row] of this.#rows)
			if (!wanted.has(key)) {
				row.remove();
				this.#rows.delete(key);
			}
		let at = this.#above.nextSibling;
		for (const [key, index] of wanted) {
			const row = this.#fill(key, index);
			if (row === at)
				at = at.nextSibling;
			else
				this.#body.insertBefore(row, at);
		}
		this.#above.firstChild.style.height = `${first * height}px`;
		this.#below.firstChild.style.height = `${(this.#items.length - last) * height}px`;
		this.#setTabStop(first, last);
	}

	#fill(key, index) {
		let row = this.#rows.get(key);
		if (!row) {
			row = make("tr", {}, ...this.#columns.map((column, i) => i === 0
				? make("th", {scope: "row"}, make("button", {type: "button"})) : make("td", {className: classOf(column)})));
			this.#rows.set(key, row);
		}
		row.item = this.#items[index];
		row.index = index;
		row.ariaRowIndex = index + 2;
		this.#columns.forEach((column, i) => {
			const cell = i === 0 ? row.cells[0].firstChild : row.cells[i];
			const text = column.text(row.item);
			if (cell.textContent !== text)
				cell.textContent = cell.title = text;
		});
		return row;
	}

	// One row's button is in the order of the Tab key; the arrow keys go on from there.
	#setTabStop(first, last) {
		const stop = this.#active >= first && this.#active < last ? this.#active : first;
		for (const row of this.#rows.values())
			row.cells[0].firstChild.tabIndex = row.index === stop ? 0 : -1;
	}

	#activate(index) {
		if (index === undefined)
			return;
		this.#active = index;
		for (const row of this.#rows.values())
			row.cells[0].firstChild.tabIndex = row.index === index ? 0 : -1;
	}

	#focus() {
		const item = this.#items[this.#active];
		const row = item && this.#rows.get(this.#keyOf(item));
		(row ? row.cells[0].firstChild : this.#scroller).focus({preventScroll: true});
	}

	#key(event) {
		const page = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#rowHeight()) - 2);
		const steps = {ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity};
		const step = steps[event.key];
		if (step === undefined || this.#items.length === 0 || event.target.closest("thead") || event.ctrlKey || event.metaKey || event.altKey)
			return;
		event.preventDefault();
		this.#active = Math.max(0, Math.min(this.#items.length - 1, this.#active + step));
		this.#reveal();
		this.#render();
		this.#focus();
	}

	#reveal() {
		const height = this.#rowHeight(), top = this.#active * height;
		const most = this.#scroller.clientHeight - 2 * height; // below the titles, which stay
		if (top < this.#scroller.scrollTop)
			this.#scroller.scrollTop = top;
		else if (top > this.#scroller.scrollTop + most)
			this.#scroller.scrollTop = top - most;
	}
}

function classOf(column) {
	return (column.wide ? "wide " : "") + (column.number ? "number" : "");
}
