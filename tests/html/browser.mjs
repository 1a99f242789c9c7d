// Opens report.html in headless Chromium as a person does, and checks what they would see.
//
//   node browser.mjs FOLDER PAGES            does all checks; tells of each, exits 1 if any fails
//   node browser.mjs FOLDER PAGES shots INTO makes pictures for people
//
// FOLDER is where npm installed the packages. PAGES is JSON: the file of the page of each kind.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, pagesGiven, task, into] = process.argv.slice(2);
const pages = JSON.parse(pagesGiven);
let page = pages.small;
const require = createRequire(`${folder}/`);
const puppeteer = require("puppeteer-core");

// In containers and as root, Chromium has no sandbox of its own.
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

// A tab that fails the check on any request besides the page, any word on the console, any violation of its policy.
const open = async ({ width = 1280, height = 900, scheme = "light", script = true, hash = "", before } = {}) => {
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  const wrong = [];
  await tab.setViewport({ width, height });
  await tab.setJavaScriptEnabled(script);
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }]);
  tab.on("request", (request) => { if (!request.url().startsWith("data:image/png;") && request.url().split("#")[0] !== pathToFileURL(page).href) wrong.push(`request of ${request.url()}`); });
  tab.on("console", (message) => wrong.push(`console: ${message.text()}`));
  tab.on("pageerror", (error) => wrong.push(`error: ${error}`));
  tab.on("dialog", async (dialog) => { wrong.push(`dialog: ${dialog.message()}`); await dialog.dismiss(); });
  tab.wrong = wrong;
  if (script) {
    await tab.evaluateOnNewDocument(() => {
      globalThis.violations = [];
      document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.sample}`));
    });
  }
  if (before) await tab.evaluateOnNewDocument(before);
  await tab.goto(pathToFileURL(page).href + hash, { waitUntil: "load" });
  return tab;
};
const close = async (tab) => {
  if (tab.isJavaScriptEnabled()) assert.deepEqual(await tab.evaluate(() => globalThis.violations), [], "the page breaks its own policy");
  assert.deepEqual(tab.wrong, []);
  await tab.browserContext().close();
};
const text = (tab, selector) => tab.$eval(selector, (element) => element.textContent.trim());
const settled = (tab) => tab.evaluate(() => new Promise((done) => setTimeout(done, 250)));
const focused = (tab) => tab.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id);

const checks = {
  // Nothing is asked for, nothing complains, with and without the script.
  async "the page asks for nothing and complains of nothing"() {
    await close(await open());
    const bare = await open({ script: false });
    await close(bare);
  },

  async "the page is readable without its script"() {
    const tab = await open({ script: false });
    const shot = await tab.evaluate(() => ({
      buttons: [...document.querySelectorAll("button")].filter((button) => button.checkVisibility()).length,
      log: [...document.querySelectorAll("details.log pre")].map((pre) => pre.textContent).join(""),
      bars: document.querySelectorAll(".bar").length,
    }));
    assert.equal(shot.buttons, 0, "a button that nothing answers");
    assert.match(shot.log, /E: Unable to locate package ngnix/);
    assert.ok(shot.bars > 3);
    await close(tab);
  },

  async "the matrix is a grid whose fields lead to their jobs"() {
    const tab = await open();
    const heads = await tab.$$eval(".grid thead th", (heads) => heads.map((head) => head.textContent.trim()));
    assert.deepEqual(heads, ["os", "arch amd64", "arch arm64"]);
    const rows = await tab.$$eval(".grid tbody tr", (rows) => rows.map((row) => [...row.children].map((cell) => cell.querySelector(".state")?.childNodes[1].textContent ?? cell.textContent)));
    assert.deepEqual(rows, [["bookworm", "built", "built"], ["trixie", "failed", "–"]]);
    await tab.click(".cell.failure");
    await settled(tab);
    assert.equal(await tab.evaluate(() => document.activeElement.closest("details").id), "job/trixie-amd64");
    await close(tab);
  },

  async "jobs are filtered by outcome and by words"() {
    const tab = await open();
    const shown = () => tab.$$eval("details.job", (jobs) => jobs.filter((job) => job.checkVisibility()).map((job) => job.id));
    assert.equal((await shown()).length, 3);
    await tab.click('[data-outcome="failure"]');
    assert.deepEqual(await shown(), ["job/trixie-amd64"]);
    assert.equal(await text(tab, "#shown"), "1 of 3 shown");
    await tab.click('[data-outcome="failure"]');
    await tab.keyboard.press("f");
    await tab.keyboard.type("bookworm arm64");
    assert.deepEqual(await shown(), ["job/bookworm-arm64"]);
    await close(tab);
  },

  async "logs are searched by keyboard"() {
    const tab = await open();
    await tab.keyboard.press("/");
    await tab.keyboard.type("READING package");
    await settled(tab);
    assert.equal(await text(tab, "#found"), "5 lines");
    await tab.keyboard.press("Enter");
    assert.equal(await text(tab, "#found"), "1 of 5");
    await tab.keyboard.press("Tab");
    await tab.keyboard.press("n");
    assert.equal(await text(tab, "#found"), "2 of 5");
    await tab.keyboard.press("N");
    await tab.keyboard.press("N");
    assert.equal(await text(tab, "#found"), "5 of 5");
    const now = await tab.$eval(".l.now", (row) => ({ text: row.querySelector(".c").textContent, isSeen: row.checkVisibility() && row.getBoundingClientRect().top < innerHeight }));
    assert.ok(now.text.includes("Reading package lists") && now.isSeen, JSON.stringify(now));
    assert.equal(await tab.evaluate(() => CSS.highlights.get("now").size), 1);
    await tab.keyboard.press("/");
    await tab.keyboard.type("nowhere to be found");
    await settled(tab);
    assert.equal(await text(tab, "#found"), "no match");
    await close(tab);
  },

  async "failing lines are marked and have links"() {
    const tab = await open();
    const failing = await tab.$$eval(".l.error .c", (rows) => rows.map((row) => row.textContent));
    assert.match(failing.join("\n"), /!! error: step `Install nginx` failed/);
    assert.match(failing.join("\n"), /at ovenbird\.yml:21:7/);
    assert.deepEqual(await tab.$$eval(".l.excerpt .c", (rows) => rows.map((row) => row.textContent.trim())), ["err E: Unable to locate package ngnix"]);
    await tab.keyboard.press("e");
    assert.ok((await tab.$eval(".l.now .c", (row) => row.textContent)).includes("E: Unable to locate"));
    const link = await tab.$eval(".l.now .n", (number) => number.getAttribute("href"));
    assert.match(link, /^#job\/trixie-amd64\/L\d+$/);
    await close(tab);
    // The link leads to the line from anywhere.
    const other = await open({ hash: link });
    assert.ok((await other.$eval(".l.now .c", (row) => row.textContent)).includes("E: Unable to locate"));
    await close(other);
  },

  async "the timeline is zoomed and walked by keyboard"() {
    const tab = await open();
    const width = () => tab.$eval(".lane[data-job] .track", (track) => track.getBoundingClientRect().width);
    const before = await width();
    await tab.keyboard.press("+");
    assert.ok((await width()) > before * 1.3);
    await tab.keyboard.press("0");
    assert.ok(Math.abs((await width()) - before) < 2);
    await tab.$eval('.bar[tabindex="0"]', (bar) => bar.focus());
    const first = await focused(tab);
    assert.match(first, /^source: /);
    assert.equal(await text(tab, "#tip"), first, "what hovering says, focus says");
    await tab.keyboard.press("ArrowRight");
    assert.match(await focused(tab), /^boot: /);
    await tab.keyboard.press("ArrowDown");
    assert.ok(await tab.evaluate(() => document.activeElement.closest(".lane").dataset.job === "job/trixie-amd64"));
    await tab.keyboard.press("Escape");
    assert.ok(await tab.$eval("#tip", (tip) => tip.hidden));
    await close(tab);
  },

  async "copy buttons copy, by the clipboard or without one"() {
    const none = () => Object.defineProperty(navigator, "clipboard", { value: undefined });
    const refusing = () => Object.defineProperty(navigator, "clipboard", { value: { writeText: () => Promise.reject(new Error("refused")) } });
    const silent = () => Object.defineProperty(navigator, "clipboard", { value: { writeText: () => new Promise(() => {}) } });
    for (const before of [undefined, none, refusing, silent]) {
      const tab = await open({ hash: "#job/bookworm-amd64", before });
      const job = '[id="job/bookworm-amd64"]';
      await tab.evaluate(() => {
        globalThis.byHand = 0;
        const command = document.execCommand.bind(document);
        document.execCommand = (name) => { if (name === "copy") globalThis.byHand += 1; return command(name); };
      });
      const copied = async (selector) => {
        await tab.focus(selector);
        await tab.keyboard.press("Enter");
        await tab.waitForFunction((selector) => document.querySelector(selector).textContent === "Copied", { timeout: 3000 }, selector);
        assert.ok(await tab.$eval(selector, (button) => button === document.activeElement), "the focus stays");
        // What the clipboard holds is seen by pasting it.
        await tab.focus("#query");
        await tab.$eval("#query", (input) => { input.value = ""; });
        await tab.keyboard.down("Control");
        await tab.keyboard.press("v", { commands: ["paste"] });
        await tab.keyboard.up("Control");
        return tab.$eval("#query", (input) => input.value);
      };
      assert.equal(await copied(`${job} .digest .copy`), "a".repeat(64));
      assert.equal(await copied(`${job} .command .copy`), "ovenbird build bookworm-amd64");
      assert.equal(await tab.evaluate(() => globalThis.byHand), before ? 2 : 0);
      await close(tab);
    }
  },

  async "every control is reached by Tab, and shows that it is"() {
    const tab = await open();
    await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
    const wanted = await tab.evaluate(() => [...document.querySelectorAll("a[href], button, input, summary")].filter((one) => one.checkVisibility()).length);
    const reached = await tab.evaluateHandle(() => new Set());
    let unseen = [];
    for (let index = 0; index < wanted + 60; index += 1) {
      await tab.keyboard.press("Tab");
      const hidden = await tab.evaluate((reached) => {
        const one = document.activeElement;
        if (one.matches("a[href], button, input, summary")) reached.add(one);
        const style = getComputedStyle(one);
        const isMarked = one.matches(".bar") || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
        return one === document.body || isMarked ? "" : one.outerHTML.slice(0, 120);
      }, reached);
      if (hidden) unseen.push(hidden);
    }
    assert.equal(await tab.evaluate((reached) => reached.size, reached), wanted);
    assert.deepEqual(unseen, [], "focus that is not seen");
    await close(tab);
  },

  async "the keys are told by one of them"() {
    const tab = await open();
    await tab.keyboard.press("?");
    assert.ok(await tab.$eval("#keys", (dialog) => dialog.open && dialog.textContent.includes("next failing line")));
    await tab.keyboard.press("Escape");
    assert.ok(!(await tab.$eval("#keys", (dialog) => dialog.open)));
    // Arrow keys in the grid.
    await tab.focus('.cell[data-job="job/bookworm-amd64"]');
    const at = () => tab.evaluate(() => document.activeElement.dataset.job);
    const walked = [];
    for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"]) {
      await tab.keyboard.press(key);
      walked.push((await at()).slice(4));
    }
    assert.deepEqual(walked, ["bookworm-arm64", "bookworm-arm64", "bookworm-amd64", "trixie-amd64", "bookworm-amd64"]);
    await tab.keyboard.press("/");
    await tab.keyboard.type("package");
    await tab.keyboard.press("Escape");
    assert.ok(await tab.evaluate(() => document.activeElement === document.body && document.getElementById("query").value === ""));
    await close(tab);
  },

  async "results and what was kept of a failure are shown"() {
    const tab = await open();
    const row = await tab.$$eval("#results tbody tr", (rows) => rows.find((row) => row.textContent.includes("Install nginx")).textContent.replace(/\s+/g, " ").trim());
    assert.equal(row, "1. Install nginx2 passed 1 failed trixie-amd64 31.2s");
    const picture = await tab.$eval(".kept img", (image) => ({ wide: image.naturalWidth, about: image.alt }));
    assert.deepEqual(picture, { wide: 640, about: "The machine’s display when the job failed" });
    const links = await tab.$$eval(".kept a, .whole a", (links) => links.map((link) => link.getAttribute("href")));
    assert.deepEqual(links, ["./trixie-amd64/screenshot.png", "./trixie-amd64/console.txt", "./trixie-amd64/log.txt"]);
    await close(tab);
  },

  async "the tests of an image are shown, those first that need a look"() {
    const tab = await open({ hash: "#job/bookworm-arm64" });
    const job = '[id="job/bookworm-arm64"]';
    assert.equal(await text(tab, `${job} > summary .verdict`), "tests: flaky");
    assert.ok(await tab.$eval(`${job} .tests`, (tests) => tests.open && tests.checkVisibility()));
    const rows = await tab.$$eval(`${job} .test`, (rows) => rows.map((row) => [row.dataset.verdict, row.querySelector("th").textContent.trim()]));
    assert.deepEqual(rows.map(([verdict]) => verdict), ["flaky", "warned", "waived", "skipped", "passed"]);
    assert.equal(rows[0][1], "service flaky.service: runningflaky.service runs");
    assert.match(await text(tab, `${job} .test .found`), /^expected true, found false\s*at goss\.yaml:4$/);
    assert.match(await text(tab, `${job} .body`), /ovenbird boot ovenbird-out\/bookworm-arm64\/web-bookworm-arm64\.qcow2/);
    await close(tab);
  },

  async "the page is light or dark as the system is or as one chooses"() {
    const back = (tab) => tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [light, dark] = [await open(), await open({ scheme: "dark" })];
    const colours = { light: await back(light), dark: await back(dark) };
    assert.notEqual(colours.light, colours.dark);
    await light.click("#theme");
    assert.equal(await back(light), colours.dark);
    await dark.keyboard.press("t");
    assert.equal(await back(dark), colours.light);
    await close(light);
    await close(dark);
  },

  async "the page fits a narrow screen"() {
    for (const script of [true, false]) {
      const tab = await open({ width: 360, height: 740, script });
      await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
      const [wide, room] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `${wide} pixels in ${room}, ${script ? "with" : "without"} the script`);
      await close(tab);
    }
  },

  async "axe finds nothing that keeps anyone out"() {
    const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
    for (const scheme of ["light", "dark"]) {
      for (const width of [1280, 390]) {
        const tab = await open({ scheme, width });
        await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
        await settled(tab);
        await tab.evaluate(axe);
        const { violations } = await tab.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
        const told = violations.map((one) => `${one.id}: ${one.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 140)} – ${node.any[0]?.message ?? ""}`).join("\n  ")}`);
        assert.deepEqual(told, [], `${scheme}, ${width} pixels`);
        await close(tab);
      }
    }
  },

  // No word of the corpus runs, loads or becomes an element.
  async "nothing that a machine says runs or becomes markup"() {
    page = pages.hostile;
    const tab = await open();
    await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
    await settled(tab);
    await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
    await tab.keyboard.press("/");
    await tab.keyboard.type("<");
    await settled(tab);
    for (let index = 0; index < 5; index += 1) await tab.keyboard.press("Enter");
    const seen = await tab.evaluate(() => ({
      pwned: String(globalThis.pwned),
      scripts: document.scripts.length,
      strange: [...document.querySelectorAll("img:not([src^='data:image/png;base64,']), iframe, object, embed, base, link, video, audio, math, h5, [onerror], [onload], [onclick], [style]:not(#tip, .lanes, .chunk)")].map((one) => one.outerHTML.slice(0, 200)),
      outside: [...document.links].filter((link) => !/^(#|\.\/)/.test(link.getAttribute("href"))).map((link) => link.outerHTML),
      jobs: document.querySelectorAll("main > #logs > details.job").length,
      rows: [...document.querySelectorAll(".l .c")].filter((row) => row.textContent.includes("<script>alert(1)</script>")).length,
    }));
    assert.deepEqual({ ...seen, jobs: undefined, rows: undefined }, { pwned: "undefined", scripts: 1, strange: [], outside: [], jobs: undefined, rows: undefined });
    assert.ok(seen.jobs >= 150 && seen.rows > 0, JSON.stringify(seen));
    await close(tab);
  },

  // Should escaping ever fail, the page's policy still keeps what got in from running.
  async "what would get into the page could not run"() {
    const tab = await open();
    const ran = await tab.evaluate(async () => {
      const script = document.createElement("script");
      let refused = "";
      try { script.text = "globalThis.pwned = 1"; } catch (error) { refused = error.name; }
      const image = new Image();
      try { image.setAttribute("onerror", "globalThis.pwned = 2"); } catch (error) { refused += error.name; }
      image.src = "https://evil.test/pixel.png";
      document.body.append(image);
      const link = document.createElement("a");
      link.href = "javascript:globalThis.pwned = 3";
      document.body.append(link);
      link.click();
      await new Promise((done) => setTimeout(done, 300));
      return { refused, pwned: globalThis.pwned, violations: globalThis.violations.length };
    });
    assert.equal(ran.pwned, undefined);
    assert.equal(ran.refused, "TypeErrorTypeError", "text can't become a script");
    assert.ok(ran.violations >= 2, JSON.stringify(ran));
  },

  // One of the jobs was cancelled before its steps, and has no such line.
  async "a run of 64 jobs opens in less than two seconds"() {
    page = pages.large;
    const tab = await open();
    const times = await tab.evaluate(() => {
      const [entry] = performance.getEntriesByType("navigation");
      return { load: entry.loadEventEnd - entry.startTime, jobs: document.querySelectorAll("details.job").length, rows: document.querySelectorAll(".l").length };
    });
    assert.equal(times.jobs, 64);
    assert.ok(times.load < 2000, `loading took ${times.load} ms`);
    assert.ok(times.rows < 5000, "only the log that is open is drawn");
    const begin = Date.now();
    await tab.keyboard.press("/");
    await tab.keyboard.type("line 1234");
    await tab.keyboard.press("Enter");
    assert.equal(await text(tab, "#found"), "1 of 63");
    const search = Date.now() - begin;
    assert.ok(search < 3000, `searching took ${search} ms`);
    console.log(`load ${Math.round(times.load)} ms, search in 64 logs ${search} ms`);
    await close(tab);
  },
};

// Pictures for people; no check.
const shots = async () => {
  const shot = async (name, options, prepare) => {
    const tab = await open(options);
    if (prepare) await prepare(tab);
    await settled(tab);
    await tab.screenshot({ path: `${into}/${name}.png`, fullPage: options.full ?? false });
    await tab.browserContext().close();
  };
  for (const kind of Object.keys(pages)) {
    page = pages[kind];
    await shot(`${kind}-light`, { full: true });
    await shot(`${kind}-top`, { height: 1100 });
    await shot(`${kind}-dark`, { scheme: "dark", height: 1400 });
    await shot(`${kind}-narrow`, { width: 390, height: 844, full: true });
    await shot(`${kind}-search`, { height: 1000 }, async (tab) => {
      await tab.keyboard.press("/");
      await tab.keyboard.type("package");
      await settled(tab);
      await tab.keyboard.press("Enter");
      await tab.keyboard.press("Enter");
    });
    await shot(`${kind}-failing`, { height: 1000 }, (tab) => tab.keyboard.press("e"));
    await shot(`${kind}-zoom`, { height: 1000 }, async (tab) => {
      await tab.keyboard.press("+");
      await tab.keyboard.press("+");
      await tab.$eval('.bar[tabindex="0"]', (bar) => bar.focus());
      await tab.keyboard.press("ArrowRight");
      await tab.keyboard.press("ArrowRight");
    });
    await shot(`${kind}-keys`, { height: 800 }, (tab) => tab.keyboard.press("?"));
  }
};

const checkAll = async () => {
  for (const [name, check] of Object.entries(checks)) {
    page = pages.small;
    const begin = Date.now();
    try {
      await check();
      console.log(`ok ${name} (${Date.now() - begin} ms)`);
    } catch (error) {
      console.error(`failed: ${name}\n${error.stack ?? error}\n`);
      process.exitCode = 1;
    }
  }
};

try {
  await (task === "shots" ? shots() : checkAll());
} finally {
  await browser.close();
}
