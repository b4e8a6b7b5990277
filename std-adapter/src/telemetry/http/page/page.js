"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const base = location.pathname.replace(/\/?$/, "/");
  const SVG = "http://www.w3.org/2000/svg";
  const KEPT = 120; // reports that the charts show
  const STRIPS = [1, 5, 15]; // minutes that the strip of states may show
  const STATES = {
    closed: ["Closed", "M8 2a6 6 0 1 0 .01 0z"],
    open: ["Open", "M8 1.5 15 14H1z"],
    half_open: ["Half open", "M8 2a6 6 0 0 0 0 12zm0 0a6 6 0 0 1 0 12v-1.6a4.4 4.4 0 0 0 0-8.8z"],
    forced_open: ["Forced open", "M2 2h12v12H2z"],
    disabled: ["Disabled", "M8 2a6 6 0 1 0 .01 0zm0 2a4 4 0 1 1-.01 0z"],
    metrics_only: ["Metrics only", "M8 1l7 7-7 7-7-7zm0 3L4 8l4 4 4-4z"],
  };
  const ORDER = ["open", "forced_open", "half_open", "disabled", "metrics_only", "closed"];
  const REASONS = {
    failure_rate: "too many calls failed",
    slow_call_rate: "too many calls were slow",
    open_timeout_elapsed: "the open time was over, probing",
    probes_succeeded: "the probes succeeded",
    probe_failed: "a probe failed",
    probe_lease_expired: "probes never reported, probing again",
    manual: "asked for by an operator",
  };
  const VERBS = { force_open: "Force open", disable: "Disable", metrics_only: "Metrics only", reset: "Reset" };
  const MEANS = {
    force_open: "rejects every call until it is reset",
    disable: "admits every call and counts none until it is reset",
    metrics_only: "counts every call and never opens until it is reset",
    reset: "is closed, with an empty window",
  };

  // ---- small tools ----
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") element.textContent = value;
      else if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  };
  const draw = (tag, attributes = {}) => {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const say = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const number = (value) => {
    if (value >= 1e6) return (value / 1e6).toFixed(value < 1e7 ? 1 : 0) + "M";
    if (value >= 1e4) return (value / 1e3).toFixed(value < 1e5 ? 1 : 0) + "k";
    if (value >= 100 || Number.isInteger(value)) return Math.round(value).toString();
    return value.toFixed(1);
  };
  const percent = (share) => (share > 0 && share < 0.0995 ? (share * 100).toFixed(1) : Math.round(share * 100)) + " %";
  const span = (seconds) => {
    if (seconds <= 0) return "0 s";
    if (seconds < 0.0015) return Math.round(seconds * 1e6) + " µs";
    if (seconds < 1) return Math.round(seconds * 1e3) + " ms";
    if (seconds < 10) return seconds.toFixed(1) + " s";
    if (seconds < 100) return Math.round(seconds) + " s";
    if (seconds < 7200) return Math.round(seconds / 60) + " min";
    return (seconds / 3600).toFixed(1) + " h";
  };
  const short = (seconds) => span(seconds).replace(" ", "\u2009");
  const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
  const mark = (state, extra = "") => {
    const [text, path] = STATES[state] ?? [state, ""];
    const icon = draw("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
    icon.append(draw("path", { d: path, fill: "currentColor" }));
    return make("span", { class: "mark " + extra, "data-state": state }, icon, text);
  };

  // ---- what is known ----
  const known = new Map(); // breaker's key -> { card, samples, changes, last }
  let latest = null, heard = 0, token = "", announced = false, changesSeen = "";
  const keyOf = (breaker) => (breaker.board ?? "") + "\n" + breaker.name;

  const take = (report) => {
    heard = performance.now();
    const first = latest === null;
    const elapsed = first ? 0 : Math.max(0.001, (report.at - latest.at) / 1e3);
    latest = report;
    const present = new Set();
    for (const breaker of report.breakers) {
      const key = keyOf(breaker);
      present.add(key);
      let own = known.get(key);
      if (!own) known.set(key, (own = { samples: [], changes: [], last: null, began: report.at, card: card(breaker) }));
      remember(own, breaker, report.at, elapsed);
      show(own, breaker, report);
    }
    for (const [key, own] of known) if (!present.has(key)) { own.card.root.remove(); known.delete(key); }
    arrange();
    summary(report);
    limits(report);
    lanes(report);
    tables(report);
    $("unlock").hidden = !report.controls;
    say($("version"), "Fuseboard " + report.version);
    announced = true;
  };

  const remember = (own, breaker, at, elapsed) => {
    const totals = breaker.totals, last = own.last;
    const rate = (key) => (last && elapsed > 0 ? Math.max(0, totals[key] - last[key]) / elapsed : 0);
    const bad = rate("failures"), ok = Math.max(0, rate("calls") - bad);
    const window = breaker.window;
    own.samples.push({ at, ok, bad, gone: rate("rejected"), share: window.calls ? window.failures / window.calls : null });
    if (own.samples.length > KEPT) own.samples.shift();
    own.last = totals;
    for (const change of breaker.changes) {
      const newest = own.changes[own.changes.length - 1];
      const old = own.changes.find((known) => known.generation === change.generation && Math.abs(known.at - change.at) < 5e3);
      if (old) { Object.assign(old, change, { at: old.at }); continue; }
      if (newest && change.at < newest.at - 5e3) continue;
      own.changes.push({ ...change, name: breaker.name, board: breaker.board });
      if (own.changes.length > 100) own.changes.shift();
      if (announced) {
        const why = REASONS[change.reason];
        say($("said"), `${breaker.name} is ${STATES[change.to]?.[0].toLowerCase()}${why ? ": " + why : ""}`);
      }
    }
  };

  // ---- a breaker's card ----
  const card = (breaker) => {
    const id = "b" + Math.random().toString(36).slice(2);
    const root = make("article", { class: "card", "aria-labelledby": id, "data-name": breaker.name });
    const fact = (label) => {
      const value = make("dd");
      return [make("div", {}, make("dt", { text: label }), value), value];
    };
    const [calls, callsValue] = fact("calls");
    const [errors, errorsValue] = fact("failed");
    const [rejected, rejectedValue] = fact("rejected");
    const [speed, speedValue] = fact("in the window");
    const parts = { root, callsValue, errorsValue, rejectedValue, speedValue, speedLabel: speed.firstChild };
    parts.state = make("span", { class: "state" });
    parts.lasting = make("small");
    parts.why = make("p", { class: "why" });
    parts.traffic = draw("svg", { class: "chart traffic", viewBox: "0 0 120 64", preserveAspectRatio: "none", role: "img" });
    parts.rate = draw("svg", { class: "chart rate", viewBox: "0 0 120 52", preserveAspectRatio: "none", role: "img" });
    parts.strip = draw("svg", { class: "chart strip", viewBox: "0 0 900 20", preserveAspectRatio: "none", role: "img" });
    parts.peak = make("span");
    parts.limit = make("span");
    parts.times = make("span");
    parts.stripLabel = make("span");
    parts.fill = make("i");
    parts.bar = make("div", { class: "bar" }, parts.fill);
    parts.needText = make("span");
    parts.needLabel = make("span", { text: "judged when full" });
    const legend = make("span", { class: "legend" });
    for (const [kind, text] of [["ok", "good"], ["bad", "failed"], ["gone", "rejected"]])
      legend.append(make("span", {}, make("i", { class: "i-" + kind }), text));
    parts.actions = make("div", { class: "actions", role: "group", "aria-label": "Controls of " + breaker.name });
    for (const [verb, text] of Object.entries(VERBS)) {
      const button = make("button", { type: "button", text, "data-verb": verb, class: verb === "force_open" ? "danger" : null });
      button.addEventListener("click", () => ask(breaker, verb));
      parts.actions.append(button);
    }
    const top = make("div", { class: "top" }, make("h3", { id, text: breaker.name }));
    if (breaker.board) top.append(make("span", { class: "board", text: breaker.board, title: "on this board, shared by processes" }));
    top.append(parts.state);
    root.append(
      top, parts.why,
      make("dl", { class: "facts" }, calls, errors, rejected, speed),
      make("figure", {}, make("figcaption", {}, legend, parts.peak), parts.traffic),
      make("figure", {}, make("figcaption", {}, make("span", { text: "failed share of the window" }), parts.limit), parts.rate),
      make("div", { class: "need" }, parts.needLabel, parts.bar, parts.needText),
      make("figure", {}, make("figcaption", {}, parts.stripLabel, parts.times), parts.strip),
      parts.actions,
    );
    return parts;
  };

  const show = (own, breaker, report) => {
    const parts = own.card, state = breaker.state, config = breaker.config, now = own.samples[own.samples.length - 1];
    if (parts.root.dataset.state !== state) {
      parts.root.dataset.state = state;
      const badge = mark(state, "badge");
      badge.append(parts.lasting);
      parts.state.replaceChildren(badge);
    }
    say(parts.lasting, state === "half_open" ? "" : span(breaker.in_state_s));
    why(parts.why, own, breaker);
    const all = now.ok + now.bad, share = all > 0 ? now.bad / all : 0;
    put(parts.callsValue, number(all), "/s");
    put(parts.errorsValue, all > 0 ? percent(share) : "–", "");
    put(parts.rejectedValue, number(now.gone), "/s");
    if (breaker.latency) {
      say(parts.speedLabel, "p50 · p99");
      put(parts.speedValue, short(breaker.latency.p50_s), " · " + short(breaker.latency.p99_s));
      parts.speedValue.title = ["p50", "p90", "p99", "p999"].map((p) => p + " " + span(breaker.latency[p + "_s"])).join(", ");
    } else {
      const slow = config.slow_call_duration_s !== null;
      say(parts.speedLabel, slow ? "slow in the window" : "in the window");
      if (slow) put(parts.speedValue, percent(breaker.window.calls ? breaker.window.slow / breaker.window.calls : 0), " > " + span(config.slow_call_duration_s));
      else put(parts.speedValue, number(breaker.window.calls), breaker.window.calls === 1 ? " call" : " calls");
    }
    traffic(parts, own.samples);
    rates(parts, own.samples, config.failure_threshold);
    const half = state === "half_open";
    const need = half ? config.half_open_successes ?? config.half_open_requests : config.minimum_requests;
    const has = half ? breaker.probes.successes : breaker.window.calls;
    say(parts.needLabel, half ? "probes succeeded" : "calls needed to judge");
    say(parts.needText, half ? `${has} of ${need}, ${breaker.probes.in_flight} under way` : `${number(Math.min(has, need))} of ${number(need)}`);
    parts.fill.style.width = Math.min(100, (100 * has) / Math.max(1, need)) + "%";
    parts.bar.parentNode.title = "judged over " + config.window;
    strip(parts, own, breaker, report.at);
    parts.actions.hidden = !report.controls || !token;
    for (const button of parts.actions.children) button.disabled = button.dataset.verb === state.replace("forced_open", "force_open").replace("disabled", "disable");
  };

  const put = (element, value, unit) => {
    if (element.dataset.shown === value + unit) return;
    element.dataset.shown = value + unit;
    element.replaceChildren(value, make("small", { text: unit }));
  };

  const why = (element, own, breaker) => {
    const change = own.changes[own.changes.length - 1];
    const pieces = [];
    if (change && change.to === breaker.state) {
      pieces.push(make("strong", { text: (REASONS[change.reason] ?? "changed by another process").replace(/^./, (letter) => letter.toUpperCase()) }));
      const counts = change.counts;
      if (counts && counts.calls > 0) {
        if (change.reason === "slow_call_rate") pieces.push(`: ${counts.slow} slow of ${counts.calls} (${percent(counts.slow / counts.calls)}, limit ${percent(breaker.config.slow_call_threshold)})`);
        else if (change.reason === "failure_rate") pieces.push(`: ${counts.failures} of ${counts.calls} (${percent(counts.failures / counts.calls)}, limit ${percent(breaker.config.failure_threshold)})`);
        else pieces.push(`: ${counts.calls - counts.failures} good, ${counts.failures} failed`);
      }
      pieces.push(`, at ${clock(change.at)}`);
    } else pieces.push(breaker.state === "closed" ? "No change since it is observed" : "It was so before it was observed");
    if (breaker.retry_after_s !== null) pieces.push(`. Next call in ${span(breaker.retry_after_s)}`);
    else if (breaker.state === "open") pieces.push(". The next call is a probe");
    else if (breaker.state === "forced_open") pieces.push(". Until it is reset");
    if (breaker.openings > 1) pieces.push(`. ${breaker.openings} openings in a row`);
    if (breaker.overdue > 0) pieces.push(`. ${breaker.overdue} calls overdue`);
    const text = pieces.map((piece) => piece.textContent ?? piece).join("");
    if (element.dataset.shown === text) return;
    element.dataset.shown = text;
    element.replaceChildren(...pieces);
  };

  // ---- charts ----
  const traffic = (parts, samples) => {
    const most = Math.max(1, ...samples.map((sample) => sample.ok + sample.bad + sample.gone));
    const paths = { ok: "", bad: "", gone: "" };
    const left = KEPT - samples.length;
    samples.forEach((sample, place) => {
      let from = 64;
      for (const kind of ["ok", "bad", "gone"]) {
        const height = (sample[kind] / most) * 60;
        if (height > 0) paths[kind] += `M${left + place} ${from}h.82v${-height}h-.82z`;
        from -= height;
      }
    });
    parts.traffic.replaceChildren(...Object.entries(paths).map(([kind, d]) => draw("path", kind === "gone" ? { fill: "url(#hatch)", d } : { class: "c-" + kind, d })));
    const now = samples[samples.length - 1];
    const seconds = Math.round((now.at - samples[0].at) / 1e3);
    say(parts.peak, `peak ${number(most)}/s, last ${span(Math.max(1, seconds))}`);
    parts.traffic.setAttribute("aria-label", `Calls each second: ${number(now.ok)} good, ${number(now.bad)} failed, ${number(now.gone)} rejected; peak ${number(most)}`);
  };

  const rates = (parts, samples, threshold) => {
    const y = (share) => 50 - share * 46;
    const left = KEPT - samples.length;
    let line = "", area = "", begin = null, place = 0;
    for (const sample of [...samples, { share: null }]) {
      const x = left + place++ + 0.5;
      if (sample.share !== null) {
        line += `${begin === null ? "M" : "L"}${x} ${y(sample.share)}`;
        if (begin === null) { begin = x; area += `M${x} 52`; }
        area += `L${x} ${y(sample.share)}`;
      } else if (begin !== null) { area += `L${x - 1} 52z`; begin = null; }
    }
    const level = y(Math.min(1, threshold));
    parts.rate.replaceChildren(
      draw("path", { class: "c-area", d: area || "M0 0" }),
      draw("path", { class: "c-line", d: line || "M0 0" }),
      draw("line", { class: "c-limit", x1: 0, x2: KEPT, y1: level, y2: level }),
    );
    const share = samples[samples.length - 1].share;
    const text = share === null ? "empty" : percent(share);
    say(parts.limit, `${text}, opens at ${percent(threshold)} (dashed)`);
    parts.rate.setAttribute("aria-label", `Failed share of the window: ${text}; it opens at ${percent(threshold)}`);
  };

  // Shape as well as colour: closed is low, half open half as high, what rejects or is manual is high.
  const TALL = { closed: 6, half_open: 12, open: 20, forced_open: 20, disabled: 10, metrics_only: 10 };
  const strip = (parts, own, breaker, at) => {
    const known = Math.min(own.began, own.changes[0]?.at ?? own.began);
    const minutes = STRIPS.find((minutes) => at - known <= minutes * 60e3) ?? STRIPS[STRIPS.length - 1], length = minutes * 60e3;
    const begin = at - length, changes = own.changes.filter((change) => change.at > begin);
    const observed = Math.max(begin, known);
    say(parts.stripLabel, `states, last ${minutes} min`);
    let from = observed, state = changes.length ? changes[0].from : breaker.state;
    const times = {}, pieces = [];
    const piece = (until) => {
      const x = ((from - begin) / length) * 900, width = Math.max(1.5, ((until - from) / length) * 900), tall = TALL[state] ?? 10;
      pieces.push(draw("rect", { class: "s-" + state, x, y: 20 - tall, width, height: tall }));
      times[state] = (times[state] ?? 0) + Math.max(0, until - from) / 1e3;
      from = until;
    };
    for (const change of changes) { piece(Math.max(from, change.at)); state = change.to; }
    piece(at);
    parts.strip.replaceChildren(...pieces);
    const total = Math.max(0.001, (at - observed) / 1e3);
    const words = Object.entries(times).filter(([, time]) => time / total > 0.0005).sort((one, other) => other[1] - one[1])
      .map(([name, time]) => `${STATES[name]?.[0].toLowerCase() ?? name} ${percent(time / total)}`);
    say(parts.times, words.slice(0, 3).join(", "));
    parts.strip.setAttribute("aria-label", "Share of the time in each state: " + words.join(", "));
  };

  // Trouble first; nothing moves while something in it has the keyboard's focus or the pointer.
  const arrange = () => {
    const list = $("breakers");
    if (known.size === 0) { list.replaceChildren(make("p", { class: "empty", text: "No breaker is observed yet." })); return; }
    const rank = (own) => ORDER.indexOf(own.card.root.dataset.state);
    const cards = [...known.entries()].sort(([one, first], [other, second]) => rank(first) - rank(second) || (one < other ? -1 : 1)).map(([, own]) => own.card.root);
    const busy = list.contains(document.activeElement) && document.activeElement !== list;
    const missing = cards.filter((root) => root.parentNode !== list);
    if (missing.length || list.querySelector(".empty")) { list.replaceChildren(...cards); return; }
    if (busy || list.matches(":hover")) return;
    if (cards.some((root, place) => list.children[place] !== root)) list.replaceChildren(...cards);
  };

  const summary = (report) => {
    const count = {}, sums = { ok: 0, bad: 0, gone: 0 };
    for (const own of known.values()) {
      const state = own.card.root.dataset.state, now = own.samples[own.samples.length - 1];
      count[state] = (count[state] ?? 0) + 1;
      for (const kind of Object.keys(sums)) sums[kind] += now[kind];
    }
    const marks = make("div", { class: "marks" });
    for (const state of ORDER) if (count[state]) { const own = mark(state); own.prepend(String(count[state]) + " "); marks.append(own); }
    const tile = (value, label) => make("div", { class: "tile" }, make("b", { text: value }), make("small", { text: label }));
    const all = sums.ok + sums.bad;
    $("summary").replaceChildren(
      make("div", { class: "tile" }, marks, make("small", { text: `${report.breakers.length} breaker${report.breakers.length === 1 ? "" : "s"}` })),
      tile(number(all) + "/s", "calls"),
      tile(all > 0 ? percent(sums.bad / all) : "–", "failed"),
      tile(number(sums.gone) + "/s", "rejected by breakers"),
    );
    const trouble = (count.open ?? 0) + (count.forced_open ?? 0);
    document.title = (trouble ? `(${trouble} open) ` : "") + report.title;
  };

  const lanes = (report) => {
    const shown = report.lanes.filter((lane) => lane.values.length);
    $("lanes").replaceChildren(...shown.map((lane) => make("section", { "aria-label": lane.name }, make("h2", { text: lane.name }), make("div", { class: "summary" },
      ...lane.values.map((own) => make("div", { class: "tile" }, make("b", { text: own.unit === "s" ? span(own.value) : Number.isInteger(own.value) ? own.value.toLocaleString() : number(own.value) }),
        make("small", { text: own.label + (own.of ? `, ${own.of}` : ""), title: own.metric })))))));
  };

  const limits = (report) => {
    const rows = [
      ...report.concurrency_limits.map((limit) => [limit, limit.in_flight, limit.limit, `${limit.in_flight} of ${limit.limit} in flight`, "calls at once", "full"]),
      ...report.token_buckets.map((bucket) => [bucket, bucket.burst - bucket.available, bucket.burst, `${number(bucket.available)} of ${number(bucket.burst)} left`, "token bucket", "empty"]),
    ];
    const budgets = report.retry_budgets.map((budget) => make("li", {}, make("div", { class: "head" },
      make("span", { class: "name", text: budget.name }), make("span", { class: "num", text: `${number(budget.available)} retries left` })),
      make("span", { class: "note", text: "retry budget" + (budget.available === 0 ? " – used up, nothing is tried again" : "") })));
    $("limits-section").hidden = rows.length + budgets.length === 0;
    $("limits").replaceChildren(...rows.map(([limit, used, most, text, kind, end]) => {
      const share = most > 0 ? Math.min(1, Math.max(0, used / most)) : 0, high = share >= 0.9;
      const fill = make("i");
      fill.style.width = share * 100 + "%";
      const bar = make("div", { class: "bar", role: "meter", "aria-label": limit.name, "aria-valuemin": 0, "aria-valuemax": most, "aria-valuenow": used, "aria-valuetext": text, "data-level": high ? "high" : null }, fill);
      const note = `${kind}${limit.board ? ", board " + limit.board : ""}${high ? (share >= 1 ? " – " : " – nearly ") + end : ""}`;
      return make("li", {}, make("div", { class: "head" }, make("span", { class: "name", text: limit.name }), make("span", { class: "num", text })), bar, make("span", { class: "note", text: note }));
    }), ...budgets);
  };

  const when = (at) => make("time", { datetime: new Date(at).toISOString(), text: clock(at) });
  const fill = (body, rows, columns, empty) => {
    body.replaceChildren(...(rows.length ? rows : [make("tr", {}, make("td", { colspan: columns, class: "empty", text: empty }))]));
  };
  const row = (...cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, ...[cell].flat())));
  const tables = (report) => {
    const changes = [...known.values()].flatMap((own) => own.changes).sort((one, other) => other.at - one.at || other.generation - one.generation).slice(0, 50);
    const seen = changes.map((change) => [change.at, change.generation, change.reason, change.name].join()).join(";");
    if (seen !== changesSeen || !announced) {
      changesSeen = seen;
      fill($("changes"), changes.map((change) => {
        const counts = change.counts;
        const judged = counts && counts.calls > 0 ? ` (${counts.failures} failed${counts.slow ? `, ${counts.slow} slow` : ""} of ${counts.calls})` : "";
        return row(when(change.at), change.name + (change.board ? ` (${change.board})` : ""),
          [mark(change.from), make("span", { class: "arrow", "aria-label": "to", text: "→" }), mark(change.to)],
          (REASONS[change.reason] ?? "by another process") + judged + (change.process ? `, process ${change.process}` : ""));
      }), 4, "Nothing has changed since this page was opened.");
    }
    $("processes-section").hidden = report.processes.length === 0;
    fill($("processes"), report.processes.map((process) => row(process.board, String(process.owner), String(process.process), process.is_alive ? "● yes" : "✕ dead")), 4, "");
    $("audit-section").hidden = report.audit.length === 0;
    fill($("audit"), report.audit.toReversed().map((record) => row(when(record.at), record.name + (record.board ? ` (${record.board})` : ""), VERBS[record.verb] ?? record.verb, record.from ?? "–", record.result)), 5, "");
  };

  // ---- controls ----
  $("unlock").addEventListener("click", () => {
    const form = $("token-form");
    if (token) { token = ""; say($("unlock"), "Controls"); if (latest) take(latest); return; }
    form.hidden = !form.hidden;
    $("unlock").setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) $("token").focus();
  });
  $("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("token").value;
    $("token").value = "";
    $("token-form").hidden = true;
    $("unlock").setAttribute("aria-expanded", "false");
    say($("unlock"), "Lock controls");
    if (latest) for (const own of known.values()) own.card.actions.hidden = false;
    $("unlock").focus();
  });
  const ask = async (breaker, verb) => {
    const dialog = $("confirm");
    say($("confirm-text"), `${VERBS[verb]} “${breaker.name}”${breaker.board ? ` on board “${breaker.board}”, for all its processes` : ""}? It ${MEANS[verb]}.`);
    dialog.returnValue = "no";
    dialog.showModal();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    if (dialog.returnValue !== "yes") return;
    let said;
    try {
      const answer = await fetch(base + "control", {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer " + token },
        body: JSON.stringify({ name: breaker.name, board: breaker.board, verb }),
      });
      said = answer.ok ? `${breaker.name}: ${VERBS[verb]} done` : `${breaker.name}: ${VERBS[verb]} refused, ${await answer.text()}`;
      if (answer.status === 401) { token = ""; say($("unlock"), "Controls"); }
      if (!answer.ok) banner(said);
      else notice = -1e9;
    } catch { banner((said = `${breaker.name}: nobody answers`)); }
    say($("said"), said);
  };
  let notice = 0;
  const banner = (text) => { notice = performance.now(); $("stale").hidden = false; say($("stale"), text); };

  // ---- the stream ----
  const follow = () => {
    const stream = new EventSource(base + "events");
    stream.addEventListener("snapshot", (event) => take(JSON.parse(event.data)));
  };
  setInterval(() => {
    const silent = (performance.now() - heard) / 1e3, limit = Math.max(3, (3 * (latest?.interval_ms ?? 1e3)) / 1e3);
    const stale = silent > limit;
    document.body.classList.toggle("stale", stale && latest !== null);
    $("live").dataset.state = stale ? "off" : "on";
    say($("live-text"), stale ? "no news" : "live");
    if (stale) { $("stale").hidden = false; say($("stale"), `No news for ${Math.round(silent / 5) * 5 || 3} s: what you see is old. Trying again.`); }
    else if (performance.now() - notice > 6e3) $("stale").hidden = true;
  }, 500);
  fetch(base + "snapshot").then((answer) => answer.json()).then(take).catch(() => {}).finally(follow);
})();
