// A course of time by uPlot, with axes, and the forecast as a band between its earliest and latest end.
(() => {
  "use strict";
  const figure = document.querySelector("[data-chart]");
  if (!figure || !window.uPlot) return;
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
    // Hours without sending are shaded under the lines, and what happened is a numbered line over them.
    const under = (plot) => {
      const { ctx, bbox: { top, height } } = plot, x = (at) => plot.valToPos(at, "x", true);
      ctx.save();
      ctx.fillStyle = ink + "22";
      for (const [from, to] of of.closed) ctx.fillRect(x(from), top, x(to) - x(from), height);
      ctx.restore();
    };
    const over = (plot) => {
      const { ctx, bbox: { top, height } } = plot, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.strokeStyle = ctx.fillStyle = ink;
      ctx.lineWidth = ratio;
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.font = `600 ${13 * ratio}px system-ui, sans-serif`;
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      of.marks.forEach((at, n) => {
        const x = Math.round(plot.valToPos(at, "x", true)) + 0.5;
        ctx.beginPath();
        ctx.moveTo(x, top);
        ctx.lineTo(x, top + height);
        ctx.stroke();
        ctx.fillText(n + 1, x + 3 * ratio, top + 14 * ratio * (n % 4));
      });
      ctx.restore();
    };
    drawn?.destroy();
    box.replaceChildren();
    drawn = new window.uPlot({
      width: box.clientWidth, height: 240, legend: { show: false }, cursor: { drag: { x: false, y: false } },
      hooks: { drawClear: [under], draw: [over] },
      series: [{}, line("--l1"), line("--l2"), dashed, dashed],
      bands: [{ series: [3, 4], fill: colour("--l4") + "26" }],
      scales: { y: { range: (_, least, most) => [0, Math.max(most, 1)] } },
      axes: [{ ...axis, space: 90, values: (_, at, __, ___, step) => at.map((each) => say(each, step)) }, { ...axis, size: 70, values: (_, at) => at.map((each) => whole.format(each)) }],
    }, rows(), box);
  };
  draw();
  addEventListener("resize", () => drawn.setSize({ width: box.clientWidth, height: 240 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  document.addEventListener("progress", ({ detail: json }) => {
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
  });
})();
