// What tests/checks/console does: starts the binary in a folder, sends it webhooks, and goes through the
// console with a browser. Ends with an error at the first thing that is not as it should be.
"use strict";

const assert = require("node:assert/strict");
const { createHmac } = require("node:crypto");
const { spawn, execFileSync } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [binary, folder, shots] = process.argv.slice(2);
const KEY = "secret";
const LETTERS = 500;
const LATER = 12;
const PATIENCE_MS = 60_000;
const ROLES = ["viewer", "reader", "operator", "metrics"];
const WIDTHS = [1280, 400];
const SCHEMES = ["light", "dark"];

const secret = (role) => `${role} secret of this check`;
const step = (words) => console.error(`tests/checks/console: ${words}`);
/** Of all pages, for the end. */
const seen = { violations: [], policy: [], foreign: [], pages: 0, events: new Set(), triedWrong: false };

async function main() {
  const [port, adminPort] = [await freePort(), await freePort()];
  const server = new Server(port, adminPort);
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--no-proxy-server"],
  });
  try {
    await server.start();
    await fill(server);
    const operator = await newContext(browser, server);
    await logIn(operator, server);
    await mendAndReplay(operator, server);
    await replayThroughKill(operator, server);
    await forms(operator, server);
    await consumers(operator);
    await retries(operator, server);
    await roles(browser, server);
    await withoutScripts(browser, server);
    await looks(browser, server);
    await tryAll(operator, server);
    await exports(operator, server);
    await large(operator, server);
  } finally {
    await browser.close();
    server.kill();
  }
  assert.ok(seen.events.has("/events/now") && seen.events.has("/events/jobs/1"), "events were followed");
  assert.deepEqual(seen.policy, [], "violations of the content security policy");
  assert.deepEqual(seen.foreign, [], "requests to elsewhere");
  assert.deepEqual(seen.violations, [], "violations of axe-core's rules");
  step(`${seen.pages} pages: no violation of the policy, none of axe-core's rules, no request to elsewhere`);
}

// --- the process ----------------------------------------------------------------------------------

class Server {
  constructor(port, adminPort) {
    Object.assign(this, { port, adminPort });
    this.base = `http://127.0.0.1:${adminPort}`;
    const tokens = ROLES.map((it) => `[admin.tokens.${it}]\nrole = "${it}"\nsecret = "${secret(it)}"\n`);
    const settings = `[server]\nlisten = "127.0.0.1:${port}"\n[admin]\nlisten = "127.0.0.1:${adminPort}"\n` +
      `[sources.default]\nhmac_keys = ["${KEY}"]\n` +
      // Nothing is due while the check runs.
      `[retry]\ndelays_ms = [3600000, 3600000, 3600000]\n` +
      // Nobody listens there.
      `[consumers.crm]\nurl = "http://127.0.0.1:9/hook"\nsecret = "a secret of this check"\n`;
    fs.writeFileSync(path.join(folder, "waha-ingest.toml"), settings + tokens.join(""));
  }

  async start() {
    const log = fs.openSync(path.join(folder, "log"), "a");
    this.process = spawn(binary, ["up"], { cwd: folder, stdio: ["ignore", log, log] });
    await until("ready", async () => {
      const answer = await fetch(`${this.base}/readyz`).catch(() => undefined);
      return answer?.ok;
    });
  }

  kill() {
    this.process?.kill("SIGKILL");
  }

  async send(body) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const hmac = createHmac("sha512", KEY).update(text).digest("hex");
    const answer = await fetch(`http://127.0.0.1:${this.port}/webhooks/default`, {
      method: "POST", headers: { "x-webhook-hmac": hmac }, body: text,
    });
    assert.equal(answer.status, 202);
  }

  async api(what) {
    const answer = await fetch(`${this.base}/api/v1/${what}`, {
      headers: { authorization: `Bearer ${secret("operator")}` },
    });
    assert.equal(answer.status, 200, what);
    return answer.json();
  }

  /** Waits until nothing waits any more. */
  async settle() {
    await until("all webhooks to end", async () => {
      const { waiting, balanced } = await this.api("status");
      return waiting === 0 && balanced;
    });
  }

  sql(...statements) {
    const script = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], timeout=30)\n" +
      "for it in sys.argv[2:]: db.execute(it)\ndb.commit()";
    execFileSync("python3", ["-c", script, path.join(folder, "data/waha.db"), ...statements]);
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function until(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  while (Date.now() < end) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited in vain for ${what}`);
}

// --- what there is to see -------------------------------------------------------------------------

const envelope = (number, session, event, payload) => ({
  id: `evt_${number}`, timestamp: 1_794_000_000_000 + number, event, session, engine: "NOWEB",
  environment: { version: "2026.4.1" }, me: { id: "15550000001@c.us", pushName: "Shop" }, payload,
});
const message = (id, text) => ({
  id: `false_12025550142@c.us_${id}`, from: "12025550142@c.us", timestamp: 1_794_000_000, fromMe: false,
  body: text, hasMedia: false,
});
const BROKEN = '{"event":"session.status","session":"shop","payload":{"status":"WORKING"}';

async function fill(server) {
  step("sending webhooks, of which some are broken and some are refused by the tables");
  execFileSync(binary, ["simulate", "--url", `http://127.0.0.1:${server.port}/webhooks/default`, "--count", "300"], {
    cwd: folder, env: { ...process.env, WAHA_INGEST_SIMULATE_KEY: KEY }, stdio: "ignore",
  });
  server.sql("CREATE TABLE refusals (reason TEXT NOT NULL)",
    "CREATE TRIGGER refuse BEFORE INSERT ON waha_messages WHEN new.message_id LIKE 'REFUSED%' " +
    "BEGIN INSERT INTO refusals VALUES (NULL); END");
  await server.send(BROKEN);
  await server.send(envelope(1, "shop", "message", { from: "<img src=x onerror=alert(1)>\u202egpj.exe" }));
  await server.send(envelope(2, "berlin", "message.ack", { from: "12025550142@c.us" }));
  await server.send(envelope(3, "berlin", "session.status", { status: "FAILED", statuses: [
    { status: "WORKING", timestamp: 1_794_000_000_000 }, { status: "FAILED", timestamp: 1_794_000_100_000 }] }));
  const all = Array.from({ length: LETTERS }, (_, number) =>
    envelope(100 + number, "shop", "message", message(`REFUSED${number}`, "hello")));
  while (all.length > 0) await Promise.all(all.splice(0, 25).map((it) => server.send(it)));
  await server.settle();
  server.sql("DROP TRIGGER refuse");
}

/** What the door refuses. */
async function refused(server) {
  for (const [headers, source] of [[{}, "default"], [{ "x-webhook-hmac": "00" }, "default"], [{}, "nobody"]]) {
    await fetch(`http://127.0.0.1:${server.port}/webhooks/${source}`, { method: "POST", headers, body: "{}" });
  }
}

// --- the browser ----------------------------------------------------------------------------------

async function newContext(browser, server, options = {}) {
  const context = await browser.newContext({ baseURL: server.base, viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  context.on("request", (request) => {
    if (!request.url().startsWith(server.base)) seen.foreign.push(request.url());
    if (request.resourceType() === "eventsource") seen.events.add(new URL(request.url()).pathname);
  });
  context.on("console", (line) => {
    if (/content security policy|refused to/i.test(line.text())) seen.policy.push(line.text());
  });
  context.on("weberror", (error) => seen.policy.push(String(error.error())));
  return context;
}

async function logIn(context, server, role = "operator") {
  const page = context.pages()[0] ?? await context.newPage();
  await page.goto("/dead-letters");
  assert.match(page.url(), /log-in\?next=/);
  if (role === "operator" && !seen.triedWrong) {
    seen.triedWrong = true;
    step("a wrong token, and a right one");
    await page.getByLabel("Secret of a token").fill("wrong secret of nobody");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "no token has this secret" }).waitFor();
    await look(page);
  }
  await page.getByLabel("Secret of a token").fill(secret(role));
  await page.keyboard.press("Enter");
  await page.waitForURL("**/dead-letters");
  const [cookie] = await context.cookies(server.base);
  assert.equal(`${cookie.httpOnly} ${cookie.sameSite}`, "true Strict");
  return page;
}

async function mendAndReplay(context) {
  step("find a broken webhook, read why, edit it, replay it, see it applied");
  const page = context.pages()[0];
  await page.goto("/");
  await page.getByRole("heading", { name: "Balanced" }).waitFor();
  await page.getByRole("link", { name: "malformed" }).first().click();
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByText("would fail again").waitFor();
  await page.getByRole("link", { name: "Edit…" }).click();
  const field = page.getByLabel("Body", { exact: true });
  await field.fill("nothing");
  await page.getByRole("button", { name: "Check" }).click();
  await page.getByText("it breaks at line 1, column").waitFor();
  await look(page);
  await field.fill(`${BROKEN}}`);
  await page.getByRole("button", { name: "Check" }).click();
  await page.getByText("would be applied").waitFor();
  assert.ok((await page.locator(".diff .added").count()) > 0);
  await shoot(page, "edit-checked");
  await page.getByLabel("Why, for the audit log").fill("a brace was missing");
  await page.getByRole("button", { name: /Replace the body/ }).click();
  await page.getByRole("status").filter({ hasText: "The body was replaced" }).waitFor();
  const letter = page.url().split("?")[0];
  await page.getByRole("link", { name: "Replay…" }).click();
  await page.getByText("1 applied").waitFor();
  await page.getByRole("button", { name: "Replay 1 dead letter" }).click();
  await page.waitForURL("**/jobs/*");
  // The page follows by itself.
  await page.getByText("1 applied").waitFor();
  await page.goto(letter);
  await page.locator("h1 .chip", { hasText: "replayed" }).waitFor();
}

async function replayThroughKill(context, server) {
  step(`replay ${LETTERS}, kill the process in the middle, go on`);
  const page = context.pages()[0];
  await page.goto("/dead-letters");
  await page.getByRole("row", { name: /contradicts_schema/ }).getByRole("link").first().click();
  await page.getByRole("link", { name: "Replay…" }).click();
  await page.getByText(`${LETTERS} applied`).waitFor();
  await page.getByLabel("Most per second").fill("150");
  await page.getByLabel("Why, for the audit log").fill("the tables take them now");
  await page.getByRole("button", { name: `Replay ${LETTERS} dead letters` }).click();
  await page.waitForURL("**/jobs/*");
  const value = () => page.getByRole("progressbar").evaluate((it) => it.value);
  // By its own requests, and before it is done.
  const before = await until("some progress", async () => {
    const now = await value();
    return now >= 100 && now < LETTERS && now;
  });
  await shoot(page, "job-running");
  server.kill();
  await server.start();
  await until("the job to be told as interrupted", async () => {
    await page.reload();
    return page.getByRole("button", { name: /Go on with job/ }).isVisible();
  });
  await look(page);
  await shoot(page, "job-interrupted");
  assert.ok((await value()) >= before && (await value()) < LETTERS);
  await page.getByRole("button", { name: /Go on with job/ }).click();
  await page.locator("h1 .chip", { hasText: "done" }).waitFor();
  await page.getByText(`${LETTERS} applied`).waitFor();
  const { jobs } = await server.api("replay-jobs");
  assert.deepEqual([jobs[0].replayed, jobs[0].outcomes], [LETTERS, { applied: LETTERS }], "each once");
}

async function forms(context, server) {
  step("a form without its code changes nothing");
  const page = context.pages()[0];
  await page.goto("/dead-letters/discard?reason=malformed");
  const post = (fields) => page.evaluate(async (fields) => {
    const body = new URLSearchParams(fields);
    return (await fetch("/dead-letters/discard?reason=missing_field", { method: "POST", body })).status;
  }, fields);
  assert.equal(await post({ note: "x" }), 403);
  assert.equal(await post({ note: "x", code: "0".repeat(64) }), 403);
  const before = (await server.api("dead-letters?limit=500")).dead_letters.length;
  assert.ok(before > 0);
  await page.goto("/dead-letters");
  await page.getByRole("link", { name: "As a list" }).click();
  await page.getByRole("link", { name: "Discard…" }).click();
  await page.getByRole("button", { name: /Discard/ }).click();
  // The note is needed, and so is the word that it is for all of them.
  assert.match(page.url(), /discard/);
  assert.equal((await server.api("dead-letters?limit=500")).dead_letters.length, before);
}

async function consumers(context) {
  step("a consumer is paused and resumed");
  const page = context.pages()[0];
  await page.goto("/consumers");
  await page.getByRole("link", { name: "crm" }).click();
  await page.getByLabel("Why").fill("moving");
  await page.getByRole("button", { name: "Deliver nothing to crm" }).click();
  await page.locator("h1 .chip", { hasText: "paused" }).waitFor();
  await look(page);
  await page.getByRole("button", { name: "Deliver to crm again" }).first().click();
  await page.locator("h1 .chip", { hasText: "active" }).waitFor();
}

/** Messages that the table refuses until `tryAll`, for a cause that may pass. */
async function retries(context, server) {
  step("what failed and waits is seen with its cause, and one is tried now");
  server.sql("CREATE TRIGGER later BEFORE INSERT ON waha_messages WHEN new.message_id LIKE 'LATER%' " +
    "BEGIN SELECT RAISE(ABORT, 'the table is being mended'); END");
  for (let number = 0; number < LATER; number += 1) {
    await server.send(envelope(1000 + number, "shop", "message", message(`LATER${number}`, "hello")));
  }
  const waiting = (is) => until("what waits", async () => {
    const { webhooks } = await server.api("webhooks/retrying");
    return webhooks.length === LATER && webhooks.some(is);
  });
  await waiting((it) => it.attempts === 1);
  const page = context.pages()[0];
  await page.goto("/");
  await page.getByRole("link", { name: "All retries" }).click();
  await page.getByRole("link", { name: /of group/ }).click();
  assert.match(page.url(), /retries\?group=/);
  await look(page);
  await page.getByRole("link", { name: /^Try now…/ }).first().click();
  await look(page);
  await shoot(page, "retry-now");
  await page.getByLabel("Why, for the audit log").fill("to see");
  await page.getByRole("button", { name: "Try 1 webhook now" }).click();
  await page.getByRole("status").filter({ hasText: "tried now" }).waitFor();
  await waiting((it) => it.attempts === 2);
}

async function tryAll(context, server) {
  step("once the cause is mended, all are tried now and applied");
  server.sql("DROP TRIGGER later");
  const page = context.pages()[0];
  await page.goto("/retries");
  await page.getByRole("link", { name: "Try all now…" }).click();
  await page.getByRole("button", { name: `Try ${LATER} webhooks now` }).click();
  assert.match(page.url(), /retries\/now/, "all of them must be said");
  await page.getByLabel("Yes, all that wait.").check();
  await page.getByRole("button", { name: `Try ${LATER} webhooks now` }).click();
  await page.getByRole("status").filter({ hasText: `${LATER} webhooks are tried now` }).waitFor();
  await server.settle();
  await page.goto("/retries");
  await page.getByText("Nothing waits for its next attempt").waitFor();
}

/** Lists longer than a page. */
async function exports(context, server) {
  step("lists are kept as lines of JSON, whole");
  const { applied, ignored, dead_lettered: dead } = await server.api("status");
  const page = context.pages()[0];
  const lines = (list) => page.evaluate(async (list) => {
    const answer = await fetch(`/export/${list}`);
    return (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line).id);
  }, list);
  assert.equal(new Set(await lines("webhooks")).size, applied + ignored + dead);
  assert.equal(new Set(await lines("dead-letters?state=replayed")).size, LETTERS + 1);
}

async function roles(browser, server) {
  step("a viewer sees no body and no button that changes something");
  const context = await newContext(browser, server);
  const page = await logIn(context, server, "viewer");
  await page.goto("/webhooks/1");
  await page.getByText("Your role does not read bodies").waitFor();
  await page.goto("/dead-letters");
  assert.equal(await page.getByRole("link", { name: "Replay…" }).count(), 0);
  assert.equal((await page.goto("/dead-letters/replay?reason=malformed")).status(), 403);
  await look(page);
  await page.getByRole("link", { name: "To the first page" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL("**/log-in");
  assert.equal((await page.goto("/webhooks")).url().includes("/log-in"), true);
  await context.close();
}

async function withoutScripts(browser, server) {
  step("reading without scripts");
  const context = await newContext(browser, server, { javaScriptEnabled: false });
  const page = await logIn(context, server, "reader");
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByText("Filter").click();
  await page.getByLabel("Event type").fill("message");
  await page.getByRole("button", { name: "Show" }).click();
  assert.match(page.url(), /event=message/);
  await page.getByRole("link", { name: "Next page" }).click();
  await page.getByRole("table").getByRole("link").first().click();
  await page.getByRole("region", { name: "Body, indented" }).waitFor();
  await context.close();
}

/** Every page at both widths, in light and dark: pictures, and axe-core's rules. */
async function looks(browser, server) {
  step("every page at 1280 and 400 pixels, in light and dark");
  await refused(server);
  const { dead_letters: letters } = await server.api("dead-letters?limit=1");
  const hostile = (await server.api("dead-letters?limit=10")).dead_letters.at(-1);
  const { webhooks } = await server.api("webhooks?outcome=applied&limit=1");
  const letter = letters[0].id;
  const pages = {
    now: "/", sessions: "/sessions", session: "/sessions/1", groups: "/dead-letters?state=pending&state=replayed",
    letters: "/dead-letters/list?state=replayed&limit=30", letter: `/dead-letters/${letter}`,
    "letter-hostile": `/dead-letters/${hostile.id}`,
    edit: `/dead-letters/${letter}/edit`, discard: `/dead-letters/discard?id=${letter}`,
    retries: "/retries", "retry-now-all": "/retries/now",
    webhooks: "/webhooks?limit=30&event=message", webhook: `/webhooks/${webhooks[0].id}`,
    renormalize: "/webhooks/renormalize?event=message", jobs: "/jobs", job: "/jobs/2", audit: "/audit?limit=30",
    consumers: "/consumers", consumer: "/consumers/crm", media: "/media", configuration: "/configuration", api: "/api", missing: "/jobs/77",
  };
  for (const colorScheme of SCHEMES) {
    const context = await newContext(browser, server, { colorScheme });
    const page = await logIn(context, server);
    for (const [name, address] of Object.entries(pages)) {
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        await page.goto(address);
        if (name === "api") await page.locator("details").first().evaluate((it) => { it.open = true; });
        await look(page, `${name} ${width} ${colorScheme}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        await shoot(page, `${name}-${width}-${colorScheme}`);
        assert.ok(overflow <= 0, `${name} is ${overflow} pixels wider than ${width}`);
      }
    }
    await context.close();
  }
  const context = await newContext(browser, server);
  const page = await context.newPage();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 600 });
    await page.goto("/log-in");
    await look(page);
    await shoot(page, `log-in-${width}-light`);
  }
  await context.close();
}

/** Lists of many rows open quickly. */
async function large(context) {
  const page = context.pages()[0];
  for (const address of ["/", "/dead-letters", "/webhooks"]) {
    const began = performance.now();
    await page.goto(address, { waitUntil: "commit" });
    step(`${address} came after ${Math.round(performance.now() - began)} ms`);
  }
}

async function look(page, name = page.url()) {
  seen.pages += 1;
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const { id, nodes } of violations) {
    seen.violations.push(`${name}: ${id}: ${nodes.map((it) => it.target.join(" ")).slice(0, 3).join(", ")}`);
  }
}

async function shoot(page, name) {
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
}

main().catch((error) => {
  console.error(error);
  for (const list of [seen.violations, seen.policy, seen.foreign]) list.forEach((it) => console.error(`  ${it}`));
  const log = path.join(folder, "log");
  if (fs.existsSync(log)) console.error(fs.readFileSync(log, "utf8").split("\n").slice(-15).join("\n"));
  process.exit(1);
});
