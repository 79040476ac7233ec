// Renews the preview while somebody writes, and keeps what is written in this tab until Loa has it.
(() => {
  "use strict";
  // What is kept is for who has written it alone, and for half a day.
  const who = document.querySelector("a[href='/account']")?.textContent, mine = (name) => `loa ${name} `, half = 43200000;
  const look = (key) => {
    try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
  };
  const put = (key, kept) => {
    try { sessionStorage.setItem(key, JSON.stringify(kept)); } catch { /* full, or forbidden */ }
  };
  const drop = (key) => { try { sessionStorage.removeItem(key); } catch { /* forbidden */ } };
  const clear = (stays) => {
    let keys = [];
    try { keys = Object.keys(sessionStorage); } catch { /* forbidden */ }
    for (const key of keys) if (key.startsWith("loa ") && !stays(key, look(key))) drop(key);
  };
  clear((key, kept) => kept?.at > Date.now() - half && (!who || key.startsWith(mine(who))));
  document.querySelector("form[action='/sign-out']")?.addEventListener("submit", () => clear(() => false));
  const sign = document.querySelector("form[action='/sign-in']");
  if (sign) {  // asked for after a session's end, which carried nothing out; or signed out
    if (document.querySelector(".said")) clear(() => false);
    clear((key, kept) => { put(key, { ...kept, sent: false }); return true; });
    sign.addEventListener("submit", () => clear((key) => key.startsWith(mine(sign.elements.namedItem("name").value.trim()))));
  }
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
    if (!found) leave();
  };
  // A page whose session has ended is not left to be read: what was written comes back after signing in.
  const leave = () => fetch("/v1/me").then((me) => me.status === 401 && location.assign(form.action)).catch(() => {});
  setInterval(leave, place.dataset.idle * 60000 + 5000);

  // A session that ends, another language, the menu and the way back lose nothing.
  const restored = document.getElementById("restored"), said = document.querySelector(".said");
  const path = new URL(form.action).pathname, key = mine(who) + path, first = mine(who) + "/compose";
  const own = () => [...new FormData(form)].filter(([name]) => name !== "csrf");
  const store = (sent) => put(key, { sent, at: Date.now(), fields: own() });
  const fill = (fields) => {
    for (const each of form.elements) {
      if (["", "csrf", "version"].includes(each.name)) continue;
      const values = fields.filter(([name]) => name === each.name).map(([, value]) => value);
      if (each.type === "checkbox") each.checked = values.includes(each.value);
      else if (values.length) each.value = values[0];
    }
  };
  const version = (fields) => fields.find(([name]) => name === "version")?.[1];
  const plain = (fields) => JSON.stringify(fields.filter(([name]) => !["once", "version"].includes(name)));
  const kept = look(key), other = kept && version(kept.fields) !== version(own());
  if (/\/edit$/.test(path) && look(first)?.sent && said) drop(first);
  if (document.querySelector(".refusal")) {
    if (kept) put(key, { ...kept, sent: false });
  } else if (other && kept.sent && said) drop(key);  // Loa has it
  else if (kept && plain(kept.fields) !== plain(own())) {
    const before = own();
    fill(kept.fields);
    renew();
    restored.hidden = false;
    document.getElementById("changed").hidden = !other;
    restored.querySelector("button").addEventListener("click", () => {
      drop(key);
      fill(before);
      renew();
      restored.hidden = true;
    });
  }

  document.addEventListener("submit", (event) => {  // another order of this page, such as a run: it says nothing of the text
    if (event.target !== form && look(key)) put(key, { ...look(key), sent: false });
  });
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
