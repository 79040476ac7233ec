// Shows how far an upload and its import are; without it the form is sent as any other.
(() => {
  "use strict";
  const form = document.querySelector("#upload form"), box = document.getElementById("progress");
  if (!form || !box || !window.FormData) return;
  const vi = document.documentElement.lang === "vi", whole = new Intl.NumberFormat(vi ? "vi" : "en");
  const tenth = new Intl.NumberFormat(vi ? "vi" : "en", { maximumFractionDigits: 1 });
  const cut = document.getElementById("cut-off"), maybe = document.getElementById("may-have"), bar = box.querySelector("progress"), figures = box.querySelector("dl");
  const is = (name) => box.querySelector(`[data-is=${name}]`);
  const step = (name) => {
    for (const each of box.querySelectorAll("[data-step]")) each.hidden = each.dataset.step !== name;
  };
  const percent = (n) => { bar.value = n; is("percent").textContent = Math.floor(n); };
  const get = (path) => fetch(path, { headers: { Accept: "application/json" } }).then((answer) => {
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  });
  const follow = async (id, page) => {  // to the batch's page, which says what is wrong with the file, in numbers
    const batch = await get(`/v1/batches/${id}`);
    if (batch.state !== "importing") return location.assign(page);
    step("importing");
    percent(batch.percent);
    figures.hidden = false;
    for (const each of figures.querySelectorAll("dd")) each.textContent = whole.format(batch[each.dataset.is]);
    setTimeout(() => follow(id, page).catch(() => location.assign(page)), 700);
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const sent = new XMLHttpRequest(), begun = Date.now(), stop = document.getElementById("stop");
    let all = false;
    const leave = (asked) => { asked.preventDefault(); };
    const over = () => { stop.hidden = true; removeEventListener("beforeunload", leave); };
    const back = (lost) => {
      over();
      form.hidden = false;
      box.hidden = true;
      cut.hidden = !lost || all;
      maybe.hidden = !lost || !all;
    };
    box.hidden = stop.hidden = false;
    form.hidden = cut.hidden = maybe.hidden = true;
    addEventListener("beforeunload", leave);
    stop.onclick = () => sent.abort();
    sent.upload.addEventListener("progress", (of) => {
      if (!of.lengthComputable) return;
      percent(100 * of.loaded / of.total);
      const left = Math.ceil((Date.now() - begun) / 1000 * (of.total - of.loaded) / Math.max(of.loaded, 1));
      is("left").textContent = `· ${tenth.format(of.loaded / 1e6)} / ${tenth.format(of.total / 1e6)} MB · ${whole.format(left)} s`;
    });
    sent.upload.addEventListener("load", () => {  // too late to take back
      is("left").textContent = "";
      all = stop.hidden = true;
    });
    sent.addEventListener("load", () => {
      over();
      const id = (/\/batches\/(\d+)$/.exec(new URL(sent.responseURL).pathname) || [])[1];
      if (!id) {  // refused: the page that came says why
        const page = new DOMParser().parseFromString(sent.responseText, "text/html");  // nothing in it runs
        document.documentElement.replaceWith(document.adoptNode(page.documentElement));
        return;
      }
      follow(id, sent.responseURL).catch(() => location.assign(sent.responseURL));
    });
    sent.addEventListener("abort", () => back(false));
    sent.addEventListener("error", () => back(true));
    sent.open("POST", form.action);
    sent.send(new FormData(form));
  });
})();
