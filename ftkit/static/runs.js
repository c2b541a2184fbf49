// A table of runs that sorts by any column; marked ones are compared in the kernel.
function render({ model, el }) {
  const make = (tag, props = {}, ...inside) => {
    const e = Object.assign(document.createElement(tag), props);
    for (const i of inside) e.append(i);
    return e;
  };
  el.classList.add("ftkit-runs");
  const marked = new Set();
  let [by, up] = ["created", false];
  const words = make("input", { type: "search", placeholder: "Filter", ariaLabel: "Filter the runs" });
  const compare = make("button", { textContent: "Compare marked", disabled: true, onclick: () => model.send({ compare: [...marked] }) });
  const table = make("table");
  const found = make("div");
  const text = v => (v === null || v === undefined ? "" : typeof v === "number" && !Number.isInteger(v) ? String(Number(v.toPrecision(4))) : String(v));
  const draw = () => {
    const columns = model.get("columns");
    const value = r => r[by];
    const rows = model.get("rows").filter(r => words.value.toLowerCase().split(" ").every(w => JSON.stringify(r).toLowerCase().includes(w)));
    rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === y) return 0;
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return (x < y ? -1 : 1) * (up ? 1 : -1);
    });
    const head = make("tr", {}, make("th", { textContent: "✓", ariaLabel: "Marked" }));
    for (const c of columns) {
      const th = make("th", {}, make("button", { textContent: c.replaceAll("_", " ") + (c === by ? (up ? " ▲" : " ▼") : ""), onclick: () => { [by, up] = [c, c === by ? !up : true]; draw(); } }));
      th.setAttribute("aria-sort", c === by ? (up ? "ascending" : "descending") : "none");
      head.append(th);
    }
    const body = rows.map(r => {
      const box = make("input", { type: "checkbox", checked: marked.has(r.id), ariaLabel: `Mark ${r.id}`, onchange: () => { box.checked ? marked.add(r.id) : marked.delete(r.id); compare.disabled = marked.size < 2; } });
      return make("tr", {}, make("td", {}, box), ...columns.map(c => make("td", { textContent: text(c === "created" && r[c] ? new Date(1000 * r[c]).toLocaleString() : r[c]) })));
    });
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  };
  const shown = () => (found.innerHTML = model.get("comparison"));
  words.oninput = draw;
  model.on("change:rows", draw);
  model.on("change:comparison", shown);
  el.append(make("div", {}, words, compare, make("button", { textContent: "Look again", onclick: () => model.send({ again: true }) })), make("div", { style: "max-height: 320px; overflow: auto" }, table), found);
  draw();
  shown();
}
export default { render };
