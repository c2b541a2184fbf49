// Cases to look through: keep, drop or relabel, with keys; every decision is sent at once and shown when it is written down.
const PARTS = { train: "learned from", valid: "validation", test: "test" };

function render({ model, el }) {
  const make = (tag, props = {}, ...inside) => {
    const e = Object.assign(document.createElement(tag), props);
    for (const i of inside) e.append(i);
    return e;
  };
  el.classList.add("ftkit-review");
  el.tabIndex = 0;
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Review of the worst cases");
  const part = make("select", { ariaLabel: "Part" });
  const at = make("span");
  const card = make("div", { className: "ftkit-card" });
  const said = make("div");
  const label = model.get("classes").length ? make("select", { ariaLabel: "New label" }) : make("input", { type: "text", ariaLabel: "New label" });
  const button = (text, title, act) => make("button", { textContent: text, title, onclick: act });
  const status = make("div", { ariaLive: "polite" });
  status.setAttribute("role", "status");
  let place = 0;

  const shown = () => model.get("cases").filter(c => part.value === "all" || c.part === part.value);
  const current = () => shown()[place];
  const go = by => {
    place = Math.min(Math.max(0, place + by), Math.max(0, shown().length - 1));
    draw();
  };
  const decide = what => {
    const c = current();
    if (c) model.send({ example: c.example, what, label: what === "relabel" ? label.value : "" });
  };

  function draw() {
    const c = current();
    const cases = model.get("cases");
    const decided = model.get("decided");
    at.textContent = c ? ` ${place + 1} of ${shown().length}; ${cases.filter(x => decided[x.example]).length} of ${cases.length} decided ` : " no cases ";
    card.replaceChildren();
    said.replaceChildren();
    if (!c) return;
    if (c.picture) card.append(make("img", { src: c.picture, alt: `labelled ${c.label}` }));
    if (c.text !== undefined) card.append(make("blockquote", { textContent: c.text }));
    if (c.sound !== undefined) {
      const player = make("audio", { controls: true });
      player.setAttribute("aria-label", c.sound);
      card.append(player, make("div", { textContent: c.sound }));
      model.send({ play: c.example });
    }
    said.append(make("div", {}, make("b", { textContent: `labelled: ${c.label}` }), ` (${PARTS[c.part] ?? c.part}, row ${c.row})`));
    for (const [name, p] of c.predicted ?? c.said) {
      const line = make("div", { textContent: p === null ? `predicted: ${name}` : `${name} ${(100 * p).toFixed(0)} %` });
      if (p !== null) line.prepend(make("meter", { value: p, max: 1, ariaLabel: `${name} ${(100 * p).toFixed(0)} %` }), " ");
      said.append(line);
    }
    const d = decided[c.example];
    said.append(make("div", { className: "ftkit-decided", textContent: d ? `decided: ${d.what} ${d.label}` : "not decided" }));
    label.value = d?.label || (model.get("classes").length ? (c.predicted ?? c.said)[0][0] : c.label);
  }

  const parts = [...new Set(model.get("cases").map(c => c.part))];
  part.append(...["all", ...parts].map(p => make("option", { value: p, textContent: p === "all" ? "all parts" : PARTS[p] ?? p })));
  if (label.tagName === "SELECT") label.append(...model.get("classes").map(c => make("option", { value: c, textContent: c })));
  part.onchange = () => ((place = 0), draw());
  el.append(
    make("div", {}, part, at),
    card,
    said,
    make("div", {}, button("← Back", "Left arrow", () => go(-1)), button("Keep", "K", () => decide("keep")), button("Drop", "D", () => decide("drop")), button("Relabel", "R: as the box says", () => decide("relabel")), label, button("Next →", "Right arrow", () => go(1))),
    make("small", { textContent: "Keys: K keep, D drop, R relabel as the box says, ← → move, a digit the class of that name, else the class in that place." }),
    status
  );
  el.addEventListener("keydown", e => {
    if (["INPUT", "SELECT"].includes(e.target.tagName) || e.ctrlKey || e.metaKey || e.altKey) return;
    const classes = model.get("classes");
    const act = { k: () => decide("keep"), d: () => decide("drop"), r: () => decide("relabel"), ArrowLeft: () => go(-1), ArrowRight: () => go(1) }[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    const named = /^[0-9]$/.test(e.key) && (classes.includes(e.key) ? e.key : !classes.some(c => /^[0-9]$/.test(c)) && classes[Number(e.key) - 1]); // a class that is called 3 is meant by 3
    if (named) {
      label.value = named;
      decide("relabel");
    } else if (act) act();
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  model.on("change:decided", () => {
    status.textContent = model.get("said");
    go(model.get("last") === current()?.example ? 1 : 0);
  });
  model.on("change:cases", draw);
  model.on("msg:custom", (message, buffers) => {
    if (message.sound !== current()?.example) return;
    const player = card.querySelector("audio");
    if (buffers.length) player.src = URL.createObjectURL(new Blob([buffers[0]], { type: "audio/wav" }));
    else player.replaceWith(message.wrong);
  });
  draw();
}
export default { render };
