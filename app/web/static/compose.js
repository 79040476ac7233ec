// Renews the preview while somebody writes: the form is sent as by its button Preview, and its part of the answer shown.
(() => {
  "use strict";
  const place = document.getElementById("preview"), button = document.querySelector("button[value=preview]");
  if (!place || !button || !window.DOMParser) return;
  const form = button.form;
  let waiting = 0, asked = 0;
  const renew = async () => {
    const turn = ++asked, fields = new URLSearchParams(new FormData(form));
    fields.set("do", "preview");
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "text/html" } });
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("preview");
      if (found && turn === asked) place.replaceChildren(...found.childNodes);
    } catch { /* the button still works */ }
    if (turn === asked) place.removeAttribute("aria-busy");
  };
  form.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(renew, 400); });
  form.addEventListener("submit", (event) => {
    if (event.submitter !== button) return;
    event.preventDefault();
    renew().then(() => place.scrollIntoView({ block: "nearest" }));
  });
})();
