// Renews the preview while somebody writes, and keeps what is written in this tab until Loa has it.
(() => {
  "use strict";
  const place = document.getElementById("preview"), button = document.querySelector("button[value=preview]");
  if (!place || !button || !window.DOMParser) return;
  const form = button.form, stale = document.getElementById("preview-stale");
  let waiting = 0, asked = 0;
  const renew = async () => {
    const turn = ++asked, fields = new URLSearchParams(new FormData(form));
    let found = null;
    fields.set("do", "preview");
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "text/html" } });
      found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("preview");
    } catch { /* the button still works */ }
    if (turn !== asked) return;
    if (found) place.replaceChildren(...found.childNodes);
    stale.hidden = Boolean(found);  // a sign-in came instead, or nothing
    place.removeAttribute("aria-busy");
  };

  // A session that ends, another language, the menu and the way back lose nothing.
  const who = document.querySelector("a[href='/account']")?.textContent, restored = document.getElementById("restored");
  const key = (path) => `loa ${who} ${path}`;
  const own = () => [...new FormData(form)].filter(([name]) => name !== "csrf");
  const store = (sent) => {
    try { sessionStorage.setItem(key(location.pathname), JSON.stringify({ sent, fields: own() })); } catch { /* full, or forbidden */ }
  };
  const read = (path) => {
    try { return JSON.parse(sessionStorage.getItem(key(path))); } catch { return null; }
  };
  const drop = (path) => { try { sessionStorage.removeItem(key(path)); } catch { /* forbidden */ } };
  const fill = (fields) => {
    for (const each of form.elements) {
      if (!each.name || each.name === "csrf") continue;
      const values = fields.filter(([name]) => name === each.name).map(([, value]) => value);
      if (each.type === "checkbox") each.checked = values.includes(each.value);
      else if (values.length) each.value = values[0];
    }
  };
  const version = (fields) => fields.find(([name]) => name === "version")?.[1];
  const kept = read(location.pathname), begun = JSON.stringify(own().filter(([name]) => name !== "once"));
  if (/\/edit$/.test(location.pathname) && read("/compose")?.sent && document.querySelector(".said")) drop("/compose");
  if (kept && version(kept.fields) !== version(own())) drop(location.pathname);  // Loa has it
  else if (kept && !document.querySelector(".refusal")
    && JSON.stringify(kept.fields.filter(([name]) => name !== "once")) !== begun) {
    const before = own();
    fill(kept.fields);
    renew();
    restored.hidden = false;
    restored.querySelector("button").addEventListener("click", () => {
      drop(location.pathname);
      fill(before);
      renew();
      restored.hidden = true;
    });
  }

  form.addEventListener("input", () => {
    store(false);
    clearTimeout(waiting);
    waiting = setTimeout(renew, 400);
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter !== button) return store(true);
    event.preventDefault();
    renew().then(() => place.scrollIntoView({ block: "nearest" }));
  });
})();
