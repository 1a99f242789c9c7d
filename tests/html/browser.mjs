// Opens report.html in headless Chromium as a person does, and checks what they would see.
//
//   node browser.mjs FOLDER CHECK PAGE [PAGE]
//
// FOLDER is where npm installed the packages. Exits 1 with the reason on standard error.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, check, page] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const puppeteer = require("puppeteer-core");

// In containers and as root, Chromium has no sandbox of its own.
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

// A tab that fails the check on any request besides the page, any word on the console, any violation of its policy.
const open = async ({ width = 1280, height = 900, scheme = "light", script = true, hash = "" } = {}) => {
  const context = await browser.createBrowserContext();
  const tab = await context.newPage();
  const wrong = [];
  await tab.setViewport({ width, height });
  await tab.setJavaScriptEnabled(script);
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }]);
  tab.on("request", (request) => { if (request.url().split("#")[0] !== pathToFileURL(page).href) wrong.push(`request of ${request.url()}`); });
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
  await tab.goto(pathToFileURL(page).href + hash, { waitUntil: "load" });
  return tab;
};
const close = async (tab) => {
  if (tab.isJavaScriptEnabled()) assert.deepEqual(await tab.evaluate(() => globalThis.violations), [], "the page breaks its own policy");
  assert.deepEqual(tab.wrong, []);
};
const text = (tab, selector) => tab.$eval(selector, (element) => element.textContent.trim());
const settled = (tab) => tab.evaluate(() => new Promise((done) => setTimeout(done, 250)));
const focused = (tab) => tab.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id);

const checks = {
  // Nothing is asked for, nothing complains, with and without the script.
  async alone() {
    await close(await open());
    const bare = await open({ script: false });
    await close(bare);
  },

  async readable_without_script() {
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

  async grid() {
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

  async filter() {
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

  async search() {
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

  async failing_lines() {
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

  async timeline() {
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

  async copy() {
    const tab = await open({ hash: "#job/bookworm-amd64" });
    const copied = async (selector) => {
      await tab.evaluate((selector) => document.querySelector(selector).focus(), selector);
      await tab.keyboard.press("Enter");
      await settled(tab);
      assert.equal(await text(tab, selector), "Copied");
      // What the clipboard holds is seen by pasting it.
      await tab.focus("#query");
      await tab.$eval("#query", (input) => { input.value = ""; });
      await tab.keyboard.down("Control");
      await tab.keyboard.press("v", { commands: ["paste"] });
      await tab.keyboard.up("Control");
      return tab.$eval("#query", (input) => input.value);
    };
    const job = '[id="job/bookworm-amd64"]';
    assert.equal(await copied(`${job} .digest .copy`), "a".repeat(64));
    assert.equal(await copied(`${job} .command .copy`), "ovenbird build bookworm-amd64");
    await close(tab);
  },

  async theme() {
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

  async narrow() {
    for (const script of [true, false]) {
      const tab = await open({ width: 360, height: 740, script });
      await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
      const [wide, room] = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= room, `${wide} pixels in ${room}, ${script ? "with" : "without"} the script`);
      await close(tab);
    }
  },

  async accessible() {
    const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
    for (const scheme of ["light", "dark"]) {
      for (const width of [1280, 390]) {
        const tab = await open({ scheme, width });
        await tab.$$eval("details", (all) => all.forEach((one) => { one.open = true; }));
        await settled(tab);
        await tab.evaluate(axe);
        const { violations } = await tab.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
        const told = violations.map((one) => `${one.id}: ${one.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 140)} – ${node.any[0]?.message ?? ""}`).join("\n  ")}`);
        assert.deepEqual(told, [], `${scheme}, ${width} pixels`);
        await close(tab);
      }
    }
  },

  // No word of the corpus runs, loads or becomes an element.
  async hostile() {
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
      strange: [...document.querySelectorAll("img, iframe, object, embed, base, link, video, audio, math, h5, [onerror], [onload], [onclick], [style]:not(#tip, .lanes, .chunk)")].map((one) => one.outerHTML.slice(0, 200)),
      outside: [...document.links].filter((link) => !/^(#|\.\/)/.test(link.getAttribute("href"))).map((link) => link.outerHTML),
      jobs: document.querySelectorAll("main > #logs > details.job").length,
      rows: [...document.querySelectorAll(".l .c")].filter((row) => row.textContent.includes("<script>alert(1)</script>")).length,
    }));
    assert.deepEqual({ ...seen, jobs: undefined, rows: undefined }, { pwned: "undefined", scripts: 1, strange: [], outside: [], jobs: undefined, rows: undefined });
    assert.ok(seen.jobs >= 150 && seen.rows > 0, JSON.stringify(seen));
    await close(tab);
  },

  // Should escaping ever fail, the page's policy still keeps what got in from running.
  async policy() {
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
  async quick() {
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
const shots = async (into) => {
  const shot = async (name, options, prepare) => {
    const tab = await open(options);
    if (prepare) await prepare(tab);
    await settled(tab);
    await tab.screenshot({ path: `${into}/${name}.png`, fullPage: options.full ?? false });
  };
  const name = process.argv[6];
  await shot(`${name}-light`, { full: true });
  await shot(`${name}-dark`, { scheme: "dark", full: true });
  await shot(`${name}-narrow`, { width: 390, height: 844, full: true });
  await shot(`${name}-search`, { height: 1000, hash: "" }, async (tab) => {
    await tab.keyboard.press("/");
    await tab.keyboard.type("package");
    await settled(tab);
    await tab.keyboard.press("Enter");
    await tab.keyboard.press("Enter");
  });
  await shot(`${name}-zoom`, { height: 1000 }, async (tab) => {
    await tab.keyboard.press("+");
    await tab.keyboard.press("+");
    await tab.$eval('.bar[tabindex="0"]', (bar) => bar.focus());
    await tab.keyboard.press("ArrowRight");
    await tab.keyboard.press("ArrowRight");
  });
};

try {
  if (check === "shots") await shots(process.argv[5]);
  else await checks[check]();
} catch (error) {
  console.error(`${check}: ${error.stack ?? error}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
