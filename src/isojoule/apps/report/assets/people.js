// The table of participants: search and sort.

function setUpPeople() {
  const table = $$("people"), find = $$("find"), found = $$("found");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  };
  heads.forEach((head, column) => {
    head.firstChild.addEventListener("click", () => {
      const numeric = rows.length > 0 && rows[0].cells[column].dataset.v !== undefined;
      const down = head.getAttribute("aria-sort") === "none" ? numeric : head.getAttribute("aria-sort") === "ascending";
      heads.forEach((h) => h.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => {
        const [x, y] = [value(a, column), value(b, column)];
        const compared = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
        return down ? -compared : compared;
      };
      body.append(...rows.sort(order));
    });
  });
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const text = `${row.cells[0].textContent} ${row.lastElementChild.textContent}`.toLowerCase();
      row.hidden = !text.includes(wanted);
      if (!row.hidden) count += 1;
    }
    found.textContent = wanted ? `${count} of ${rows.length}` : "";
  });
}
