// Charts over the chosen window of time. All share the slider's moment.

const LEFT = 46, RIGHT = 8, TOP = 16, BOTTOM = 20;

class Chart {
  constructor(id, unit, seek) {
    this.svg = $$(id);
    this.keys = $$(`keys-${id}`);
    this.unit = unit;
    this.follow(this.svg, seek, () => [LEFT, this.width - RIGHT]);
  }

  follow(element, seek, edges) {
    const move = (event) => {
      const box = element.getBoundingClientRect(), [a, b] = edges();
      seek((event.clientX - box.left - a) / (b - a));
    };
    element.addEventListener("pointerdown", (e) => { move(e); if (e.pointerType === "mouse") element.setPointerCapture(e.pointerId); });
    element.addEventListener("pointermove", (e) => { if (e.buttons) move(e); });
  }

  begin(window, low, high, label) {
    this.window = window;
    this.width = Math.max(this.svg.clientWidth, 200);
    this.height = this.svg.clientHeight;
    this.low = low;
    this.high = high > low ? high : low + 1;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("aria-label", label);
    this.svg.replaceChildren();
    this.text(4, 10, this.unit);
    for (const value of ticks(this.low, this.high, 4)) {
      const y = this.y(value);
      this.rule(LEFT, y, this.width - RIGHT, y, "--line");
      this.text(LEFT - 6, y + 4, digits(Math.abs(value), this.high - this.low > 4 ? 0 : 1), "end");
    }
    this.days();
  }

  // A mark at each midnight of the scenario's own clock.
  days() {
    const narrow = this.width < 560;
    let last = "", free = 0, started = 0;
    const taken = [];
    for (let i = 0; i < this.window.count; i++) {
      const now = this.window.at(i);
      const day = shortDay.format(new Date(now * 1000));
      if (day === last) continue;
      last = day;
      if (i) started += 1;
      const x = this.x(i);
      if (i) this.rule(x, TOP, x, this.height - BOTTOM, "--line");
      const label = narrow ? day.split(/[ ,]/)[0] : day;
      const room = label.length * 6.4;
      if (x >= free && x + room < this.width) {
        this.text(x + 3, this.height - 5, label);
        free = x + room + 8;
        taken.push([x, free]);
      }
    }
    if (started < 3) this.hours(narrow, taken);
  }

  // Hours, where no more than three days are shown.
  hours(narrow, taken) {
    let free = 0;
    for (let i = 1; i < this.window.count; i++) {
      const time = clock(this.window.at(i)), x = this.x(i);
      if (!/^(03|06|09|12|15|18|21):00$/.test(time) || x < free) continue;
      if (taken.some(([a, b]) => x + 16 > a && x - 18 < b)) continue;
      this.rule(x, this.height - BOTTOM, x, this.height - BOTTOM + 4, "--soft");
      this.text(x, this.height - 5, time, "middle");
      free = x + (narrow ? 70 : 55);
    }
  }

  x(i) {
    return LEFT + (i / Math.max(this.window.count, 1)) * (this.width - LEFT - RIGHT);
  }
  y(value) {
    const share = (value - this.low) / (this.high - this.low);
    return this.height - BOTTOM - share * (this.height - BOTTOM - TOP);
  }
  text(x, y, body, anchor = "start") {
    make("text", { x, y, "text-anchor": anchor }, this.svg, body).style.fill = "var(--soft)";
  }
  rule(x1, y1, x2, y2, name) {
    const line = make("line", { x1, y1, x2, y2 }, this.svg);
    line.style.stroke = `var(${name})`;
    return line;
  }
  // Values hold through their interval, so areas are drawn as steps only where steps can be seen.
  points(values) {
    const out = [];
    const wide = (this.width - LEFT - RIGHT) / this.window.count > 6;
    values.forEach((v, i) => {
      const y = this.y(Number.isFinite(v) ? v : Math.max(this.low, 0)).toFixed(1);
      out.push(`${this.x(wide ? i : i + 0.5).toFixed(1)} ${y}`);
      if (wide) out.push(`${this.x(i + 1).toFixed(1)} ${y}`);
    });
    return out;
  }
  area(lower, upper, name) {
    const d = `M${[...this.points(upper), ...this.points(lower).reverse()].join("L")}Z`;
    make("path", { d }, this.svg).style.fill = `var(${name})`;
  }
  line(values, name, dash = "") {
    const path = make("path", { d: `M${this.points(values).join("L")}`, fill: "none", "stroke-width": 1.6 }, this.svg);
    path.style.stroke = `var(${name})`;
    if (dash) path.setAttribute("stroke-dasharray", dash);
  }
  end() {
    this.cursor = this.rule(0, TOP - 4, 0, this.height - BOTTOM, "--ink");
    this.cursor.setAttribute("stroke-width", 1.5);
  }
  move(i) {
    const x = this.x(i + 0.5);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
  }
  key(entries) {
    this.keys.replaceChildren();
    for (const [name, text] of entries) {
      const span = html("span", {}, this.keys);
      if (name) html("i", {}, span).style.background = name.startsWith("-") ? `var(${name})` : name;
      span.append(text);
    }
  }
}

const POWERS = ["generated", "import", "discharged", "unserved", "consumed", "export", "charged", "loss", "standing_loss", "spilled", "computed"];
const IN = [["generated", "--sun", "sun"], ["discharged", "--battery", "from batteries"], ["import", "--grid", "from the utility"],
  ["unserved", "--full", "need not served"]];
// Machines draw from their own batteries, over no line: the same energy on both sides.
if (facts.machines.length) IN.push(["computed", "--low", "from machines' own batteries"]);
const OUT = [["consumed", "--use", "used"], ["charged", "--charge", "into batteries"], ["export", "--export", "to the utility"],
  ["losses", "--loss", "lost on the way"], ["spilled", "--spill", "sun not used"]];
if (facts.machines.length) OUT.push(["computed", "--low", "drawn by machines"]);

const FEW_PACKS = 12;

class Charts {
  constructor(tables, seek) {
    this.t = tables;
    let most = 0;
    for (let row = 0; row < POWERS.length; row++)
      for (let i = 0; i < tables.powers.times; i++) most = Math.max(most, tables.powers.at(row, i) || 0);
    [this.unit, this.watts] = powerUnit(most);
    this.balance = new Chart("balance", this.unit, seek);
    this.price = new Chart("price", priceUnit, seek);
    this.hasBatteries = facts.batteries.length > 0;
    if (this.hasBatteries) {
      this.size = facts.batteries.reduce((sum, d) => sum + (facts.devices[d][4] || 0), 0);
      [this.storedUnit, this.joules] = energyUnit(this.size);
      this.stored = new Chart("stored", this.storedUnit, seek);
      this.seek = seek;
    } else {
      $$("stored-figure").hidden = $$("heat-figure").hidden = true;
    }
  }

  draw(window) {
    this.window = window;
    this.drawBalance(window);
    this.drawPrice(window);
    if (this.hasBatteries) {
      this.drawStored(window);
      this.drawHeat(window);
    }
  }

  drawBalance(window) {
    const get = (name) => this.t.powers.row(POWERS.indexOf(name), window.first, window.count).map((v) => (v || 0) / this.watts);
    this.kw = Object.fromEntries(POWERS.map((name) => [name, get(name)]));
    this.kw.losses = this.kw.loss.map((v, i) => v + this.kw.standing_loss[i]);
    const stack = (layers, sign) => {
      let reached = new Float64Array(window.count);
      return layers.map(([name, tone]) => {
        const lower = reached;
        reached = lower.map((v, i) => v + sign * this.kw[name][i]);
        return [lower, reached, tone];
      });
    };
    const up = stack(IN, 1), down = stack(OUT, -1);
    const high = Math.max(...up.at(-1)[1]), low = Math.min(...down.at(-1)[1]);
    this.balance.begin(window, low * 1.02, high * 1.02,
      `Energy balance in ${this.unit === "kW" ? "kilowatts" : "watts"}. Most at once: ${digits(high, 0)} ${this.unit}. Sources are drawn upward, uses downward.`);
    for (const [a, b, tone] of [...up, ...down]) this.balance.area(a, b, tone);
    this.balance.rule(LEFT, this.balance.y(0), this.balance.width - RIGHT, this.balance.y(0), "--ink");
    this.balance.end();
  }

  drawPrice(window) {
    const [low, mean, high, sells, buys] = [0, 1, 2, 3, 4].map((row) =>
      this.t.prices.row(row, window.first, window.count).map((v) => v * priceScale));
    const every = [...low, ...high, ...sells, ...buys].filter(Number.isFinite);
    const top = every.reduce((a, b) => Math.max(a, b), 0), bottom = every.reduce((a, b) => Math.min(a, b), 0);
    this.price.begin(window, bottom, top * 1.06,
      `Prices in ${priceUnit}, from ${digits(Math.min(...low.filter(Number.isFinite)), 1)} to ${digits(Math.max(...high.filter(Number.isFinite)), 1)}` +
      (offGrid ? "." : ", between the prices at which the utility buys and sells."));
    this.price.area(low, high, "--export");
    this.price.line(mean, "--grid");
    if (!offGrid) {
      this.price.line(sells, "--bad", "6 3");
      this.price.line(buys, "--soft", "6 3");
    }
    this.price.end();
    Object.assign(this, { low, mean, high, sells, buys });
  }

  drawStored(window) {
    const [market, alone] = [0, 1].map((row) =>
      this.t.stored.row(row, window.first, window.count).map((v) => v / this.joules));
    const size = this.size / this.joules;
    const top = Math.max(size, ...market, ...alone);
    this.stored.begin(window, 0, top * 1.02, `Energy stored in all ${facts.batteries.length} batteries, at most ${digits(Math.max(...market), 0)} of ${digits(size, 0)} ${this.storedUnit}.`);
    this.stored.area(new Float64Array(window.count), market, "--charge");
    this.stored.line(market, "--battery");
    this.stored.line(alone, "--soft", "6 3");
    if (size) this.stored.rule(LEFT, this.stored.y(size), this.stored.width - RIGHT, this.stored.y(size), "--ink");
    this.stored.end();
    this.levels = { market, alone, size };
  }

  drawHeat(window) {
    const empty = rgb(colour("--line")), full = rgb(colour("--battery"));
    const shown = facts.batteries.slice(0, 60);
    const narrow = $$("heat").clientWidth < 560;
    const packs = shown.map((device, row) => {
      const values = this.t.device_stored.row(row, window.first, window.count);
      const size = facts.devices[device][4] || Math.max(...values, 1);
      return { name: batteryName(device), values, size, spread: (Math.max(...values) - Math.min(...values)) / size };
    });
    const short = shorter(packs.map((p) => p.name), narrow);
    // Those that move most come first; the others are a click away.
    const order = packs.map((_, i) => i).sort((a, b) => packs[b].spread - packs[a].spread || a - b);
    const first = new Set(packs.length > FEW_PACKS ? order.slice(0, FEW_PACKS) : order);
    const rest = $$("heat-more");
    rest.hidden = first.size === packs.length;
    rest.firstElementChild.textContent = `The other ${packs.length - first.size} batteries`;
    for (const id of ["heat", "heat-rest"]) $$(id).replaceChildren();
    this.cells = packs.map(({ name, values, size }, row) => {
      const box = $$(first.has(row) ? "heat" : "heat-rest");
      html("div", { class: "label", title: name }, box, short(name, row));
      const cell = html("div", { class: "cell" }, box);
      const canvas = html("canvas", { width: window.count, height: 1, role: "img",
        "aria-label": `Energy in ${name}: from ${percentText(Math.min(...values) / size)} to ${percentText(Math.max(...values) / size)} of its capacity.` }, cell);
      const context = canvas.getContext("2d"), image = context.createImageData(window.count, 1);
      values.forEach((v, i) => image.data.set([...mix(empty, full, Math.max(0, Math.min(1, (v || 0) / size))), 255], 4 * i));
      context.putImageData(image, 0, 0);
      Chart.prototype.follow.call(null, canvas, this.seek, () => [0, canvas.clientWidth]);
      return { cursor: html("i", {}, cell), now: html("div", { class: "now" }, box), values, size };
    });
    const keys = $$("keys-heat");
    keys.replaceChildren();
    for (const [tone, text] of [["--line", "empty"], ["--battery", "full"]]) {
      const span = html("span", {}, keys);
      html("i", {}, span).style.background = `var(${tone})`;
      span.append(text);
    }
    if (!rest.hidden) keys.append(`The ${first.size} whose level moves most. `);
    if (facts.batteries.length > shown.length) keys.append(`The first ${shown.length} of ${facts.batteries.length} batteries.`);
  }

  move(i) {
    this.balance.move(i);
    this.price.move(i);
    const some = (name) => this.kw[name].some((v) => v > 1e-6);
    this.balance.key([...IN, ...OUT].filter(([name]) => some(name))
      .map(([name, tone, text]) => [tone, `${text} ${digits(this.kw[name][i], this.kw[name][i] >= 0.095 || this.kw[name][i] < 1e-6 ? 1 : 2)} ${this.unit}`]));
    this.price.key([
      ["--export", `lowest to highest ${digits(this.low[i], 1)}\u2013${digits(this.high[i], 1)} ${priceUnit}`],
      ["--grid", `mean ${digits(this.mean[i], 1)}`],
      ...(facts.idle ? [["", "nobody trades: each place has a price of its own"]] : []),
      ...(offGrid ? [] : [["--bad", `utility sells at ${digits(this.sells[i], 1)}`],
        ["--soft", `utility buys at ${digits(this.buys[i], 1)}`]]),
    ]);
    if (!this.hasBatteries) return;
    this.stored.move(i);
    this.stored.key([
      ["--battery", `with the market ${digits(this.levels.market[i], 1)} ${this.storedUnit}`],
      ["--soft", `${facts.alone} ${digits(this.levels.alone[i], 1)} ${this.storedUnit}`],
      ["--ink", `all full ${digits(this.levels.size, 0)} ${this.storedUnit}`],
    ]);
    for (const cell of this.cells) {
      cell.cursor.style.left = `${(100 * (i + 0.5)) / this.window.count}%`;
      cell.now.textContent = percentText(cell.values[i] / cell.size);
    }
  }

  // The moment in plain sentences.
  sentence(i, full) {
    const kw = Object.fromEntries(Object.entries(this.kw).map(([k, v]) => [k, v[i]]));
    const amount = (v) => `${digits(v, 1)}\u00a0${this.unit}`;
    const parts = [];
    if (kw.generated > 0.05) parts.push(`the sun gives ${amount(kw.generated)}`);
    if (kw.discharged > 0.05) parts.push(`batteries give ${amount(kw.discharged)}`);
    if (kw.import > 0.05) parts.push(`${amount(kw.import)} come from the utility`);
    if (kw.charged > 0.05) parts.push(`batteries take ${amount(kw.charged)}`);
    if (kw.export > 0.05) parts.push(`${amount(kw.export)} go to the utility`);
    if (kw.computed > 0.05) parts.push(`machines draw ${amount(kw.computed)} from theirs`);
    const [low, high] = [digits(this.low[i], 1), digits(this.high[i], 1)];
    const price = low === high ? `${low} ${priceUnit} everywhere` : `${low} to ${high} ${priceUnit}`;
    const lines = full === 0 ? "" : full === 1 ? " One link is full." : ` ${full} links are full.`;
    const lacked = kw.unserved * this.watts;
    const short = lacked >= 0.05 ? ` ${powerText(lacked)} of need cannot be served.` : "";
    const who = facts.machines.length ? "Loads" : "Homes";
    const uses = kw.consumed > 0.05 || !facts.machines.length ? `${who} use ${amount(kw.consumed)}` : "";
    const costs = Number.isFinite(this.low[i]) ? facts.idle ? ` Nobody trades; each place has a price of its own, ${price}.`
      : ` Energy costs ${price}.` : " Nobody trades.";
    const told = [uses, parts.join(", ")].filter(Boolean).join("; ") || "Nothing flows";
    return `${told[0].toUpperCase()}${told.slice(1)}.${costs}${lines}${short}`;
  }
}

// A battery goes by its owner where that is the only one; where machines run, by its own name.
function batteryName(device) {
  const [name, owner] = facts.devices[device];
  const own = facts.batteries.filter((d) => facts.devices[d][1] === owner).length;
  return own === 1 && !facts.machines.length ? owner : name;
}

// On a narrow page names lose the words that all of them begin with.
function shorter(names, narrow) {
  if (!narrow || names.length < 2) return (name) => name;
  const plain = names.map((n) => n.replace(/ \(.*\)$/, ""));
  if (new Set(plain).size === names.length) names = plain;
  const words = names.map((n) => n.split(" "));
  let same = 0;
  while (words.every((w) => w.length > same + 1 && w[same] === words[0][same])) same += 1;
  return (name, i) => names[i].split(" ").slice(same).join(" ");
}
