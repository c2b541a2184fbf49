// What is dropped, typed or recorded is sent to the kernel; what the model says comes back as bars.
function wav(blocks, rate) {
  const n = blocks.reduce((sum, b) => sum + b.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * n));
  const text = (at, s) => [...s].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * n, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * n, true);
  let at = 44;
  for (const b of blocks) for (const x of b) { view.setInt16(at, Math.max(-1, Math.min(1, x)) * 32767, true); at += 2; }
  return view.buffer;
}

const MOST = 8e6; // bytes: Jupyter servers drop the connection at a message of 10 MB

/** The file, or a large picture in fewer pixels; null if it is too large to be sent. */
async function fitting(file) {
  if (file.size <= MOST) return file;
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return null;
  const scale = Math.min(1, 2048 / Math.max(picture.width, picture.height));
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise(done => canvas.toBlob(done, "image/jpeg", 0.95));
}

function render({ model, el }) {
  const make = (tag, props = {}, ...inside) => {
    const e = Object.assign(document.createElement(tag), props);
    for (const i of inside) e.append(i);
    return e;
  };
  const modality = model.get("modality");
  el.classList.add("ftkit-predict");
  const seen = make("div", { className: "ftkit-card" });
  const out = make("div");
  out.setAttribute("role", "status");
  const send = (name, buffer) => {
    out.textContent = "…";
    model.send({ name }, undefined, [buffer]);
  };
  const show = (file, name) => {
    seen.replaceChildren();
    const src = URL.createObjectURL(file);
    seen.append(modality === "image" ? make("img", { src, alt: name, style: "max-height: 160px; max-width: 100%" }) : make("audio", { src, controls: true }));
  };
  const take = async file => {
    if (!file) return;
    show(file, file.name);
    const small = await fitting(file);
    if (!small) { out.textContent = `${file.name} has ${(file.size / 1e6).toFixed(0)} MB; at most ${MOST / 1e6} can be sent to the kernel; use ftkit predict`; return; }
    send(file.name, await small.arrayBuffer());
  };
  if (modality === "text") {
    const box = make("textarea", { rows: 3, ariaLabel: "A text to judge", placeholder: "Type a text", style: "width: 100%" });
    const ask = make("button", { textContent: "Judge", title: "Control and Enter", onclick: () => { out.textContent = "…"; model.send({ text: box.value }); } });
    box.onkeydown = e => { e.stopPropagation(); if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) ask.click(); };
    el.append(box, ask);
  } else {
    const noun = modality === "image" ? "a picture" : "a recording";
    const input = make("input", { type: "file", accept: modality === "image" ? "image/*" : "audio/*,video/*", onchange: () => take(input.files[0]) });
    el.append(make("label", { className: "ftkit-drop" }, `Drop ${noun} here, or choose one: `, input), seen);
    el.ondragover = e => { e.preventDefault(); e.stopPropagation(); };
    el.ondrop = e => { e.preventDefault(); e.stopPropagation(); take(e.dataTransfer.files[0]); };
  }
  if (modality === "speech") {
    let stop = null;
    const record = make("button", { textContent: "● Record" });
    record.onclick = async () => {
      if (stop) { stop(); return; }
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
        const context = new AudioContext();
        const tap = context.createScriptProcessor(4096, 1, 1);
        const blocks = [];
        tap.onaudioprocess = e => blocks.push(new Float32Array(e.inputBuffer.getChannelData(0)));
        context.createMediaStreamSource(stream).connect(tap);
        tap.connect(context.destination);
        record.textContent = "■ Stop";
        stop = () => {
          stop = null;
          record.textContent = "● Record";
          stream.getTracks().forEach(t => t.stop());
          const rate = context.sampleRate;
          context.close();
          take(new File([wav(blocks, rate)], "recorded.wav", { type: "audio/wav" }));
        };
      } catch (e) { out.textContent = `The microphone cannot be used (${e.message}); choose a file instead.`; }
    };
    el.append(record);
  }
  el.append(out);
  const draw = () => {
    const { label, scores, wrong, note } = model.get("result");
    out.replaceChildren();
    if (wrong) { out.append(make("b", { textContent: wrong })); return; }
    if (label === undefined) return;
    out.append(make("b", { textContent: label }), note ? ` (${note})` : "");
    for (const [name, p] of scores) out.append(make("div", {}, make("meter", { value: p, max: 1, ariaLabel: `${name} ${(100 * p).toFixed(1)} %`, style: "width: 160px" }), ` ${name} ${(100 * p).toFixed(1)} %`));
  };
  model.on("change:result", draw);
  draw();
}
export default { render };
