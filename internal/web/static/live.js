// Keeps the page live: when the server says that something changed, the page is
// fetched again and its main part replaced, unless somebody is typing in it.
(() => {
  const main = document.getElementById("main"), live = document.getElementById("live");
  if (!main || !window.EventSource) return;
  const id = (location.pathname.match(/^\/incidents\/(.+)$/) || [])[1] || "";
  let source, last = "", seen = Date.now();
  const refresh = async () => {
    if (main.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return;
    const page = await fetch(location.href, {headers: {Accept: "text/html"}});
    if (!page.ok) return;
    const next = new DOMParser().parseFromString(await page.text(), "text/html").getElementById("main");
    const open = [...main.querySelectorAll("details")].map((d) => d.open);
    main.replaceChildren(...next.childNodes);
    main.querySelectorAll("details").forEach((d, i) => { d.open = open[i] || false; });
  };
  const start = () => {
    source = new EventSource("/events?incident=" + encodeURIComponent(decodeURIComponent(id)));
    source.onopen = () => { seen = Date.now(); live.textContent = "● live"; };
    source.addEventListener("changed", (e) => {
      if (last && e.data !== last) refresh();
      last = e.data; seen = Date.now();
    });
    source.onerror = () => { live.textContent = "○ reconnecting, as of " + new Date(seen).toISOString().slice(11, 19); };
  };
  document.addEventListener("visibilitychange", () => { if (document.hidden) source.close(); else { start(); refresh(); } });
  start();
})();
