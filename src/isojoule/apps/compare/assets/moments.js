// One slider for all mechanisms: prices, trade, the utility's meter, and the network by price.

const paint = (i) => `--c${i % 12}`;
const shownRules = new Set();

class Moments {
  constructor(tables, seek) {
    this.t = tables;
    this.node = -1;
    const unit = facts.interval_s ? "kW" : "";
    this.charts = { price: new Chart("price", priceUnit, seek), traded: new Chart("traded", unit, seek), outside: new Chart("outside", unit, seek) };
    this.feeders = facts.nodes.length && this.t.node_price ? rules.map((m, i) => this.feeder(i)) : [];
    $$("feeders-part").hidden = !this.feeders.length;
  }

  // Price of a mechanism at a column of the tables: the mean, or of the chosen node.
  price(i, column) {
    return this.node < 0 ? this.t.price.at(i, column) : this.t.node_price.at(i * facts.nodes.length + this.node, column);
  }
  outside(i, column) {
    return this.t.imported.at(i, column) - this.t.exported.at(i, column);
  }

  draw(window) {
    this.window = window;
    this.range = this.priceRange();
    const over = (value) => Float64Array.from({ length: window.count }, (_, k) => value(window.first + k));
    const lines = [...shownRules].sort((a, b) => b - a);
    this.lines("price", lines.map((i) => [i, over((k) => this.price(i, k) * priceScale)]), "Price");
    this.lines("traded", lines.map((i) => [i, over((k) => this.t.traded.at(i, k) / 1000)]), "Energy sold to neighbours");
    const alone = over((k) => this.outside(rules.length, k) / 1000);
    this.lines("outside", [[-1, alone], ...lines.map((i) => [i, over((k) => this.outside(i, k) / 1000)])], "Power over the utility's meter");
    html("span", {}, $$("keys-outside"), "grey: without a market");
  }
  lines(id, list, label) {
    const chart = this.charts[id];
    const all = list.flatMap(([, values]) => [...values].filter(Number.isFinite)).sort((a, b) => a - b);
    const cut = id === "price" ? 0.998 : 1;
    const high = all.length ? all[Math.min(all.length - 1, Math.floor(cut * all.length))] : 1;
    chart.begin(this.window, Math.min(0, all.length ? all[0] : 0), Math.max(high * 1.04, 0.1), label);
    $$(`keys-${id}`).replaceChildren();
    for (const [i, values] of list) this.broken(chart, values, i < 0 ? "--base" : paint(i));
    chart.end();
  }
  // A line with gaps where there is no value; what is beyond the picture stops at its edge.
  broken(chart, values, name) {
    let d = "", open = false;
    const wide = (chart.width - 54) / this.window.count > 6;
    values.forEach((v, k) => {
      if (!Number.isFinite(v)) { open = false; return; }
      const y = chart.y(Math.min(v, chart.high)).toFixed(1);
      for (const at of wide ? [k, k + 1] : [k + 0.5]) { d += `${open ? "L" : "M"}${chart.x(at).toFixed(1)} ${y}`; open = true; }
    });
    const path = make("path", { d, fill: "none", "stroke-width": 1.5, "stroke-linejoin": "round" }, chart.svg);
    path.style.stroke = `var(${name})`;
  }

  move(k) {
    for (const chart of Object.values(this.charts)) chart.move(k);
    const column = this.window.first + k;
    rules.forEach((_, i) => { this.told[i].textContent = priceText(this.price(i, column)); });
    this.colour(column);
  }

  priceRange() {
    const found = [];
    const each = Math.max(1, facts.nodes.length);
    const stride = Math.max(1, Math.floor((this.window.count * each * shownRules.size) / 60000)) | 1;
    for (const i of shownRules)
      for (let c = 0; c < this.window.count * each; c += stride) {
        const k = this.window.first + Math.floor(c / each);
        const v = this.feeders.length ? this.t.node_price.at(i * each + (c % each), k) : this.t.price.at(i, k);
        if (Number.isFinite(v)) found.push(v);
      }
    found.sort((a, b) => a - b);
    return found.length ? [found[Math.floor(0.01 * found.length)], found[Math.floor(0.99 * (found.length - 1))]] : [0, 1];
  }

  feeder(i) {
    const figure = html("figure", { "data-rule": i }, $$("feeders"));
    const caption = html("figcaption", {}, figure);
    html("span", {}, caption, rules[i].name + (rules[i].wires ? "" : " *"));
    const told = html("span", {}, caption);
    const deep = Math.max(...facts.depth) + 1, rows = Math.max(...facts.row) + 1;
    const svg = make("svg", { viewBox: `0 0 260 ${Math.min(190, 22 + rows * 9)}`, role: "img", "aria-label": `Prices by ${rules[i].name}` }, figure);
    const tall = Math.min(190, 22 + rows * 9);
    const x = facts.depth.map((v) => 10 + (v / Math.max(deep - 1, 1)) * 240);
    const y = facts.row.map((v) => 11 + (v / Math.max(rows - 1, 1)) * (tall - 22));
    facts.from.forEach((a, l) => {
      const b = facts.to[l];
      const [p, q] = facts.depth[a] <= facts.depth[b] ? [a, b] : [b, a];
      const d = facts.in_tree[l] ? `M${x[p]} ${y[p]}H${(0.7 * x[p] + 0.3 * x[q]).toFixed(1)}V${y[q]}H${x[q]}` : `M${x[p]} ${y[p]}L${x[q]} ${y[q]}`;
      make("path", { d, fill: "none", "stroke-width": 0.8 }, svg).style.stroke = "var(--base)";
    });
    const r = Math.max(1.5, Math.min(5, 0.42 * Math.min(240 / Math.max(deep - 1, 1), (tall - 22) / Math.max(rows - 1, 1))));
    const dots = facts.nodes.map((name, n) => {
      const dot = n === facts.utility ? make("rect", { x: x[n] - r, y: y[n] - r, width: 2 * r, height: 2 * r }, svg) : make("circle", { cx: x[n], cy: y[n], r }, svg);
      dot.style.stroke = "var(--ink)";
      dot.setAttribute("stroke-width", 0.4);
      return [dot, make("title", {}, dot)];
    });
    return { figure, dots, told };
  }
  colour(column) {
    const ramp = ["--low", "--middle", "--high"].map((n) => rgb(colour(n)));
    const [low, high] = this.range;
    this.feeders.forEach(({ figure, dots, told }, i) => {
      figure.hidden = !shownRules.has(i);
      if (figure.hidden) return;
      let least = Infinity, most = -Infinity;
      dots.forEach(([dot, title], n) => {
        const v = this.t.node_price.at(i * facts.nodes.length + n, column);
        if (!Number.isFinite(v)) { dot.style.fill = "var(--paper)"; title.textContent = `${facts.nodes[n]}: no price`; return; }
        least = Math.min(least, v); most = Math.max(most, v);
        const share = Math.max(0, Math.min(1, (v - low) / (high - low || 1)));
        const mixed = share < 0.5 ? mix(ramp[0], ramp[1], 2 * share) : mix(ramp[1], ramp[2], 2 * share - 1);
        dot.style.fill = `rgb(${mixed.join(",")})`;
        title.textContent = `${facts.nodes[n]}: ${priceText(v)}`;
      });
      told.textContent = least > most ? "no prices" : most - least < 1e-4 ? priceText(most) : `${priceNumber(least)} to ${priceText(most)}`;
    });
    const legend = $$("feeder-legend");
    legend.replaceChildren(priceNumber(low));
    html("span", { class: "ramp" }, legend);
    legend.append(priceText(high));
  }
}
