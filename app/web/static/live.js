// Closes questions and keeps a page's figures fresh by server-sent events; without it the page is whole.
(() => {
  "use strict";
  const close = (question) => {
    question.open = false;
    question.querySelector("summary").focus();
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-close]")) return;
    event.preventDefault();
    close(event.target.closest("details"));
  });
  document.addEventListener("keydown", (event) => {
    const question = event.target.closest("details.confirm[open]");
    if (event.key === "Escape" && question) close(question);
  });
  const seek = document.querySelector("[data-key='/']");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !seek) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    seek.focus();
  });
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", () => navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText));
  }
  // A course of time by uPlot, with axes, and the forecast as a band between its earliest and latest end.
  const chart = () => {
    const figure = document.querySelector("[data-chart]");
    if (!figure || !window.uPlot) return null;
    const box = figure.querySelector(".drawn"), of = JSON.parse(figure.dataset.chart);
    const english = document.documentElement.lang === "en", whole = new Intl.NumberFormat(english ? "en" : "vi", { maximumFractionDigits: 0 });
    const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Ho_Chi_Minh", day: "2-digit", month: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    const say = (at, step) => {
      const part = Object.fromEntries(clock.formatToParts(new Date(at * 1000)).map((each) => [each.type, each.value]));
      if (step >= 86400) return `${part.day}/${part.month}`;
      return `${part.hour}:${part.minute}` + (step < 60 ? `:${part.second}` : "");
    };
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const rows = () => {
      const { t, sent, received, whole: all, ends } = of, n = t.length - 1, now = t[n], none = t.map(() => null);
      const [first, last] = ends && ends[1] > now ? [Math.max(ends[0], now + 1), Math.max(ends[1], now + 2)] : [];
      if (!first || sent[n] >= all) return [t, sent, received, none, none];
      const at = first < last ? [first, last] : [last], line = (end) => [...none.slice(1), sent[n], ...at.map((x) => Math.min(all, sent[n] + (all - sent[n]) * (x - now) / (end - now)))];
      return [[...t, ...at], sent, received, line(first), line(last)].map((each) => [...each, ...Array(n + 1 + at.length - each.length).fill(null)]);
    };
    let drawn = null;
    const draw = () => {
      const ink = colour("--soft"), axis = { stroke: ink, grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: "13px system-ui, sans-serif" };
      const dashed = { stroke: colour("--l4"), dash: [6, 4], points: { show: false } };
      const line = (name) => ({ stroke: colour(name), width: 2, points: { show: false } });
      drawn?.destroy();
      box.replaceChildren();
      drawn = new window.uPlot({
        width: box.clientWidth, height: 240, legend: { show: false }, cursor: { drag: { x: false, y: false } },
        series: [{}, line("--l1"), line("--l2"), dashed, dashed],
        bands: [{ series: [3, 4], fill: colour("--l4") + "26" }],
        scales: { y: { range: (_, least, most) => [0, Math.max(most, 1)] } },
        axes: [{ ...axis, space: 90, values: (_, at, __, ___, step) => at.map((each) => say(each, step)) }, { ...axis, size: 70, values: (_, at) => at.map((each) => whole.format(each)) }],
      }, rows(), box);
    };
    draw();
    addEventListener("resize", () => drawn.setSize({ width: box.clientWidth, height: 240 }));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    return (json) => {
      const runs = of.runs.map((id) => json.runs?.[id]);
      if (runs.some((each) => !each)) return;
      const sum = (name) => runs.reduce((n, each) => n + (each[name] || 0), 0), last = of.sent.length - 1;
      if (sum("sent") === of.sent[last] && sum("received") === of.received[last]) return;
      of.t.push(Date.now() / 1000);
      of.sent.push(sum("sent"));
      of.received.push(sum("received"));
      const ends = runs.map((each) => each.ends).filter(Boolean).map((each) => each.map((at) => new Date(at) / 1000));
      of.ends = ends.length ? [Math.max(...ends.map(([a]) => a)), Math.max(...ends.map(([, b]) => b))] : null;
      drawn.setData(rows());
    };
  };
  const note = document.querySelector("[data-stream]");
  if (!note || !window.EventSource) return void chart();
  const language = document.documentElement.lang, vi = language === "vi", nothing = "–", begun = Date.now();
  const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  const tenth = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const clock = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Asia/Ho_Chi_Minh", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    day: vi ? "2-digit" : "numeric", month: vi ? "2-digit" : "short", year: "numeric",
  });
  const parts = (at) => Object.fromEntries(clock.formatToParts(new Date(at)).map((each) => [each.type, each.value]));
  const said = {
    count: (value) => whole.format(value),
    rate: (value) => tenth.format(value),
    percent: (value) => {
      let tenths = Math.round(value * 1000);
      if (value < 1) tenths = Math.min(tenths, 999);
      if (value > 0) tenths = Math.max(tenths, 1);
      return tenth.format(tenths / 10) + "%";
    },
    moment: (value) => {
      const at = parts(value), today = parts(Date.now()), gap = vi ? "/" : " ";
      const day = [at.day, at.month, ...(at.year === today.year ? [] : [at.year])].join(gap);
      return `${at.hour}:${at.minute}` + (day === [today.day, today.month].join(gap) ? "" : ` ${day}`);
    },
  };
  said.span = ([first, last]) => {
    const [from, to] = [said.moment(first), said.moment(last)], day = (at) => at.slice(5);
    return from === to ? to : `${day(from) === day(to) ? from.slice(0, 5) : from}\u00a0–\u00a0${to}`;
  };
  const show = (name) => {
    for (const each of ["fresh", "cut", "stale"]) note.querySelector("." + each).hidden = each !== name;
  };
  const find = (json, path) => path.split(".").reduce((at, step) => at?.[step], json);
  const places = [];
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      if (name === "data-live") {
        const say = said[element.dataset.as] || String;
        places.push([value, (now) => {
          const words = now === null ? nothing : say(now);
          if (element.textContent !== words) element.textContent = words;
        }]);
      } else if (name.startsWith("data-live-")) {
        places.push([value, (now) => element.setAttribute(name.slice(10), now)]);
      }
    }
  }
  const grow = chart();
  // Ten seconds of silence: grey. A hung server keeps the connection open.
  let heard = Date.now();
  const watch = () => {
    const gone = !over && Date.now() - heard > 10000;
    if (gone) show("cut");
    document.body.classList.toggle("gone", gone);
  };
  const hear = () => { heard = Date.now(); watch(); };
  let touched = false, over = false, due = 0, asked = 0;
  document.addEventListener("input", (event) => { touched ||= Boolean(event.target.form); });  // not the menu
  addEventListener("beforeunload", () => { asked = Date.now(); });
  // Another shape: load it again, but not at once, nor while somebody writes or waits for another page.
  const renew = () => {
    if (touched || document.querySelector("details.confirm[open]")) return;
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
      const now = find(json, path);
      if (now !== undefined) put(now);
    }
    grow?.(json);
    clearTimeout(due);
    const same = json[note.dataset.key] === note.dataset.shape;
    show(same ? "fresh" : "stale");
    if (!same) due = setTimeout(renew, Math.max(0, begun + 5000 - Date.now()));
  });
  on("end", () => { over = true; source.close(); });
  addEventListener("pagehide", () => source.close());
})();
