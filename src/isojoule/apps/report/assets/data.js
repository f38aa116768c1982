// The numbers of the page: packed tables (see pack.py), windows of time, words for numbers.

const facts = JSON.parse(document.getElementById("facts").textContent);
const packed = JSON.parse(document.getElementById("tables").textContent);
const MISSING = -32768;
const offGrid = facts.utility < 0;
const $$ = (id) => document.getElementById(id);

class Table {
  constructor(form, steps) {
    this.rows = form.rows;
    this.times = form.times;
    this.steps = steps;
    this.step = form.step;
  }
  at(row, time) {
    const value = this.steps[row * this.times + time];
    return value === MISSING ? NaN : value * (Array.isArray(this.step) ? this.step[row] : this.step);
  }
  row(row, first, count) {
    return Float64Array.from({ length: count }, (_, i) => this.at(row, first + i));
  }
}

async function unpack(form) {
  const text = atob(form.data);
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = form.rows * form.times;
  const steps = new Int16Array(size);
  for (let row = 0; row < form.rows; row++) {
    let value = 0;
    for (let i = row * form.times; i < (row + 1) * form.times; i++) {
      value += planes[i] | (planes[size + i] << 8);
      steps[i] = value; // wraps modulo 2**16, as it was written
    }
  }
  return new Table(form, steps);
}

// Windows: `first` is the column of the tables at which a window starts.
let column = 0;
const windows = facts.windows.map(({ label, times }) => {
  const count = times.list ? times.list.length : times.count;
  const window = {
    label, count, first: column,
    at: (i) => (times.list ? times.list[i] : times.start + i * times.step),
  };
  column += count;
  return window;
});

const zone = facts.timezone;
function formatter(options) {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
  } catch {
    return new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
  }
}
const dayFormat = formatter({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const hourFormat = formatter({ hour: "2-digit", minute: "2-digit" });
const shortDay = formatter({ weekday: "short", day: "numeric", month: "short" });
const clock = (s) => hourFormat.format(new Date(s * 1000));
const instant = (s) =>
  `${dayFormat.format(new Date(s * 1000))}, ${clock(s)}\u2013${clock(s + facts.interval_s)}`;

const SUBUNITS = { EUR: "ct", USD: "ct", AUD: "ct", CAD: "ct", GBP: "p", CHF: "Rp" };
const subunit = SUBUNITS[facts.currency];
const priceUnit = subunit ? `${subunit}/kWh` : `${facts.currency}/kWh`;
const priceScale = subunit ? 100 : 1;
const digits = (value, count) =>
  Number.isFinite(value)
    ? value.toLocaleString("en-GB", { minimumFractionDigits: count, maximumFractionDigits: count })
        .replace("-", "\u2212")
    : "\u2013";
const priceNumber = (perKwh) => digits(perKwh * priceScale, subunit ? 1 : 3);
const priceText = (perKwh) =>
  Number.isFinite(perKwh) ? `${priceNumber(perKwh)}\u00a0${priceUnit}` : "no price";
const powerText = (w) =>
  Math.abs(w) < (offGrid ? 999.5 : 9.95) && w !== 0 ? `${digits(w, Math.abs(w) < 1 ? 2 : Math.abs(w) < 99.5 ? 1 : 0)}\u00a0W`
    : `${digits(w / 1000, Math.abs(w) < 1e3 ? 2 : 1)}\u00a0kW`;
const energyText = (j) =>
  j && Math.abs(j) < (offGrid ? 3.6e6 : 3.6e5) ? `${digits(j / 3.6e3, Math.abs(j) < 3.6e4 ? 1 : 0)}\u00a0Wh`
    : `${digits(j / 3.6e6, 1)}\u00a0kWh`;
// Units of pictures by what is largest in them: [unit, size].
const powerUnit = (most) => (most < 1000 ? ["W", 1] : ["kW", 1000]);
const energyUnit = (most) => (most < 3.6e7 ? ["Wh", 3600] : ["kWh", 3.6e6]);
const percentText = (share) => `${digits(100 * share, 0)}\u00a0%`;

const SVG = "http://www.w3.org/2000/svg";
function make(name, attributes = {}, parent = null, text = null) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== null) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}
function html(name, attributes = {}, parent = null, text = null) {
  const element = document.createElement(name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== null) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
function rgb(text) {
  const hex = text.replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}
const mix = (a, b, share) => a.map((v, i) => Math.round(v + (b[i] - v) * share));
function ticks(low, high, about) {
  if (!(high > low)) return [low];
  const rough = (high - low) / about;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= 0.8 * rough);
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i <= high / step + 1e-9; i++) out.push(i * step);
  return out;
}
