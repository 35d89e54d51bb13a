// What a page can make a browser send. Each runs in the page, with the endpoint and a GraphQL request, and gives back
// what the page could read of the answer: null where that is nothing. `arrives` is what the server has to have seen of
// it, so that no attack passes because it never took place: the method. `cookies` says when the browser sends cookies of
// SameSite=Lax along: from pages of the same site ("same-site", as everywhere where nothing is said), "never", or, with a
// GET that goes to the page's own window or another one, from everywhere ("navigation").
// `origin` is what the browser calls the page, where that is not its own origin.

const TEXT = { "content-type": "text/plain" };

/** A form whose only field's name and value, in text/plain, are a JSON document. */
const form = (enctype, where) => ({
  arrives: "POST",
  navigates: where === "top",
  run: async ({ endpoint, body, enctype, where }) => {
    const json = JSON.stringify(body);
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: endpoint, enctype });
    const field = document.createElement("input");
    const isPlain = enctype === "text/plain";
    [field.name, field.value] = isPlain ? [`${json.slice(0, -1)},"x":"`, '"}'] : ["query", body.query];
    form.append(field);
    document.body.append(form);
    if (where === "top") {
      form.submit();
      return null;
    }
    const frame = document.createElement("iframe");
    frame.name = `frame${Math.random()}`;
    if (where === "sandbox") {
      // Its origin is opaque: "Origin: null".
      frame.sandbox = "allow-forms allow-scripts";
      frame.srcdoc = `${form.outerHTML}<script>document.forms[0].submit()</script>`;
      document.body.append(frame);
    } else {
      document.body.append(frame);
      form.target = frame.name;
      const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
      form.submit();
      await loaded;
    }
    try {
      return frame.contentWindow.document.body.textContent || null;
    } catch {
      return null;
    }
  },
  parameters: { enctype, where },
});

const request = (arrives, init, body = "json") => ({
  arrives,
  run: async ({ endpoint, body, init, as }) => {
    const json = JSON.stringify(body);
    const data = new FormData();
    data.append("query", body.query);
    const bodies = {
      json: () => json,
      params: () => new URLSearchParams({ query: body.query }),
      data: () => data,
      blob: () => new Blob([json]),
      bytes: () => new TextEncoder().encode(json),
    };
    const options = { method: "POST", credentials: "include", body: bodies[as](), ...init };
    try {
      return (await (await fetch(endpoint, options)).text()) || null;
    } catch {
      return null;
    }
  },
  parameters: { init, as: body },
});

/** An element that loads the endpoint with a query string. */
const element = (tag, attribute) => ({
  arrives: "GET",
  run: async ({ endpoint, body, tag, attribute }) => {
    const element = document.createElement(tag);
    if (tag === "link") {
      element.rel = "stylesheet";
    }
    const over = new Promise((resolve) => ["load", "error"].forEach((event) => element.addEventListener(event, resolve)));
    element[attribute] = `${endpoint}?query=${encodeURIComponent(body.query)}`;
    document.body.append(element);
    await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 1_000))]);
    try {
      return element.contentWindow?.document.body.textContent || null;
    } catch {
      return null;
    }
  },
  parameters: { tag, attribute },
});

const get = (run) => ({ arrives: "GET", run, parameters: {} });

export const attacks = {
  "fetch, text/plain": request("POST", { headers: TEXT }),
  "fetch, text/plain, without CORS": request("POST", { headers: TEXT, mode: "no-cors" }),
  "fetch, JSON, without CORS": request("POST", { headers: { "content-type": "application/json" }, mode: "no-cors" }),
  "fetch, text/plain that mentions JSON": request("POST", { headers: { "content-type": "text/plain; application/json" } }),
  "fetch, urlencoded": request("POST", {}, "params"),
  "fetch, multipart": request("POST", {}, "data"),
  "fetch, a blob without a type": request("POST", {}, "blob"),
  "fetch, bytes without a type": request("POST", {}, "bytes"),
  "fetch, bytes, without CORS and referrer": request("POST", { mode: "no-cors", referrerPolicy: "no-referrer" }, "bytes"),
  "fetch, text/plain, for an event stream": request("POST", { headers: { ...TEXT, accept: "text/event-stream" } }),
  "fetch, JSON": { ...request("OPTIONS", { headers: { "content-type": "application/json" } }), cookies: "never" },
  "fetch, JSON, for an event stream": {
    ...request("OPTIONS", { headers: { "content-type": "application/json", accept: "text/event-stream" } }),
    cookies: "never",
  },
  "fetch, another method": { ...request("OPTIONS", { method: "PUT", headers: TEXT }), cookies: "never" },
  "fetch, JSON, by way of a redirect": {
    arrives: "OPTIONS",
    cookies: "never",
    run: async ({ endpoint, body }) => {
      const options = { method: "POST", credentials: "include", headers: { "content-type": "application/json" } };
      try {
        const answer = await fetch(`/redirect?to=${encodeURIComponent(endpoint)}`, { ...options, body: JSON.stringify(body) });
        return await answer.text();
      } catch {
        return null;
      }
    },
    parameters: {},
  },
  "XMLHttpRequest, text/plain": {
    arrives: "POST",
    run: ({ endpoint, body }) =>
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open("POST", endpoint);
        request.withCredentials = true;
        request.onloadend = () => resolve(request.responseText || null);
        request.send(JSON.stringify(body));
      }),
    parameters: {},
  },
  beacon: {
    arrives: "POST",
    run: async ({ endpoint, body }) => {
      navigator.sendBeacon(endpoint, JSON.stringify(body));
      return null;
    },
    parameters: {},
  },
  "beacon, JSON": {
    arrives: "OPTIONS",
    cookies: "never",
    run: async ({ endpoint, body }) => {
      navigator.sendBeacon(endpoint, new Blob([JSON.stringify(body)], { type: "application/json" }));
      return null;
    },
    parameters: {},
  },
  "form, urlencoded": form("application/x-www-form-urlencoded", "frame"),
  "form, text/plain": form("text/plain", "frame"),
  "form, multipart": form("multipart/form-data", "frame"),
  "form, text/plain, of no origin": { ...form("text/plain", "sandbox"), cookies: "never", origin: "null" },
  "form, text/plain, as the page": form("text/plain", "top"),
  "form, urlencoded, as the page": form("application/x-www-form-urlencoded", "top"),
  "form, multipart, as the page": form("multipart/form-data", "top"),
  "fetch, GET": get(async ({ endpoint, body }) => {
    try {
      const answer = await fetch(`${endpoint}?query=${encodeURIComponent(body.query)}`, { credentials: "include" });
      return await answer.text();
    } catch {
      return null;
    }
  }),
  image: element("img", "src"),
  script: element("script", "src"),
  "style sheet": element("link", "href"),
  frame: element("iframe", "src"),
  object: element("object", "data"),
  EventSource: get(
    ({ endpoint, body }) =>
      new Promise((resolve) => {
        const source = new EventSource(`${endpoint}?query=${encodeURIComponent(body.query)}`, { withCredentials: true });
        const over = (said) => {
          source.close();
          resolve(said);
        };
        source.addEventListener("next", (event) => over(event.data));
        source.addEventListener("message", (event) => over(event.data));
        source.addEventListener("error", () => over(null));
      }),
  ),
  "another window, GET": {
    arrives: "GET",
    cookies: "navigation",
    run: async ({ endpoint, body }) => {
      const other = window.open(`${endpoint}?query=${encodeURIComponent(body.query)}`);
      try {
        // The empty document that it begins with can be read; what takes its place cannot.
        for (;;) {
          const text = other.document.body?.textContent;
          if (text) {
            return text;
          }
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      } catch {
        return null;
      } finally {
        other.close();
      }
    },
    parameters: {},
  },
};

/** Opens a WebSocket and runs one operation; gives its answer. Runs in the page. */
export function overSocket({ endpoint, body }) {
  return new Promise((resolve) => {
    const socket = new WebSocket(endpoint.replace(/^http/, "ws"), "graphql-transport-ws");
    socket.onopen = () => socket.send(JSON.stringify({ type: "connection_init" }));
    socket.onclose = ({ code }) => resolve({ closed: code });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        socket.send(JSON.stringify({ type: "subscribe", id: "1", payload: body }));
      } else if (message.type === "next" || message.type === "error") {
        socket.onclose = null;
        socket.close();
        resolve(message.payload);
      }
    };
  });
}
