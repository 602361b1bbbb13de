// Sorting, filtering and choosing in the page; without it all is there, in the order of accuracy.
"use strict";

const each = (root, selector, act) => root.querySelectorAll(selector).forEach(act);

// Numbers come before texts, and what is not known comes last whichever way is up.
function compare(one, other, down) {
  const [a, b] = [one, other].map((cell) => (cell.dataset.v === undefined ? null : Number(cell.dataset.v)));
  if (a === null && b === null) {
    const [left, right] = [one, other].map((cell) => cell.textContent.trim());
    if (left === "–" || right === "–") return (left === "–") - (right === "–");
    return (down ? -1 : 1) * left.localeCompare(right, "en", { numeric: true });
  }
  if (a === null || b === null) return (a === null) - (b === null);
  return (down ? -1 : 1) * (a - b);
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      // The first press of a number shows the largest first, but for what costs.
      const down = before ? before === "ascending" : head.dataset.first === "down";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows];
      rows.sort((one, other) => compare(one.cells[place], other.cells[place], down));
      body.append(...rows);
    });
  });
}

function show(table, place, shown) {
  for (const row of table.rows) row.cells[place].hidden = !shown;
}

function makeChoosable(section) {
  const table = section.querySelector("table.comparison");
  each(section, ".columns input", (box) =>
    box.addEventListener("change", () => show(table, Number(box.value), box.checked)));
}

// Every word must be in the name or the family.
function makeFilterable(section) {
  const field = section.querySelector(".filter input");
  const status = section.querySelector("[role=status]");
  const rows = section.querySelectorAll("[data-words]");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row) => {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
      if (row.tagName === "TR" && row.closest(".comparison") && !row.hidden) shown += 1;
    });
    status.textContent = words.length ? `${shown} of ${section.dataset.attempts} attempts` : "";
  });
}

function makeSwitchable(group) {
  const pictures = group.querySelectorAll("figure");
  const choose = (name) => pictures.forEach((picture) => { picture.hidden = picture.dataset.axis !== name; });
  each(group, "input[type=radio]", (radio) => {
    radio.addEventListener("change", () => choose(radio.value));
    if (radio.checked) choose(radio.value);
  });
}

each(document, "table.sortable", makeSortable);
each(document, "section[data-attempts]", (section) => { makeChoosable(section); makeFilterable(section); });
each(document, ".axes", makeSwitchable);
each(document, ".controls", (controls) => { controls.hidden = false; });
// Paper shows everything: what is folded, and the figures of all costs.
const folded = [];
const unfold = () => {
  each(document, "details:not([open])", (details) => { details.open = true; folded.push(details); });
  each(document, ".axes figure[hidden]", (figure) => { figure.hidden = false; folded.push(figure); });
};
const fold = () => {
  for (const what of folded.splice(0)) {
    if (what.tagName === "DETAILS") what.open = false; else what.hidden = true;
  }
};
const paper = matchMedia("print");
paper.addEventListener("change", () => (paper.matches ? unfold : fold)());
if (paper.matches) unfold();
addEventListener("beforeprint", unfold);
addEventListener("afterprint", fold);
// A link to an attempt opens what it leads to.
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
};
addEventListener("hashchange", open);
open();
