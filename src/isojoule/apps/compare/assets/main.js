// Start: the ranking and the gains need no tables; what moves over time does.

async function startMoments() {
  const names = Object.keys(packed);
  const all = await Promise.all(names.map((name) => unpack(packed[name])));
  const tables = Object.fromEntries(names.map((name, i) => [name, all[i]]));
  $$("no-data").hidden = true;
  $$("live").hidden = false;
  const slider = $$("slider"), play = $$("play"), choice = $$("window"), node = $$("node");
  let open = windows[0], moment = 0, timer = null;
  // At first those that are better than nothing, and not so many that lines cannot be told apart.
  rules.forEach((_, i) => { if (shownRules.size < 7 && (scoreOf(i) >= 0 || i < 2)) shownRules.add(i); });
  const moments = new Moments(tables, (share) => {
    stop();
    show(Math.max(0, Math.min(open.count - 1, Math.floor(share * open.count))));
  });
  moments.told = rules.map((m, i) => {
    const chip = html("button", { type: "button", "aria-pressed": shownRules.has(i) }, $$("chips"));
    html("i", { style: `background:var(${paint(i)})` }, chip);
    html("b", {}, chip, m.name);
    const told = html("span", {}, chip);
    chip.addEventListener("click", () => {
      if (!shownRules.delete(i)) shownRules.add(i);
      chip.setAttribute("aria-pressed", shownRules.has(i));
      redraw();
    });
    return told;
  });
  function show(i) {
    moment = i;
    slider.value = i;
    $$("clock").textContent = instant(open.at(i));
    slider.setAttribute("aria-valuetext", instant(open.at(i)));
    moments.move(i);
  }
  function redraw() {
    moments.draw(open);
    show(moment);
  }
  function choose(index) {
    open = windows[index];
    slider.max = open.count - 1;
    let most = -1;
    for (let k = 0; k < open.count; k++) {
      const sum = rules.reduce((s, _, i) => s + (tables.traded.at(i, open.first + k) || 0), 0);
      if (sum > most) [moment, most] = [k, sum];
    }
    redraw();
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }
  play.addEventListener("click", () => {
    if (timer) return stop();
    play.textContent = "Stop";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => show((moment + 1) % open.count), 130);
  });
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  windows.forEach((w, i) => html("option", { value: i }, choice, w.label));
  choice.addEventListener("change", () => choose(Number(choice.value)));
  if (tables.node_price) facts.nodes.forEach((name, i) => html("option", { value: i }, node, name));
  node.addEventListener("change", () => {
    moments.node = node.value === "" ? -1 : Number(node.value);
    redraw();
  });
  const liveliest = windows.reduce((best, w, i) => {
    let sum = 0;
    for (let k = 0; k < w.count; k++) sum += tables.traded.at(0, w.first + k) || 0;
    return sum / w.count > best[1] ? [i, sum / w.count] : best;
  }, [0, -1])[0];
  choice.value = liveliest;
  choose(liveliest);
  return redraw;
}

async function startAll() {
  setUpRanking();
  setUpGains();
  let redraw = () => {};
  if (windows.length && typeof DecompressionStream !== "undefined") redraw = await startMoments();
  let wide = document.documentElement.clientWidth, waiting = null;
  const again = () => { if (rules.length) { drawRanking(); drawGains(); } redraw(); };
  addEventListener("resize", () => {
    const now = document.documentElement.clientWidth;
    if (now === wide) return;
    wide = now;
    clearTimeout(waiting);
    waiting = setTimeout(again, 120);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.body.dataset.ready = "yes";
}
startAll();
