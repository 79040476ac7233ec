// Closes questions and keeps a page's figures fresh by server-sent events; without it the page is whole.
(() => {
  "use strict";
  const all = (selector) => document.querySelectorAll(selector);
  const close = (question) => {
    question.open = false;
    question.querySelector("summary").focus();
  };
  const [seek] = all("[name=find]");
  addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event, question = target.closest("details.confirm[open]");
    if (key === "Escape" && question) close(question);
    if (key !== "/" || ctrlKey || metaKey || altKey || !seek || target.closest("input, textarea, select")) return;
    event.preventDefault();
    seek.focus();
  });
  for (const button of all("[data-close]")) {
    button.onclick = () => {
      close(button.closest("details"));
      return false;
    };
  }
  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.onclick = () => print();
  }
  for (const button of all("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.onclick = () => navigator.clipboard.writeText(all("#" + button.dataset.copy)[0].innerText);
  }
  const [note] = all("[data-stream]");
  if (!note) return;
  const { lang } = document.documentElement, vi = lang === "vi";
  const digits = (n) => new Intl.NumberFormat(lang, { minimumFractionDigits: n, maximumFractionDigits: n }).format;
  const tenth = digits(1);
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Asia/Ho_Chi_Minh", hour: "2-digit", minute: "2-digit",
    day: vi ? "2-digit" : "numeric", month: vi ? "2-digit" : "short", year: "numeric",
  });
  const parts = (at) => clock.format(at).match(/(.+)(.)(\d{4}), (.+)/);  // day, sign, year, time
  const said = {
    count: digits(0),
    rate: tenth,
    percent: (value) => {
      const n = Math.round(value * 1000), up = n % 10 === 0 && value < n / 1000;
      return tenth(Math.max(n - up, value > 0) / 10) + "%";
    },
    moment: (value) => {
      const [, day, sign, year, time] = parts(new Date(value)), [, today, , now] = parts(new Date());
      return time + (year !== now ? ` ${day}${sign}${year}` : day !== today ? ` ${day}` : "");
    },
    span: (ends) => {
      const [from, to] = ends.map(said.moment);
      return from === to ? to : `${from.slice(5) === to.slice(5) ? from.slice(0, 5) : from}\u00a0–\u00a0${to}`;
    },
  };
  const show = (name) => {
    for (const each of ["fresh", "cut", "stale"]) note.querySelector("." + each).hidden = each !== name;
  };
  const places = [];
  for (const element of all("*")) {
    for (const { name, value } of element.attributes) {
      if (name === "data-live") {
        places.push([value, (now) => {
          const words = now === null ? "–" : (said[element.dataset.as] || String)(now);
          if (element.textContent !== words) element.textContent = words;
        }]);
      } else if (name.startsWith("data-live-")) {
        places.push([value, (now) => element.setAttribute(name.slice(10), now)]);
      }
    }
  }
  // Ten seconds of silence: grey. A hung server keeps the connection open.
  let heard = Date.now();
  const watch = () => {
    const gone = !over && Date.now() - heard > 10000;
    if (gone) show("cut");
    document.body.classList.toggle("gone", gone);
  };
  const hear = () => { heard = Date.now(); watch(); };
  let touched, over, due, asked = 0;
  addEventListener("input", (event) => { touched ||= event.target.form; });  // not the menu
  addEventListener("beforeunload", () => { asked = Date.now(); });
  // Another shape: load it again, but not at once, nor while somebody writes or waits for another page.
  const renew = () => {
    if (touched || all("details.confirm[open]").length) return;
    if (Date.now() - asked < 30000) due = setTimeout(renew, 1000);
    else location.reload();
  };
  const source = new EventSource(note.dataset.stream), on = (name, hears) => source.addEventListener(name, hears);
  setInterval(watch, 1000);
  on("open", () => { hear(); show("fresh"); });
  on("alive", (event) => {
    hear();
    if (note.querySelector(".stale").hidden) show("fresh");
    note.querySelector("[data-stamp]").textContent = JSON.parse(event.data).at.slice(11, 19);
  });
  // Refused for good: what is shown goes with the session.
  on("error", () => {
    if (!over) show("cut");
    if (source.readyState > 1) fetch("/v1/me").then((me) => me.status === 401 && location.reload());
  });
  on("progress", (event) => {
    const json = JSON.parse(event.data);
    hear();
    for (const [path, put] of places) {
      const now = path.split(".").reduce((at, step) => at?.[step], json);
      if (now !== undefined) put(now);
    }
    document.dispatchEvent(new CustomEvent("progress", { detail: json }));  // to chart.js
    clearTimeout(due);
    const same = json[note.dataset.key] === note.dataset.shape;
    show(same ? "fresh" : "stale");
    if (!same) due = setTimeout(renew, 5000 - performance.now());
  });
  on("end", () => { over = true; source.close(); });
  addEventListener("pagehide", () => source.close());
})();
