// Sorts and filters the tables. Without it the page is whole, and in the order in which it was written.
(() => {
  "use strict";
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.sort);
  };

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const headings = [...table.tHead.rows[0].cells];

    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        for (const each of headings) each.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
        const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
        body.append(...rows.slice().sort((a, b) => direction * compare(value(a, column), value(b, column))));
      });
    });

    const search = document.querySelector(`[data-search="${table.id}"]`);
    const select = document.querySelector(`[data-select="${table.id}"]`);
    const count = document.querySelector(`[data-count="${table.id}"]`);
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const filter = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const fits = (!select.value || row.dataset.severity === select.value)
          && words.every((word) => texts.get(row).includes(word));
        row.hidden = !fits;
        shown += fits;
      }
      count.textContent = shown === rows.length ? `${rows.length}` : `${shown} of ${rows.length}`;
    };
    search.addEventListener("input", filter);
    select.addEventListener("change", filter);
    filter();
  }
})();
