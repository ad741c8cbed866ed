"use strict";
const POLL_MS = 1000, HISTORY = 120;
const $ = (id) => document.getElementById(id);
const history = {lag: [], legacy: [], new: []};
let before = null, now = null, lastAnswer = 0;

// Text goes in by textContent alone: names come from configurations and stores.
function node(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const child of children) made.append(child);
  return made;
}
const text = (id, value) => { $(id).textContent = value; };
function state(id, value, kind) {
  const target = $(id);
  target.textContent = value;
  target.classList.remove("good", "warn", "bad");
  if (kind) target.classList.add(kind);
}

const count = (value) => Math.round(value).toLocaleString("en-US");
const rate = (value) => (value > 0 && value < 10 ? value.toFixed(1) : count(value));
const percent = (share) => +(share * 100).toFixed(2) + "%";
function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; ++unit) value /= 1024;
  return (unit && value < 10 ? value.toFixed(1) : Math.round(value)) + " " + units[unit];
}
function seconds(value) {
  if (value <= 0) return "0";
  if (value < 1e-3) return Math.round(value * 1e6) + " µs";
  if (value < 1) return (value < 0.01 ? (value * 1e3).toFixed(1) : Math.round(value * 1e3)) + " ms";
  if (value < 120) return (value < 10 ? value.toFixed(1) : Math.round(value)) + " s";
  return uptime(value * 1e3);
}
function uptime(ms) {
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60);
  if (s < 60) return s + "s";
  if (m < 60) return m + "m " + (s % 60) + "s";
  return h < 24 ? h + "h " + (m % 60) + "m" : Math.floor(h / 24) + "d " + (h % 24) + "h";
}

// The upper end of the bucket that holds the quantile; bucket i is below 2^i µs.
function quantile(counts, part) {
  const total = counts.reduce((sum, c) => sum + c, 0);
  if (!total) return "–";
  let below = 0, i = 0;
  for (; i < counts.length; ++i) if ((below += counts[i]) >= part * total) break;
  return i === counts.length - 1 ? ">" + seconds(2 ** (i - 1) / 1e6) : "<" + seconds(2 ** i / 1e6);
}

const elapsed = () => (before ? (now.sampled_us - before.sampled_us) / 1e6 : 0);
const perSecond = (current, earlier) => (elapsed() > 0 ? Math.max(0, current - earlier) / elapsed() : 0);
const storeBefore = (role) => before && before.stores.find((s) => s.role === role);
function storeRate(store, cls) {
  const earlier = storeBefore(store.role);
  return earlier ? perSecond(store.requests[cls], earlier.requests[cls]) : 0;
}
function storeCounts(store, cls) {
  const earlier = storeBefore(store.role);
  return store.latency[cls].counts.map((c, i) => Math.max(0, c - (earlier ? earlier.latency[cls].counts[i] : c)));
}

function showStores() {
  $("stores").replaceChildren(...now.stores.map((store) => {
    const card = node("div", "card store " + (store.role === "new" ? "new" : "legacy"));
    const title = node("h2", "", store.role,
      node("span", "pill", store.authority ? "authority" : "follower"),
      node("span", "pill " + (store.connected ? "good" : "bad"),
        store.connected ? "connected" : "not connected"),
      ...Object.entries(store.states).filter(([name, holds]) => holds && name !== "up")
        .map(([name]) => node("span", "pill bad", name.replaceAll("_", " "))));
    card.append(title, node("div", "address",
      store.address + (store.version ? " · Redis " + store.version : "")));
    if (store.state !== "up" && store.state_detail) card.append(node("p", "error", store.state_detail));
    else if (!store.connected && store.last_error) card.append(node("p", "error", store.last_error));
    const body = node("tbody", "");
    for (const cls of ["read", "write", "other"]) {
      const counts = storeCounts(store, cls);
      body.append(node("tr", "", node("td", "", cls + "s"), node("td", "n", rate(storeRate(store, cls))),
        node("td", "n", quantile(counts, 0.5)), node("td", "n", quantile(counts, 0.99)),
        node("td", "n", count(store.requests[cls]))));
    }
    const head = node("tr", "", node("th", "", ""), ...["per second", "p50", "p99", "total"]
      .map((name) => node("th", "n", name)));
    const scroll = node("div", "scroll", node("table", "", node("thead", "", head), body));
    card.append(scroll);
    return card;
  }));
}

function bar(id, share, className) {
  const target = $(id);
  target.firstElementChild.style.width = Math.min(100, Math.max(0, share * 100)) + "%";
  target.className = "bar " + className;
  target.setAttribute("aria-valuenow", Math.floor(share * 100));
}

function showMirror() {
  const kind = {live: "good", refused: "bad", disconnected: "bad", off: ""}[now.mirror_state];
  state("mirror_state", now.mirror_state, kind === undefined ? "warn" : kind);
  text("mirror_detail", now.mirror_detail);
  $("mirror_detail").hidden = !now.mirror_detail;
  let share = now.live_partitions / now.partitions;
  // The number of keys is an estimate: only the partitions say that it is done.
  if (now.mirror_state === "copying" && now.backfill.keys_total > 0)
    share = Math.max(share, Math.min(0.99, now.backfill.keys_copied / now.backfill.keys_total));
  text("copy_text", Math.floor(share * 100) + "% · " + count(now.backfill.keys_copied) +
    (now.backfill.keys_total ? " of ~" + count(now.backfill.keys_total) : "") + " keys · " +
    count(now.live_partitions) + " of " + count(now.partitions) + " partitions live");
  bar("copy_bar", share, share >= 1 ? "full" : "");
  const full = now.log_bytes / now.log_bytes_max;
  text("log_text", count(now.log_entries) + " entries · " + bytes(now.log_bytes) + " of " + bytes(now.log_bytes_max));
  bar("log_bar", full, full > 0.5 ? "thin over" : "thin");
  state("lag", seconds(now.lag_seconds), now.lag_seconds > 1 ? "warn" : "");
  state("dirty", count(now.dirty_keys), now.dirty_keys ? "warn" : "");
  text("syncs", count(now.syncs_under_way));
  const drift = Object.entries(now.drift).filter(([, c]) => c);
  state("drift", count(drift.reduce((sum, [, c]) => sum + c, 0)), drift.length ? "warn" : "");
  if (drift.length) $("drift").append(node("small", "", drift.map(([name, c]) => name + " " + count(c)).join(", ")));
  state("collapses", count(now.log_collapses), now.log_collapses ? "warn" : "");
  state("journal", now.journal.state, {ok: "good", failed: "bad"}[now.journal.state] || "warn");
  if (now.journal.reason) $("journal").append(node("small", "", now.journal.reason));
  $("ack_box").hidden = now.mirror_ack !== "both";
  state("acks", count(now.ack_timeouts), now.ack_timeouts ? "warn" : "");
}

function tags(id, counts, className) {
  $(id).replaceChildren(...Object.entries(counts).filter(([, c]) => c)
    .map(([name, c]) => node("span", className, name + " " + count(c))));
}

function showRequests() {
  text("clients", count(now.clients));
  $("clients").append(node("small", "", "of " + count(now.clients_max)));
  state("rejected", count(now.clients_rejected), now.clients_rejected ? "warn" : "");
  state("breaker", now.breaker.replace(/[_-]/, " "), {closed: "good", open: "bad"}[now.breaker] || "warn");
  if (now.breaker_trips) $("breaker").append(node("small", "", count(now.breaker_trips) + " trips"));
  text("retries", count(now.follower_read_retries + now.authority_read_retries));
  text("suspended", now.reads_suspended && "Follower reads are suspended: " + now.reads_suspended);
  $("suspended").hidden = !now.reads_suspended;
  tags("effects", now.effects, "");
  tags("errors", now.client_errors, "bad");
}

function rows(id, list, columns, empty) {
  if (!list.length) {
    const cell = node("td", "none", empty);
    cell.colSpan = columns;
    list = [node("tr", "", cell)];
  }
  $(id).replaceChildren(...list);
}

function showReads() {
  const key = (d) => [d.route, d.store, d.reason, d.result].join("\n");
  const earlier = new Map(before ? [...before.read_decisions, ...before.shadow].map((d) => [key(d), d.count]) : []);
  const speed = (d) => (before ? perSecond(d.count, earlier.get(key(d)) || 0) : 0);
  const all = now.read_decisions.reduce((sum, d) => sum + speed(d), 0);
  rows("decisions", now.read_decisions.map((d) => {
    const fill = node("i", "");
    fill.style.width = (all ? 100 * speed(d) / all : 0) + "%";
    const store = d.store === "new" ? "new" : "legacy";
    return node("tr", "", node("td", "", d.route), node("td", store, d.store), node("td", "", d.reason),
      node("td", "n", rate(speed(d))), node("td", "n", count(d.count)),
      node("td", "share " + store, node("div", "bar", fill)));
  }), 6, "no reads yet");
  rows("routes", now.routes.map((route) => {
    const match = Object.entries(route.match).map(([name, value]) => name + " " + value).join(", ");
    return node("tr", "", node("td", "", route.name), node("td", match ? "" : "none", match || "everything"),
      node("td", "n", percent(route.follower_share)), node("td", "n", route.staleness_ms + " ms"),
      node("td", "n", percent(route.shadow_share)), node("td", "", route.prefer));
  }), 6, "none");
  rows("shadow", now.shadow.map((c) => node("tr", "", node("td", "", c.route),
    node("td", c.result === "mismatched" && c.count ? "bad" : "", c.result),
    node("td", "n", rate(speed(c))), node("td", "n", count(c.count)))), 4, "none compared yet");
}

function showHead() {
  state("ready", now.stopping ? "stopping" : now.ready ? "ready" : "not ready: " + now.ready_reason,
    now.stopping ? "warn" : now.ready ? "good" : "bad");
  for (const item of $("stages").children) {
    const on = item.dataset.stage === now.stage;
    item.classList.toggle("on", on);
    if (on) item.setAttribute("aria-current", "step"); else item.removeAttribute("aria-current");
  }
  text("uptime", uptime(now.uptime_ms));
  text("plan", "#" + now.plan_epoch + " " + now.plan_digest.slice(0, 12));
  $("plan").title = now.plan_digest;
  text("version", "crossfade " + now.version + ", process " + now.pid);
  text("config", now.config);
  const last = now.reloads.last;
  $("refused").hidden = !last || last.applied;
  if (last && !last.applied)
    text("refused", "The last reload was refused, the plan before it stays in force:\n" + last.error);
  document.title = (now.ready ? "" : "! ") + "crossfade: " + now.stage + ", " + now.mirror_state;
}

function draw(id, series, format) {
  const canvas = $(id), scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  pen.scale(scale, scale);
  const top = Math.max(...series.flatMap((s) => s.values), 0);
  pen.strokeStyle = colour("--line");
  pen.beginPath();
  pen.moveTo(0, height - 0.5);
  pen.lineTo(width, height - 0.5);
  pen.stroke();
  pen.lineWidth = 1.6;
  for (const {values, name} of series) {
    pen.strokeStyle = colour(name);
    pen.beginPath();
    values.forEach((value, i) => {
      const x = width * (HISTORY - values.length + i) / (HISTORY - 1);
      const y = height - 2 - (top > 0 ? (height - 18) * value / top : 0);
      if (i) pen.lineTo(x, y); else pen.moveTo(x, y);
    });
    pen.stroke();
  }
  pen.fillStyle = colour("--dim");
  pen.font = "11px system-ui, sans-serif";
  pen.fillText(top > 0 ? "max " + format(top) : "0", 0, 11);
}

function remember(name, value) {
  history[name].push(value);
  if (history[name].length > HISTORY) history[name].shift();
}

function show(status) {
  before = now && now.pid === status.pid && now.sampled_us < status.sampled_us ? now : null;
  now = status;
  for (const store of now.stores)
    if (before) remember(store.role === "new" ? "new" : "legacy",
      storeRate(store, "read") + storeRate(store, "write") + storeRate(store, "other"));
  remember("lag", now.lag_seconds);
  showHead();
  showStores();
  showMirror();
  showRequests();
  showReads();
  draw("lag_chart", [{values: history.lag, name: "--new"}], seconds);
  draw("rate_chart", [{values: history.legacy, name: "--legacy"}, {values: history.new, name: "--new"}], rate);
}

function online(reason) {
  $("offline").hidden = !reason;
  $("content").classList.toggle("stale", !!reason);
  if (!reason) return;
  const age = lastAnswer ? " The figures below are " + seconds((Date.now() - lastAnswer) / 1000) + " old." : "";
  text("offline", "The proxy can't be reached (" + reason + ")." + age + " Trying again each second.");
  state("ready", "unreachable", "bad");
  document.title = "! crossfade: unreachable";
}

async function poll() {
  const started = Date.now(), abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 3000);
  try {
    const answer = await fetch("/api/v1/status", {signal: abort.signal, cache: "no-store"});
    if (!answer.ok) throw new Error("HTTP status " + answer.status);
    const status = await answer.json();
    lastAnswer = Date.now();
    online("");
    show(status);
  } catch (error) {
    online(abort.signal.aborted ? "no answer within 3 s" : error.message);
  }
  clearTimeout(timer);
  setTimeout(poll, Math.max(100, POLL_MS - (Date.now() - started)));
}
poll();
