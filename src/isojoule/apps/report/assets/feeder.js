// The network, drawn: nodes coloured by price, links with arrows as wide as the power they carry.

// So few nodes are drawn with their names.
const FEW_NODES = 12;
const STAGES = ["normal", "saving", "critical", "asleep", "dead"];

class Feeder {
  constructor(tables, onPick) {
    this.t = tables;
    this.svg = $$("feeder");
    this.onPick = onPick;
    this.pinned = null;
    this.shown = null;
    this.layout = facts.map && !facts.crowded ? "map" : "tree";
    this.scale = "all";
    this.byNode = facts.nodes.map(() => []);
    facts.devices.forEach((d, i) => this.byNode[d[2]].push(i));
    this.packOf = new Map(facts.batteries.map((device, row) => [device, row]));
    this.range = this.priceRange();
    this.largest = this.largestFlow();
    this.listen();
  }

  // Prices from the 1st to the 99th percentile: a rare extreme must not take all the colours.
  priceRange() {
    const prices = [];
    const stride = Math.max(1, Math.floor((this.t.node_price.rows * this.t.node_price.times) / 40000));
    for (let i = 0; i < this.t.node_price.steps.length; i += stride) {
      const row = Math.floor(i / this.t.node_price.times);
      const value = this.t.node_price.at(row, i % this.t.node_price.times);
      if (Number.isFinite(value)) prices.push(value);
    }
    prices.sort((a, b) => a - b);
    const at = (share) => prices[Math.round(share * (prices.length - 1))];
    return prices.length ? [at(0.01), at(0.99)] : [0, 1];
  }

  largestFlow() {
    let most = 0;
    for (let link = 0; link < this.t.flow.rows; link++)
      for (let time = 0; time < this.t.flow.times; time++)
        most = Math.max(most, Math.abs(this.t.flow.at(link, time)) || 0);
    this.flows = most > 0;
    return most || 1;
  }

  draw() {
    const width = Math.max(this.svg.parentElement.clientWidth, 240);
    const narrow = width < 560;
    const count = facts.nodes.length;
    let x, y, height;
    if (this.layout === "map") {
      const [shareX, shareY] = facts.map.map((axis) => most(axis));
      const size = Math.min((width - 40) / (shareX || 1), 620 / (shareY || 1), 1400);
      height = Math.max(shareY * size + 50, 160);
      const left = (width - shareX * size) / 2, top = 28 + (height - 50 - shareY * size) / 2;
      x = facts.map[0].map((v) => left + v * size);
      y = facts.map[1].map((v) => top + v * size);
    } else {
      const deep = most(facts.depth) + 1, rows = most(facts.row) + 1;
      const along = narrow ? Math.min(30, Math.max(14, 760 / deep)) : (width - 48) / Math.max(deep - 1, 1);
      const across = narrow ? (width - 44) / Math.max(rows - 1, 1)
        : Math.min(46, Math.max(12, Math.max(26, 360 / rows)));
      const cap = narrow ? Math.min(across, 60) : across;
      const first = facts.depth.map((d) => 26 + d * Math.min(along, narrow ? 30 : 120));
      const second = facts.row.map((r) => 30 + r * cap);
      [x, y] = narrow ? [second, first] : [first, second];
      height = 50 + (narrow ? (deep - 1) * Math.min(along, 30) : (rows - 1) * cap);
      this.gap = Math.min(Math.min(along, 120), cap);
    }
    if (this.layout === "map") this.gap = Math.min(26, Math.max(narrow ? 9 : 14, 120 / Math.sqrt(count)));
    this.x = x; this.y = y; this.narrow = narrow;
    this.radius = Math.max(2, Math.min(8, this.gap * 0.27, 200 / Math.sqrt(count)));
    this.widest = Math.max(2.5, Math.min(11, this.gap * 0.5));
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.replaceChildren();
    this.width = width;
    this.height = height;
    this.drawLinks();
    this.drawNodes();
    this.mark = make("circle", { r: this.radius + 5, fill: "none", "stroke-width": 2.5 }, this.svg);
    this.mark.style.stroke = "var(--ink)";
    this.drawLegend();
  }

  drawLinks() {
    const group = make("g", { "stroke-linecap": "round", fill: "none" }, this.svg);
    const heads = make("g", {}, this.svg);
    this.links = facts.links.map((name, i) => {
      const [a, b] = [facts.from[i], facts.to[i]];
      const points = this.way(a, b, facts.in_tree[i]);
      // Branches share the way out of a node: that part stays thin, the last part shows the power.
      const draw = (part) => "M" + part.map((p) => p.map((v) => v.toFixed(1)).join(" ")).join("L");
      if (points.length > 2)
        make("path", { d: draw(points), "stroke-width": 1 }, group).style.stroke = "var(--base)";
      const own = points.length === 2 ? points
        : facts.depth[a] < facts.depth[b] ? points.slice(-2) : points.slice(0, 2);
      const line = make("path", { d: draw(own) }, group);
      const bars = make("path", { "stroke-width": 2 }, heads);
      bars.style.stroke = "var(--full)";
      const head = make("path", {}, heads);
      const [p, q] = own;
      const size = Math.hypot(q[0] - p[0], q[1] - p[1]);
      // The arrow stands in the middle of what is seen between the nodes.
      const hide = points.length === 2 ? [1, 1] : own[0] === points[0] ? [1, 0] : [0, 1];
      const shift = size ? ((hide[0] - hide[1]) * (this.radius + 2)) / 2 / size : 0;
      const room = size - (hide[0] + hide[1]) * (this.radius + 1.5);
      const angle = Math.atan2(q[1] - p[1], q[0] - p[0]);
      const x = (p[0] + q[0]) / 2 + shift * (q[0] - p[0]), y = (p[1] + q[1]) / 2 + shift * (q[1] - p[1]);
      return { line, bars, head, points, x, y, angle, room };
    });
  }

  // In the straightened drawing a link runs in right angles: first aside, then onward.
  way(a, b, inTree) {
    const from = [this.x[a], this.y[a]], to = [this.x[b], this.y[b]];
    if (this.layout === "map" || !inTree) return [from, to];
    const [up, down] = facts.depth[a] < facts.depth[b] ? [from, to] : [to, from];
    if (this.narrow ? up[0] === down[0] : up[1] === down[1]) return [from, to];
    const bend = (p, q) => p + 0.3 * (q - p);
    const turn = this.narrow
      ? [[up[0], bend(up[1], down[1])], [down[0], bend(up[1], down[1])]]
      : [[bend(up[0], down[0]), up[1]], [bend(up[0], down[0]), down[1]]];
    const whole = [up, ...turn, down];
    return up === from ? whole : whole.reverse();
  }

  drawNodes() {
    this.named = [];
    const group = make("g", {}, this.svg);
    this.nodes = facts.nodes.map((name, i) => {
      const kinds = new Set(this.byNode[i].map((d) => facts.devices[d][3]));
      const r = i === facts.utility ? this.radius * 1.5 : this.radius;
      const [x, y] = [this.x[i], this.y[i]];
      const square = kinds.has("battery") || i === facts.utility;
      if (kinds.has("pv")) {
        const s = r + 2.4, look = { fill: "none", "stroke-width": 2 };
        const ring = square
          ? make("rect", { x: x - s, y: y - s, width: 2 * s, height: 2 * s, rx: 3, ...look }, group)
          : make("circle", { cx: x, cy: y, r: s, ...look }, group);
        ring.style.stroke = "var(--sun)";
      }
      const shape = square
        ? make("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r, rx: i === facts.utility ? 0 : 1.5 }, group)
        : make("circle", { cx: x, cy: y, r: kinds.size ? r : r * 0.62 }, group);
      shape.style.stroke = "var(--ink)";
      shape.setAttribute("stroke-width", i === facts.utility ? 1.6 : 0.7);
      return shape;
    });
    if (!offGrid) this.nameUtility();
    if (facts.nodes.length <= FEW_NODES) facts.nodes.forEach((_, i) => { if (i !== facts.utility) this.nameNode(i); });
  }

  // Where there are few nodes each has its name, and whose it is. Above, below or beside it:
  // where no link leaves and the fewest other nodes are near.
  nameNode(i) {
    const owners = [...new Set(this.byNode[i].map((d) => facts.devices[d][1]))].filter((o) => o !== facts.nodes[i]);
    const body = facts.nodes[i] + (owners.length && !(this.narrow && this.layout === "tree") ? ` (${owners.slice(0, 2).join(", ")}${owners.length > 2 ? "\u2026" : ""})` : "");
    const room = 6.2 * body.length, r = this.radius + 6, [x, y] = [this.x[i], this.y[i]];
    const inside = (left) => Math.max(2, Math.min(left, this.width - room - 2));
    const places = [];
    for (const base of [y + r + 9, y - r, y + 4])
      for (const left of [x - room / 2, x + r, x - r - room]) places.push([inside(left), base]);
    const cost = ([left, base]) => {
      let sum = (base > this.height - 4 || base < 11 ? 100 : 0) + Math.hypot(left + room / 2 - x, base - y) / 30;
      const hit = (px, py, pad) => px > left - pad && px < left + room + pad && py > base - 11 - pad && py < base + 4 + pad;
      this.x.forEach((nx, n) => { if (hit(nx, this.y[n], this.radius)) sum += 100; });
      for (const { points } of this.links)
        for (let k = 0; k + 1 < points.length; k++)
          for (let s = 0; s <= 40; s++)
            if (hit(points[k][0] + (s / 40) * (points[k + 1][0] - points[k][0]), points[k][1] + (s / 40) * (points[k + 1][1] - points[k][1]), 1)) sum += 4;
      for (const [a, b, size] of this.named)
        if (left < a + size && a < left + room && Math.abs(b - base) < 14) sum += 100;
      return sum;
    };
    const [left, base] = places.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    this.named.push([left, base, room]);
    const label = make("text", { x: left, y: base, "stroke-width": 3, "paint-order": "stroke", "stroke-linejoin": "round" }, this.svg, body);
    label.style.fill = "var(--ink)";
    label.style.stroke = "var(--paper)";
  }

  nameUtility() {
    const u = facts.utility;
    const label = make("text", { y: this.y[u] - this.radius * 1.5 - 5 }, this.svg, "utility");
    const end = this.x[u] > this.width - 60;
    label.setAttribute("x", end ? this.x[u] + this.radius : Math.max(2, this.x[u] - this.radius * 1.5));
    label.setAttribute("text-anchor", end ? "end" : "start");
    label.style.fill = "var(--soft)";
  }

  drawLegend() {
    const legend = $$("legend");
    legend.replaceChildren();
    this.rampText = html("span", {}, legend);
    const key = (draw, text) => {
      const span = html("span", {}, legend);
      const icon = make("svg", { width: 34, height: 18, viewBox: "0 0 34 18" }, span);
      draw(icon);
      span.append(text);
    };
    const ink = (e, name = "--ink") => { e.style.stroke = `var(${name})`; e.style.fill = "none"; };
    for (const share of this.flows ? [1, 0.1] : [])
      key((s) => {
        ink(make("line", { x1: 2, x2: 32, y1: 9, y2: 9, "stroke-width": this.wide(share) }, s), "--base");
      }, powerText(share * this.largest));
    if (this.flows) key((s) => {
      ink(make("line", { x1: 2, x2: 32, y1: 9, y2: 9, "stroke-width": 5 }, s), "--full");
      ink(make("path", { d: "M15 2V16M19 2V16", "stroke-width": 2 }, s), "--full");
    }, "full");
    key((s) => ink(make("circle", { cx: 17, cy: 9, r: 7, "stroke-width": 2 }, s), "--sun"), "solar panels");
    if (facts.batteries.length || !offGrid) key((s) => ink(make("rect", { x: 11, y: 3, width: 12, height: 12 }, s)), "battery");
    if (this.unpriced()) key((s) => {
      const dot = make("circle", { cx: 17, cy: 9, r: 5, "stroke-width": 0.7 }, s);
      dot.style.stroke = "var(--ink)";
      dot.style.fill = "var(--paper)";
    }, "no price here: nobody buys or sells");
    if (facts.map === null) $$("layout").parentElement.hidden = true;
  }

  // Whether some node has no price at some time.
  unpriced() {
    return this.t.node_price.steps.includes(MISSING);
  }

  // Colours and arrows of one moment.
  show(time) {
    this.time = time;
    let [low, high] = this.range;
    const prices = facts.nodes.map((_, i) => this.t.node_price.at(i, time));
    if (this.scale === "now") {
      const known = prices.filter(Number.isFinite);
      low = known.reduce((a, b) => Math.min(a, b), Infinity);
      high = known.reduce((a, b) => Math.max(a, b), -Infinity);
    }
    if (!(high > low)) high = low + 1e-9;
    const [cold, middle, warm] = ["--low", "--middle", "--high"].map((n) => rgb(colour(n)));
    prices.forEach((value, i) => {
      const share = Math.max(0, Math.min(1, (value - low) / (high - low)));
      const tone = share < 0.5 ? mix(cold, middle, share * 2) : mix(middle, warm, share * 2 - 1);
      this.nodes[i].style.fill = Number.isFinite(value) ? `rgb(${tone})` : "var(--paper)";
    });
    const fine = high - low < 1 / priceScale ? 1 : 0;
    const label = (value) => digits(value * priceScale, (subunit ? 1 : 3) + fine);
    this.rampText.replaceChildren(
      label(low), html("span", { class: "ramp" }), `${label(high)} ${priceUnit}`);
    this.links.forEach((link, i) => this.showLink(link, i, time));
    this.describe(prices);
    this.tell();
  }

  showLink(link, i, time) {
    const flow = this.t.flow.at(i, time) || 0;
    const full = this.t.saturated.at(i, time) > 0;
    const share = Math.abs(flow) / this.largest;
    const width = this.wide(share);
    link.line.style.stroke = full ? "var(--full)" : "var(--base)";
    link.line.setAttribute("stroke-width", Math.max(width, full ? 3 : 0));
    const c = Math.cos(link.angle), s = Math.sin(link.angle);
    const point = (along, across) =>
      `${(link.x + along * c - across * s).toFixed(1)} ${(link.y + along * s + across * c).toFixed(1)}`;
    const size = Math.min(2.5 + width * 0.75, Math.max(link.room * 0.5, 2.2));
    if (share < 0.001) link.head.setAttribute("d", "");
    else {
      const way = flow > 0 ? size : -size;
      link.head.setAttribute("d", `M${point(way, 0)}L${point(-way, size)}L${point(-way, -size)}Z`);
      link.head.style.fill = full ? "var(--full)" : "var(--soft)";
    }
    const b = this.widest * 0.5 + 4;
    link.bars.setAttribute("d",
      full ? `M${point(-size - 2, b)}L${point(-size - 2, -b)}M${point(size + 2, b)}L${point(size + 2, -b)}` : "");
  }

  // By the root: a link of a hundredth of the largest power can still be seen.
  wide(share) {
    return 0.6 + Math.sqrt(share) * (this.widest - 0.6);
  }

  describe(prices) {
    const known = prices.filter(Number.isFinite);
    const full = facts.links.filter((_, i) => this.t.saturated.at(i, this.time) > 0);
    this.svg.setAttribute("aria-label",
      `The network with ${facts.nodes.length} nodes and ${facts.links.length} links at ` +
      `${$$("clock").textContent}. Prices from ${priceText(known.reduce((a, b) => Math.min(a, b), Infinity))} to ` +
      `${priceText(known.reduce((a, b) => Math.max(a, b), -Infinity))}. ` +
      (full.length ? `Full: ${full.slice(0, 5).join(", ")}.` : "No link is full."));
  }

  listen() {
    const where = (event) => {
      const box = this.svg.getBoundingClientRect();
      const zoom = this.width / box.width;
      return this.nearest((event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
    };
    this.svg.addEventListener("pointermove", (e) => {
      if (e.pointerType === "mouse" && !this.pinned) { this.shown = where(e); this.tell(); }
    });
    this.svg.addEventListener("pointerleave", () => {
      if (!this.pinned) { this.shown = null; this.tell(); }
    });
    this.svg.addEventListener("click", (e) => {
      const hit = where(e);
      const same = hit && this.pinned && hit.kind === this.pinned.kind && hit.index === this.pinned.index;
      this.pick(same ? null : hit);
    });
  }

  pick(thing) {
    this.pinned = this.shown = thing;
    this.onPick(thing);
    this.tell();
  }

  nearest(x, y) {
    let best = null, far = Math.max(this.radius + 6, Math.min(20, this.gap * 0.7));
    this.x.forEach((nx, i) => {
      const d = Math.hypot(nx - x, this.y[i] - y);
      if (d < far) [best, far] = [{ kind: "node", index: i }, d];
    });
    if (best) return best;
    far = 12;
    this.links.forEach((link, i) => {
      for (let k = 0; k + 1 < link.points.length; k++) {
        const d = distance(x, y, link.points[k], link.points[k + 1]);
        if (d < far) [best, far] = [{ kind: "link", index: i }, d];
      }
    });
    return best;
  }

  tell() {
    const panel = $$("panel"), thing = this.shown;
    panel.replaceChildren();
    panel.classList.toggle("on", Boolean(thing));
    this.mark.setAttribute("visibility", thing ? "visible" : "hidden");
    if (!thing) {
      html("p", { class: "dim" }, panel, "Point at a dot or a line, or tap it, to see what it does at this moment.");
      return;
    }
    const node = thing.kind === "node";
    this.mark.setAttribute("cx", node ? this.x[thing.index] : this.links[thing.index].x);
    this.mark.setAttribute("cy", node ? this.y[thing.index] : this.links[thing.index].y);
    if (node) this.tellNode(panel, thing.index);
    else this.tellLink(panel, thing.index);
  }

  tellNode(panel, i) {
    html("h3", {}, panel, facts.nodes[i]);
    html("div", { class: "big" }, panel, priceText(this.t.node_price.at(i, this.time)));
    html("div", { class: "dim" }, panel, i === facts.utility ? "The utility sits here." : "price of energy here, now");
    const list = html("ul", {}, panel);
    for (const d of this.byNode[i]) {
      const [name, owner, , kind, capacity] = facts.devices[d];
      const power = this.t.device_power.at(d, this.time);
      const item = html("li", {}, list);
      html("div", {}, item, owner === name ? name : `${name} (${owner})`).style.fontWeight = 600;
      let told = power > 0 ? `takes ${powerText(power)}` : power < 0 ? `gives ${powerText(-power)}` : "rests";
      if (kind === "battery") {
        const stored = this.t.device_stored.at(this.packOf.get(d), this.time);
        told = power > 0 ? `charges with ${powerText(power)}` : power < 0 ? `gives ${powerText(-power)}` : "rests";
        told += `, holds ${energyText(stored)}`;
        if (capacity) told += ` of ${energyText(capacity)} (${percentText(stored / capacity)})`;
        const machine = facts.machines.findIndex((m) => m[1] === d);
        if (machine >= 0) told += `; feeds ${facts.machines[machine][0]}: ${STAGES[this.t.stage.at(machine, this.time)]}`;
      }
      html("div", { class: "dim" }, item, `${kind === "pv" ? "solar panels" : kind}: ${told}`);
    }
    if (!this.byNode[i].length && i !== facts.utility)
      html("li", { class: "dim" }, list, "Nobody lives here: a joint of the network.");
  }

  tellLink(panel, i) {
    const flow = this.t.flow.at(i, this.time), capacity = facts.capacity_w[i];
    const ends = [facts.from[i], facts.to[i]].map((n) => facts.nodes[n]);
    if (flow < 0) ends.reverse();
    html("h3", {}, panel, facts.links[i]);
    html("div", { class: "big" }, panel, powerText(Math.abs(flow)));
    html("div", { class: "dim" }, panel, flow === 0 ? `between ${ends[0]} and ${ends[1]}` : `from ${ends[0]} to ${ends[1]}`);
    const list = html("ul", {}, panel);
    html("li", {}, list, facts.kind[i] === "transformer" ? "A transformer." : "A line.");
    html("li", {}, list, capacity === null ? "No limit is given."
      : `${percentText(Math.abs(flow) / capacity)} of its ${powerText(capacity)}`);
    if (this.t.saturated.at(i, this.time) > 0) html("li", {}, list, "It is full: it cannot carry more.").style.color = "var(--full)";
    const loss = this.t.link_loss.at(i, this.time);
    html("li", {}, list, `loses ${powerText(loss)}` + (flow ? ` (${digits((100 * loss) / Math.abs(flow), 2)}\u00a0%)` : ""));
  }
}

const most = (list) => list.reduce((a, b) => Math.max(a, b), 0);

function distance(x, y, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const size = dx * dx + dy * dy;
  const share = size ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / size)) : 0;
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}
