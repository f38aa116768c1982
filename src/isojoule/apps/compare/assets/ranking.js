// Scores by weights, and where the first place changes hands (the same sums as ranking.py).

const rules = facts.mechanisms;
const criteria = facts.criteria;
const weights = criteria.map((c) => c.weight);
const DIGITS = 1e9;
const points = rules.map((m) => criteria.map((c) => Math.round((m.points[c.key] || 0) * DIGITS) / DIGITS));
const scoreOf = (i) => points[i].reduce((sum, p, c) => sum + p * weights[c], 0);
const whole = () => weights.reduce((a, b) => a + b, 0) || 1;

function ranked() {
  return rules.map((m, i) => [i, scoreOf(i)])
    .sort((a, b) => b[1] - a[1] || (rules[a[0]].name < rules[b[0]].name ? -1 : 1));
}

// For each weight, up and down, the nearest value at which another rule draws level.
function flipsOf(winner) {
  const out = [], best = scoreOf(winner);
  criteria.forEach((_, c) => {
    for (const up of [true, false]) {
      let nearest = null;
      rules.forEach((m, i) => {
        const slope = points[winner][c] - points[i][c];
        if (i === winner || slope === 0 || (slope < 0) !== up) return;
        const change = -(best - scoreOf(i)) / slope;
        if (!up && !(weights[c] + change > 0)) return;
        const nearer = !nearest || Math.abs(change) < Math.abs(nearest.change) - 1e-12;
        const level = nearest && Math.abs(change - nearest.change) <= 1e-12 && Math.abs(slope) > Math.abs(nearest.slope);
        if (nearer || level) nearest = { c, change, slope, at: weights[c] + change, name: m.name };
      });
      if (nearest) out.push(nearest);
    }
  });
  return out.sort((a, b) => Math.abs(a.change) - Math.abs(b.change));
}

const fine = (value) => Number(value.toPrecision(4)).toString();
function flipWords(flip) {
  const way = flip.change >= 0 ? "rises" : "falls";
  return `the weight of ${criteria[flip.c].label.toLowerCase()} ${way} from ${fine(weights[flip.c])} to more than ${fine(flip.at)}`.replace(
    "to more than", way === "rises" ? "to more than" : "to less than") + `: then ${flip.name} is first`;
}

function setUpRanking() {
  if (!rules.length) return;
  $$("ranking-part").hidden = false;
  const box = $$("weights");
  criteria.forEach((c, i) => {
    const label = html("label", {}, box);
    const name = html("span", {}, label);
    html("i", { style: `background:var(--w${i % 7})` }, name);
    name.append(c.label);
    const told = html("output", {}, label, fine(c.weight));
    const range = html("input", { type: "range", min: 0, max: Math.max(3, c.weight), step: 0.05, value: c.weight, "aria-label": `Weight of ${c.label}` }, label);
    html("small", {}, label, c.says);
    range.addEventListener("input", () => {
      weights[i] = Number(range.value);
      told.textContent = fine(weights[i]);
      drawRanking();
    });
  });
  criteria.forEach((c, i) => {
    const key = html("span", {}, $$("bar-keys"));
    html("i", { style: `background:var(--w${i % 7})` }, key);
    key.append(c.label);
  });
  drawRanking();
}

function drawRanking() {
  const svg = $$("bars"), list = ranked(), total = whole();
  const width = Math.max(svg.parentElement.clientWidth, 280), step = 34, left = Math.min(165, 0.3 * width), right = 66;
  const parts = list.map(([i]) => points[i].map((p, c) => (100 * p * weights[c]) / total));
  const sum = (row, sign) => row.reduce((s, v) => s + (v * sign > 0 ? v : 0), 0);
  const high = Math.max(1, ...parts.map((row) => sum(row, 1))), deep = Math.min(0, ...parts.map((row) => sum(row, -1)));
  // What is far worse than nothing ends at the edge; its score says how far it goes.
  const low = Math.max(deep, -0.4 * high);
  const x = (v) => left + ((Math.max(v, low) - low) / (high - low)) * (width - left - right);
  const height = list.length * step + 6;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  svg.replaceChildren();
  list.forEach(([i, score], place) => {
    const y = place * step + 4;
    const name = make("text", { x: left - 10, y: y + 17, "text-anchor": "end" }, svg, rules[i].name + (rules[i].wires ? "" : " *"));
    name.style.fill = "var(--ink)";
    if (!place) name.setAttribute("font-weight", 700);
    make("title", {}, name, rules[i].summary);
    let up = 0, down = 0;
    parts[place].forEach((v, c) => {
      if (!v) return;
      const [a, b] = v > 0 ? [up, up += v] : [down += v, down - v];
      const bar = make("rect", { x: x(Math.min(a, b)), y, width: Math.max(0.5, x(Math.max(a, b)) - x(Math.min(a, b))), height: 24 }, svg);
      bar.style.fill = `var(--w${c % 7})`;
      make("title", {}, bar, `${criteria[c].label}: ${digits(100 * points[i][c], 1)} points, weight ${fine(weights[c])}`);
    });
    if (sum(parts[place], -1) < low) make("path", { d: `M${left + 9} ${y + 5}l-7 7l7 7`, fill: "none", "stroke-width": 2 }, svg).style.stroke = "var(--paper)";
    const told = make("text", { x: x(up) + 7, y: y + 17 }, svg, digits((100 * score) / total, 1));
    told.style.fill = "var(--ink)";
    told.setAttribute("font-weight", 600);
  });
  const zero = make("line", { x1: x(0), y1: 0, x2: x(0), y2: height }, svg);
  zero.style.stroke = "var(--soft)";
  tellFlips(list);
}

function tellFlips(list) {
  const box = $$("flips"), first = rules[list[0][0]].name;
  box.replaceChildren();
  if (!weights.some((w) => w > 0)) {
    html("p", {}, box, "With all weights at 0 nothing is better than anything else.");
    $$("verdict").textContent = "";
    return;
  }
  const found = flipsOf(list[0][0]);
  const head = html("p", {}, box);
  html("b", {}, head, list.length < 2 ? `${first} is the only one that fits.` : found.length
    ? `The ranking flips if ${flipWords(found[0])}.`
    : `No change of a single weight takes the first place from ${first}.`);
  if (found.length > 1) {
    const more = html("ul", {}, box);
    found.slice(1, 5).forEach((f) => html("li", {}, more, `or if ${flipWords(f)}`));
  }
  const next = list.length > 1 ? `, before ${rules[list[1][0]].name} with ${digits((100 * list[1][1]) / whole(), 1)}` : "";
  $$("verdict").textContent = `By the weights below ${first} comes first, with ${digits((100 * list[0][1]) / whole(), 1)} points${next}.`;
}
