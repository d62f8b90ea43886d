// stream_rec in a web page: const rec = streamRec("https://rec.shop.example", "srk_..."); rec.track("item-7", "view")
export function streamRec(url, key, { seconds = 2, most = 50, queued = 500 } = {}) {
  let visitor = JSON.parse(localStorage.getItem("stream_rec")), queue = [], failures = 0, timer = 0, after = "";
  const call = async (path, options = {}) => {
    const headers = { authorization: `Bearer ${key}`, "x-visitor-token": visitor?.token || "" };
    const answer = await fetch(url + path, { ...options, headers });
    if ([401, 403].includes(answer.status)) visitor = null; // the token is of another key
    if ([401, 403, 429].includes(answer.status) || answer.status >= 500) throw new Error(answer.status);
    return answer.json();
  };
  const known = async () => visitor?.until > Date.now() / 1000 + 60 ||
    localStorage.setItem("stream_rec", JSON.stringify(visitor = await call("/v1/visitors", { method: "POST" })));
  const body = (events) => JSON.stringify(events.map((event) => ({ ...event, user_id: visitor.user_id })));
  const later = (ms) => { timer ||= setTimeout(send, ms); };
  const send = async () => {
    const batch = queue.slice(0, most);
    try {
      await known();
      const answer = await call("/v1/events/batch", { method: "POST", body: body(batch) });
      for (const each of answer.results || []) if (each.status === 202) after = `${each.partition}:${each.offset}`;
      [queue, failures] = [queue.filter((event) => !batch.includes(event)), 0]; // what is refused is not sent again
    } catch { failures += 1; }
    timer = 0;
    if (queue.length) later(Math.min(60, seconds * 2 ** failures) * 1000 * (0.5 + Math.random() / 2));
  };
  addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden" || !queue.length || !visitor) return;
    const to = `${url}/v1/events/batch?key=${key}&visitor=${visitor.token}`; // a beacon can send no headers
    if (navigator.sendBeacon(to, body(queue.slice(0, most)))) queue = queue.slice(most);
  });
  return {
    track(item_id, event_type, more = {}) {
      const event = { ...more, item_id, event_type, ts: Date.now() / 1000, event_id: crypto.randomUUID() };
      queue = [...queue, event].slice(-queued);
      later(seconds * 1000);
    },
    recommendations: (n = 20) => known().then(() => // as of what was sent before
      call(`/v1/users/${visitor.user_id}/recommendations?n=${n}${after && `&after=${after}`}`)),
  };
}
