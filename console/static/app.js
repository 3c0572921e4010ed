// What a page does beside htmx. Without this script, and without any script, each page works as the server sent it: its
// numbers are those of the moment when it was opened, and each question is a page of its own.
(() => {
  "use strict";

  // Live numbers where a stream does not work: the page then asks for them every ten seconds.
  function keepNumbers(live) {
    const POLL_MILLISECONDS = 10000;
    const MAX_FAILURES = 3;
    let failures = 0;

    function poll() {
      if (!document.hidden) htmx.ajax("GET", live.dataset.numbers, {target: "body", swap: "none"});
    }

    function stopStream() {
      if (!live.isConnected) return;
      live.remove(); // the extension closes the stream of an element that is gone
      poll();
      setInterval(poll, POLL_MILLISECONDS);
    }

    function fail(status) {
      failures += 1;
      if (status === 401) location.reload(); // the server leads to the login page
      else if (failures >= MAX_FAILURES) stopStream();
    }

    live.addEventListener("htmx:sse:error", (event) => fail(event.detail.status));
    live.addEventListener("htmx:sse:after:message", () => { failures = 0; });
    live.addEventListener("full", stopStream); // this person has opened many newer pages
    live.addEventListener("signed-out", () => location.reload());
    // The first connection failed. The extension tries again only after a stream that was open.
    live.addEventListener("htmx:response:error", (event) => {
      if (event.detail.ctx.response.status === 401) location.reload();
      else stopStream();
    });
    live.addEventListener("htmx:error", stopStream);
  }

  // Says to readers of the screen which status has changed, at most every ten seconds. Numbers are never said.
  function sayChanges(output) {
    const SAY_MILLISECONDS = 10000;
    const known = new Map();
    const changed = new Map();
    let saidAt = -SAY_MILLISECONDS;
    let timer = null;

    function read(element) {
      return element.dataset.said || element.textContent.trim();
    }

    function say() {
      timer = null;
      saidAt = performance.now();
      output.textContent = [...changed.values()].join(". ");
      changed.clear();
    }

    function note() {
      for (const element of document.querySelectorAll("[data-said]")) {
        const words = read(element);
        if (known.get(element.id) === words) continue;
        known.set(element.id, words);
        changed.set(element.id, words);
      }
      if (changed.size && timer === null) timer = setTimeout(say, Math.max(0, saidAt + SAY_MILLISECONDS - performance.now()));
    }

    for (const element of document.querySelectorAll("[data-said]")) known.set(element.id, read(element));
    const watched = {subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ["data-said"]};
    new MutationObserver(note).observe(document.querySelector("main"), watched);
  }

  // Shows the page behind a link with `data-dialog` as a dialog above this page. What goes wrong leads to the page itself.
  function openDialogs() {
    let opener = null;

    function find(element) {
      return element.closest && element.closest("a[data-dialog]");
    }

    function show(text, url) {
      const article = new DOMParser().parseFromString(text, "text/html").querySelector("main article");
      if (!article) {
        location.assign(url);
        return;
      }
      let dialog = document.querySelector("dialog");
      if (!dialog) {
        dialog = document.createElement("dialog");
        dialog.setAttribute("aria-labelledby", "dialog-title");
        dialog.addEventListener("close", () => end(dialog));
        dialog.addEventListener("click", (event) => {
          if (event.target.closest("[data-close]")) {
            event.preventDefault();
            dialog.close();
          }
        });
        dialog.addEventListener("submit", send);
        document.body.append(dialog);
      }
      const title = document.createElement("h2");
      title.id = "dialog-title";
      title.tabIndex = -1;
      title.append(...article.querySelector("h1").childNodes);
      article.querySelector("h1").replaceWith(title);
      dialog.replaceChildren(article);
      dialog.dataset.url = url;
      if (!dialog.open) dialog.showModal();
      (dialog.querySelector("[aria-invalid]") || title).focus(); // never a button: a second Enter would press it
    }

    function end(dialog) {
      dialog.remove();
      // The numbers may have replaced the link in the meantime, and with it its focus.
      const link = opener && (document.getElementById(opener.id)?.querySelector("a[data-dialog]") || opener.link);
      if (link && link.isConnected) link.focus();
    }

    async function load(url) {
      const response = await fetch(url);
      // Another address is that of the login page: the session has ended.
      if (response.redirected) location.assign(url);
      else show(await response.text(), url);
    }

    async function send(event) {
      event.preventDefault();
      const url = document.querySelector("dialog").dataset.url;
      const body = new URLSearchParams(new FormData(event.target, event.submitter));
      for (const button of event.target.querySelectorAll("button")) button.disabled = true;
      try {
        const response = await fetch(url, {method: "POST", body});
        if (response.redirected) location.assign(response.url);
        else show(await response.text(), url);
      } catch {
        event.target.action = url; // the page itself says what is wrong, and keeps nothing from a person
        event.target.submit();
      }
    }

    document.addEventListener("click", (event) => {
      const link = find(event.target);
      if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      if (!link.closest("dialog")) opener = {link, id: link.parentElement.id};
      load(link.href).catch(() => location.assign(link.href));
    });
  }

  // A link that looks like a button, and is called one to readers of the screen, also obeys the key of a button.
  function pressBySpace(event) {
    const link = event.key === " " && event.target.closest("a[role='button']");
    if (!link) return;
    event.preventDefault(); // the page would scroll
    link.click();
  }

  const live = document.getElementById("live");
  if (live) keepNumbers(live);
  document.addEventListener("keydown", pressBySpace);
  sayChanges(document.getElementById("said"));
  openDialogs();
})();
