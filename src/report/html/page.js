// Adds to the page what needs a script: filters, zoom, folding logs, search, copying. The page's policy forbids to make
// markup or code of text, so everything here is made of elements and text nodes.
(() => {
  "use strict";

  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);
  const said = by("said");
  const say = (text) => { said.textContent = text; };
  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  all(".filter, #search, .zoom, .copy, #help, #theme").forEach((element) => { element.hidden = false; });
  all("form").forEach((form) => form.addEventListener("submit", (event) => event.preventDefault()));

  // Light or dark: as the system is, until someone chooses.
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = by("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const showTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  const store = (value) => { try { localStorage.setItem("ovenbird-theme", value); } catch { /* a page of a file has no store */ } };
  const stored = () => { try { return localStorage.getItem("ovenbird-theme"); } catch { return null; } };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  const toggleTheme = () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store(root.dataset.theme);
    showTheme();
  };
  theme.addEventListener("click", toggleTheme);
  dark.addEventListener("change", showTheme);
  showTheme();

  // Copying.
  const copyByHand = (text) => {
    const area = make("textarea", "unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  };
  // A page of a file may have no clipboard, be refused it, or wait for an answer that never comes.
  const copy = async (text) => {
    try {
      const written = navigator.clipboard.writeText(text);
      const late = new Promise((_, refuse) => { setTimeout(refuse, 1000, new Error("no answer")); });
      await Promise.race([written, late]);
      return true;
    } catch {
      return copyByHand(text);
    }
  };
  all(".copy").forEach((button) => button.addEventListener("click", async () => {
    const copied = await copy(button.dataset.copy);
    button.focus();
    button.textContent = copied ? "Copied" : "Not copied";
    button.classList.toggle("done", copied);
    say(copied ? "Copied to the clipboard" : "The clipboard can't be written");
    setTimeout(() => { button.textContent = "Copy"; button.classList.remove("done"); }, 1600);
  }));

  // Which jobs are shown.
  const jobs = all("details.job");
  const places = new Map(jobs.map((job) => [job.dataset.job, { job, others: [] }]));
  all("[data-job]").forEach((element) => {
    const place = places.get(element.dataset.job);
    if (place && element !== place.job) place.others.push(element);
  });
  const filter = by("filter");
  const outcomes = all(".filter [data-outcome]");
  const applyFilter = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = outcomes.filter((button) => button.ariaPressed === "true").map((button) => button.dataset.outcome);
    let count = 0;
    for (const { job, others } of places.values()) {
      const text = `${job.dataset.job} ${job.querySelector(".facts").textContent} ${others.map((one) => one.textContent).join(" ")}`.toLowerCase();
      const isShown = words.every((word) => text.includes(word)) && (!wanted.length || wanted.includes(job.dataset.outcome));
      count += isShown;
      job.hidden = !isShown;
      for (const other of others) {
        if (other.closest(".grid")) other.classList.toggle("away", !isShown);
        else other.hidden = !isShown;
      }
    }
    by("shown").textContent = count === jobs.length ? "" : `${count} of ${jobs.length} shown`;
    search();
  };
  filter.addEventListener("input", applyFilter);
  outcomes.forEach((button) => button.addEventListener("click", () => {
    button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
    applyFilter();
  }));

  // Arrow keys go from field to field of the grid, or along the list.
  const fields = all("#jobs .cell");
  const middleOf = (element) => { const box = element.getBoundingClientRect(); return [(box.left + box.right) / 2, (box.top + box.bottom) / 2]; };
  const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, -1], ArrowDown: [1, 1] };
  by("jobs").addEventListener("keydown", (event) => {
    const field = event.target.closest(".cell");
    if (!field || !Object.hasOwn(ARROWS, event.key)) return;
    event.preventDefault();
    const [axis, way] = ARROWS[event.key];
    const from = middleOf(field);
    const far = (other) => {
      const [along, across] = [(middleOf(other)[axis] - from[axis]) * way, Math.abs(middleOf(other)[1 - axis] - from[1 - axis])];
      return along > 4 ? along + across * 20 : Infinity;
    };
    const next = fields.filter((other) => !other.closest("[hidden]")).reduce((best, other) => (far(other) < far(best) ? other : best), field);
    next.focus();
  });

  // The timeline: zoom is a wider drawing, bars are reached by arrow keys.
  const lanes = document.querySelector(".lanes");
  const tip = by("tip");
  let zoom = 1;
  const label = (seconds) => {
    if (seconds < 60) return Number.isInteger(seconds) ? `${seconds}s` : `${seconds.toFixed(1)}s`;
    const whole = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    if (hours) return `${hours}h${two(minutes)}m`;
    return rest ? `${minutes}m${two(rest)}s` : `${minutes}m`;
  };
  const svg = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  };
  const drawAxis = () => {
    const track = lanes.querySelector(".axis .track");
    const seconds = Number(lanes.dataset.seconds);
    const room = track.getBoundingClientRect().width || 800;
    const most = Math.max(2, room / 90);
    const round = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    const step = round.find((one) => seconds / one <= most) ?? Math.ceil(seconds / most / 3600) * 3600;
    const ticks = [];
    for (let index = 0; index * step <= seconds; index += 1) {
      const at = Math.round(index * step * 10) / 10;
      const tick = svg("svg", { class: "tick", x: `${(at / seconds) * 100}%`, overflow: "visible" });
      const text = svg("text", { x: 4, y: 14 });
      text.textContent = label(at);
      tick.append(svg("line", { y1: 0, y2: 22 }), text);
      ticks.push(tick);
    }
    track.replaceChildren(...ticks);
    fitTitles(room);
  };
  // A bar's title is cut where the bar ends, and left out where it would be but a letter.
  const LETTER = 6.2;
  const titles = lanes ? all(".bar text", lanes).map((text) => ({ text, title: text.textContent, share: parseFloat(text.parentNode.getAttribute("width")) / 100 })) : [];
  const fitTitles = (room) => {
    for (const { text, title, share } of titles) {
      const most = Math.floor((room * share - 8) / LETTER);
      let shown = title;
      if (title.length > most) shown = most > 3 ? `${title.slice(0, most - 1)}…` : "";
      if (text.textContent !== shown) text.textContent = shown;
    }
  };
  const setZoom = (value, at = lanes.clientWidth / 2) => {
    const before = zoom;
    zoom = Math.min(64, Math.max(1, value));
    const left = (lanes.scrollLeft + at) * (zoom / before) - at;
    lanes.style.setProperty("--zoom", zoom);
    lanes.scrollLeft = left;
    by("zoom").textContent = `${Math.round(zoom * 100)} %`;
    drawAxis();
  };
  const showTip = (bar) => {
    tip.textContent = bar.getAttribute("aria-label");
    tip.hidden = false;
    const [box, size] = [bar.getBoundingClientRect(), tip.getBoundingClientRect()];
    const left = Math.min(Math.max(8, box.left), innerWidth - size.width - 8);
    const isBelow = box.bottom + size.height + 8 < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${isBelow ? box.bottom + 6 : box.top - size.height - 6}px`;
  };
  const hideTip = () => { tip.hidden = true; };
  if (lanes) {
    const shownLanes = () => all(".lane[data-job]", lanes).filter((lane) => !lane.hidden);
    const first = lanes.querySelector(".bar");
    if (first) first.setAttribute("tabindex", "0");
    const goTo = (bar) => {
      all('.bar[tabindex="0"]', lanes).forEach((one) => one.setAttribute("tabindex", "-1"));
      bar.setAttribute("tabindex", "0");
      bar.focus();
      bar.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
      showTip(bar);
    };
    const nearest = (bars, bar) => {
      const middle = (one) => { const box = one.getBoundingClientRect(); return (box.left + box.right) / 2; };
      return bars.reduce((best, one) => (Math.abs(middle(one) - middle(bar)) < Math.abs(middle(best) - middle(bar)) ? one : best));
    };
    const move = (key, bar) => {
      if (!bar) return first && goTo(first);
      const bars = all(".bar", bar.closest(".lane"));
      if (key === "ArrowRight" || key === "ArrowLeft") {
        const next = bars[bars.indexOf(bar) + (key === "ArrowRight" ? 1 : -1)];
        return next && goTo(next);
      }
      const rows = shownLanes();
      const row = rows[rows.indexOf(bar.closest(".lane")) + (key === "ArrowDown" ? 1 : -1)];
      return row && goTo(nearest(all(".bar", row), bar));
    };
    lanes.addEventListener("keydown", (event) => {
      const bar = event.target.closest(".bar");
      if (event.key.startsWith("Arrow") && !event.target.closest("a")) {
        event.preventDefault();
        move(event.key, bar);
      } else if (event.key === "Escape") {
        hideTip();
      } else if (event.key === "Enter" && bar) {
        location.hash = encodeURI(bar.closest(".lane").dataset.job);
      }
    });
    lanes.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey) return;
      event.preventDefault();
      setZoom(zoom * (event.deltaY < 0 ? 1.25 : 0.8), event.clientX - lanes.getBoundingClientRect().left);
    }, { passive: false });
    lanes.addEventListener("pointerover", (event) => { const bar = event.target.closest(".bar"); if (bar) showTip(bar); else hideTip(); });
    lanes.addEventListener("pointerleave", hideTip);
    lanes.addEventListener("focusin", (event) => { if (event.target.closest(".bar")) showTip(event.target.closest(".bar")); else hideTip(); });
    lanes.addEventListener("focusout", hideTip);
    lanes.addEventListener("scroll", () => { if (!lanes.contains(document.activeElement)) hideTip(); });
    all("[data-zoom]").forEach((button) => button.addEventListener("click", () => zoomBy(button.dataset.zoom)));
    addEventListener("resize", drawAxis);
    drawAxis();
  }
  const zoomBy = (how) => { if (lanes) setZoom({ in: zoom * 1.5, out: zoom / 1.5, reset: 1 }[how]); };

  // Logs. In the page a log is text; rows are made of it when it is first opened.
  const CHUNK = 200;
  const GROUP = /^\d\d:\d\d:\d\d\.\d{3} == (job|phase|step)[: ](.*)$/;
  const ENDED = /^\d\d:\d\d:\d\d\.\d{3} -- (?:phase|step) [^:]*: (.*)$/;
  const LINE = /^(\d\d:\d\d:\d\d\.\d{3}) (.*)$/;
  const STREAM = /^ *(out|err|console|tool) \|(?: (.*))?$/;
  const logs = new Map();

  const linesOf = (pre) => {
    const lines = [];
    let number = Number(pre.dataset.first);
    for (const node of pre.childNodes) {
      const text = node.textContent;
      if (node.nodeName === "I") {
        lines.push({ gap: text, text: "" });
        number += Number(node.dataset.lines ?? 0);
        continue;
      }
      const mark = node.nodeName === "MARK" ? node.className || "excerpt" : "";
      for (const line of text.split("\n")) {
        if (line !== "") lines.push({ number: number++, text: line, mark });
      }
    }
    return lines;
  };
  // The lines of a job's log, and later their rows.
  const logOf = (job) => {
    if (!logs.has(job)) {
      const pre = job.querySelector(".log > pre");
      const lines = pre ? linesOf(pre) : [];
      lines.forEach((line) => { line.lower = line.text.toLowerCase(); });
      logs.set(job, { pre, lines, rows: null });
    }
    return logs.get(job);
  };
  const rowOf = (job, line) => {
    if (line.gap) return make("div", "gap", line.gap);
    const id = `${job.id}/L${line.number}`;
    const number = make("a", "n", String(line.number));
    number.href = `#${encodeURI(id)}`;
    const [, time, rest] = LINE.exec(line.text) ?? ["", "", line.text];
    const stream = STREAM.exec(rest);
    const content = make("span", "c");
    if (stream) content.append(make("span", "s", `${stream[1].padStart(7)} `), stream[2] ?? "");
    else content.append(rest);
    const row = make("div", `l ${line.mark} ${stream ? stream[1] : ""}`, number, make("span", "t", time), content);
    row.id = id;
    line.row = row;
    return row;
  };
  const groupsOf = (lines) => {
    const groups = [];
    for (const line of lines) {
      const begin = GROUP.exec(line.text);
      // The end of the job belongs to no step.
      if (begin && !line.mark) groups.push({ title: begin[1] === "job" ? `job: ${begin[2].trim()}` : `${begin[1]} ${begin[2].trim()}`, lines: [] });
      if (!groups.length) groups.push({ title: "job", lines: [] });
      const group = groups.at(-1);
      group.lines.push(line);
      const end = ENDED.exec(line.text);
      if (end && !line.mark && !group.end) group.end = end[1];
      group.isMarked ||= Boolean(line.mark);
    }
    return groups;
  };
  const render = (job) => {
    const log = logOf(job);
    if (log.rows || !log.pre) return;
    const groups = groupsOf(log.lines);
    const hasMarked = groups.some((group) => group.isMarked);
    const rows = make("div", "rows");
    for (const group of groups) {
      const end = make("span", "end", group.end ?? "");
      if (/^failure/.test(group.end ?? "")) end.classList.add("failure");
      const details = make("details", "", make("summary", "", make("span", "", group.title), end));
      details.open = group.isMarked || !hasMarked;
      for (let begin = 0; begin < group.lines.length; begin += CHUNK) {
        const part = group.lines.slice(begin, begin + CHUNK);
        const chunk = make("div", "chunk", ...part.map((line) => rowOf(job, line)));
        chunk.classList.toggle("far", group.lines.length > CHUNK);
        chunk.style.containIntrinsicBlockSize = `auto ${part.length * 20}px`;
        details.append(chunk);
      }
      rows.append(details);
    }
    log.rows = rows;
    log.pre.replaceWith(rows);
    paint();
  };
  const whenOpened = (job) => { if (job.open && job.querySelector(".log")?.open) render(job); };
  const reveal = (job) => {
    job.open = true;
    const log = job.querySelector(".log");
    if (log) log.open = true;
    render(job);
  };
  const show = (job, line) => {
    reveal(job);
    line.row.closest("details").open = true;
    all(".l.now").forEach((row) => row.classList.remove("now"));
    line.row.classList.add("now");
    line.row.scrollIntoView({ block: "center", behavior: "instant" });
  };

  // Search in the logs of the jobs that are shown.
  const query = by("query");
  const found = by("found");
  let matches = [];
  let current = -1;
  const MOST_PAINTED = 2000;
  const paint = () => {
    if (!globalThis.CSS?.highlights) return;
    CSS.highlights.clear();
    const word = query.value.toLowerCase();
    if (!word) return;
    const ranges = [];
    const now = [];
    matches.forEach((match, index) => {
      if (!match.line.row || ranges.length > MOST_PAINTED) return;
      const walker = document.createTreeWalker(match.line.row.querySelector(".c"), NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const text = walker.currentNode.data.toLowerCase();
        for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          if (at + word.length > walker.currentNode.length) break;
          const range = new Range();
          range.setStart(walker.currentNode, at);
          range.setEnd(walker.currentNode, at + word.length);
          (index === current ? now : ranges).push(range);
        }
      }
    });
    CSS.highlights.set("found", new Highlight(...ranges));
    CSS.highlights.set("now", new Highlight(...now));
  };
  const tell = () => {
    if (!query.value) found.textContent = "";
    else if (!matches.length) found.textContent = "no match";
    else found.textContent = current < 0 ? `${matches.length} lines` : `${current + 1} of ${matches.length}`;
  };
  const search = () => {
    const word = query.value.toLowerCase();
    matches = [];
    current = -1;
    if (word) {
      for (const job of jobs) {
        if (job.hidden) continue;
        for (const line of logOf(job).lines) if (line.lower.includes(word)) matches.push({ job, line });
      }
    }
    tell();
    paint();
  };
  const step = (by) => {
    if (!matches.length) return;
    current = current < 0 && by < 0 ? matches.length - 1 : (current + by + matches.length) % matches.length;
    show(matches[current].job, matches[current].line);
    tell();
    paint();
  };
  let failing = -1;
  const nextFailing = () => {
    const lines = [];
    for (const job of jobs) {
      if (job.hidden) continue;
      const marked = logOf(job).lines.filter((line) => line.mark);
      // A block of lines is one stop: its first.
      marked.filter((line, index) => marked[index - 1]?.number !== line.number - 1).forEach((line) => lines.push({ job, line }));
    }
    if (!lines.length) return say("No line failed");
    failing = (failing + 1) % lines.length;
    show(lines[failing].job, lines[failing].line);
    return say(`Failing line ${failing + 1} of ${lines.length}`);
  };
  let waiting = 0;
  query.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 120); });
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(waiting);
      if (current < 0) search();
      step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      query.value = "";
      search();
      query.blur();
    }
  });
  all("[data-find]").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.find === "failing") nextFailing();
    else step(button.dataset.find === "next" ? 1 : -1);
  }));

  const help = by("keys");
  const showHelp = () => help.showModal();
  by("help").addEventListener("click", showHelp);
  filter.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    filter.value = "";
    applyFilter();
    filter.blur();
  });

  document.addEventListener("keydown", (event) => {
    if (help.open) return;
    const isTyping = event.target.matches("input, textarea, select");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "/": () => { query.focus(); query.select(); },
      f: () => filter.focus(),
      n: () => step(1),
      N: () => step(-1),
      e: nextFailing,
      t: toggleTheme,
      "?": showHelp,
      "+": () => zoomBy("in"),
      "-": () => zoomBy("out"),
      0: () => zoomBy("reset"),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  // Last, for it needs all of the above.
  for (const job of jobs) {
    job.addEventListener("toggle", () => whenOpened(job));
    job.querySelector(".log")?.addEventListener("toggle", () => whenOpened(job));
    whenOpened(job);
  }

  // Links lead into what is folded.
  const follow = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { return; }
    const [, name, number] = /^(job\/.*?)(?:\/L(\d+))?$/.exec(id) ?? [];
    const place = places.get(name);
    if (!place) return;
    if (place.job.hidden) {
      filter.value = "";
      outcomes.forEach((button) => { button.ariaPressed = "false"; });
      applyFilter();
    }
    const line = number && logOf(place.job).lines.find((one) => one.number === Number(number));
    if (line) {
      show(place.job, line);
    } else {
      place.job.open = true;
      place.job.scrollIntoView({ behavior: calm.matches ? "instant" : "auto" });
      place.job.querySelector("summary").focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", follow);
  follow();
})();
