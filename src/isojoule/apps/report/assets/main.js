// Start: read the tables, then keep slider, drawing and charts at one moment.

async function start() {
  setUpPeople();
  const names = Object.keys(packed);
  const all = await Promise.all(names.map((name) => unpack(packed[name])));
  const tables = Object.fromEntries(names.map((name, i) => [name, all[i]]));
  $$("no-data").hidden = true;
  $$("live").hidden = $$("charts").hidden = false;

  const slider = $$("slider"), play = $$("play"), choice = $$("window"), pick = $$("pick");
  let window_ = windows[0], moment = 0, timer = null;

  const feeder = new Feeder(tables, (thing) => { pick.value = thing ? `${thing.kind} ${thing.index}` : ""; });
  const charts = new Charts(tables, (share) => {
    stop();
    show(Math.max(0, Math.min(window_.count - 1, Math.floor(share * window_.count))));
  });

  function show(i) {
    moment = i;
    slider.value = i;
    const told = instant(window_.at(i));
    $$("clock").textContent = told;
    slider.setAttribute("aria-valuetext", told);
    feeder.show(window_.first + i);
    charts.move(i);
    let full = 0;
    for (let link = 0; link < facts.links.length; link++)
      if (tables.saturated.at(link, window_.first + i) > 0) full += 1;
    $$("moment").textContent = charts.sentence(i, full);
  }
  function redraw() {
    feeder.draw();
    charts.draw(window_);
    show(moment);
  }
  function open(index) {
    window_ = windows[index];
    slider.max = window_.count - 1;
    moment = liveliest(window_);
    charts.draw(window_);
    show(moment);
  }
  // The first thing seen should be a moment at which something happens: neighbours serve neighbours.
  function liveliest(window) {
    let best = Math.floor(window.count / 2), most = 0;
    for (let i = 0; i < window.count; i++) {
      const at = (name) => tables.powers.at(POWERS.indexOf(name), window.first + i) || 0;
      const given = at("generated") + (offGrid ? 0 : at("discharged"));
      const served = Math.min(given, at("consumed") + at("charged"));
      if (served > most) [best, most] = [i, served];
    }
    return best;
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => show((moment + 1) % window_.count), 130);
  });
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  windows.forEach((w, i) => html("option", { value: i }, choice, w.label));
  choice.addEventListener("change", () => open(Number(choice.value)));
  $$("layout").value = feeder.layout;
  $$("layout").addEventListener("change", (e) => { feeder.layout = e.target.value; feeder.draw(); show(moment); });
  $$("colours").addEventListener("change", (e) => { feeder.scale = e.target.value; show(moment); });
  for (const [kind, list, label] of [["node", facts.nodes, "Nodes"], ["link", facts.links, "Links"]]) {
    const group = html("optgroup", { label }, pick);
    list.slice(0, 3000).forEach((name, i) => html("option", { value: `${kind} ${i}` }, group, name));
  }
  pick.addEventListener("change", () => {
    const [kind, index] = pick.value.split(" ");
    feeder.pick(pick.value ? { kind, index: Number(index) } : null);
  });

  feeder.draw();
  open(0);
  let wide = document.documentElement.clientWidth, waiting = null;
  addEventListener("resize", () => {
    const now = document.documentElement.clientWidth;
    if (now === wide) return;
    wide = now;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 120);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.body.dataset.ready = "yes";
}

if (typeof DecompressionStream === "undefined") setUpPeople();
else start();
