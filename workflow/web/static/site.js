// Small comforts; every page works without them.
(() => {
  "use strict";
  // The reader's zone, once, where none was chosen.
  if (!/(?:^|; )zone=/.test(document.cookie)) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) {
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    }
  }
  // A page with problems begins at their summary.
  document.getElementById("problems")?.focus();
  // What a new password still lacks; the server judges it all the same.
  const kinds = [/[A-Z]/, /[a-z]/, /[0-9]/, /[!-/:-@[-`{-~]/];
  for (const list of document.querySelectorAll("[data-rules-for]")) {
    const field = document.getElementById(list.dataset.rulesFor);
    const username = list.dataset.username.normalize("NFC").toLowerCase();
    const judge = () => {
      const typed = field.value.normalize("NFC");
      for (const rule of list.querySelectorAll("[data-rule]")) {
        const is_kept = {
          least: () => [...typed].length >= Number(rule.dataset.least),
          groups: () => kinds.filter((kind) => kind.test(typed)).length >= Number(rule.dataset.groups),
          username: () => typed !== "" && (username === "" || !typed.toLowerCase().includes(username)),
        }[rule.dataset.rule]();
        rule.classList.toggle("kept", is_kept);
      }
    };
    field?.addEventListener("input", judge);
  }
  // What refreshes itself waits while somebody is ticking boxes or typing in it.
  document.addEventListener("htmx:before:request", (event) => {
    const part = document.querySelector(event.target.getAttribute("hx-select") ?? "#none");
    const typing = document.activeElement;
    const is_busy = part?.querySelector("input[type=checkbox]:checked") || (part?.contains(typing) && typing.matches("input:not([type=checkbox]), textarea, select"));
    if (is_busy && event.target.getAttribute("hx-trigger")?.startsWith("every")) {
      event.preventDefault();
    }
  });
  // A form is submitted once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if ("download" in form.dataset) {
      return; // answered with a file: this page stays
    }
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    addEventListener("pageshow", () => delete form.dataset.sent, { once: true });
  });
})();
