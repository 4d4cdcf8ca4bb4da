// Has a page that shows something in motion read again when the process says that it has moved. The address of
// these events stands on #live; without it, or while nobody sees the page, nothing is followed.
"use strict";
(() => {
  let source;
  const close = () => {
    source?.close();
    source = undefined;
  };
  const follow = () => {
    const address = document.hidden ? undefined : document.getElementById("live")?.dataset.events;
    if (!address) {
      close();
    } else if (!source || source.readyState === EventSource.CLOSED) {
      source = new EventSource(address);
      source.onmessage = () => globalThis.htmx.trigger("#live", "moved");
    }
  };
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("htmx:afterSettle", follow);
  globalThis.addEventListener("pagehide", close);
  globalThis.addEventListener("pageshow", follow);
  follow();
})();
