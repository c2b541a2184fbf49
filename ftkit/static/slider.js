// A slider and a box for the exact number, both with the parameter's name: the sliders of ipywidgets have none for a screen reader.
let count = 0;
function render({ model, el }) {
  const id = `ftkit-slider-${count++}`;
  const make = (tag, props) => Object.assign(document.createElement(tag), props);
  const label = make("label", { htmlFor: id, textContent: model.get("description"), title: model.get("tooltip"), className: "widget-label" });
  const ends = { min: model.get("min"), max: model.get("max"), step: model.get("step"), title: model.get("tooltip") };
  const range = make("input", { type: "range", id, ...ends });
  const box = make("input", { type: "number", ariaLabel: `${model.get("description")}, as a number`, ...ends, step: "any" });
  const show = () => { range.value = box.value = model.get("value"); };
  const set = text => {
    const value = Number(text);
    if (text !== "" && Number.isFinite(value)) { model.set("value", value); model.save_changes(); }
  };
  range.oninput = () => { box.value = range.value; };
  range.onchange = () => set(range.value);
  box.onchange = () => set(box.value);
  for (const e of [range, box]) e.addEventListener("keydown", k => k.stopPropagation());
  model.on("change:value", show);
  show();
  el.classList.add("ftkit-slider");
  el.append(label, range, box);
}
export default { render };
