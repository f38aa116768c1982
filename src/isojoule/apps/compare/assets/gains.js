// Gains of all participants under each mechanism, as dots on one axis.

function setUpGains() {
  if (!rules.length || !facts.people.length) return;
  $$("gains-part").hidden = false;
  const pick = $$("person");
  facts.people.forEach((name, i) => html("option", { value: i }, pick, name));
  pick.addEventListener("change", drawGains);
  drawGains();
}

function drawGains() {
  const svg = $$("gains"), chosen = $$("person").value === "" ? -1 : Number($$("person").value);
  const width = Math.max(svg.parentElement.clientWidth, 280), left = Math.min(165, 0.3 * width), step = 38;
  const all = rules.flatMap((m) => m.gains);
  // The scale is that of most rules, without rare extremes: what is far beyond stands at the edge,
  // which tells how far, and says its amount when pointed at.
  const spans = rules.map((m) => {
    const some = [...m.gains].sort((a, b) => a - b);
    const at = (share) => some[Math.round(share * (some.length - 1))];
    return [Math.min(0, at(0.01)), Math.max(0, at(0.99))];
  });
  const sizes = spans.map(([a, b]) => b - a).filter((size) => size > facts.even).sort((a, b) => a - b);
  const middle = sizes.length ? sizes[Math.floor((sizes.length - 1) / 2)] : 0;
  const usual = spans.filter(([a, b]) => b - a <= 4 * middle);
  let low = Math.max(Math.min(0, ...all), Math.min(0, ...usual.map(([a]) => a)) - 0.8 * middle);
  let high = Math.min(Math.max(0, ...all), Math.max(0, ...usual.map(([, b]) => b)) + 0.8 * middle);
  if (!(high > low)) { low = Math.min(0, ...all); high = Math.max(low + 1, ...all); }
  const x = (v) => left + 8 + ((Math.max(low, Math.min(high, v)) - low) / (high - low)) * (width - left - 24);
  const height = rules.length * step + 30;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  svg.replaceChildren();
  for (const tick of ticks(low, high, Math.max(3, Math.floor(width / 130)))) {
    const line = make("line", { x1: x(tick), y1: 0, x2: x(tick), y2: height - 24 }, svg);
    line.style.stroke = Math.abs(tick) < 1e-12 ? "var(--soft)" : "var(--line)";
    const small = high - low < 4;
    make("text", { x: x(tick), y: height - 8, "text-anchor": x(tick) > width - 40 ? "end" : "middle" }, svg, `${digits(Math.abs(tick) < 1e-12 ? 0 : tick, small ? 2 : 0)} ${facts.currency}`).style.fill = "var(--soft)";
  }
  rules.forEach((m, i) => {
    const y = i * step + step / 2;
    make("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, svg, m.name + (m.wires ? "" : " *")).style.fill = "var(--ink)";
    m.gains.forEach((gain, p) => {
      const jitter = (((p * 0.618034) % 1) - 0.5) * (m.gains.length > 8 ? 20 : 0);
      const dot = make("circle", { cx: x(gain), cy: y + jitter, r: p === chosen ? 6.5 : m.gains.length > 40 ? 3 : 4.5 }, svg);
      dot.style.fill = gain < -facts.even ? "var(--bad)" : gain > facts.even ? "var(--good)" : "var(--soft)";
      dot.style.fillOpacity = chosen < 0 ? 0.55 : p === chosen ? 1 : 0.15;
      make("title", {}, dot, `${facts.people[p]}: ${digits(gain, Math.abs(gain) < 1 ? 4 : 2)} ${facts.currency}`);
    });
  });
  // Beyond the edge: how many, and how far.
  rules.forEach((m, i) => {
    const y = i * step + step / 2 - 11;
    const beyond = [[m.gains.filter((g) => g < low), Math.min, left + 8, "start"], [m.gains.filter((g) => g > high), Math.max, width - 16, "end"]];
    for (const [those, far, at, anchor] of beyond) {
      if (!those.length) continue;
      const note = make("text", { x: at, y, "text-anchor": anchor, "font-size": 11 }, svg, `${those.length}, to ${digits(far(...those), Math.abs(far(...those)) < 100 ? 2 : 0)} ${facts.currency}`);
      note.style.fill = "var(--soft)";
    }
  });
  if (chosen >= 0) {
    const way = rules.map((m, i) => `${x(m.gains[chosen]).toFixed(1)} ${i * step + step / 2 + (((chosen * 0.618034) % 1) - 0.5) * (m.gains.length > 8 ? 20 : 0)}`);
    make("path", { d: `M${way.join("L")}`, fill: "none", "stroke-width": 1.4 }, svg).style.stroke = "var(--ink)";
  }
}
