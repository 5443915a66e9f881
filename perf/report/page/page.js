// Filters, sorting and unfolding of the table. What is chosen is kept in the address, after "#".
"use strict";
(() => {
  const FILTERS = ["family", "network", "size", "variant", "verdict"];
  const NUMBERS = new Set(["latency", "ratio", "published", "baseline", "change", "loss", "sqnr", "fused"]);
  const GRAVITY = ["regressed", "drifted", "invalid", "inconclusive", "not run", "vanished", "no-baseline", "improved",
    "ok", "not judged", "reference"];
  const form = document.getElementById("filters");
  const table = document.getElementById("table");
  const bodies = [...table.tBodies];
  document.documentElement.classList.add("script");

  const state = () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");

  function keep(change) {
    const params = state();
    for (const [name, value] of Object.entries(change)) {
      if (value) params.set(name, value);
      else params.delete(name);
    }
    history.replaceState(null, "", params.size ? `#${params}` : location.pathname + location.search);
    apply();
  }

  function compare(key, a, b) {
    const [x, y] = [a.dataset[key], b.dataset[key]];
    if (key === "verdict") return GRAVITY.indexOf(x) - GRAVITY.indexOf(y);
    // Empty cells come last, whatever the direction: they are NaN.
    return NUMBERS.has(key) ? x - y : x.localeCompare(y, "en", { numeric: true });
  }

  function sort(params) {
    const key = params.get("sort"), down = params.get("order") === "down";
    const known = table.querySelector(`[data-sort="${CSS.escape(key ?? "")}"]`);
    for (const button of table.querySelectorAll("[data-sort]")) {
      button.closest("th").setAttribute("aria-sort", button !== known ? "none" : down ? "descending" : "ascending");
    }
    const filled = (body) => !known || body.dataset[key] !== "";
    const ordered = bodies.filter(filled);
    if (known) ordered.sort((a, b) => (down ? -1 : 1) * compare(key, a, b));
    table.append(...ordered, ...bodies.filter((body) => !filled(body)));
  }

  function apply() {
    const params = state();
    for (const name of [...FILTERS, "text"]) form.elements[name].value = params.get(name) ?? "";
    const text = (params.get("text") ?? "").toLowerCase();
    let shown = 0;
    for (const body of bodies) {
      const matches = FILTERS.every((name) => !params.get(name) || body.dataset[name] === params.get(name));
      body.hidden = !(matches && body.dataset.name.toLowerCase().includes(text));
      shown += !body.hidden;
      unfold(body, params.getAll("open").includes(body.dataset.name));
    }
    document.getElementById("shown").textContent = `${shown} of ${bodies.length} shown`;
    sort(params);
  }

  function unfold(body, open) {
    body.classList.toggle("open", open);
    body.querySelector(".toggle").setAttribute("aria-expanded", String(open));
  }

  table.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.sort) {
      const again = state().get("sort") === button.dataset.sort && state().get("order") !== "down";
      keep({ sort: button.dataset.sort, order: again ? "down" : "" });
    } else if (button?.classList.contains("toggle")) {
      const body = button.closest("tbody"), params = state(), open = new Set(params.getAll("open"));
      if (!open.delete(body.dataset.name)) open.add(body.dataset.name);
      params.delete("open");
      for (const name of open) params.append("open", name);
      history.replaceState(null, "", params.size ? `#${params}` : location.pathname + location.search);
      unfold(body, open.has(body.dataset.name));
    }
  });
  // Up and down move between the rows' buttons.
  table.addEventListener("keydown", (event) => {
    if (!event.target.classList.contains("toggle") || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const toggles = [...table.querySelectorAll("tbody:not([hidden]) .toggle")];
    toggles[toggles.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    event.preventDefault();
  });
  form.addEventListener("input", (event) => keep({ [event.target.name]: event.target.value }));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => keep(Object.fromEntries([...FILTERS, "text"].map((name) => [name, ""]))));

  function follow() {
    apply();
    const open = state().get("open");
    const target = open ? bodies.find((body) => body.dataset.name === open && !body.hidden) : null;
    if (target) target.scrollIntoView({ block: "center" });
    else if (location.hash.includes("=")) document.getElementById("cases").scrollIntoView();
  }
  // Links to a section leave the address, and so what is chosen in it, as it is.
  for (const link of document.querySelectorAll('a[href^="#"]:not([href*="="])')) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const section = document.getElementById(link.hash.slice(1));
      section.tabIndex = -1; // the next press of Tab goes on from there
      section.focus({ preventScroll: true });
      section.scrollIntoView();
    });
  }
  window.addEventListener("hashchange", follow);
  if (location.hash.includes("=")) follow();
  else apply();
})();
