// Asks before a page is left, or another language is chosen, while what was written on it has not been sent.
(() => {
  "use strict";
  // The text of a campaign is kept by compose.js, and comes back.
  const counts = (form) => form?.method === "post" && !form.querySelector("button[value=preview]");
  let written = document.querySelector("form[method=post]:has([aria-invalid])");
  if (!counts(written)) written = null;
  document.addEventListener("input", (event) => { if (counts(event.target.form)) written = event.target.form; });
  document.addEventListener("submit", (event) => { if (event.target === written) written = null; });
  addEventListener("beforeunload", (event) => { if (written) event.preventDefault(); });
})();
