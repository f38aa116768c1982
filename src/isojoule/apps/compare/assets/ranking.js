// Scores by weights, and where the first place changes hands (the same sums as ranking.py).

const rules = facts.mechanisms;
const criteria = facts.criteria;
const weights = criteria.map((c) => c.weight);
const DIGITS = 1e9;
const points = rules.map((m) => criteria.map((c) => Math.round((m.points[c.key] || 0) * DIGITS) / DIGITS));
const scoreOf = (i) => points[i].reduce((sum, p, c) => sum + p * weights[c], 0);
const whole = () => weights.reduce((a, b) => a + b, 0) || 1;

// A score as it is told, in tenths of a point; who has the same is level (as in ranking.py).
const tenthOf = (i) => Math.floor((1000 * scoreOf(i)) / whole() + 0.5 + 1e-6);
const toldOf = (i) => digits(tenthOf(i) / 10, 1);

function ranked() {
  return rules.map((m, i) => [i, tenthOf(i)])
    .sort((a, b) => b[1] - a[1] || (rules[a[0]].name < rules[b[0]].name ? -1 : 1));
}
const placeIn = (list, told) => 1 + list.filter(([, other]) => other > told).length;

// For each weight, up and down, the nearest value at which a rule that is not level with the first
// is ahead of all who are.
function flipsOf(list) {
  const out = [], top = list.filter(([, told]) => told === list[0][1]).map(([i]) => i);
  criteria.forEach((_, c) => {
    for (const sign of [1, -1]) {
      let nearest = null;
      list.slice(top.length).forEach(([i]) => {
        let move = 0;
        for (const t of top) {
          const gains = sign * (points[i][c] - points[t][c]);
          move = gains > 0 ? Math.max(move, (scoreOf(t) - scoreOf(i)) / gains) : Infinity;
          if (move === Infinity) return;
        }
        if (sign < 0 && !(weights[c] - move > 1e-12)) return;
        const pull = sign * points[i][c];
        const level = nearest && Math.abs(move - nearest.move) <= 1e-12 * (1 + move);
        if (!nearest || (!level && move < nearest.move) || (level && pull > nearest.pull))
          nearest = { c, i, move, pull, at: weights[c] + sign * move, sign, name: rules[i].name };
      });
      if (nearest) out.push({ ...nearest, top });
    }
  });
  return out.sort((a, b) => a.move - b.move);
}

const fine = (value) => Number(value.toPrecision(4)).toString();
const labelOf = (c) => criteria[c].label.toLowerCase();
const and = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0]);
function flipWords(flip) {
  const [way, than] = flip.sign > 0 ? ["rises", "more"] : ["falls", "less"];
  return `the weight of ${labelOf(flip.c)} ${way} from ${fine(weights[flip.c])} to ${than} than ${fine(flip.at)}: then ${flip.name} is first`;
}

// The weight at which the new one leads by a tenth of a point: at the flip itself they are level.
function beyond(flip) {
  const total = whole() + flip.sign * flip.move;
  const slope = Math.min(...flip.top.map((t) => flip.sign * (points[flip.i][flip.c] - points[t][flip.c])));
  const lead = 0.0011; // of the weighted mean
  const more = flip.sign * (lead * total) / Math.max(slope - flip.sign * lead, 1e-9);
  const at = flip.at + more;
  return flip.sign > 0 ? (more < 10 * (1 + flip.at) ? at : flip.at) : Math.max(0, at);
}

// Sliders go by ratios, so that small weights can be set and large ones reached.
const MOST = 100;
const positionOf = (weight) => Math.min(1, Math.log1p(weight) / Math.log1p(MOST));
function weightOf(position) {
  const weight = Math.expm1(position * Math.log1p(MOST));
  const step = weight < 3 ? 0.05 : weight < 10 ? 0.1 : 1;
  return Number((Math.round(weight / step) * step).toFixed(2));
}
const setters = [];

function setUpRanking() {
  if (!rules.length) return;
  $$("ranking-part").hidden = false;
  const box = $$("weights");
  criteria.forEach((c, i) => {
    const row = html("div", { class: "weight" }, box);
    const name = html("span", {}, row);
    html("i", { style: `background:var(--w${i % 7})` }, name);
    name.append(c.label);
    const field = html("input", { type: "number", min: 0, step: "any", value: fine(c.weight), "aria-label": `Weight of ${c.label}` }, row);
    const range = html("input", { type: "range", min: 0, max: 1, step: 0.001, value: positionOf(c.weight), "aria-label": `${c.label}, from 0 to ${MOST}` }, row);
    html("small", {}, row, c.says);
    const set = (weight, from) => {
      weights[i] = weight;
      if (from !== field) field.value = fine(weight);
      if (from !== range) range.value = positionOf(weight);
      range.setAttribute("aria-valuetext", fine(weight));
      drawRanking();
    };
    setters.push(set);
    range.addEventListener("input", () => set(weightOf(Number(range.value)), range));
    field.addEventListener("input", () => {
      const weight = Number(field.value);
      if (field.value !== "" && weight >= 0 && weight < 1e9) set(weight, field);
    });
    field.addEventListener("change", () => { field.value = fine(weights[i]); });
  });
  const again = html("button", { type: "button" }, box, "All as at first");
  again.addEventListener("click", () => criteria.forEach((c, i) => setters[i](c.weight)));
  criteria.forEach((c, i) => {
    const key = html("span", {}, $$("bar-keys"));
    html("i", { style: `background:var(--w${i % 7})` }, key);
    key.append(c.label);
  });
  drawRanking();
}

function drawRanking() {
  const svg = $$("bars"), list = ranked(), total = whole();
  const width = Math.max(svg.parentElement.clientWidth, 280), step = 34, left = Math.min(188, 0.36 * width), right = 66;
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
    const rank = placeIn(list, score);
    const y = place * step + 4;
    const name = make("text", { x: left - 10, y: y + 17, "text-anchor": "end" }, svg, rules[i].name + (rules[i].wires ? "" : " *"));
    name.style.fill = "var(--ink)";
    make("tspan", { class: "place" }, name, ` ${rank}`);
    if (rank === 1) name.setAttribute("font-weight", 700);
    make("title", {}, name, rules[i].summary + (rules[i].idle ? ` It ${rules[i].idle}.` : ""));
    let up = 0, down = 0;
    parts[place].forEach((v, c) => {
      if (!v) return;
      const [a, b] = v > 0 ? [up, up += v] : [down += v, down - v];
      const bar = make("rect", { x: x(Math.min(a, b)), y, width: Math.max(0.5, x(Math.max(a, b)) - x(Math.min(a, b))), height: 24 }, svg);
      bar.style.fill = `var(--w${c % 7})`;
      make("title", {}, bar, `${criteria[c].label}: ${digits(100 * points[i][c], 1)} points, weight ${fine(weights[c])}`);
    });
    // a broken bar tells what it would reach
    if (sum(parts[place], -1) < low) {
      make("path", { d: `M${left + 9} ${y + 5}l-7 7l7 7`, fill: "none", "stroke-width": 2 }, svg).style.stroke = "var(--paper)";
      const broken = make("text", { x: left + 15, y: y + 17, class: "broken" }, svg, digits(sum(parts[place], -1), 1));
      broken.style.fill = "var(--paper)";
    }
    const told = make("text", { x: x(up) + 7, y: y + 17 }, svg, digits(score / 10, 1));
    told.style.fill = "var(--ink)";
    told.setAttribute("font-weight", 600);
  });
  const zero = make("line", { x1: x(0), y1: 0, x2: x(0), y2: height }, svg);
  zero.style.stroke = "var(--soft)";
  tellFlips(list);
}

function tellFlips(list) {
  const box = $$("flips"), top = list.filter(([, told]) => told === list[0][1]).map(([i]) => rules[i].name);
  box.replaceChildren();
  if (!weights.some((w) => w > 0)) {
    html("p", {}, box, "With all weights at 0 nothing is better than anything else.");
    $$("verdict").textContent = "";
    return;
  }
  const found = flipsOf(list), rest = list[top.length];
  if (top.length > 1) html("p", { class: "level" }, box, `${and(top)} are level: the same to a tenth of a point.`);
  const head = html("p", {}, box);
  html("b", {}, head, list.length < 2 ? `${top[0]} is the only one that fits.` : found.length
    ? `The ranking flips if ${flipWords(found[0])}.`
    : rest ? `No change of a single weight takes the first place from ${top.length > 1 ? "them" : top[0]}.` : "No change of a single weight puts another one first.");
  if (found.length) tryIt(found[0], head);
  if (found.length > 1) {
    const more = html("ul", {}, box);
    found.slice(1, 5).forEach((f) => tryIt(f, html("li", {}, more, `or if ${flipWords(f)}`)));
  }
  const next = rest ? `, before ${rules[rest[0]].name} with ${toldOf(rest[0])}` : "";
  const lead = top.length > 1 ? `${and(top)} share the first place` : `${top[0]} comes first`;
  $$("verdict").textContent = `By the weights below ${lead}, with ${toldOf(list[0][0])} points${next}.`;
}

function tryIt(flip, parent) {
  const button = html("button", { type: "button", class: "try" }, parent, "Try it");
  const weight = Number(beyond(flip).toPrecision(4));
  button.title = `Set the weight of ${labelOf(flip.c)} to ${fine(weight)}`;
  button.addEventListener("click", () => setters[flip.c](weight));
}
